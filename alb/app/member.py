"""A child of the keeper that talks: a worker, or the prober. Floor 4."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from alb.app.columns import NO_COLUMN
from alb.drivers.child import Child
from alb.drivers.courtesy import give_way
from alb.ports import Message, WorkerState

LAST_WORDS_S: Final = 1.0
"""What a child that hung up may still take to write why."""


class Member:
    """`state` is None for the prober."""

    def __init__(
        self, child: Child, state: WorkerState | None, column: int = NO_COLUMN
    ) -> None:
        self.child = child
        self.column = column
        """Of the shared counts."""
        self.state = state
        self.silent_ticks = 0
        self.was_heard = False
        """A starting child may take its time to say its first word."""

    async def listen(self, heard: Callable[[Member, Message], None]) -> int:
        """Pass on what it says until it says no more; return its exit status."""
        with contextlib.suppress(ConnectionError):
            while True:
                message = await self.child.link.receive()
                self.was_heard = True
                self.silent_ticks = 0
                give_way()
                heard(self, message)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self.child.process.wait()
        self.child.kill()
        status = await self.child.process.wait()
        self.child.close()
        return status
