"""Tasks of which nothing is to be done, found quickly. Floor 1: pure.

Most tasks of most looks run and are registered, or have stopped and are
forgotten. `next_turn` says so too, at a hundred times the price; whatever it
comes to look at in a RUNNING or STOPPED task has to be looked at here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

from scheduler.container import ContainerLast
from scheduler.decide.identity import target_ids
from scheduler.model import ContainerState, InstanceStatus, Task, TaskId, TaskStatus
from scheduler.ports import TargetView

RUNNING: Final = ContainerState.RUNNING
Running = Mapping[str, Mapping[TaskId, int]]
"""By instance that is connected: how many containers of each task run."""


def running_on(statuses: Mapping[str, InstanceStatus]) -> Running:
    return {
        name: Counter(
            [one.task_id for one in status.containers if one.state is RUNNING]
        )
        for name, status in statuses.items()
        if status.connected
    }


def is_quiet(task: Task, running: Running, targets: Collection[str]) -> bool:
    """Tell whether the task's next turn has neither a move nor an action nor a wake.

    True only when that is certain; `targets` are the registrations that are known.
    """
    if task.status is TaskStatus.RUNNING:
        here, expected = running.get(task.instance), _expected(task)
        if here is None or expected is None or here.get(task.id, 0) != expected:
            return False
        return all(target in targets for target in target_ids(task))
    if task.status is TaskStatus.STOPPED:
        return not any(target in targets for target in target_ids(task))
    return False


def _expected(task: Task) -> int | None:
    """Return how many containers run when nothing is new; None: look at each.

    A health check may say something else each time, and one container that has ended
    may stand for another that is to be started again.
    """
    definition = task.task_definition
    if any(each.status is not ContainerLast.RUNNING for each in task.containers):
        return None
    if any(each.health_check is not None for each in definition.containers):
        return None
    return len(definition.containers) + definition.needs_pause


def serves(task: Task, targets: Mapping[str, TargetView]) -> bool:
    """Tell whether a RUNNING task is HEALTHY as `fitness` has it, by targets alone.

    True only when that is certain: it has targets, and each is healthy.
    """
    registrations = target_ids(task)
    for name in registrations:
        view = targets.get(name)
        if (
            view is None
            or not view.healthy
            or view.unhealthy
            or view.unused
            or not view.eligible_everywhere
        ):
            return False
    return bool(registrations) and task.started_at_unix_s is not None
