"""How well one live task serves. Floor 1: pure.

    STARTING    not RUNNING: nobody sends it anything
    UNKNOWN     RUNNING, and nothing is known yet: it may be serving
    HEALTHY     healthy in every target group, on every load balancer worker
    UNHEALTHY   probed and found unhealthy, its grace period over

UNKNOWN is neither counted on nor given up: when the load balancer is silent,
everything is unknown, and nothing is stopped because of it. A group that no
listener uses has no say: its tasks are as those without a load balancer.

Source: ECS developer guide, "minimumHealthyPercent": without a load balancer
and container health checks, a task is healthy after 40 seconds of RUNNING.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from scheduler.decide.identity import target_ids
from scheduler.model import Task, TaskStatus
from scheduler.ports import TargetView

HEALTHY_AFTER_S: Final = 40.0


class Fitness(enum.Enum):
    STARTING = "starting"
    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


def fitness(
    task: Task, targets: Mapping[str, TargetView], grace_s: float, now_unix_s: float
) -> Fitness:
    """Return how well a live task serves. Never raises."""
    if task.status is not TaskStatus.RUNNING or task.started_at_unix_s is None:
        return Fitness.STARTING
    running_s = now_unix_s - task.started_at_unix_s
    views = [targets.get(target_id) for target_id in target_ids(task)]
    if all(view and view.unused for view in views):
        return Fitness.HEALTHY if running_s >= HEALTHY_AFTER_S else Fitness.UNKNOWN
    if any(view is not None and view.unhealthy for view in views):
        return Fitness.UNHEALTHY if running_s >= grace_s else Fitness.UNKNOWN
    serving = all(
        view and (view.unused or (view.healthy and view.eligible_everywhere))
        for view in views
    )
    return Fitness.HEALTHY if serving else Fitness.UNKNOWN
