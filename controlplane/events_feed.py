"""Tell people what happened: gather it from every part that noticed.

    scheduler, autoscaler, balancer --(woken by each, else once a second)--> EventLog

The parts say how things are; what is new since the last look is an event. A
missed wake costs a second, never an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from alb.app.balancer import Balancer
from autoscaler.app.autoscaler import Autoscaler
from autoscaler.model import Activity
from controlplane.events import EventLog, Happening
from foundation.clock import Clock
from scheduler.app.scheduler import Scheduler
from scheduler.instance import InstanceRecord
from scheduler.model import InstanceStatus, ServiceEvent

PERIOD_S: Final = 1.0
PAUSE_S: Final = 0.05
"""Between two looks, however often it is woken."""


class EventFeed:
    """Remembers what was told, so that each thing is told once."""

    def __init__(
        self,
        clock: Clock,
        log: EventLog,
        scheduler: Scheduler,
        scaler: Autoscaler,
        balancer: Balancer,
    ) -> None:
        self._clock = clock
        self._log = log
        self._scheduler = scheduler
        self._scaler = scaler
        self._balancer = balancer
        self._services: frozenset[ServiceEvent] = frozenset()
        self._scaling: frozenset[tuple[float, str, str]] = frozenset()
        self._workers: Mapping[int, int] | None = None
        self._bound: Mapping[tuple[str, int], str] = {}
        self._connected: Mapping[str, bool] = {}
        self._standing: Mapping[str, InstanceRecord] = dict(
            scheduler.instance_records()
        )
        self._woken = asyncio.Event()
        log.record(map(of_activity, scaler.activities()))
        for part in (scheduler, scaler, balancer):
            part.on_change(self._woken.set)

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(PERIOD_S):
                    await self._woken.wait()
            self._woken.clear()

    def look(self) -> None:
        """Record everything that is new."""
        self._log.record([*self._new_in_services(), *self._new_in_scaling()])
        self._log.record([*self._new_in_node(), *self._new_in_instances()])

    def tell(self, subject: str, message: str) -> None:
        """Record something that control itself did."""
        now = self._clock.unix_s()
        self._log.record([Happening(now, "control", subject, message)])

    def _new_in_services(self) -> list[Happening]:
        events = self._scheduler.events()
        before, self._services = self._services, frozenset(events)
        return [
            Happening(one.unix_s, "service", one.service, one.message)
            for one in events
            if one not in before
        ]

    def _new_in_scaling(self) -> list[Happening]:
        events = self._scaler.events()
        before, self._scaling = self._scaling, frozenset(events)
        return [
            Happening(unix_s, "scaling", resource, message)
            for unix_s, resource, message in events
            if (unix_s, resource, message) not in before
        ]

    def _new_in_node(self) -> list[Happening]:
        statistics = self._balancer.statistics()
        workers = {worker.slot: worker.pid for worker in statistics.workers}
        bound = {(one.address, one.port): one.error for one in statistics.bound}
        lines = [
            *worker_lines(self._workers or workers, workers),
            *bound_lines(self._bound, bound),
        ]
        self._workers, self._bound = workers, bound
        return self._now("node", lines)

    def _new_in_instances(self) -> list[Happening]:
        statuses = self._scheduler.instances()
        records = dict(self._scheduler.instance_records())
        lines = [
            *instance_lines(self._connected, statuses),
            *standing_lines(self._standing, records),
        ]
        self._standing = records
        self._connected = {name: one.connected for name, one in statuses.items()}
        return self._now("node", lines)

    def _now(self, source: str, lines: Iterable[tuple[str, str]]) -> list[Happening]:
        now = self._clock.unix_s()
        return [Happening(now, source, subject, text) for subject, text in lines]


def of_activity(activity: Activity) -> Happening:
    """Return an activity of an earlier life as the event it was."""
    message = f"{activity.description} Cause: {activity.cause} ({activity.details})"
    return Happening(activity.start_unix_s, "scaling", activity.resource, message)


def worker_lines(
    before: Mapping[int, int], after: Mapping[int, int]
) -> Iterator[tuple[str, str]]:
    """Yield what became of workers, by slot and pid."""
    for slot in sorted(before.keys() | after.keys()):
        old, new = before.get(slot), after.get(slot)
        if old == new:
            continue
        if old is not None:
            yield f"worker {slot}", f"pid {old} ended"
        if new is not None:
            yield f"worker {slot}", f"started as pid {new}"


def bound_lines(
    before: Mapping[tuple[str, int], str], after: Mapping[tuple[str, int], str]
) -> Iterator[tuple[str, str]]:
    for (address, port), error in after.items():
        if before.get((address, port)) != error:
            subject = f"listener {address}:{port}"
            yield subject, f"cannot be opened: {error}" if error else "open"


def instance_lines(
    before: Mapping[str, bool], after: Mapping[str, InstanceStatus]
) -> Iterator[tuple[str, str]]:
    for name, status in after.items():
        was = before.get(name, False)
        if status.connected and not was:
            yield name, "container instance connected"
        elif was and not status.connected:
            yield name, f"container instance not connected: {status.detail}"


def standing_lines(
    before: Mapping[str, InstanceRecord], after: Mapping[str, InstanceRecord]
) -> Iterator[tuple[str, str]]:
    """Yield which instances drain or take tasks again, are lost or are back."""
    for name, record in after.items():
        was = before.get(name)
        if was is None or was is record:
            continue
        if was.status is not record.status:
            change = f"{was.status.value} to {record.status.value}"
            yield name, f"container instance state change: {change}"
        if was.lost_at_unix_s is None and record.lost_at_unix_s is not None:
            yield name, "container instance is lost: its tasks are replaced elsewhere"
        if was.lost_at_unix_s is not None and record.lost_at_unix_s is None:
            yield name, "container instance is back: nothing of before runs there"
