"""What happened, newest last, for people who ask and for people who follow.

An id is the microsecond of the event, moved on by one where two would be equal:
it grows, and it means the same after a restart, so a follower resumes by it.
Everything is bounded: the log, the number of followers, and what a slow
follower may lag behind; beyond that it is cut and resumes by the last id it
saw. Absent: what makes an event (the scheduler, the autoscaler, the node).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Final

EVENTS_MAX: Final = 2000
LAG_MAX: Final = 500
"""Events that wait for one follower."""
FOLLOWERS_MAX: Final = 64
MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to `subject`, as `source` tells it."""

    unix_s: float
    source: str
    """``service``, ``scaling``, ``node`` or ``control``."""
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    happening: Happening


class TooManyFollowers(Exception):
    """One more follower would exceed the bound; ask again later."""


class EventLog:
    """The newest events and whoever follows them. `statistics` by its length."""

    def __init__(self, *, events_max: int = EVENTS_MAX, lag_max: int = LAG_MAX) -> None:
        self._events: deque[Event] = deque(maxlen=events_max)
        self._lag_max = lag_max
        self._last_id = 0
        self._followers: set[asyncio.Queue[Event | None]] = set()

    def __len__(self) -> int:
        return len(self._events)

    @property
    def is_full(self) -> bool:
        """Whether one more follower would be one too many."""
        return len(self._followers) >= FOLLOWERS_MAX

    def record(self, happenings: Iterable[Happening]) -> None:
        """Append what happened, oldest first, and tell the followers."""
        for happening in sorted(happenings, key=lambda one: one.unix_s):
            moment = int(happening.unix_s * MICROSECONDS)
            self._last_id = max(moment, self._last_id + 1)
            event = Event(self._last_id, happening)
            self._events.append(event)
            for queue in self._followers:
                _offer(queue, event)

    def since(self, after: int) -> list[Event]:
        """Return the events whose id is greater than `after`, oldest first."""
        return [event for event in self._events if event.id > after]

    async def follow(self, after: int) -> AsyncGenerator[Event, None]:
        """Yield events after `after` as they happen; ends when the reader lags.

        Raises TooManyFollowers before the first event.
        """
        if self.is_full:
            raise TooManyFollowers
        queue: asyncio.Queue[Event | None] = asyncio.Queue(self._lag_max)
        past = self.since(after)
        self._followers.add(queue)
        try:
            for event in past:
                yield event
            while (event_or_end := await queue.get()) is not None:
                yield event_or_end
        finally:
            self._followers.discard(queue)

    def end(self) -> None:
        """Let every follower go: the process is about to end."""
        for queue in self._followers:
            _cut(queue)


def _offer(queue: asyncio.Queue[Event | None], event: Event) -> None:
    if queue.full():
        _cut(queue)
    else:
        queue.put_nowait(event)


def _cut(queue: asyncio.Queue[Event | None]) -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)
