"""Events, told from what changed between two versions of the records. Floor 1.

Nobody who decides has to remember to report: what is about to be committed is
compared with what was, and each difference that people care about is a line.
Absent: what leaves no trace in the records (unhealthy targets, no room).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby

from scheduler.decide import wording
from scheduler.model import (
    Deployment,
    RolloutState,
    ServiceRecord,
    StopCode,
    Task,
    TaskStatus,
)

Line = tuple[str, str]
"""(service, message)"""

BY_ITSELF = frozenset(
    {StopCode.TASK_FAILED_TO_START, StopCode.ESSENTIAL_CONTAINER_EXITED}
)
"""Nobody asked the task to stop."""


def task_lines(before: Mapping[str, Task], after: Mapping[str, Task]) -> Iterator[Line]:
    """Yield a line for each kind of change of each service's tasks."""
    changed = [task for key, task in after.items() if before.get(key) is not task]
    changed.sort(key=_told_as)
    for service, group in groupby(changed, key=_told_as):
        tasks = list(group)
        for message in _service_lines(service, tasks, before):
            yield service, message


def _service_lines(
    service: str, tasks: list[Task], before: Mapping[str, Task]
) -> Iterator[str]:
    def now(condition: Callable[[Task], bool]) -> list[Task]:
        """Those that fulfil it, and did not before."""
        return [
            task
            for task in tasks
            if condition(task)
            and not (task.id in before and condition(before[task.id]))
        ]

    if new := [task.id for task in tasks if task.id not in before]:
        yield wording.started(service, new)
    for group, count in _groups(now(lambda task: task.status is TaskStatus.RUNNING)):
        yield wording.registered(service, count, group)
    yield from _failed(service, now(lambda task: task.stop_code in BY_ITSELF))
    if lost := [task.id for task in now(lambda task: task.is_tombstone)]:
        yield wording.left_behind(service, lost)
    drains = now(lambda task: task.status is TaskStatus.DEACTIVATING)
    drains = sorted((t for t in drains if t.load_balancers), key=_deployment)
    for deployment, draining in groupby(drains, key=_deployment):
        yield wording.draining(service, deployment, len(list(draining)))
    ended = now(lambda task: task.status is TaskStatus.STOPPED)
    for group, count in _groups(task for task in ended if task.started_at_unix_s):
        yield wording.deregistered(service, count, group)
    if stopped := [task.id for task in ended if task.stop_code not in BY_ITSELF]:
        yield wording.stopped(service, stopped)


def _failed(service: str, tasks: Iterable[Task]) -> Iterator[str]:
    for task in tasks:
        why = wording.with_containers(task.stopped_reason, task.containers)
        yield wording.task_stopped(service, task.id, why)


def service_lines(
    before: Mapping[str, ServiceRecord], after: Mapping[str, ServiceRecord]
) -> Iterator[Line]:
    """Yield a line for each service that reached its steady state, or stays in it."""
    for name, record in after.items():
        was = before.get(name)
        if was is record or not record.steady:
            continue
        again = was and was.steady_told_unix_s != record.steady_told_unix_s
        if again or not (was and was.steady):
            yield name, wording.steady(name)


def deployment_lines(
    before: Mapping[str, Deployment], after: Mapping[str, Deployment]
) -> Iterator[Line]:
    """Yield what became of each deployment: completed, failed, rolled back to."""
    changed = [
        (key, deployment)
        for key, deployment in after.items()
        if key in before and before[key].rollout_state is not deployment.rollout_state
    ]
    changed.sort(key=lambda item: item[1].rollout_state is RolloutState.IN_PROGRESS)
    for key, deployment in changed:
        service = deployment.service
        match deployment.rollout_state:
            case RolloutState.COMPLETED:
                yield service, wording.completed(service, key)
            case RolloutState.FAILED:
                yield (
                    service,
                    wording.deployment_failed(service, key, deployment.failure),
                )
            case RolloutState.IN_PROGRESS:
                yield service, wording.rolling_back(service, key)


def takeover_lines(
    before: Mapping[str, Deployment], after: Mapping[str, Deployment]
) -> Iterator[Line]:
    """Yield each stage of its life cycle that a deployment has come to."""
    for key, deployment in after.items():
        takeover = deployment.takeover
        was = before[key].takeover if key in before else None
        if takeover and (was is None or was.stage is not takeover.stage):
            stage = takeover.stage.value
            yield deployment.service, wording.at_stage(deployment.service, key, stage)


def traffic_lines(
    before: Mapping[str, ServiceRecord], after: Mapping[str, ServiceRecord]
) -> Iterator[Line]:
    """Yield whom production requests reach, where that has changed."""
    for name, record in after.items():
        was = before.get(name)
        if was and was.production and was.production != record.production:
            for deployment, percent in record.production:
                yield name, wording.production(name, deployment, percent)


def _told_as(task: Task) -> str:
    """Return under which name its events are kept: of no service, its family's."""
    return task.service or task.group


def _deployment(task: Task) -> str:
    return task.deployment_id


def _groups(tasks: Iterable[Task]) -> Iterator[tuple[str, int]]:
    """Yield each target group with the number of the tasks' targets in it."""
    groups = sorted(
        balancer.target_group for task in tasks for balancer in task.load_balancers
    )
    for group, targets in groupby(groups):
        yield group, len(list(targets))
