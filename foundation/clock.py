"""Time as an argument: the two clocks a program has, and one for virtual time.

Decisions take `now_s` as a number. Shells that must ask for it ask a Clock, so
that a scenario can run hours in milliseconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Where a shell learns the time."""

    def now_s(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...

    def unix_s(self) -> float:
        """Seconds since 1970 UTC, for people and for records that outlive us."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_s(self) -> float:
        return time.monotonic()

    def unix_s(self) -> float:
        return time.time()  # noqa: TID251 - the one place that may ask


@dataclass(slots=True)
class VirtualClock:
    """A clock that moves only when told to."""

    now: float = 0.0
    epoch_unix_s: float = 1_800_000_000.0

    def now_s(self) -> float:
        return self.now

    def unix_s(self) -> float:
        return self.epoch_unix_s + self.now

    def advance(self, seconds: float) -> None:
        assert seconds >= 0, "time does not go back"
        self.now += seconds
