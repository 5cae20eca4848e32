"""An open loop of requests beside what a benchmark does to the node meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contestants import PEERS, ROOT
from bench.node import Place
from bench.workloads import LOAD_CORE, NotComparable, told_by

RULES: Final = 1000
ASKED_RULES: Final = 100
"""Rules that the load meets, spread over all of them."""
WARM_S: Final = 0.5
"""What the compiled load does not count."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What the load saw in some seconds. Milliseconds; `changes`: made meanwhile."""

    requests: int
    p50_ms: float
    p99_ms: float
    lag_p99_ms: float
    """How late the load generator itself was: it shares its core with control."""
    changes: int = 0


class Disturbed(Exception):
    """Something failed that has to hold whatever is measured."""


def rule_paths() -> list[str]:
    every = RULES // ASKED_RULES
    return [f"/rule-{number}/asked" for number in range(0, RULES, every)]


def rule_urls(place: Place) -> list[str]:
    return [f"http://127.0.0.1:{place.listen}{path}" for path in rule_paths()]


def built(directory: Path) -> str:
    """Return the load generator that is compiled. Raises NotComparable without cc."""
    program = str(directory / "open_loop")
    source = str(PEERS / "open_loop.c")
    # fmt: off
    done = subprocess.run(
        ("cc", "-O2", "-o", program, source, "-lm"),
        capture_output=True, text=True, check=False,
    )
    # fmt: on
    if done.returncode:
        raise NotComparable(f"cc: {done.stderr}")
    return program


async def timed(
    program: str, place: Place, paths: Iterable[str], seconds: int, rate: int
) -> Phase:
    """Ask for these in turn with what `built` returned; it is hardly late itself.

    Raises Disturbed when a request fails.
    """
    try:
        told = await asyncio.to_thread(
            told_by,
            (
                *("taskset", "--cpu-list", str(LOAD_CORE), program),
                *(str(place.listen), str(rate), str(seconds + WARM_S), "1", "even"),
                *paths,
            ),
        )
    except NotComparable as why:
        raise Disturbed(str(why)) from None
    if told["failed"]:
        raise Disturbed(f"{told['failed']} requests failed")
    p50_ms, p99_ms, lag_ms = (
        told[name] / 1e3 for name in ("p50_us", "p99_us", "lag_p99_us")
    )
    return Phase(int(told["requests"]), p50_ms, p99_ms, lag_ms)


async def load(urls: Iterable[str], seconds: int, rate: int) -> Phase:
    """Send to these in turn with `alb load`, which checks every answer's id.

    Raises Disturbed when a request fails.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "controlplane.cli", "load", *urls, "--json", "--no-echo"),
        *("--shape", f"{rate}x{seconds}s"),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    out, _ = await process.communicate()
    report = json.loads(out.splitlines()[-1])
    if report["failed"]:
        raise Disturbed(f"{report['failed']} requests failed: {report['failures']}")
    latency = report["latencyMs"]
    return Phase(
        report["requests"], latency["p50"], latency["p99"], report["lagMs"]["p99"]
    )
