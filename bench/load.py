"""An open loop of requests beside what a benchmark does to the node meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bench.contestants import ROOT
from bench.node import Place

RULES: Final = 1000
ASKED_RULES: Final = 100
"""Rules that the load meets, spread over all of them."""


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


def rule_urls(place: Place) -> list[str]:
    every = RULES // ASKED_RULES
    return [
        f"http://127.0.0.1:{place.listen}/rule-{number}/asked"
        for number in range(0, RULES, every)
    ]


async def load(urls: Iterable[str], seconds: int, rate: int) -> Phase:
    """Send to these in turn. Raises Disturbed when a request fails."""
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
