"""An event loop whose time passes only when nothing is left to do.

    run(scenario())     hours of waiting take milliseconds, in exact order

Every timer fires in the order and at the time it asked for, so a scenario is
the same on every machine. Waiting for what no timer will bring is an error,
not a hang.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Takes no time: what would have been waited for has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            assert timeout is not None, "nothing that is waited for will ever happen"
            self.passed_s += max(0.0, timeout)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop over virtual time, which begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.passed_s


class LoopClock:
    """The clock of the running loop: implements foundation.clock.Clock."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def unix_s(self) -> float:
        return 1_800_000_000.0 + self.now_s()


def run(scenario: Coroutine[object, object, T]) -> T:
    """Run the scenario to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)
