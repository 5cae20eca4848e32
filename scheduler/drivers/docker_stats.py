"""The newest CPU sample of each running container, from one stream each. Floor 3.

The engine samples once a second whether asked or not; a single question waits
for the next sample (1-2 s), an open stream costs one line. A stream that ends is
opened again when the container is next seen running.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from foundation.clock import Clock
from scheduler.drivers.docker_streams import EngineStreams
from scheduler.errors import ContainerError
from scheduler.model import ContainerName
from scheduler.ports import CpuSample


class CpuStreams:
    """Samples of one engine's containers, as the engine sends them."""

    def __init__(self, streams: EngineStreams, clock: Clock) -> None:
        self._streams = streams
        self._clock = clock
        self._samples: dict[ContainerName, CpuSample] = {}
        self._readers: dict[ContainerName, asyncio.Task[None]] = {}
        self._group = asyncio.TaskGroup()
        self._scope: asyncio.Task[None] | None = None
        self._opened = asyncio.Event()
        self._closing = asyncio.Event()

    def samples(self) -> Mapping[ContainerName, CpuSample]:
        """Return the newest samples. Raises what a reader failed with, if one did."""
        if self._scope and self._scope.done():
            self._scope.result()
        return dict(self._samples)

    async def follow(self, name: ContainerName) -> None:
        """Read the stream of `name`, if that is not done already."""
        await self._opened_group()
        if name not in self._readers and not self._closing.is_set():
            reader = self._group.create_task(self._read(name))
            self._readers[name] = reader
            reader.add_done_callback(lambda _: self._forget(name, reader))

    async def follow_only(self, names: Iterable[ContainerName]) -> None:
        """Follow exactly `names`."""
        wanted = set(names)
        for name in self._readers.keys() - wanted:
            self.drop(name)
        for name in wanted:
            await self.follow(name)

    def drop(self, name: ContainerName) -> None:
        """End the stream of a container that ended; its sample is no longer told."""
        if reader := self._readers.get(name):
            self._forget(name, reader)
            reader.cancel()

    async def close(self) -> None:
        self._closing.set()
        for name in list(self._readers):
            self.drop(name)
        if self._scope:
            await self._scope

    async def _opened_group(self) -> None:
        """Start the group's scope: a task, because the port has no `run` to own it.

        `close` waits for it, and `samples` raises what it failed with.
        """
        if self._scope is None:
            loop = asyncio.get_running_loop()
            self._scope = loop.create_task(self._hold())
        await self._opened.wait()

    async def _hold(self) -> None:
        async with self._group:
            self._opened.set()
            await self._closing.wait()

    async def _read(self, name: ContainerName) -> None:
        lines = self._streams.json_lines(
            f"stats {name}", f"/containers/{name}/stats", {"stream": "true"}
        )
        with contextlib.suppress(ContainerError):  # the next look opens it again
            async with contextlib.aclosing(lines):
                async for line in lines:
                    sample = sample_from(line, self._clock.now_s())
                    if sample is None:
                        return
                    self._samples[name] = sample

    def _forget(self, name: ContainerName, reader: asyncio.Task[None]) -> None:
        if self._readers.get(name) is reader:
            del self._readers[name]
            self._samples.pop(name, None)


def sample_from(stats: Mapping[str, Any], now_s: float) -> CpuSample | None:
    """Read ContainerStats; None once the container has ended (all is zero then).

    Memory is what cannot be reclaimed: without the inactive file cache, as
    `docker stats` shows it.
    """
    cpu_ns = int(stats["cpu_stats"]["cpu_usage"]["total_usage"])
    if cpu_ns == 0:
        return None
    memory = stats["memory_stats"]
    details = memory.get("stats", {})
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return CpuSample(cpu_ns, now_s, max(0, int(memory.get("usage", 0)) - int(cache)))
