"""Lifecycle hooks in memory: they answer what they were given to say. Floor 3."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from scheduler.configuration import LifecycleHook

Reply = Callable[[LifecycleHook, dict[str, object]], str]


def succeeds(hook: LifecycleHook, payload: dict[str, object]) -> str:
    del hook, payload
    return json.dumps({"hookStatus": "SUCCEEDED"})


@dataclass(slots=True)
class MemoryHooks:
    """Implements `scheduler.ports.Hooks`. A `reply` may raise HookFailed."""

    reply: Reply = succeeds
    takes_s: float = 0.1
    asked: list[dict[str, object]] = field(default_factory=list)
    """The payloads, oldest first."""

    async def call(self, hook: LifecycleHook, payload: str) -> str:
        told = json.loads(payload)
        self.asked.append(told)
        await asyncio.sleep(self.takes_s)
        return self.reply(hook, told)
