"""Start a process that outlives a Ctrl-C, with a channel to talk over. Floor 3.

Or take over one that this process started before it became another program.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from alb.drivers.link import Link


class Process(Protocol):
    """What is needed of `asyncio.subprocess.Process`."""

    @property
    def pid(self) -> int: ...

    async def wait(self) -> int: ...

    def send_signal(self, signal: int, /) -> None: ...


class AdoptedProcess:
    """A child of this process of which only the pid is known."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended: asyncio.Future[int] | None = None
        """An end can be asked for once: all who wait share the answer."""

    async def wait(self) -> int:
        """Return how it ended, as asyncio does: negative is a signal's number."""
        if self._ended is None:
            self._ended = asyncio.ensure_future(self._reap())
        return await asyncio.shield(self._ended)

    async def _reap(self) -> int:
        _, status = await asyncio.to_thread(os.waitpid, self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def send_signal(self, signal: int, /) -> None:
        os.kill(self.pid, signal)


@dataclass(slots=True)
class Child:
    """A running child: its process, its link, and the way sockets go to it."""

    process: Process
    link: Link
    sockets: socket.socket

    def kill(self) -> None:
        """End it now; it may have ended already."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)

    def close(self) -> None:
        self.link.close()
        self.sockets.close()


async def exec_child(command: Sequence[str], inherited: Sequence[int] = ()) -> Child:
    """Start `command` with ``--link-fd N --sockets-fd N`` appended.

    It inherits those descriptors and the ones in `inherited`, and no others.
    """
    ours, theirs = socket.socketpair()
    our_sockets, their_sockets = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with theirs, their_sockets:
        process = await asyncio.create_subprocess_exec(
            *command,
            "--link-fd",
            str(theirs.fileno()),
            "--sockets-fd",
            str(their_sockets.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), their_sockets.fileno(), *inherited),
            start_new_session=True,
        )
    return Child(process, await Link.over(ours), our_sockets)


def exit_reason(status: int) -> str:
    """Return how a process ended, for a person."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exited with status {status}"
