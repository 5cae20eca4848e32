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

from bench.contestants import KNOWN, ROOT
from bench.workloads import Workload

RESULTS: Final = Path(os.environ.get("BENCH_RESULTS") or ROOT / "bench" / "results")


def is_smoke() -> bool:
    """Whether everything is only tried for a moment."""
    return bool(os.environ.get("BENCH_SMOKE"))


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
) -> None:
    """Write what `bench.proxy` measured."""
    write_result(
        kind_of(workload),
        workload.measures,
        {
            "rounds": rounds,
            "seconds": seconds,
            "peers": {
                name: {
                    "version": KNOWN[name].version_told(),
                    "median_us": round(median_us(of), 2),
                    f"times_{workload.base}": _ratio(measured, name, workload.base),
                    "rounds": [asdict(one) for one in of],
                }
                for name, of in measured.items()
            },
        },
    )


def kind_of(workload: Workload) -> str:
    """Return how results of `workload` are called."""
    return "proxy" if workload.name == "plain" else f"proxy-{workload.name}"


def write_result(kind: str, measures: str, found: Mapping[str, object]) -> None:
    """Write a run to `results/`, named by day and commit, and say where.

    What was only tried is no result: it is kept where BENCH_RESULTS says, or nowhere.
    """
    if is_smoke() and "BENCH_RESULTS" not in os.environ:
        return
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
    print(f"recorded in {path.name}")


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


def _ratio(
    measured: Mapping[str, Sequence[Round]], name: str, base: str
) -> float | None:
    if base not in measured:
        return None
    return round(median_us(measured[name]) / median_us(measured[base]), 3)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
