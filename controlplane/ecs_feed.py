"""Feed CPUUtilization to the autoscaler: what tasks used, as ECS counts it.

Once a second: one sample per running task for its service, used over reserved,
so that the average over a period weighs every task alike; one for the cluster,
used over registered. A task without a fresh reading is missing, never 0.

Source: Amazon ECS developer guide, "CloudWatch metrics" (utilization).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from autoscaler.app.autoscaler import Autoscaler
from autoscaler.decide.utilization import cpu_metric, utilization
from autoscaler.model import Metric
from foundation.clock import Clock
from scheduler.app.scheduler import Scheduler
from scheduler.model import InstanceStatus

PERIOD_S: Final = 1.0

TaskCpu = tuple[str, str, float, int]
"""(service, task id, CPU units used, CPU units reserved)"""


class CpuFeed:
    """Carries samples over, and remembers the last second for people."""

    def __init__(self, clock: Clock, scheduler: Scheduler, scaler: Autoscaler) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._scaler = scaler
        self.cluster = ""
        self.by_service: Mapping[str, float] = {}
        """Service -> percent of what it reserved, over the last second."""

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(PERIOD_S)

    def look(self) -> None:
        """Take one second's samples over."""
        now_unix_s = self._clock.unix_s()
        tasks = self._scheduler.cpu_samples()
        self.by_service = by_service(tasks)
        if not self.cluster:
            return
        instances = self._scheduler.instances().values()
        for metric, percent in samples(self.cluster, tasks, instances):
            self._scaler.record(metric, now_unix_s, percent)


def samples(
    cluster: str, tasks: Sequence[TaskCpu], instances: Iterable[InstanceStatus]
) -> list[tuple[Metric, float]]:
    """Return this second's datapoints. Nothing reserved or measured: none."""
    found = [
        (cpu_metric(cluster, service), percent)
        for service, _, used, reserved in tasks
        if (percent := utilization(used, reserved)) is not None
    ]
    registered = sum(one.cpu for one in instances if one.connected)
    whole = utilization(sum(used for _, _, used, _ in tasks), registered)
    if tasks and whole is not None:
        found.append((cpu_metric(cluster), whole))
    return found


def by_service(tasks: Iterable[TaskCpu]) -> Mapping[str, float]:
    """Return each service's CPUUtilization: 100 x used / reserved over its tasks."""
    sums: dict[str, tuple[float, int]] = {}
    for service, _, used, reserved in tasks:
        before = sums.get(service, (0.0, 0))
        sums[service] = (before[0] + used, before[1] + reserved)
    return {
        service: percent
        for service, (used, reserved) in sums.items()
        if (percent := utilization(used, reserved)) is not None
    }
