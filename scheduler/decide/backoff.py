"""When to start again what keeps failing. Floor 1: pure.

    failures in a row   1  2  3  4  5  6  7  …
    wait (seconds)      0  0  0  1  2  4  8  … 60

Tasks fail in rounds: those that were made before the latest failure was known
fail for the same reason, so six at once count once. ECS delays only tasks that
never reached RUNNING; a task that runs and fails before it was ever healthy, or
within a minute, is delayed here too, for a crash loop costs the same. ECS does not
publish its curve; its cap is 27 minutes (developer guide, "Service throttle
logic"), ours suits one machine.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from scheduler.model import Deployment, Task

FREE_FAILURES: Final = 3
DELAY_MAX_S: Final = 60.0
DIED_QUICKLY_S: Final = 60.0
"""A task that was healthy and ran longer is replaced at once."""


def delay_s(failed_rounds: int) -> float:
    """Return how long to wait after so many failures in a row. Never raises."""
    if failed_rounds <= FREE_FAILURES:
        return 0.0
    doublings = min(failed_rounds - FREE_FAILURES - 1, 10)
    return min(DELAY_MAX_S, 2.0**doublings)


def may_start_at_s(deployment: Deployment) -> float:
    """Return the earliest time (unix) of the deployment's next start."""
    return deployment.failed_at_unix_s + delay_s(deployment.failed_rounds)


def after_failure(deployment: Deployment, task: Task, now_unix_s: float) -> Deployment:
    """Return the deployment with `task`, which failed by itself, counted in.

    A quiet minute beyond the wait ends the row.
    """
    if _has_served(task, now_unix_s):
        return deployment
    if task.created_at_unix_s < deployment.failed_at_unix_s:
        return deployment
    quiet_s = now_unix_s - may_start_at_s(deployment)
    rounds = 1 if quiet_s > DIED_QUICKLY_S else deployment.failed_rounds + 1
    return replace(deployment, failed_rounds=rounds, failed_at_unix_s=now_unix_s)


def _has_served(task: Task, now_unix_s: float) -> bool:
    """Tell whether it was healthy, and ran for a while: such a one is replaced at once.

    Whatever it died of then, the next one will most likely serve as long.
    """
    if task.healthy_at_unix_s is None or task.started_at_unix_s is None:
        return False
    return now_unix_s - task.started_at_unix_s >= DIED_QUICKLY_S
