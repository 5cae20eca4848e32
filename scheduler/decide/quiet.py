"""Tasks of which nothing is to be done, found quickly. Floor 1: pure.

Most tasks of most looks run and are registered, or have stopped and are
forgotten. `next_turn` says so too, at a hundred times the price; whatever it
comes to look at in a RUNNING or STOPPED task has to be looked at here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from scheduler.decide.identity import target_ids
from scheduler.model import ContainerState, InstanceStatus, Task, TaskId, TaskStatus

Running = Mapping[str, Mapping[TaskId, int]]
"""By instance that is connected: how many containers of each task run."""


def running_on(statuses: Mapping[str, InstanceStatus]) -> Running:
    return {
        name: Counter(
            container.task_id
            for container in status.containers
            if container.state is ContainerState.RUNNING
        )
        for name, status in statuses.items()
        if status.connected
    }


def is_quiet(task: Task, running: Running, targets: Collection[str]) -> bool:
    """Tell whether the task's next turn has neither a move nor an action nor a wake.

    True only when that is certain; `targets` are the registrations that are known.
    """
    if task.status is TaskStatus.RUNNING:
        here = running.get(task.instance)
        if here is None or here.get(task.id) != len(task.task_definition.containers):
            return False
        return all(target in targets for target in target_ids(task))
    if task.status is TaskStatus.STOPPED:
        return not any(target in targets for target in target_ids(task))
    return False
