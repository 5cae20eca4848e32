"""Constant load on a cluster, and what became of each request that failed.

async with under_load(urls, witness) as load:
    moment = load.moment()
    ...                                  something is killed
load.lost_nothing()                      or load.lost_only(reasons, moment, until)

A failure is excused only by name: it was sent before the moment after which
nothing can have been held any more, it failed in the way a killed process makes
requests fail, and there are no more of them than were in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from controlplane.load.generator import generate
from controlplane.load.options import LoadOptions, parse_url
from controlplane.load.outcome import Tally
from controlplane.load.report import LoadReport
from controlplane.load.shape import constant

RATE: Final = 60
LONGEST_S: Final = 300.0
WARM_S: Final = 10.0
LAST_REQUESTS: Final = 10
"""Sent after the scenario is over: what was done must not show later either."""

KILLED_TASK: Final = frozenset({"status 502"})
"""The load balancer answers for a target that died while it had the request."""
KILLED_WORKER: Final = frozenset({"reset", "closed early"})
"""Nobody is left to answer: the connection breaks."""


@dataclass(frozen=True, slots=True)
class Failed:
    """One failed request; times are `time.monotonic`'s."""

    number: int
    reason: str
    intended_s: float
    ended_s: float


class Evidence(Tally):
    """A tally that also remembers when each request was due, and how it failed."""

    def __init__(self) -> None:
        super().__init__(secrets.token_hex(4))
        self.due_s: list[float] = []
        self.every_failure: list[Failed] = []

    def begin(self, lag_s: float) -> int:
        self.due_s.append(time.monotonic() - lag_s)
        return super().begin(lag_s)

    def fail(self, number: int, intended_s: float, reason: str) -> None:
        before = self.failed
        super().fail(number, intended_s, reason)
        if self.failed > before:
            now_s = time.monotonic()
            self.every_failure.append(Failed(number, reason, self.due_s[number], now_s))


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in the run: when, and how many requests had no answer yet."""

    at_s: float
    in_flight: int


@dataclass
class Load:
    """A run of the generator. Complete once its `async with` ended."""

    rate: float
    evidence: Evidence = field(default_factory=Evidence)
    report: LoadReport | None = None
    excused: int = 0

    def moment(self) -> Moment:
        return Moment(time.monotonic(), self.evidence.in_flight)

    async def answered(self, more: int, within_s: float = WARM_S) -> None:
        """Wait until so many more requests were answered well."""
        goal = self.evidence.ok + more
        async with asyncio.timeout(within_s):
            while self.evidence.ok < goal:  # noqa: ASYNC110 - the load's own affair
                await asyncio.sleep(0.01)

    def lost_nothing(self) -> None:
        """Every request was answered in time, once, and seen by one target."""
        assert self.report is not None
        assert not self.evidence.every_failure, self._told()
        assert self.report.witnessed == self.report.requests, "not all reached a target"

    def lost_only(
        self, reasons: Collection[str], since: Moment, until_s: float
    ) -> None:
        """Nothing failed but what a death between `since` and `until_s` explains.

        At most: what was in flight at its beginning and what was sent during it.
        """
        during = sum(since.at_s <= due_s <= until_s for due_s in self.evidence.due_s)
        for failed in self.evidence.every_failure:
            assert failed.reason in reasons, self._told()
            assert failed.intended_s <= until_s, self._told()
            assert failed.ended_s >= since.at_s, self._told()
        self.excused = len(self.evidence.every_failure)
        assert self.excused <= since.in_flight + during, self._told()

    def numbers(self) -> dict[str, float]:
        """What to tell of the run."""
        assert self.report is not None
        return {
            "requests": self.report.requests,
            "failed": self.report.failed,
            "excused": self.excused,
            "p99 ms": self.report.percentiles[99.0],
            "max ms": self.report.max_ms,
        }

    def _told(self) -> str:
        assert self.report is not None
        start_s = self.evidence.due_s[0]
        lines = [
            f"{one.reason}: due {one.intended_s - start_s:.3f} s,"
            f" ended {one.ended_s - start_s:.3f} s"
            for one in self.evidence.every_failure
        ]
        total = f"{len(lines)} of {self.report.requests} requests failed"
        return "\n".join((total, *lines[:40]))


Note = Callable[[Load], None]
"""Writes down the numbers of a run."""


@contextlib.asynccontextmanager
async def under_load(
    urls: Sequence[str], witness: tuple[str, int], rate: float = RATE
) -> AsyncIterator[Load]:
    """Send `rate` requests a second, open loop, while the body runs.

    The URLs take turns.
    """
    options = LoadOptions(
        urls=tuple(map(parse_url, urls)),
        shape=constant(f"{rate:g}", LONGEST_S),
        shape_text=f"constant:{rate:g}",
        witness=witness,
    )
    load = Load(rate)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(
            generate(options, lambda _: None, stop, load.evidence)
        )
        await load.answered(LAST_REQUESTS)
        yield load
        await load.answered(LAST_REQUESTS)
        stop.set()
        load.report = await running
