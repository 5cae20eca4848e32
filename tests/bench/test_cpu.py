"""A peer's CPU is that of everything it started, and nothing of it stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench.cpu import cpu_s, descendants, end

BURN = "import time\nwhile time.process_time() < 0.2: pass\n"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc: Linux only"
)


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A process that burnt 0.2 s in a child that is gone, and has one that lives."""
    program = f"{sys.executable} -c '{BURN}'; sleep 60 & echo ready; wait"
    parent = subprocess.Popen(["sh", "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    yield parent
    end(descendants(parent.pid) | {parent.pid})
    parent.communicate()


def test_children_that_are_gone_count(family: subprocess.Popen[bytes]) -> None:
    assert 0.18 <= cpu_s({family.pid}) < 2.0  # 0.01 s is a tick


def test_descendants_are_found_at_any_depth(family: subprocess.Popen[bytes]) -> None:
    below = descendants(family.pid)

    assert len(below) == 1
    assert below <= descendants(os.getpid())
    assert family.pid not in below


def test_what_is_ended_is_gone(family: subprocess.Popen[bytes]) -> None:
    everything = descendants(family.pid) | {family.pid}
    end(everything)

    assert not descendants(family.pid)
    assert not {family.pid} & descendants(os.getpid())


def test_one_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.cpu.END_DEADLINE_S", 0.2)
    program = "import signal; signal.signal(15, signal.SIG_IGN); print(); input()"
    stubborn = subprocess.Popen(
        [sys.executable, "-uc", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    began = time.monotonic()
    end({stubborn.pid})

    assert time.monotonic() - began < 5
    stubborn.communicate()
    assert not {stubborn.pid} & descendants(os.getpid())


def test_what_is_started_while_others_end_is_ended_too() -> None:
    """A supervisor replaces its child, and ends only then: nobody is left behind."""
    supervisor = "while :; do sleep 60 & echo started; wait $!; sleep 60 & exit; done"
    program = (
        "import os, subprocess\n"
        "from bench.cpu import adopt_orphans, descendants, end_since\n"
        "adopt_orphans()\n"
        "before = descendants(os.getpid())\n"
        f"command = ['sh', '-c', 'trap : TERM; {supervisor}']\n"
        "started = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "started.stdout.readline()\n"
        "end_since(before)\n"
        "print(len(descendants(os.getpid()) - before))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert told.stdout == "0\n"
