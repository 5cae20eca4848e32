"""State changes on their way to whoever reads them. Floor 3.

A reader that is slow gets the newest state of each container, never a backlog:
what is kept is bounded by the number of containers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

from scheduler.errors import HostNotReached
from scheduler.model import ContainerName, ContainerStatus


class Feed:
    """One reader's unread changes."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._unread: dict[ContainerName, ContainerStatus] = {}
        self._wake = asyncio.Event()
        self._lost: str | None = None

    def publish(self, status: ContainerStatus) -> None:
        self._unread.pop(status.name, None)
        self._unread[status.name] = status
        self._wake.set()

    def lose(self, why: str) -> None:
        self._lost = why
        self._wake.set()

    async def take(self) -> Sequence[ContainerStatus]:
        """Wait for changes and return them. Raises HostNotReached when lost."""
        await self._wake.wait()
        self._wake.clear()
        taken = tuple(self._unread.values())
        self._unread.clear()
        if self._lost is not None and not taken:
            raise HostNotReached(self._host, "changes", self._lost)
        if self._lost is not None:
            self._wake.set()
        return taken


class Feeds:
    """All readers of one host."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._feeds: set[Feed] = set()

    @contextlib.contextmanager
    def open(self) -> Iterator[Feed]:
        feed = Feed(self._host)
        self._feeds.add(feed)
        try:
            yield feed
        finally:
            self._feeds.discard(feed)

    def publish(self, status: ContainerStatus) -> None:
        for feed in self._feeds:
            feed.publish(status)

    def close(self, why: str) -> None:
        for feed in self._feeds:
            feed.lose(why)
