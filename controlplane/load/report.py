"""The report of a run, as a value, as text and as JSON. Pure.

Percentiles are of the successful requests, from the intended send time to the
last byte of the response. `lag` is the generator's own lateness: where it is not
small against the latencies, the machine was too busy to be measured on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from controlplane.load.outcome import FailureClass, Second, Tally

PERCENTS: Final = (50.0, 90.0, 95.0, 99.0, 99.9)

JsonObject = dict[str, object]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a run found. Latencies in milliseconds, `percentiles` by percent."""

    run_id: str
    urls: tuple[str, ...]
    shape: str
    duration_s: float
    requests: int
    ok: int
    failed: int
    rate: float
    percentiles: Mapping[float, float]
    max_ms: float
    lag_p99_ms: float
    lag_max_ms: float
    failures: Mapping[str, FailureClass]
    witnessed: int | None
    connections_opened: int
    connections_peak: int
    seconds: tuple[Second, ...]

    @property
    def exit_status(self) -> int:
        """0 if nothing failed, else 1."""
        return 1 if self.failed else 0


@dataclass(frozen=True, slots=True)
class Run:
    """What a report says beside the counts. `witnessing`: a witness listened."""

    run_id: str
    urls: tuple[str, ...]
    shape: str
    duration_s: float
    witnessing: bool
    connections_opened: int
    connections_peak: int


def report_of(run: Run, tally: Tally) -> LoadReport:
    """Make the report of a run that has ended."""
    latencies = tally.latencies.percentiles(PERCENTS)
    (lag_p99_s,) = tally.lags.percentiles((99.0,))
    return LoadReport(
        run_id=run.run_id,
        urls=run.urls,
        shape=run.shape,
        duration_s=round(run.duration_s, 3),
        requests=tally.requests,
        ok=tally.ok,
        failed=tally.failed,
        rate=round(tally.requests / run.duration_s, 3) if run.duration_s else 0.0,
        percentiles={
            percent: round(value * 1000, 3)
            for percent, value in zip(PERCENTS, latencies, strict=True)
        },
        max_ms=round(tally.latencies.max_s * 1000, 3),
        lag_p99_ms=round(lag_p99_s * 1000, 3),
        lag_max_ms=round(tally.lags.max_s * 1000, 3),
        failures=tally.failures,
        witnessed=tally.witnessed if run.witnessing else None,
        connections_opened=run.connections_opened,
        connections_peak=run.connections_peak,
        seconds=tuple(tally.seconds),
    )


def as_text(report: LoadReport) -> str:
    """The report for a person, without a trailing newline."""
    return "\n".join(_lines(report))


def _lines(report: LoadReport) -> Iterator[str]:
    yield (
        f"{report.requests} requests in {report.duration_s:.1f} s "
        f"({report.rate:.1f}/s): {report.ok} ok, {report.failed} failed"
    )
    latencies = "  ".join(f"p{p:g} {ms:.2f}" for p, ms in report.percentiles.items())
    yield f"latency ms: {latencies}  max {report.max_ms:.2f}"
    yield (
        f"connections: {report.connections_opened} opened, "
        f"{report.connections_peak} at once; "
        f"generator lag ms: p99 {report.lag_p99_ms:.2f}  max {report.lag_max_ms:.2f}"
    )
    if report.witnessed is not None:
        yield f"witness: targets saw {report.witnessed} of {report.requests} ids"
    for reason, kind in sorted(report.failures.items()):
        yield f"failed, {reason}: {kind.count}"
        for sample in kind.samples:
            yield f"  {sample.id} at {sample.at_s:.3f} s"


def as_json(report: LoadReport) -> JsonObject:
    """The report for a program, ready for `json.dumps`."""
    return {
        "type": "report",
        "run": report.run_id,
        "urls": list(report.urls),
        "shape": report.shape,
        "durationSeconds": report.duration_s,
        "requests": report.requests,
        "ok": report.ok,
        "failed": report.failed,
        "rate": report.rate,
        "latencyMs": {
            **{f"p{percent:g}": ms for percent, ms in report.percentiles.items()},
            "max": report.max_ms,
        },
        "lagMs": {"p99": report.lag_p99_ms, "max": report.lag_max_ms},
        "failures": {
            reason: {
                "count": kind.count,
                "samples": [
                    {"id": sample.id, "atSeconds": sample.at_s}
                    for sample in kind.samples
                ],
            }
            for reason, kind in sorted(report.failures.items())
        },
        "witnessed": report.witnessed,
        "connections": {
            "opened": report.connections_opened,
            "peak": report.connections_peak,
        },
        "seconds": [second_as_json(second) for second in report.seconds],
    }


def second_as_json(second: Second) -> JsonObject:
    """One line of `--progress`, which is also one row of the report."""
    return {
        "type": "second",
        **{_JSON_NAMES.get(name, name): v for name, v in asdict(second).items()},
    }


_JSON_NAMES: Final = {
    "at_s": "at",
    "in_flight": "inFlight",
    "p50_ms": "p50Ms",
    "p95_ms": "p95Ms",
    "max_ms": "maxMs",
}
