"""How services scale, for people and programs: why, what has been done, suspend it.

GET  /v1/services/{service}/scaling              why its count is what it is
GET  /v1/services/{service}/scaling/activities   what has been done
POST /v1/services/{service}/scaling              suspend, resume
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from autoscaler.app.autoscaler import Autoscaler
from autoscaler.app.explanation import PolicyView, ScalingView, ScheduledView
from autoscaler.policies import SuspendedState
from controlplane import views
from controlplane.api.ports import Document
from controlplane.cluster_file import ClusterFile
from controlplane.errors import NotScalable, ServiceNotFound

SHOWN_MAX: Final = 10
"""Latest activities beside an explanation."""

Applied = Callable[[], ClusterFile | None]
"""The file in force; None: nothing was applied."""


class ScalingCommands:
    """Implements `api.ports.Scaling`."""

    def __init__(self, scaler: Autoscaler, applied: Applied) -> None:
        self._scaler = scaler
        self._applied = applied

    def explained(self, service: str) -> Document:
        """Raises ServiceNotFound, NotScalable."""
        cluster = self._require(service)
        view = self._scaler.explain(service)
        if view is None:
            raise NotScalable(service, "it was not started yet")
        names = {alarm.name for alarm in view.target.alarms}
        alarms = self._scaler.alarms()
        listed = self.activities(service, not_scaled=True)["scalingActivities"]
        assert isinstance(listed, list)
        return {
            **_document(view, cluster),
            "alarms": [
                views.alarm_document(one)
                for name, one in alarms.items()
                if name in names
            ],
            "scalingActivities": listed[-SHOWN_MAX:],
        }

    def activities(self, service: str, *, not_scaled: bool) -> Document:
        """Return them, oldest first; those that did not scale where asked for."""
        self._require(service)
        scaler = self._scaler
        listed = scaler.all_activities() if not_scaled else scaler.activities()
        found = [one for one in listed if one.resource == service]
        return {"scalingActivities": [views.activity_document(one) for one in found]}

    async def suspend(self, service: str, wanted: SuspendedState) -> Document:
        """Raises ServiceNotFound, NotScalable, CommitFailed."""
        self._require(service)
        if not await self._scaler.suspend(service, wanted):
            raise NotScalable(service, "it was not started yet")
        return {"serviceName": service, "suspendedState": suspended_document(wanted)}

    def suspended(self, service: str) -> SuspendedState:
        self._require(service)
        view = self._scaler.explain(service)
        return view.target.suspended if view else SuspendedState()

    def _require(self, service: str) -> str:
        """Return the cluster's name; the service must be there and scale."""
        file = self._applied()
        names = [one.name for one in file.services] if file else []
        if file is None or service not in names:
            raise ServiceNotFound(service, names)
        if service not in {one.resource for one in file.scalable_targets}:
            raise NotScalable(service, "it has no autoScaling in the file")
        return file.cluster


def suspended_document(state: SuspendedState) -> Document:
    return {
        "dynamicScalingInSuspended": state.dynamic_scaling_in,
        "dynamicScalingOutSuspended": state.dynamic_scaling_out,
        "scheduledScalingSuspended": state.scheduled_scaling,
    }


def _document(view: ScalingView, cluster: str) -> Document:
    target, capacity, cooldown = view.target, view.capacity, view.cooldown
    return {
        "serviceName": target.resource,
        "resourceId": f"service/{cluster}/{target.resource}",
        "desiredCount": capacity.desired,
        "runningCount": capacity.running,
        "healthyCount": capacity.healthy,
        "deploying": capacity.deploying,
        "minCapacity": target.min_capacity,
        "maxCapacity": target.max_capacity,
        "capacitiesOfFile": {
            "minCapacity": view.of_file[0],
            "maxCapacity": view.of_file[1],
        },
        "suspendedState": suspended_document(target.suspended),
        "cooldown": None
        if cooldown is None
        else {
            "policyName": cooldown.policy,
            "direction": cooldown.direction.value,
            "remainingSeconds": round(view.cooldown_left_s, 3),
            "capacityBefore": cooldown.base,
        },
        "policies": [_policy(one) for one in view.policies],
        "scheduledActions": [_scheduled(one) for one in view.scheduled],
        "decision": view.decision,
    }


def _policy(view: PolicyView) -> Document:
    return {
        "policyName": view.name,
        "policyType": view.type,
        "alarms": list(view.alarms),
        "desiredCount": view.desired,
        "reason": view.says,
        "notScaledReason": view.not_scaled or None,
    }


def _scheduled(view: ScheduledView) -> Document:
    return {
        "scheduledActionName": view.name,
        "schedule": view.schedule,
        "timezone": view.timezone,
        "nextTime": view.next_unix_s,
        "scalableTargetAction": {
            "minCapacity": view.min_capacity,
            "maxCapacity": view.max_capacity,
        },
    }
