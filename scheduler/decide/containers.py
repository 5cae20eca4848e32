"""How far the containers of a task have come, from what is seen. Floor 1: pure.

    task + status of its instance + outcome --> the task with its containers' records

What was seen once is kept: a container that ended is not forgotten with its host,
and who waits for it to end goes on after a restart of control. Absence counts only
for a container that was started, and only in a status asked for after the latest
action; a host that is not connected says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from scheduler.container import ContainerLast, HealthStatus, TaskContainer
from scheduler.decide import wording
from scheduler.decide.actions import Outcome, Restart, Start
from scheduler.decide.identity import container_name
from scheduler.decide.order import dependencies
from scheduler.definition import Condition, ContainerDefinition, Dependency
from scheduler.model import (
    PAUSE,
    STARTING,
    ContainerName,
    ContainerState,
    ContainerStatus,
    InstanceStatus,
    Task,
    TaskStatus,
)

START_TIMEOUT_S: Final = 180.0
"""How long ECS's agent waits for a container that others depend on."""

PENDING, RUNNING, STOPPED = (
    ContainerLast.PENDING,
    ContainerLast.RUNNING,
    ContainerLast.STOPPED,
)


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of the containers of one task."""

    cluster_uid: str
    status: InstanceStatus | None
    outcome: Outcome | None
    settled_at_s: float

    def found(self) -> Mapping[ContainerName, ContainerStatus] | None:
        """Return the containers of its instance; None: it cannot be asked."""
        if self.status is None or not self.status.connected:
            return None
        return {each.name: each for each in self.status.containers}

    @property
    def fresh(self) -> bool:
        """Whether the status was asked for after the latest action ended."""
        return self.status is not None and self.status.observed_at_s > self.settled_at_s


def all_names(task: Task) -> tuple[str, ...]:
    """Return the names of all containers, the pause container's first."""
    pause = (PAUSE,) if task.task_definition.needs_pause else ()
    return (*pause, *(each.name for each in task.task_definition.containers))


def record_of(task: Task, name: str) -> TaskContainer:
    """Return what is known of a container: of a task that runs, that it runs."""
    for container in task.containers:
        if container.name == name:
            return container
    started = task.status not in STARTING
    return TaskContainer(name, RUNNING if started else PENDING)


def looked_at(task: Task, sight: Sight, now_unix_s: float) -> Task:
    """Return the task with what is now known of its containers; itself if nothing."""
    if task.status is TaskStatus.STOPPED:
        return task
    found = sight.found()
    records = {name: record_of(task, name) for name in all_names(task)}
    after = {
        name: _look(task, record, sight, found, now_unix_s)
        for name, record in records.items()
    }
    told = task
    if after != records:
        told = replace(told, containers=tuple(after.values()))
    outcome = sight.outcome
    pulled = outcome.pulled_unix_s if outcome is not None else None
    if pulled is not None and told.pull_stopped_at_unix_s != pulled[1]:
        first = told.pull_started_at_unix_s
        told = replace(
            told,
            pull_started_at_unix_s=pulled[0] if first is None else first,
            pull_stopped_at_unix_s=pulled[1],
        )
    if told.execution_stopped_at_unix_s is None and ended_essential(told) is not None:
        told = replace(told, execution_stopped_at_unix_s=now_unix_s)
    return told


def _look(
    task: Task,
    record: TaskContainer,
    sight: Sight,
    found: Mapping[ContainerName, ContainerStatus] | None,
    now_unix_s: float,
) -> TaskContainer:
    name = container_name(sight.cluster_uid, task.id, record.name)
    record = _after_outcome(record, name, sight.outcome)
    if found is None or record.status is STOPPED:
        return record
    seen = found.get(name)
    if seen is None:
        gone = record.status is RUNNING and sight.fresh
        return replace(record, status=STOPPED, health=None) if gone else record
    record = replace(record, runtime_id=seen.runtime_id or record.runtime_id)
    if seen.state is ContainerState.EXITED:
        return _ended(task, record, seen, sight, now_unix_s)
    if seen.state is ContainerState.RUNNING and record.status is PENDING:
        return _seen_running(record, now_unix_s)
    return replace(record, health=seen.health)


def _after_outcome(
    record: TaskContainer, name: ContainerName, outcome: Outcome | None
) -> TaskContainer:
    """Return the record after what was done last: it was started, or stopped."""
    if outcome is None or record.status is STOPPED:
        return record
    codes = dict(outcome.exit_codes)
    if name in codes:
        code = record.exit_code if codes[name] is None else codes[name]
        return replace(record, status=STOPPED, exit_code=code, health=None)
    if record.status is not PENDING:
        return record
    match outcome.action:
        case Start(specs=specs):
            mine = record.restarts == 0 and any(
                spec.definition.name == record.name for spec in specs
            )
        case Restart(spec=spec, attempt=attempt):
            mine = spec.definition.name == record.name and attempt == record.restarts
        case _:
            mine = False
    if mine and outcome.error is None:
        return replace(record, status=RUNNING, started_at_unix_s=outcome.at_unix_s)
    return record


def _seen_running(record: TaskContainer, now_unix_s: float) -> TaskContainer:
    """A restart whose outcome nobody heard has happened; a start is tried again.

    A start that is repeated adopts what runs, and sees whether it is ours.
    """
    if not record.restarts:
        return record
    return replace(record, status=RUNNING, started_at_unix_s=now_unix_s)


def _ended(
    task: Task,
    record: TaskContainer,
    seen: ContainerStatus,
    sight: Sight,
    now_unix_s: float,
) -> TaskContainer:
    again = record.restarts > 0
    if again and (record.status is PENDING or not sight.fresh):
        return record  # what is seen is its end before
    ended = replace(
        record,
        status=STOPPED,
        exit_code=seen.exit_code,
        reason=wording.OUT_OF_MEMORY if seen.oom_killed else "",
        health=None,
    )
    definition = definition_of(task, record.name)
    if task.is_live and definition and _may_restart(definition, ended, now_unix_s):
        return replace(ended, status=PENDING, restarts=record.restarts + 1)
    return ended


def _may_restart(
    definition: ContainerDefinition, record: TaskContainer, now_unix_s: float
) -> bool:
    policy, started = definition.restart_policy, record.started_at_unix_s
    if policy is None or started is None:
        return False
    ignored = record.exit_code in policy.ignored_exit_codes
    return not ignored and now_unix_s - started >= policy.attempt_period_s


def definition_of(task: Task, name: str) -> ContainerDefinition | None:
    """Return a container's definition; None: it is the pause container."""
    containers = task.task_definition.containers
    return next((each for each in containers if each.name == name), None)


def ended_essential(task: Task) -> TaskContainer | None:
    """Return an essential container that has ended; with it the task ends."""
    for container in task.containers:
        definition = definition_of(task, container.name)
        essential = definition is None or definition.essential
        if essential and container.status is STOPPED:
            return container
    return None


def restarting(task: Task) -> Iterator[TaskContainer]:
    """Yield the containers that are to be started once more."""
    for container in task.containers:
        if container.restarts and container.status is PENDING:
            yield container


# --- who may start ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """What keeps containers from starting. `failed`: it never will be otherwise."""

    failed: str = ""
    until_unix_s: float | None = None


def startable(task: Task) -> frozenset[str]:
    """Return the containers whose turn it is: not started, and nothing to wait for.

    Those that wait only for each other's START are started in one go, in order.
    """
    pending = [
        each
        for each in task.task_definition.containers
        if record_of(task, each.name).status is PENDING
    ]
    ready: set[str] = set()
    while more := [
        each.name
        for each in pending
        if each.name not in ready
        and all(_is_reached(task, need, ready) for need in dependencies(each))
    ]:
        ready.update(more)
    return frozenset(ready)


def is_started(task: Task) -> bool:
    """Tell whether every container was started."""
    return all(
        record_of(task, each.name).status is not PENDING
        or record_of(task, each.name).restarts
        for each in task.task_definition.containers
    )


def waiting(task: Task, now_unix_s: float) -> Waiting:
    """Return what the containers that are not started wait for, and how long."""
    deadlines = []
    for container in task.task_definition.containers:
        if record_of(task, container.name).status is not PENDING:
            continue
        for need in dependencies(container):
            other = record_of(task, need.container_name)
            if _is_reached(task, need, ()) or other.status is PENDING:
                continue
            if other.status is STOPPED:
                return Waiting(wording.never(container.name, need, other.exit_code))
            deadline = _deadline(task, need, other)
            if now_unix_s >= deadline:
                return Waiting(wording.waited(container.name, need))
            deadlines.append(deadline)
    return Waiting(until_unix_s=min(deadlines, default=None))


def _deadline(task: Task, need: Dependency, other: TaskContainer) -> float:
    definition = definition_of(task, need.container_name)
    assert definition is not None, "nobody can depend on the pause container"
    started = other.started_at_unix_s or task.created_at_unix_s
    return started + (definition.start_timeout_s or START_TIMEOUT_S)


def _is_reached(task: Task, need: Dependency, starting: Collection[str]) -> bool:
    other = record_of(task, need.container_name)
    match need.condition:
        case Condition.START:
            return need.container_name in starting or other.status is not PENDING
        case Condition.COMPLETE:
            return other.status is STOPPED
        case Condition.SUCCESS:
            return other.status is STOPPED and other.exit_code == 0
        case Condition.HEALTHY:
            return other.health is HealthStatus.HEALTHY
