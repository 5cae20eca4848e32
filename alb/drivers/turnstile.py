"""One worker at a time, and a bell that all workers hear. Floor 3.

The lock is one of the kernel's, on the memory of the shared counts: a process that
dies gives it back. It is held for some instructions, never across a wait. The bell
is an eventfd that nobody reads: each worker has an epoll of its own that tells of
every write once. Without eventfd (not Linux) nobody rings, and sweeps serve.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
from collections.abc import Callable
from typing import Final

NO_BELL: Final = -1


def make_bell() -> int:
    """Return the descriptor of a bell, or NO_BELL."""
    if hasattr(os, "eventfd"):
        return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    return NO_BELL


def ring(bell: int) -> None:
    if bell != NO_BELL:
        os.eventfd_write(bell, 1)


class Turnstile:
    """The lock and the bell as one worker has them."""

    def __init__(self, memory: int, bell: int) -> None:
        """Both are descriptors that the workers inherited."""
        self._memory = memory
        self._bell = bell

    def enter(self) -> None:
        """Wait for those who are inside: microseconds."""
        fcntl.lockf(self._memory, fcntl.LOCK_EX, 1)

    def leave(self) -> None:
        fcntl.lockf(self._memory, fcntl.LOCK_UN, 1)

    def ring(self) -> None:
        ring(self._bell)

    def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` whenever somebody rang, on the running loop."""
        if self._bell == NO_BELL:
            return
        rung = select.epoll()
        rung.register(self._bell, select.EPOLLIN | select.EPOLLET)

        def on_rung() -> None:
            rung.poll(0)
            heard()

        asyncio.get_running_loop().add_reader(rung.fileno(), on_rung)
