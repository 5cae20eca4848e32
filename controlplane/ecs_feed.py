"""Feed AWS/ECS to the autoscaler once a second, and tell people the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from autoscaler.app.autoscaler import Autoscaler
from controlplane.ecs_metrics import by_service, counts, of_cluster, of_services
from foundation.clock import Clock
from scheduler.app.scheduler import Scheduler

PERIOD_S: Final = 1.0


class EcsFeed:
    """Carries samples over, and remembers the last second for people."""

    def __init__(self, clock: Clock, scheduler: Scheduler, scaler: Autoscaler) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._scaler = scaler
        self.cluster = ""
        self.by_service: Mapping[str, float] = {}
        """Service -> percent of the CPU it reserved, over the last second."""

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(PERIOD_S)

    def look(self) -> None:
        """Take one second's samples over."""
        now_unix_s = self._clock.unix_s()
        uses = self._scheduler.task_uses()
        self.by_service = by_service(uses)
        if not self.cluster:
            return
        scheduler = self._scheduler
        machines = [one for one in scheduler.instances().values() if one.connected]
        for sample in (
            *of_services(self.cluster, uses),
            *of_cluster(self.cluster, uses, machines, scheduler.tasks()),
            *counts(self.cluster, scheduler.observe_services()),
        ):
            self._scaler.record(sample.metric, now_unix_s, sample.value, sample.unit)
