"""How well one live task serves. Floor 1: pure.

    STARTING    not RUNNING: nobody sends it anything
    UNKNOWN     RUNNING, and nothing is known yet: it may be serving
    HEALTHY     healthy in every target group, on every load balancer worker, and
                by the health check of every essential container that has one
    UNHEALTHY   found unhealthy by one of them, its grace period over

UNKNOWN is neither counted on nor given up: when the load balancer is silent,
everything is unknown, and nothing is stopped because of it. A group that no
listener uses has no say: its tasks are as those without a load balancer.

Source: ECS developer guide, "minimumHealthyPercent": without a load balancer
and container health checks, a task is healthy after 40 seconds of RUNNING.
API reference, Task.healthStatus: of the essential containers only.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from scheduler.container import HealthStatus
from scheduler.decide.identity import container_name, target_ids
from scheduler.model import (
    ContainerName,
    InstanceStatus,
    Task,
    TaskStatus,
)
from scheduler.ports import TargetView

HEALTHY_AFTER_S: Final = 40.0


class Fitness(enum.Enum):
    STARTING = "starting"
    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


def container_checks(
    statuses: Iterable[InstanceStatus],
) -> Mapping[ContainerName, HealthStatus]:
    """Return what each container that has a health check says of itself."""
    return {
        container.name: container.health
        for status in statuses
        for container in status.containers
        if container.health is not None
    }


def health_of(
    task: Task, cluster_uid: str, checks: Mapping[ContainerName, HealthStatus]
) -> HealthStatus | None:
    """Return the task's health by its containers; None when none has a check."""
    found = [
        checks.get(container_name(cluster_uid, task.id, container.name))
        for container in task.task_definition.containers
        if container.essential
    ]
    told = {health for health in found if health is not None}
    for worst in (HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN, HealthStatus.HEALTHY):
        if worst in told:
            return worst
    return None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is known of the health of tasks: by the load balancer, by themselves."""

    targets: Mapping[str, TargetView]
    checks: Mapping[ContainerName, HealthStatus]
    cluster_uid: str


def fitness(
    task: Task, verdicts: Verdicts, grace_s: float, now_unix_s: float
) -> Fitness:
    """Return how well a live task serves. Never raises."""
    if task.status is not TaskStatus.RUNNING or task.started_at_unix_s is None:
        return Fitness.STARTING
    running_s = now_unix_s - task.started_at_unix_s
    views = [verdicts.targets.get(target_id) for target_id in target_ids(task)]
    health = health_of(task, verdicts.cluster_uid, verdicts.checks)
    sick = any(view is not None and view.unhealthy for view in views)
    if sick or health is HealthStatus.UNHEALTHY:
        return Fitness.UNHEALTHY if running_s >= grace_s else Fitness.UNKNOWN
    if health is HealthStatus.UNKNOWN:
        return Fitness.UNKNOWN
    if health is None and all(view and view.unused for view in views):
        return Fitness.HEALTHY if running_s >= HEALTHY_AFTER_S else Fitness.UNKNOWN
    serving = all(
        view and (view.unused or (view.healthy and view.eligible_everywhere))
        for view in views
    )
    return Fitness.HEALTHY if serving else Fitness.UNKNOWN
