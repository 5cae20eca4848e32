"""A worker may ask for the core sooner, and nothing else of it changes."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

SLICES_SINCE: tuple[int, ...] = (6, 12)
"""Of Linux: older ones take the wish and do not look at it."""

ASKING = """
import os
os.nice({nice})
from alb.drivers.courtesy import ask_for_short_slices
print(ask_for_short_slices(), os.sched_getscheduler(0), os.getpriority(0, 0))
print(open("/proc/self/sched").read() if os.path.exists("/proc/self/sched") else "")
"""


def asked(nice: int = 0) -> tuple[str, str]:
    """Return what a process that asked says of itself, and what the kernel does."""
    done = subprocess.run(
        [sys.executable, "-c", ASKING.format(nice=nice)],
        capture_output=True,
        text=True,
        check=True,
    )
    first, _, rest = done.stdout.partition("\n")
    return first, rest


def kernel() -> tuple[int, ...]:
    major, minor, *_ = platform.release().split(".")
    return int(major), int(minor)


pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="Linux only"
)


@pytest.mark.skipif(kernel() < SLICES_SINCE, reason="Linux older than 6.12")
def test_the_kernel_grants_the_shortest_slice() -> None:
    _, scheduled = asked()

    (slice_ns,) = [
        line.split()[-1]
        for line in scheduled.splitlines()
        if line.startswith("se.slice")
    ]
    assert slice_ns == "100000"


@pytest.mark.parametrize("nicer", [0, 7])
def test_policy_and_priority_stay_as_they_were(nicer: int) -> None:
    said, _ = asked(nicer)

    nice = min(19, os.getpriority(os.PRIO_PROCESS, 0) + nicer)
    assert said == f"True {os.SCHED_OTHER} {nice}"
