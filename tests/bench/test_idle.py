"""Memory is what the kernel says is really taken, per process, and added up."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.memory import pss_in, pss_kib

ROLLUP = """55d0-7ffc ---p 00000000 00:00 0    [rollup]
Rss:               12000 kB
Pss:                9000 kB
Pss_Dirty:          7000 kB
"""


def test_the_proportional_set_size_is_read() -> None:
    assert pss_in(ROLLUP) == 9000


def test_a_process_that_tells_nothing_is_an_error() -> None:
    with pytest.raises(LookupError):
        pss_in("")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_a_process_takes_is_seen() -> None:
    program = "import sys; kept = b'x' * 2**24; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert pss_kib({process.pid}) > 2**14
        assert pss_kib({process.pid, os.getpid()}) > pss_kib({process.pid})
        process.communicate()
