"""The prober: checks every target that may get requests, and tells. Floor 4.

    snapshot --> assignments --> one watch per target --> probe --> observe
                                    ^                        |
    doubts of workers --------------+                        |
                          whole overlay, at most 20/s <------+

A process of its own, so that neither a busy control nor a dead one stops the
checks, and no number of workers multiplies them. It keeps nothing but what it
last told; started again with that, it goes on where it stood.

Absent: sockets (`drivers.probe`), the link to the keeper, any decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, Protocol

from alb.decide.health import ProbeOutcome
from alb.decide.health_log import Checked
from alb.decide.probing import Assignment, Probed, Watch, advance, begin, doubt
from alb.decide.sections import Whole
from alb.drivers.courtesy import give_way
from alb.model import HealthCheck, TargetHealth, TargetId
from alb.state.assignments import Assignments
from foundation.clock import Clock

PUBLISH_EVERY_S: Final = 0.05
IN_FLIGHT_MAX: Final = 512
"""Checks at one time: each is a descriptor, and a usual limit is 1024."""

Publish = Callable[[Mapping[TargetId, TargetHealth]], None]
Probe = Callable[[str, int, HealthCheck], Awaitable[ProbeOutcome]]


class Doubts:
    """Where workers say which targets they could not reach."""

    def __init__(self) -> None:
        self._of: dict[TargetId, asyncio.Event] = {}

    def add(self, targets: Iterable[TargetId]) -> None:
        """Have the next checks of these looked at again; unknown ones are nobody's."""
        for target_id in targets:
            if (told := self._of.get(target_id)) is not None:
                told.set()

    def begin(self, target_id: TargetId) -> asyncio.Event:
        """Return what is set whenever that target is in doubt from now on."""
        return self._of.setdefault(target_id, asyncio.Event())

    def end(self, target_id: TargetId) -> None:
        self._of.pop(target_id, None)


class SnapshotSource(Protocol):
    """Where the prober learns what is registered."""

    def current(self) -> Whole:
        """Return the newest snapshot; in it, what did not change is the same."""
        ...

    async def wait_changed(self) -> None:
        """Return when `current` may say something else than it last did."""
        ...


async def run(  # noqa: PLR0913 - the world, one argument each
    source: SnapshotSource,
    publish: Publish,
    probe: Probe,
    *,
    clock: Clock,
    draw: Callable[[], float],
    known: Mapping[TargetId, TargetHealth] | None = None,
    note: Callable[[Checked], None] = lambda checked: None,
    doubts: Doubts | None = None,
) -> None:
    """Check and publish until cancelled.

    `known` is what an earlier prober told: those targets keep their health until
    their own checks say otherwise. `note` is told of every check. `doubts` bring
    checks forward. What `publish` or `probe` raises ends it all.
    """
    prober = _Prober(probe, clock, draw, note, dict(known or {}), doubts or Doubts())
    registered = Assignments()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(prober.tell(publish), name="publish")
        while True:
            wanted = registered.follow(source.current())
            give_way()
            prober.assign(wanted, tasks)
            await source.wait_changed()


class _Prober:
    """Watches, and the overlay that they write."""

    def __init__(  # noqa: PLR0913, PLR0917 - the world, one argument each
        self,
        probe: Probe,
        clock: Clock,
        draw: Callable[[], float],
        note: Callable[[Checked], None],
        known: dict[TargetId, TargetHealth],
        doubts: Doubts,
    ) -> None:
        self._probe = probe
        self._clock = clock
        self._draw = draw
        self._note = note
        self._known = known
        self._doubts = doubts
        self._assigned: dict[TargetId, Assignment] = {}
        self._watches: dict[TargetId, asyncio.Task[None]] = {}
        self._overlay: dict[TargetId, TargetHealth] = {}
        self._changed = asyncio.Event()
        self._in_flight = asyncio.Semaphore(IN_FLIGHT_MAX)

    def assign(
        self, wanted: Mapping[TargetId, Assignment], tasks: asyncio.TaskGroup
    ) -> None:
        """Begin, change and end watches so that they are what is wanted."""
        for target_id in self._assigned.keys() - wanted.keys():
            self._end_watch(target_id)
            del self._assigned[target_id]
            if self._overlay.pop(target_id, None):
                self._changed.set()
        for target_id, assignment in wanted.items():
            before = self._assigned.get(target_id)
            if assignment is before or assignment == before:
                continue
            self._end_watch(target_id)
            self._assigned[target_id] = assignment
            if isinstance(assignment, Probed):
                kept = self._overlay if isinstance(before, Probed) else self._known
                self._begin_watch(target_id, assignment, kept.get(target_id), tasks)
            else:
                self._tell(target_id, assignment)
            self._known.pop(target_id, None)

    def _begin_watch(
        self,
        target_id: TargetId,
        probed: Probed,
        known: TargetHealth | None,
        tasks: asyncio.TaskGroup,
    ) -> None:
        watching = self._watch(target_id, probed, known)
        self._watches[target_id] = tasks.create_task(watching, name=target_id)

    def _end_watch(self, target_id: TargetId) -> None:
        watch = self._watches.pop(target_id, None)
        if watch is not None:
            watch.cancel()
            self._doubts.end(target_id)

    async def _watch(
        self, target_id: TargetId, probed: Probed, known: TargetHealth | None
    ) -> None:
        check, now_s = probed.check, self._clock.now_s
        watch = begin(known, check.interval_s, now_s(), self._draw())
        in_doubt = self._doubts.begin(target_id)
        while True:
            self._tell(target_id, watch.state.health)
            watch = await self._wait(watch, check, in_doubt)
            async with self._in_flight:
                began_s, began_unix_s = now_s(), self._clock.unix_s()
                outcome = await self._probe(probed.host, probed.port, check)
            took_s = now_s() - began_s
            self._note(Checked(probed, began_unix_s, took_s, outcome))
            watch = advance(watch, outcome, check, now_s())

    async def _wait(
        self, watch: Watch, check: HealthCheck, in_doubt: asyncio.Event
    ) -> Watch:
        """Wait for the next check, which comes sooner if the target is in doubt."""
        now_s = self._clock.now_s
        while (left_s := watch.next_s - now_s()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await in_doubt.wait()
                in_doubt.clear()
                watch = doubt(watch, check, now_s(), self._draw())
        return watch

    def _tell(self, target_id: TargetId, health: TargetHealth) -> None:
        if self._overlay.get(target_id) != health:
            self._overlay[target_id] = health
            self._changed.set()

    async def tell(self, publish: Publish) -> None:
        """Publish the overlay when it has changed: at once, then at a bounded rate."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            publish(dict(self._overlay))
            await asyncio.sleep(PUBLISH_EVERY_S)
