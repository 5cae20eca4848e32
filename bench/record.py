"""What a run measured, and the file that keeps it with all that it depends on."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.contestants import CONTESTANTS, ROOT
from bench.workloads import Workload

RESULTS: Final = ROOT / "bench" / "results"


@dataclass(frozen=True, slots=True)
class Round:
    """One contestant under load once."""

    cpu_us_per_request: float
    requests_per_s: float
    p50_us: int
    p99_us: int
    foreign_share: float
    """The part of the core's time that others took: above 0.1 the figure is high."""


def median_us(rounds: Sequence[Round]) -> float:
    return statistics.median(one.cpu_us_per_request for one in rounds)


def write_record(
    workload: Workload,
    measured: Mapping[str, Sequence[Round]],
    rounds: int,
    seconds: int,
) -> Path:
    """Write what `bench.proxy` measured; return where, from here."""
    return write_result(
        "proxy" if workload.name == "plain" else f"proxy-{workload.name}",
        workload.measures,
        {
            "rounds": rounds,
            "seconds": seconds,
            "peers": {
                name: {
                    "version": CONTESTANTS[name].version_told(),
                    "median_us": round(median_us(of), 2),
                    "times_haproxy": _ratio(measured, name),
                    "rounds": [asdict(one) for one in of],
                }
                for name, of in measured.items()
            },
        },
    )


def write_result(kind: str, measures: str, found: Mapping[str, object]) -> Path:
    """Write a run to `results/`, named by day and commit; return where, from here."""
    now = datetime.datetime.now(datetime.UTC)
    commit = _git("rev-parse", "--short=10", "HEAD")
    record = {
        "measures": measures,
        "command": shlex.join(
            ["python", "-m", f"bench.{kind.partition('-')[0]}", *sys.argv[1:]]
        ),
        "date": now.isoformat(timespec="seconds"),
        "commit": commit,
        "changed_since": _git("status", "--short", "--untracked-files=no").splitlines(),
        "machine": machine(),
        **found,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{kind}-{now:%Y-%m-%d}-{commit}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path.relative_to(ROOT)


def machine() -> dict[str, str | int]:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count() or 0,
        "kernel": f"{platform.system()} {platform.release()}",
        "os": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "python": platform.python_version(),
    }


def _ratio(measured: Mapping[str, Sequence[Round]], name: str) -> float | None:
    if "haproxy" not in measured:
        return None
    return round(median_us(measured[name]) / median_us(measured["haproxy"]), 3)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
