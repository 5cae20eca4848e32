"""Introduce the three parts to each other: each port, over the part that has it.

scheduler.ports.LoadBalancer  <-- FrontDoor   --> alb's Balancer
autoscaler.ports.Capacities   <-- Capacities  --> Scheduler
deployments that watch alarms <-- in_alarm    --> Autoscaler
"""

from __future__ import annotations

from collections.abc import Mapping

from alb.app.balancer import Balancer
from alb.model import (
    HealthState,
    LoadBalancer,
    TargetHealth,
    TargetId,
    TargetObservation,
)
from autoscaler.model import AlarmState, AlarmView, Capacity
from controlplane.shares import Percents, with_shares
from scheduler.app.scheduler import Scheduler
from scheduler.model import ServiceStatus
from scheduler.ports import RuleView, TargetView


class FrontDoor:
    """The load balancer as the scheduler needs it, and as its deployments make it.

    What the cluster's file says of a rule that deployments share out is kept here,
    so that either may change without the other.
    """

    def __init__(self, balancer: Balancer) -> None:
        """`balancer` has just joined its node: what it knows, an earlier life knew."""
        self._balancer = balancer
        self._inherited = frozenset(balancer.statistics().health)
        self._given: LoadBalancer | None = None
        self._shares: dict[str, Percents] = {}
        self.runs: LoadBalancer | None = None
        """As the balancer was configured last; None: not yet."""

    def configure(self, load_balancer: LoadBalancer) -> None:
        """Take listeners, groups and fixed targets; what was shared out stays so."""
        self._given = load_balancer
        self.runs = with_shares(load_balancer, self._shares)
        self._balancer.configure(self.runs)

    def set_weights(self, rule: str, weights: Mapping[str, float]) -> None:
        if weights:
            self._shares[rule] = dict(weights)
        else:
            self._shares.pop(rule, None)
        if self._given is not None:
            self.configure(self._given)

    def observe_weights(self) -> Mapping[str, RuleView]:
        served = self._given is not None and self._balancer.configuration_served()
        return {rule: RuleView(of, served) for rule, of in self._shares.items()}

    def register(self, target_id: str, group: str, host: str, port: int) -> None:
        self._balancer.register(TargetId(target_id), group, host, port)

    def deregister(self, target_id: str) -> None:
        self._balancer.deregister(TargetId(target_id))

    def forget(self, target_id: str) -> None:
        self._balancer.forget(TargetId(target_id))

    def observe(self) -> Mapping[str, TargetView]:
        observed = self._balancer.observe()
        return {target_id: view(seen) for target_id, seen in observed.items()}

    def inherited(self) -> Mapping[str, TargetView]:
        if not self._inherited:
            return {}
        health, observed = self._balancer.statistics().health, self._balancer.observe()
        told = {
            name: _told(health[name])
            for name in self._inherited & health.keys()
            if _is_newest(health[name], observed.get(TargetId(name)))
        }
        self._inherited = frozenset(told)
        return told


def _is_newest(health: TargetHealth, seen: TargetObservation | None) -> bool:
    """Tell whether the node's word on a target that serves is all there is.

    It is not when the target drains, and when every worker has acknowledged it again.
    """
    if seen is None:
        return health.state in {HealthState.HEALTHY, HealthState.UNUSED}
    states = (health.state, seen.health.state)
    return states == (HealthState.HEALTHY,) * 2 and not seen.eligible_everywhere


def _told(health: TargetHealth) -> TargetView:
    return TargetView(
        healthy=health.state is HealthState.HEALTHY,
        unhealthy=False,
        reason=health.description,
        eligible_everywhere=True,
        removed_everywhere=False,
        in_flight=0,
        drained=False,
        unused=health.state is HealthState.UNUSED,
    )


def view(seen: TargetObservation) -> TargetView:
    return TargetView(
        healthy=seen.health.state is HealthState.HEALTHY,
        unhealthy=seen.health.state is HealthState.UNHEALTHY,
        reason=seen.health.description,
        eligible_everywhere=seen.eligible_everywhere,
        removed_everywhere=seen.removed_everywhere,
        in_flight=seen.in_flight,
        drained=seen.drained,
        unused=seen.health.state is HealthState.UNUSED,
    )


def in_alarm(alarms: Mapping[str, AlarmView]) -> frozenset[str]:
    """Return the names of the alarms that are in ALARM, for deployments."""
    found = alarms.items()
    return frozenset(name for name, one in found if one.state is AlarmState.ALARM)


class Capacities:
    """The scheduler's services as the autoscaler needs them."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def observe(self) -> Mapping[str, Capacity]:
        return {
            name: Capacity(
                desired=seen.desired,
                running=seen.running,
                healthy=seen.serving,
                deploying=seen.deploying,
                reached=seen.fulfilled,
                version=seen.version,
            )
            for name, seen in self._scheduler.observe_services().items()
            if seen.status is ServiceStatus.ACTIVE
        }

    async def set_desired(
        self,
        resource: str,
        desired: int,
        if_version: int,
        activity_id: str,
        reason: str,
    ) -> bool:
        return await self._scheduler.set_desired(
            resource, desired, if_version, activity_id, reason
        )
