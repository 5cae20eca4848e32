"""The task state machine: one table, and the one function that reads it. Floor 1.

    PROVISIONING -> PENDING -> ACTIVATING -> RUNNING
    a network       starting   registering   serving
                 -> DEACTIVATING -> STOPPING -> DEPROVISIONING -> STOPPED
                    draining        SIGTERM     the network

PROVISIONING and DEPROVISIONING are only for tasks whose containers share a network
or a namespace, which a pause container holds. A target is deregistered and drained
(DEACTIVATING) before SIGTERM (STOPPING).
Only forward: no task comes back from anywhere.

Source: ECS developer guide, "Amazon ECS task lifecycle".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from scheduler.errors import IllegalMove
from scheduler.model import STARTING, StopCode, Task, TaskDefinition, TaskStatus
from scheduler.model import TaskStatus as S

MOVES: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = {
    S.PROVISIONING: frozenset({S.PENDING, S.STOPPING, S.STOPPED}),
    S.PENDING: frozenset({S.ACTIVATING, S.STOPPING, S.STOPPED}),
    S.ACTIVATING: frozenset({S.RUNNING, S.DEACTIVATING}),
    S.RUNNING: frozenset({S.DEACTIVATING}),
    S.DEACTIVATING: frozenset({S.STOPPING}),
    S.STOPPING: frozenset({S.DEPROVISIONING, S.STOPPED}),
    S.DEPROVISIONING: frozenset({S.STOPPED}),
    S.STOPPED: frozenset(),
}


def move(task: Task, wanted: TaskStatus, now_unix_s: float) -> Task:
    """Return the task in status `wanted`, with the time written down.

    Raises IllegalMove when the table does not have that move.
    """
    if wanted not in MOVES[task.status]:
        raise IllegalMove(task.id, task.status, wanted)
    task = replace(task, status=wanted)
    if wanted is S.RUNNING:
        task = replace(task, started_at_unix_s=now_unix_s)
    if not task.is_live and task.stopping_at_unix_s is None:
        task = replace(task, stopping_at_unix_s=now_unix_s)
    ended = wanted in {S.DEPROVISIONING, S.STOPPED}
    if ended and task.execution_stopped_at_unix_s is None:
        task = replace(task, execution_stopped_at_unix_s=now_unix_s)
    if wanted is S.STOPPED:
        task = replace(task, stopped_at_unix_s=now_unix_s)
    return task


def first_status(definition: TaskDefinition) -> TaskStatus:
    """Return where a new task begins."""
    return S.PROVISIONING if definition.needs_pause else S.PENDING


def stop(task: Task, code: StopCode, reason: str, now_unix_s: float) -> Task:
    """Return the live task on its way to STOPPED, with the reason it keeps.

    What may be registered is drained first; one that is starting never was.
    """
    first = S.STOPPING if task.status in STARTING else S.DEACTIVATING
    moved = move(task, first, now_unix_s)
    return replace(moved, stop_code=code, stopped_reason=reason)
