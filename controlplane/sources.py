"""Metrics that are fetched: what tasks tell of themselves, and Prometheus's answers.

    every interval: ask --> samples --> series      a failure is missing data, told once

One question of a kind is under way at a time; a server that hangs delays itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from autoscaler.app.autoscaler import Autoscaler
from autoscaler.decide.exposition import (
    SERIES_MAX,
    Key,
    Reading,
    Unreadable,
    readings_of,
    samples_between,
)
from autoscaler.decide.promql import PromQuery, QueryFailed, values_of
from autoscaler.decide.statistics import Distribution
from autoscaler.drivers.fetching import FetchFailed, Fetching
from autoscaler.model import Labels, Metric, Scrape
from controlplane.service_discovery import address_of
from foundation.clock import Clock
from scheduler.app.scheduler import Scheduler
from scheduler.model import Task, TaskStatus

LOOK_EVERY_S: Final = 1.0
NAMESPACE: Final = "Prometheus"
DIMENSIONS_MAX: Final = 30

log = logging.getLogger(__name__)

Tell = Callable[[str, str], None]
Source = Scrape | PromQuery


class Sources:
    """Asks each source when it is due, and remembers what it last said."""

    def __init__(
        self, clock: Clock, scheduler: Scheduler, scaler: Autoscaler, tell: Tell
    ) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._scaler = scaler
        self._tell = tell
        self._fetching = Fetching()
        self._sources: tuple[Source, ...] = ()
        self._due_s: dict[Source, float] = {}
        self._asking: set[Source] = set()
        self._failing: dict[str, str] = {}
        self._before: dict[tuple[Scrape, str], tuple[float, dict[Key, Reading]]] = {}

    def configure(self, sources: Sequence[Source]) -> None:
        """Ask these from now on, and no others."""
        self._sources = tuple(sources)
        self._due_s = {one: self._due_s.get(one, 0.0) for one in sources}
        self._before = {
            key: reading for key, reading in self._before.items() if key[0] in sources
        }

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for source in self._due():
                        group.create_task(self._ask(source))
                    await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._fetching.close()

    def _due(self) -> list[Source]:
        now_s = self._clock.now_s()
        due = [
            one
            for one in self._sources
            if one not in self._asking and self._due_s[one] <= now_s
        ]
        for source in due:
            self._due_s[source] = now_s + source.interval_s
        self._asking.update(due)
        return due

    async def _ask(self, source: Source) -> None:
        try:
            if isinstance(source, PromQuery):
                await self._guarded(_subject(source), self._query(source))
            else:
                await self._scrape(source)
        finally:
            self._asking.discard(source)

    async def _guarded(self, subject: str, reading: Awaitable[None]) -> None:
        """Read; what fails for a reason nobody thought of is missing data, too."""
        try:
            await reading
        except Exception as error:
            if subject not in self._failing:
                log.exception("%s cannot be read", subject)
            self._failed(subject, f"it cannot be read: {error!r}")

    # --- Prometheus -----------------------------------------------------------------

    async def _query(self, source: PromQuery) -> None:
        url = f"{source.endpoint.rstrip('/')}/api/v1/query"
        subject = _subject(source)
        try:
            body = await self._fetching.fetch(url, {"query": source.query})
            values = values_of(body)
        except (FetchFailed, QueryFailed) as failed:
            self._failed(subject, str(failed))
            return
        self._works(subject)
        for labels, value in values:
            self._record(source.name, labels, Distribution.of([value]))

    # --- tasks ----------------------------------------------------------------------

    async def _scrape(self, source: Scrape) -> None:
        tasks = {
            str(task.id): address
            for task in self._scheduler.tasks()
            if task.service == source.resource
            and (address := _address(task, source)) is not None
        }
        self._before = {
            key: reading
            for key, reading in self._before.items()
            if key[0] != source or key[1] in tasks
        }
        async with asyncio.TaskGroup() as group:
            for task, address in tasks.items():
                reading = self._scrape_task(source, task, address)
                group.create_task(self._guarded(_subject(source), reading))

    async def _scrape_task(self, source: Scrape, task: str, address: str) -> None:
        subject = _subject(source)
        try:
            url = f"http://{address}{source.path}"
            body = await self._fetching.fetch(url, elsewhere=False)
            after = readings_of(body.decode("utf-8", "replace"))
        except (FetchFailed, Unreadable) as failed:
            self._failed(subject, f"task {task[:8]}: {failed}")
            return
        now_s = self._clock.now_s()
        then_s, before = self._before.get((source, task), (0.0, {}))
        kept = dict([*after.items()][:SERIES_MAX])
        self._before[source, task] = (now_s, kept)
        elapsed_s = max(now_s - then_s, 1e-3)
        for key, samples in samples_between(before, kept, elapsed_s):
            labels = (*key.labels, ("ServiceName", source.resource))
            self._record(key.name, labels, samples)
        if len(after) > SERIES_MAX:
            told = f"task {task[:8]} tells {len(after)} series: {SERIES_MAX} are taken"
            self._failed(subject, told)
        else:
            self._works(subject)

    def _record(self, name: str, labels: Labels, samples: Distribution) -> None:
        if len(labels) <= DIMENSIONS_MAX:
            metric = Metric(NAMESPACE, name, tuple(sorted(labels)))
            self._scaler.add(metric, self._clock.unix_s(), samples)

    def _failed(self, subject: str, why: str) -> None:
        """Tell a failure when it begins; while it lasts it is no news."""
        if subject not in self._failing:
            self._tell(subject, f"missing: {why}")
        self._failing[subject] = why

    def _works(self, subject: str) -> None:
        if self._failing.pop(subject, None) is not None:
            self._tell(subject, "works again")

    def failures(self) -> Mapping[str, str]:
        """Return what fails now, and why."""
        return self._failing


def _subject(source: Source) -> str:
    if isinstance(source, PromQuery):
        return f"prometheus query {source.name}"
    return f"metrics of {source.resource}"


def _address(task: Task, source: Scrape) -> str | None:
    if task.status is not TaskStatus.RUNNING:
        return None
    for lease in task.leases:
        at = (lease.container_name, lease.container_port)
        if at == (source.container_name, source.container_port):
            return address_of(task.address, lease.host_port)
    return None
