"""When a deployment has failed, by its tasks or by its alarms. Floor 1: pure.

    threshold   BOUNDED_PERCENT v   ceil(v % of desired), 3 at least, 200 at most
                UNBOUNDED_PERCENT v ceil(v % of desired)
                COUNT v             v

Counted is each task that ends by itself, or fails its health checks, before it was
ever healthy, and each that fails its health checks later. A healthy task ends
the row (resetOnHealthyTask). ECS counts only tasks that never reach RUNNING or
fail health checks: one that runs and exits at once would never be noticed.

Source: ECS developer guide, "How the Amazon ECS deployment circuit breaker detects
failures"; API reference, DeploymentCircuitBreaker and DeploymentAlarms.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from scheduler.configuration import CircuitBreaker, DeploymentAlarms, ThresholdType
from scheduler.model import Deployment, Task

BOUNDS: Final = (3, 200)


def threshold(breaker: CircuitBreaker, desired: int) -> int:
    """Return how many failed tasks are too many; 1 at least. Never raises."""
    if breaker.threshold_type is ThresholdType.COUNT:
        return max(1, breaker.threshold_value)
    share = -(-desired * breaker.threshold_value // 100)
    if breaker.threshold_type is ThresholdType.UNBOUNDED_PERCENT:
        return max(1, share)
    low, high = BOUNDS
    return min(high, max(low, share))


def counts(task: Task) -> bool:
    """Tell whether a task that has just ended by itself counts: it does once."""
    return task.healthy_at_unix_s is None and task.unhealthy_at_unix_s is None


def after_failure(deployment: Deployment) -> Deployment:
    return replace(deployment, failed_tasks=deployment.failed_tasks + 1)


def after_healthy(deployment: Deployment, breaker: CircuitBreaker) -> Deployment:
    """Return the deployment after one of its tasks was healthy for the first time."""
    if not breaker.reset_on_healthy_task:
        return deployment
    return replace(deployment, failed_tasks=0)


def has_tripped(deployment: Deployment, breaker: CircuitBreaker, desired: int) -> bool:
    enough = deployment.failed_tasks >= threshold(breaker, desired)
    return breaker.enable and enough


def watched(
    deployment: Deployment, alarms: DeploymentAlarms, in_alarm: Collection[str]
) -> Deployment:
    """Return the deployment that knows whether its alarms are listened to.

    One that is in ALARM when it begins says nothing about it: then none is.
    """
    if not alarms.enable or deployment.alarms_ignored is not None:
        return deployment
    ignored = any(name in in_alarm for name in alarms.names)
    return replace(deployment, alarms_ignored=ignored)


def raised(
    deployment: Deployment, alarms: DeploymentAlarms, in_alarm: Collection[str]
) -> tuple[str, ...]:
    """Return the alarms that make this deployment a failed one."""
    if not alarms.enable or deployment.alarms_ignored is not False:
        return ()
    return tuple(name for name in alarms.names if name in in_alarm)
