"""Asks lifecycle hooks, each call once at a time. Floor 4.

A look begins a call and goes on; its answer is an observation of a later look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from scheduler.configuration import LifecycleHook
from scheduler.decide.actions import CallHook
from scheduler.decide.hooks import Answer, answer_of
from scheduler.errors import HookFailed
from scheduler.ports import Hooks
from scheduler.takeover import HookStatus

log = logging.getLogger(__name__)


class NoHooks:
    """Stands where nobody can be asked."""

    async def call(self, hook: LifecycleHook, payload: str) -> str:
        raise HookFailed("lifecycle hooks cannot be called here")


class HookCalls:
    """What is being asked, and what was answered."""

    def __init__(self, hooks: Hooks, answered: Callable[[], None]) -> None:
        self.answers: dict[str, Answer] = {}
        self._hooks = hooks
        self._answered = answered
        self._busy: set[str] = set()

    @property
    def busy(self) -> frozenset[str]:
        return frozenset(self._busy)

    def begin(self, group: asyncio.TaskGroup, action: CallHook) -> None:
        if action.key not in self._busy | self.answers.keys():
            self._busy.add(action.key)
            group.create_task(self._call(action), name=action.key)

    def keep(self, deployments: Collection[str]) -> None:
        """Forget the answers about all other deployments."""
        for key in [*self.answers]:
            if key.rsplit("/", 4)[0] not in deployments:
                del self.answers[key]

    async def _call(self, action: CallHook) -> None:
        try:
            answer = answer_of(await self._hooks.call(action.hook, action.payload))
        except HookFailed as failed:
            answer = Answer(HookStatus.FAILED, why=str(failed))
        except Exception as failed:
            log.exception("lifecycle hook %s: %s", action.hook.name, action.key)
            why = f"{action.hook.name}: {type(failed).__name__}"
            answer = Answer(HookStatus.FAILED, why=why)
        self._busy.discard(action.key)
        self.answers[action.key] = answer
        self._answered()
