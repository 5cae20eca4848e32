"""What the processes of a proxy have of the machine's memory.

PSS: a page that several processes share counts in parts, so that the sum over all of
them is what is really taken. Memory of the kernel (sockets and their buffers) is
nobody's, and not in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path


def pss_kib(pids: Iterable[int]) -> int:
    """Return the proportional set size in KiB; a process that has ended has none."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += pss_in(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return total


def pss_in(smaps: str) -> int:
    """Return what a `smaps_rollup` says. Raises LookupError where it says nothing."""
    for line in smaps.splitlines():
        name, _, rest = line.partition(":")
        if name == "Pss":
            return int(rest.split()[0])
    raise LookupError("no Pss in smaps_rollup")
