"""What the kernel says of processes: who they are, whose they are, what they use.

Floor 3, synchronous. A pid alone is never trusted: numbers are used again, so a
process is its pid and its start time. Linux reads /proc; elsewhere ``ps`` answers,
with less: no session, no time of children that ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scheduler.drivers.shim import start_time, stat_fields

PROC: Final = Path("/proc")
MARK: Final = "ALB_CONTAINER"
"""Environment variable that every process of a container inherits."""
NS_PER_TICK: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
PS_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one of the same pid."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it runs; one that ended and was not waited for does not."""
        if start_time(self.pid) != self.started:
            return False
        return not PROC.joinpath("self").is_dir() or stat_fields(self.pid)[:1] != ["Z"]

    def signal(self, number: signal.Signals) -> None:
        """Signal this very process; one that is gone is left alone.

        Where the kernel has pidfds, the number cannot change hands between the
        look and the signal.
        """
        with contextlib.suppress(ProcessLookupError):
            if not hasattr(os, "pidfd_open"):
                if self.alive:
                    os.kill(self.pid, number)
                return
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Row:
    """One process as the table shows it; times in nanoseconds of CPU."""

    pid: int
    parent: int
    session: int
    used_ns: int
    waited_ns: int
    """Used by children that ended and were waited for."""
    resident_bytes: int
    zombie: bool


def read_table() -> Mapping[int, Row]:
    """Return every process that could be read, by pid."""
    rows = _read_proc() if PROC.joinpath("self").is_dir() else _read_ps()
    return {row.pid: row for row in rows}


def usage(table: Mapping[int, Row], shim: int, task: int) -> tuple[int, int] | None:
    """Return (CPU ns since the start, resident bytes) of a container.

    Its processes are the task's session and every descendant of its shim, which
    inherits orphans; the shim's own work is not the task's. None: it has ended.
    """
    if task not in table or table[task].zombie:
        return None
    members = _descendants(table.values(), shim)
    members |= {row.pid for row in table.values() if row.session == task}
    cpu_ns = table[shim].waited_ns if shim in table else 0
    cpu_ns += sum(table[pid].used_ns + table[pid].waited_ns for pid in members)
    return cpu_ns, sum(table[pid].resident_bytes for pid in members)


def marked(container: str) -> list[int]:
    """Return the living processes that carry the container's mark (Linux)."""
    mark = f"{MARK}={container}".encode()
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            if mark in PROC.joinpath(str(pid), "environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def _descendants(rows: Iterable[Row], ancestor: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for row in rows:
        children.setdefault(row.parent, []).append(row.pid)
    found: set[int] = set()
    ahead = [ancestor]
    while ahead:
        fresh = [pid for pid in children.get(ahead.pop(), ()) if pid not in found]
        found.update(fresh)
        ahead += fresh
    return found


def _pids() -> Sequence[int]:
    if not PROC.joinpath("self").is_dir():
        return ()
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]


def _read_proc() -> Iterable[Row]:
    page = os.sysconf("SC_PAGE_SIZE")
    for pid in _pids():
        if stat := stat_fields(pid):  # [0] is field 3 of proc(5)
            yield Row(
                pid=pid,
                parent=int(stat[1]),
                session=int(stat[3]),
                used_ns=(int(stat[11]) + int(stat[12])) * NS_PER_TICK,
                waited_ns=(int(stat[13]) + int(stat[14])) * NS_PER_TICK,
                resident_bytes=int(stat[21]) * page,
                zombie=stat[0] == "Z",
            )


def _read_ps() -> Iterable[Row]:
    """Read ``ps``; a process group stands for the session."""
    answer = subprocess.run(
        ["/bin/ps", "-A", "-o", "pid=,ppid=,pgid=,rss=,stat=,time="],
        capture_output=True,
        check=True,
        text=True,
        timeout=PS_TIMEOUT_S,
    )
    for line in answer.stdout.splitlines():
        pid, parent, group, kibibytes, state, time = line.split(maxsplit=5)
        yield Row(
            pid=int(pid),
            parent=int(parent),
            session=int(group),
            used_ns=parse_ps_time_ns(time),
            waited_ns=0,
            resident_bytes=int(kibibytes) << 10,
            zombie=state.startswith("Z"),
        )


def parse_ps_time_ns(text: str) -> int:
    """Return nanoseconds of ``[DD-][HH:]MM:SS[.CC]``, as ps prints CPU time."""
    days, _, rest = text.strip().rpartition("-")
    seconds = 0.0
    for part in rest.split(":"):
        seconds = seconds * 60 + float(part)
    return int((int(days or 0) * 86_400 + seconds) * 1_000_000_000)
