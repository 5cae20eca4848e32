"""Scale-in protection of tasks. Floor 1: pure.

A protected task is stopped neither by scale-in nor by a deployment until its
protection expires; its own failed health checks and a person stop it.

Sources: ECS API reference, UpdateTaskProtection; ECS developer guide, "API
failure reasons".
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from scheduler.model import ServiceRecord, Task

TASKS_MAX: Final = 10
"""Of one call."""
EXPIRES_IN_MINUTES: Final = 120
"""When nothing else is said."""
EXPIRES_MINUTES: Final = (1, 2880)
MINUTE_S: Final = 60.0
PREFIX_MIN: Final = 4
"""So many digits of a task's id may stand for it."""


class ProtectionFailure(enum.Enum):
    """Why a task is not protected, or not unprotected."""

    MISSING = "MISSING"
    """No task, or more than one, has an id that begins so."""
    TASK_NOT_VALID = "TASK_NOT_VALID"
    """It is about to stop, or its service is."""
    DEPLOYMENT_BLOCKED = "DEPLOYMENT_BLOCKED"
    """More tasks are protected than are wanted already."""


@dataclass(frozen=True, slots=True)
class Protected:
    """A task as it is to be."""

    task: Task


@dataclass(frozen=True, slots=True)
class NotProtected:
    """Why nothing becomes of a name."""

    name: str
    failure: ProtectionFailure


def protect(
    name: str,
    tasks: Mapping[str, Task],
    services: Mapping[str, ServiceRecord],
    until_unix_s: float | None,
    now_unix_s: float,
) -> Protected | NotProtected:
    """Return what becomes of a task; until None it is not protected any more.

    `name` is its id, or the beginning of one. To protect it again sets a new end.
    """
    task = _named(name, tasks)
    if task is None:
        return NotProtected(name, ProtectionFailure.MISSING)
    record = services.get(task.service)
    if not task.is_live or record is None:
        return NotProtected(task.id, ProtectionFailure.TASK_NOT_VALID)
    if until_unix_s is not None and not task.is_protected(now_unix_s):
        peers = [one for one in tasks.values() if one.service == task.service]
        if blocked(record, peers, now_unix_s):
            return NotProtected(task.id, ProtectionFailure.DEPLOYMENT_BLOCKED)
    return Protected(replace(task, protected_until_unix_s=until_unix_s))


def _named(name: str, tasks: Mapping[str, Task]) -> Task | None:
    if name in tasks or len(name) < PREFIX_MIN:
        return tasks.get(name)
    found = [task for key, task in tasks.items() if key.startswith(name)]
    return found[0] if len(found) == 1 else None


def blocked(
    record: ServiceRecord, tasks: Iterable[Task], now_unix_s: float
) -> frozenset[str]:
    """Return the deployments with more protected tasks than are wanted of them."""
    protected = Counter(
        task.deployment_id
        for task in tasks
        if task.is_live and task.is_protected(now_unix_s)
    )
    wanted = {record.deployment_id: record.service.desired_count}
    return frozenset(key for key, n in protected.items() if n > wanted.get(key, 0))
