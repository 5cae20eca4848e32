"""Feed AWS/ApplicationELB to the autoscaler, as often as all workers have reported.

    reports of the workers --> sighting --> what happened since the last --> series

That is about once a second. Where a worker did not report, nothing is told: a
second that was not counted is missing, and what was counted in it comes with the
next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from alb.app.balancer import Balancer
from alb.model import LoadBalancer, TargetId
from autoscaler.app.autoscaler import Autoscaler
from controlplane.elb_metrics import Pair, SeenTarget, Sighting, samples
from controlplane.routing import group_routing, states_of
from foundation.clock import Clock
from scheduler.app.scheduler import Scheduler
from scheduler.decide.identity import target_ids
from scheduler.model import ContainerInstance, Service

LOOK_EVERY_S: Final = 0.25


class ElbFeed:
    """Remembers the last sighting, and whose reports were in it."""

    def __init__(
        self,
        clock: Clock,
        balancer: Balancer,
        scheduler: Scheduler,
        scaler: Autoscaler,
    ) -> None:
        self._clock = clock
        self._balancer = balancer
        self._scheduler = scheduler
        self._scaler = scaler
        self._wanted: LoadBalancer | None = None
        self.zones: Mapping[str, str] = {}
        """Container instance -> its zone."""
        self._pairs: set[Pair] = set()
        self._seen: Sighting | None = None
        self._reports: Mapping[int, int] = {}

    def configure(
        self,
        wanted: LoadBalancer,
        instances: tuple[ContainerInstance, ...],
        services: Iterable[Service] = (),
    ) -> None:
        """Name what is counted by this load balancer, and zones by these hosts.

        What `services` have pairs of groups for is told of both together, too.
        """
        if self._wanted is None or self._wanted.name != wanted.name:
            self._seen = None
        self._wanted = wanted
        self.zones = {one.name: one.zone for one in instances}
        self._pairs = {
            (item.target_group, item.advanced.alternate_target_group)
            for service in services
            for item in service.load_balancers
            if item.advanced is not None
        }

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Take over what was counted, once every worker has told it."""
        reports = self._balancer.reports()
        if self._wanted is None or not are_all_new(self._reports, reports):
            return
        self._reports = reports
        before, self._seen = self._seen, self._sighting(self._wanted)
        if before is None:
            return
        now_unix_s = self._clock.unix_s()
        found_now = samples(self._wanted.name, before, self._seen, self._pairs)
        for metric, found, unit in found_now:
            self._scaler.add(metric, now_unix_s, found, unit)

    def _sighting(self, wanted: LoadBalancer) -> Sighting:
        zone_of = {
            TargetId(name): self.zones.get(task.instance, "")
            for task in self._scheduler.tasks()
            for name in target_ids(task)
        }
        observed = self._balancer.observe()
        totals = self._balancer.statistics().totals
        return Sighting(
            totals.listeners,
            totals.groups,
            totals.targets,
            {
                target: SeenTarget(
                    seen.group,
                    zone_of.get(target, ""),
                    seen.health.state,
                    seen.in_flight,
                    seen.anomalous,
                    seen.mitigated,
                )
                for target, seen in observed.items()
            },
            totals.connections,
            totals.waiting,
            group_routing(states_of(observed.values()), wanted),
        )


def are_all_new(before: Mapping[int, int], after: Mapping[int, int]) -> bool:
    """Whether there is a worker, and each has reported since `before`."""
    news = [count > before.get(worker, 0) for worker, count in after.items()]
    return bool(news) and all(news)
