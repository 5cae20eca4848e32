"""What is promised of speed, and where a recorded run says what holds.

A row has a limit that must hold and one that is the goal; both are inclusive. Its
figure is read from the newest result of one kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Record = Mapping[str, Any]
"""A result file, read."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure, and HAProxy's where that is another."""

    value: float
    haproxys: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One promise. `kind` is of the result file, `read` finds the figure in it."""

    name: str
    must: float
    goal: float | None
    """None: HAProxy's."""
    kind: str
    read: Callable[[Record], Measured]
    unit: str = ""
    at_least: bool = False
    """Whether more is better."""

    def verdict(self, measured: Measured) -> str:
        """Return "goal", "must" or "missed"."""
        goal = self.goal if self.goal is not None else measured.haproxys
        if goal is not None and self._holds(measured.value, goal):
            return "goal"
        return "must" if self._holds(measured.value, self.must) else "missed"

    def _holds(self, value: float, limit: float) -> bool:
        return value >= limit if self.at_least else value <= limit


def _ratio(of: str, to: str) -> Callable[[Record], Measured]:
    def read(record: Record) -> Measured:
        peers = record["peers"]
        return Measured(peers[of]["median_us"] / peers[to]["median_us"])

    return read


def _figure(*keys: str) -> Callable[[Record], Measured]:
    def read(record: Record) -> Measured:
        found: Any = record
        for key in keys:
            found = found[key]
        return Measured(float(found))

    return read


def _idle(how: str) -> Callable[[Record], Measured]:
    def read(record: Record) -> Measured:
        kib = record["kib"][how]
        return Measured(kib["alb"]["median"], kib["haproxy"]["median"])

    return read


_TO_HAPROXY: Final = _ratio("alb", "haproxy")
# fmt: off
ROWS: Final = (
    Row("CPU per request ÷ HAProxy's", 1.4, 1.0, "proxy", _TO_HAPROXY),
    Row("with the access log on ÷ HAProxy's", 1.6, 1.1, "proxy-log", _TO_HAPROXY),
    Row("CPU per request ÷ Envoy's", 0.65, 0.4, "proxy", _ratio("alb", "envoy")),
    Row("CPU per request ÷ Caddy's", 0.45, 0.25, "proxy", _ratio("alb", "caddy")),
    Row("slope 10 → 10,000 rules", 1.05, 1.0, "slope", _figure("slope")),
    Row("1 GiB response ÷ HAProxy's", 1.2, 0.8, "proxy-download", _TO_HAPROXY),
    Row("1 GiB upload ÷ HAProxy's", 1.2, 0.8, "proxy-upload", _TO_HAPROXY),
    Row("TLS, kept alive ÷ HAProxy's", 1.4, 1.1, "proxy-tls", _TO_HAPROXY),
    Row("TLS handshake ÷ HAProxy's", 1.4, 1.1, "proxy-handshakes", _TO_HAPROXY),
    *(
        Row(f"{name} ÷ plain", 1.15, 1.05, "proxy-features",
            _ratio(name, "round-robin"))
        for name in ("sticky", "least-outstanding", "max-concurrency")
    ),
    Row("memory per idle connection", 8, None, "idle", _idle("plain"), " KiB"),
    Row("memory per idle TLS connection", 32, None, "idle", _idle("tls"), " KiB"),
    Row("latency added, p50 ÷ HAProxy's", 1.5, 1.0, "latency",
        _figure("times_haproxy", "p50_us")),
    Row("latency added, p99 ÷ HAProxy's", 1.5, 1.0, "latency",
        _figure("times_haproxy", "p99_us")),
    Row("new connections ÷ HAProxy's", 1.6, 1.1, "proxy-fresh", _TO_HAPROXY),
    Row("2 workers ÷ 1", 1.7, 1.9, "workers", _figure("scaling"), at_least=True),
    Row("busiest ÷ idlest worker", 1.5, 1.1, "workers", _figure("imbalance")),
    Row("pause at a snapshot", 5, 2, "pause", _figure("pause_ms"), " ms"),
    Row("p99 beside hostile clients ÷ quiet", 2.0, 1.3, "hostile", _figure("ratio")),
    Row("a day of 200 alarms on 50 services", 60, 10, "series",
        _figure("cpu_s"), " s"),
    Row("start to ready", 1.5, 0.5, "start", _figure("ready_s", "wheel"), " s"),
    Row("100 tasks healthy ÷ docker run", 1.3, 1.0, "tasks", _figure("ratio")),
    Row("five times the load to the last task, 10 s alarm", 25, 15, "reaction",
        _figure("seconds", "alarm", "serving_s"), " s"),
    Row("five times the load to the last task, FastTracking", 8, 4, "reaction",
        _figure("seconds", "fast", "serving_s"), " s"),
)
# fmt: on


def newest(directory: Path, kind: str) -> tuple[str, Record] | None:
    """Return name and content of the last run of `kind`, if there was one."""
    named = re.compile(rf"{re.escape(kind)}-\d{{4}}-\d\d-\d\d-\w+\.json")
    found = [
        (path.name, json.loads(path.read_text()))
        for path in directory.glob(f"{kind}-*.json")
        if named.fullmatch(path.name)
    ]
    return max(found, key=lambda one: str(one[1]["date"]), default=None)


def table(directory: Path) -> str:
    """Return every promise beside the newest figure in `directory`."""
    lines = [("", "must", "goal", "measured", "÷ HAProxy's", "holds", "result")]
    for row in ROWS:
        sign = "≥" if row.at_least else "≤"
        goal = "HAProxy's" if row.goal is None else f"{row.goal:g}{row.unit}"
        told = (row.name, f"{sign} {row.must:g}{row.unit}", goal)
        result = newest(directory, row.kind)
        if result is None:
            lines.append((*told, "-", "", "", "not measured"))
            continue
        name, record = result
        measured = row.read(record)
        to_haproxys = (
            f"{measured.value / measured.haproxys:.2f}" if measured.haproxys else ""
        )
        value = f"{measured.value:.3f}{row.unit}"
        lines.append((*told, value, to_haproxys, row.verdict(measured), name))
    return in_columns(lines)


def in_columns(lines: Sequence[Sequence[str]]) -> str:
    """Return cells as text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )
