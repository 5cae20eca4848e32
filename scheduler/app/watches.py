"""A watch on each host that has a runtime. Floor 4."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final

from foundation.clock import Clock
from scheduler.app.watch import Watch
from scheduler.model import InstanceStatus
from scheduler.ports import Runtime


class Watches:
    """Begins to watch what has a runtime, and lets go what has another one."""

    def __init__(
        self,
        clock: Clock,
        runtimes: Mapping[str, Runtime],
        changed: Callable[[], None],
    ) -> None:
        self.by_instance: Final[dict[str, Watch]] = {}
        self._clock = clock
        self._runtimes = runtimes
        self._changed = changed
        self._running: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Watch every host, in `group`, until that ends."""
        self._let_go()
        for name, runtime in self._runtimes.items():
            if name not in self.by_instance:
                watch = Watch(name, runtime, self._clock, self._changed)
                self.by_instance[name] = watch
                running = group.create_task(watch.run(), name=f"watch {name}")
                self._running[name] = running

    async def left(self) -> None:
        """Return when runtimes that are no instance's any more may be closed."""
        self._let_go()
        if self._leaving:
            await asyncio.wait({*self._leaving})

    def look_now(self, instance: str) -> None:
        """Ask the host at once: something has probably changed there."""
        if instance in self.by_instance:
            self.by_instance[instance].look_now()

    def statuses(self) -> dict[str, InstanceStatus]:
        """Return the hosts as last seen; one that was not asked yet is absent."""
        return {
            name: watch.status
            for name, watch in self.by_instance.items()
            if watch.status is not None and watch.runtime is self._runtimes.get(name)
        }

    def listed(self, configured: Collection[str]) -> bool:
        """Tell whether each of them that has a runtime was asked once."""
        return {*configured} & self._runtimes.keys() <= self.statuses().keys()

    def _let_go(self) -> None:
        for name, watch in [*self.by_instance.items()]:
            if watch.runtime is not self._runtimes.get(name):
                del self.by_instance[name]
                running = self._running.pop(name)
                running.cancel()
                self._leaving.add(running)
                running.add_done_callback(self._leaving.discard)
