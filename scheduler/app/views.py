"""What the scheduler tells of services and tasks. Floor 4, synchronous: reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from scheduler.app.look import Observed
from scheduler.app.watch import Watch
from scheduler.decide.fitness import Fitness, Verdicts, fitness
from scheduler.decide.identity import container_names
from scheduler.decide.takeover import base_of, is_under_way, kept
from scheduler.decide.usage import in_units, task_memory_mib, task_units, units_of
from scheduler.model import (
    ECU_PER_CORE,
    ContainerInstance,
    Deployment,
    InstanceStatus,
    RolloutState,
    ServiceRecord,
    Task,
    TaskStatus,
)
from scheduler.state.records import Records
from scheduler.told import DeploymentView, ServiceView, TaskUse


def view_service(
    record: ServiceRecord, records: Records, known: Verdicts, now_unix_s: float
) -> ServiceView:
    """Return one service as it stands. Counts are of live tasks."""
    service = record.service
    live = [task for task in records.tasks_of(service.name) if task.is_live]
    grace_s = service.health_check_grace_period_s
    healthy = [
        task
        for task in live
        if fitness(task, known, grace_s, now_unix_s) is Fitness.HEALTHY
    ]
    running = _running(live)
    primary = records.deployments[record.deployment_id]
    history = _deployments(record, records, live)
    return ServiceView(
        service=service,
        status=record.status,
        desired=service.desired_count,
        running=running,
        pending=len(live) - running,
        healthy=len(healthy),
        deploying=primary.rollout_state is RolloutState.IN_PROGRESS,
        reached=record.steady,
        fulfilled=_is_fulfilled(record, records, live, healthy),
        serving=_serving(record, records, healthy),
        version=record.version,
        deployments=tuple(one for one in history if not one.deployment.inactive),
        history=history,
        events=tuple(records.events_of(service.name)),
        production=record.production,
        test_id=record.test_id,
    )


def _is_fulfilled(
    record: ServiceRecord,
    records: Records,
    live: Sequence[Task],
    healthy: Sequence[Task],
) -> bool:
    known = records.deployments
    primary = known[record.deployment_id]
    if not _takes_over(primary) or not record.production:
        return record.steady
    desired = record.service.desired_count
    return all(
        _of(live, one) == _of(healthy, one) == desired
        for one in kept(primary, record.production, known)
    )


def _serving(record: ServiceRecord, records: Records, healthy: Sequence[Task]) -> int:
    primary = records.deployments[record.deployment_id]
    if not _takes_over(primary):
        return len(healthy)
    return _of(healthy, base_of(primary, records.deployments, record.production))


def _takes_over(primary: Deployment) -> bool:
    done = primary.rollout_state is RolloutState.COMPLETED
    return primary.takeover is not None and not done


def _of(tasks: Sequence[Task], deployment: Deployment) -> int:
    return sum(task.deployment_id == deployment.id for task in tasks)


def _deployments(
    record: ServiceRecord, records: Records, live: Sequence[Task]
) -> tuple[DeploymentView, ...]:
    whole = {record.deployment_id}
    taking_over = records.deployments[record.deployment_id]
    if taking_over.takeover is not None and is_under_way(taking_over):
        whole.add(taking_over.takeover.source_id)

    def is_primary(deployment: Deployment) -> bool:
        return deployment.id == record.deployment_id

    def view(deployment: Deployment) -> DeploymentView:
        mine = [task for task in live if task.deployment_id == deployment.id]
        primary = is_primary(deployment)
        status = "INACTIVE" if deployment.inactive else "ACTIVE"
        return DeploymentView(
            deployment=deployment,
            status="PRIMARY" if primary else status,
            desired=record.service.desired_count if deployment.id in whole else 0,
            running=_running(mine),
            pending=len(mine) - _running(mine),
        )

    known = sorted(
        records.deployments_of(record.service.name),
        key=lambda item: (is_primary(item), item.created_at_unix_s),
        reverse=True,
    )
    return tuple(view(deployment) for deployment in known)


def _running(tasks: Sequence[Task]) -> int:
    return sum(task.status is TaskStatus.RUNNING for task in tasks)


def task_uses(
    tasks: Iterable[Task], watches: Mapping[str, Watch], cluster_uid: str
) -> list[TaskUse]:
    """Return what each running task of a service used over the last second.

    A task without fresh readings is not in it. One that reserves nothing (0)
    is: it uses what the cluster has.
    """
    samples = []
    for task in tasks:
        watch = watches.get(task.instance)
        serves = task.service and task.status is TaskStatus.RUNNING
        if not serves or watch is None:
            continue
        names = container_names(cluster_uid, task)
        before, after = watch.readings()
        cores = task_units(names, before, after)
        if cores is not None:
            definition = task.task_definition
            samples.append(
                TaskUse(
                    task.service,
                    str(task.id),
                    units_of(cores, task.ecu_per_core),
                    definition.reserved_cpu,
                    task_memory_mib(names, after),
                    definition.reserved_memory_mib,
                )
            )
    return samples


def keys_of(observed: Observed, records: Records) -> set[str]:
    """Return the keys whose actions may still matter."""
    found: set[str] = set(records.tasks)
    for key in observed.outcomes:
        if key.rpartition("@")[0] in records.deployments:
            found.add(key)
    for status in observed.statuses.values():
        found.update(container.name for container in status.containers)
    return found


def is_empty(observed: Observed, records: Records) -> bool:
    """Tell whether nothing is left that could be stopped now."""
    tasks_left = any(
        task.status is not TaskStatus.STOPPED and observed.is_connected(task.instance)
        for task in records.tasks.values()
    )
    containers_left = any(
        status.connected and status.containers for status in observed.statuses.values()
    )
    return not (tasks_left or containers_left or observed.busy)


def lost_and_away(observed: Observed, records: Records) -> set[str]:
    """Return the instances that were declared lost and still do not answer."""
    return {
        name
        for name, status in observed.statuses.items()
        if not status.connected
        and (record := records.instances.get(name)) is not None
        and record.lost_at_unix_s is not None
    }


def counted(
    statuses: dict[str, InstanceStatus], instances: Mapping[str, ContainerInstance]
) -> dict[str, InstanceStatus]:
    """Return the hosts as last seen, their cores counted by what they do."""
    for name, instance in instances.items():
        if instance.ecu_per_core != ECU_PER_CORE and name in statuses:
            statuses[name] = in_units(statuses[name], instance.ecu_per_core)
    return statuses
