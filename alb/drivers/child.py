"""Start a process that outlives a Ctrl-C, with a channel to talk over. Floor 3."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Sequence
from dataclasses import dataclass

from alb.drivers.link import Link


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


async def exec_child(command: Sequence[str]) -> Child:
    """Start `command` with ``--link-fd N --sockets-fd N`` appended."""
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
            pass_fds=(theirs.fileno(), their_sockets.fileno()),
            start_new_session=True,
        )
    return Child(process, await Link.over(ours), our_sockets)


def exit_reason(status: int) -> str:
    """Return how a process ended, for a person."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exited with status {status}"
