"""Keeps looking at one container instance. Floor 4.

The stream of changes only says *look now*; what counts is the status that is
then asked for. A lost event costs one period, never correctness.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from foundation.clock import Clock
from scheduler.errors import ContainerError
from scheduler.model import ContainerName, InstanceStatus
from scheduler.ports import CpuSample, Runtime

PERIOD_S = 2.0
STATUS_DEADLINE_S = 10.0
RECONNECT_S = 1.0
CPU_PERIOD_S = 1.0
CPU_FRESH_S = 1.5
"""An older reading is missing, not the newest one again."""

log = logging.getLogger(__name__)

UNSEEN = InstanceStatus(connected=False, cpu=0, memory_mib=0, address="")


class Watch:
    """One instance as last seen. `status` is None until it was asked once."""

    def __init__(
        self, name: str, runtime: Runtime, clock: Clock, changed: Callable[[], None]
    ) -> None:
        self.status: InstanceStatus | None = None
        self._readings: list[tuple[float, Mapping[ContainerName, CpuSample]]] = []
        self._name = name
        self.runtime = runtime
        self._clock = clock
        self._changed = changed
        self._look_now = asyncio.Event()

    def look_now(self) -> None:
        """Ask for the status at once: something has probably changed."""
        self._look_now.set()

    def readings(
        self,
    ) -> tuple[Mapping[ContainerName, CpuSample], Mapping[ContainerName, CpuSample]]:
        """Return the last two readings of CPU; empty ones when they are not fresh."""
        if len(self._readings) < 2:  # noqa: PLR2004 - two readings make a difference
            return {}, {}
        (_, before), (read_at_s, after) = self._readings
        if self._clock.now_s() - read_at_s > CPU_FRESH_S:
            return {}, {}
        return before, after

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll())
            group.create_task(self._listen())
            group.create_task(self._sample())

    async def _poll(self) -> None:
        while True:
            self._look_now.clear()
            status = await self._ask()
            self._report(status)
            self.status = status
            self._changed()
            try:
                async with asyncio.timeout(PERIOD_S):
                    await self._look_now.wait()
            except TimeoutError:
                pass

    async def _ask(self) -> InstanceStatus:
        asked_at_s = self._clock.now_s()
        try:
            async with asyncio.timeout(STATUS_DEADLINE_S):
                status = await self.runtime.status()
        except (ContainerError, TimeoutError) as failed:
            detail = str(failed) or f"no answer within {STATUS_DEADLINE_S:g} s"
            before = self.status or UNSEEN
            since = before.silent_since_unix_s or self._clock.unix_s()
            return replace(
                before, connected=False, detail=detail, silent_since_unix_s=since
            )
        return replace(status, observed_at_s=asked_at_s)

    def _report(self, status: InstanceStatus) -> None:
        before = self.status.connected if self.status else None
        if before is not status.connected:
            state = "connected" if status.connected else "not connected"
            log.info("container instance %s: %s %s", self._name, state, status.detail)

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in self.runtime.changes():
                    self.look_now()
            except ContainerError as lost:
                log.debug("container instance %s: %s", self._name, lost)
            self.look_now()
            await asyncio.sleep(RECONNECT_S)

    async def _sample(self) -> None:
        while True:
            try:
                async with asyncio.timeout(CPU_PERIOD_S):
                    reading = await self.runtime.cpu()
            except (ContainerError, TimeoutError):
                self._readings.clear()
            else:
                self._readings = [*self._readings[-1:], (self._clock.now_s(), reading)]
            await asyncio.sleep(CPU_PERIOD_S)
