"""Run what alarms want to be run: written down before, crossed out after. Floor 4.

    notices, committed with the alarm's change --> Courier --> how it ended, committed

One action of one alarm after the other, so that an OK never overtakes its ALARM;
different ones at the same time. What fails and may succeed is tried a few times; a
restart runs again what was not known to have ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Final

from autoscaler.actions import Action, Notice
from autoscaler.app.autoscaler import Autoscaler
from autoscaler.ports import Courier, Ran
from foundation.journal import CommitFailed

PAUSES_S: Final = (1.0, 2.0, 4.0)
"""Between attempts; there is one attempt more than pauses."""
AT_ONCE_MAX: Final = 8
"""Actions that run at the same time."""
COMMIT_AGAIN_S: Final = 1.0

log = logging.getLogger(__name__)

_Lane = tuple[str, Action]
"""What goes one after the other: an alarm and one of its actions."""


class Messenger:
    """Sends the autoscaler's notices, until cancelled."""

    def __init__(
        self,
        autoscaler: Autoscaler,
        courier: Courier,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self._autoscaler = autoscaler
        self._courier = courier
        self._pauses_s = pauses_s
        self._busy: set[_Lane] = set()
        self._places = asyncio.Semaphore(AT_ONCE_MAX)
        self._woken = asyncio.Event()
        autoscaler.on_change(self._woken.set)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                for notice in self._next():
                    self._busy.add((notice.alarm, notice.action))
                    group.create_task(self._send(notice))
                await self._woken.wait()
                self._woken.clear()

    def _next(self) -> Iterator[Notice]:
        """Yield the oldest notice of each lane that nothing is sent in."""
        taken = set(self._busy)
        for notice in self._autoscaler.notices():
            lane = notice.alarm, notice.action
            if lane not in taken:
                taken.add(lane)
                yield notice

    async def _send(self, notice: Notice) -> None:
        async with self._places:
            ran = await self._attempts(notice)
        while True:
            try:
                await self._autoscaler.action_ended(notice, ran)
                break
            except CommitFailed:  # it has run: what is missing is only the note
                await asyncio.sleep(COMMIT_AGAIN_S)
        self._busy.discard((notice.alarm, notice.action))
        self._woken.set()

    async def _attempts(self, notice: Notice) -> Ran:
        for pause_s in self._pauses_s:
            ran = await self._run(notice)
            if not ran.again:
                return ran
            await asyncio.sleep(pause_s)
        return await self._run(notice)

    async def _run(self, notice: Notice) -> Ran:
        """Run it once; what the courier should not have raised ends this one alone."""
        try:
            return await self._courier.run(notice)
        except Exception as error:
            log.exception("action %s failed unexpectedly", notice.action.name)
            return Ran(f"it failed unexpectedly: {type(error).__name__}")
