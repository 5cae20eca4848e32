"""CPU seconds of everything a peer started, however deep, gone processes included.

The bench adopts orphans (a subreaper), so whatever a peer starts stays below
the bench in the process tree, even in a session of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

PR_SET_CHILD_SUBREAPER: Final = 36
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
END_DEADLINE_S: Final = 15.0
END_ROUNDS_MAX: Final = 10


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot adopt orphans")


def descendants(pid: int) -> set[int]:
    """Every process below `pid`, without itself."""
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(stat)
        if fields:
            children[int(fields[1])].append(int(stat.parent.name))
    found: set[int] = set()
    new = [pid]
    while new:
        below = [child for parent in new for child in children[parent]]
        new = [child for child in below if child not in found]
        found.update(new)
    return found


def cpu_s(pids: set[int]) -> float:
    """User and system seconds of these processes and of children they have reaped."""
    ticks = 0
    for pid in pids:
        fields = _fields(Path(f"/proc/{pid}/stat"))
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS_PER_S


def core_busy_s(core: int) -> float:
    """Seconds this core has worked for anybody, interrupts and steal included."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, *rest = map(int, fields[:8])
            return (user + nice + system + sum(rest)) / TICKS_PER_S
    raise LookupError(f"no core {core}")


def end(pids: set[int]) -> None:
    """End these processes: SIGTERM, some seconds, SIGKILL. Reaps what is ours."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            _signal(pid, how)
        deadline = time.monotonic() + END_DEADLINE_S
        while (pids := {pid for pid in pids if _alive(pid)}) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.02)
        if not pids:
            return


def end_since(before: set[int]) -> None:
    """End what was started since `before`, and what that starts while it ends.

    A keeper replaces a worker that ended before it: who counts once leaves one behind.
    """
    for _ in range(END_ROUNDS_MAX):
        started = descendants(os.getpid()) - before
        if not started:
            return
        end(started)
    raise TimeoutError(f"still running: {sorted(descendants(os.getpid()) - before)}")


def _signal(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return


def _alive(pid: int) -> bool:
    """Say whether it still runs; one that has ended and is ours is reaped."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    if fields and fields[0] == "Z":
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return False
    return bool(fields)


def _fields(stat: Path) -> list[str]:
    """The fields after the command's name (state, ppid, ...); none when it is gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
