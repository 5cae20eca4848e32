"""What AWS/ECS tells of services and clusters, from what their tasks used. Pure.

Of each running task one sample for its service, used over reserved, so that the
average over a period weighs every task alike; for the cluster one of used and one
of reserved over registered; and the counts of each service. A task without a
fresh reading is missing, never 0.

Source: Amazon ECS developer guide, "CloudWatch metrics" (utilization);
Container Insights metrics (DesiredTaskCount and its like).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from autoscaler.decide.utilization import ecs_metric, utilization
from autoscaler.model import Metric
from scheduler.model import InstanceStatus, Task, TaskStatus
from scheduler.told import ServiceView, TaskUse

INSIGHTS: Final = "ECS/ContainerInsights"
"""The namespace of the counts."""
OF_SERVICES: Final = ("CPUUtilization", "MemoryUtilization")
OF_CLUSTERS: Final = (*OF_SERVICES, "CPUReservation", "MemoryReservation")
COUNTS: Final = ("DesiredTaskCount", "RunningTaskCount", "PendingTaskCount")


class Sample(NamedTuple):
    metric: Metric
    value: float
    unit: str


def of_services(cluster: str, uses: Sequence[TaskUse]) -> Iterator[Sample]:
    """Yield a sample of each task. Nothing reserved or measured: none."""
    for use in uses:
        cpu = utilization(use.cpu, use.reserved_cpu)
        if cpu is not None:
            metric = ecs_metric("CPUUtilization", cluster, use.service)
            yield Sample(metric, cpu, "Percent")
        memory = utilization(use.memory_mib or 0.0, use.reserved_memory_mib)
        if memory is not None and use.memory_mib is not None:
            metric = ecs_metric("MemoryUtilization", cluster, use.service)
            yield Sample(metric, memory, "Percent")


def of_cluster(
    cluster: str,
    uses: Sequence[TaskUse],
    machines: Sequence[InstanceStatus],
    tasks: Iterable[Task],
) -> Iterator[Sample]:
    """Yield what is used and what is reserved of what `machines` have."""
    cpu = sum(one.cpu for one in machines)
    memory_mib = sum(one.memory_mib for one in machines)
    there = [
        task.task_definition for task in tasks if task.status is not TaskStatus.STOPPED
    ]
    memories = [use.memory_mib for use in uses if use.memory_mib is not None]
    found: list[tuple[str, float | None]] = [
        ("CPUReservation", utilization(sum(one.reserved_cpu for one in there), cpu)),
        (
            "MemoryReservation",
            utilization(sum(one.reserved_memory_mib for one in there), memory_mib),
        ),
    ]
    if uses:
        found.append(("CPUUtilization", utilization(sum(u.cpu for u in uses), cpu)))
    if memories:
        found.append(("MemoryUtilization", utilization(sum(memories), memory_mib)))
    for name, percent in found:
        if percent is not None:
            yield Sample(ecs_metric(name, cluster), percent, "Percent")


def counts(cluster: str, services: Mapping[str, ServiceView]) -> Iterator[Sample]:
    """Yield how many tasks each service wants, and how many it has."""
    for service, view in services.items():
        found = (view.desired, view.running, view.pending)
        for name, count in zip(COUNTS, found, strict=True):
            metric = ecs_metric(name, cluster, service, INSIGHTS)
            yield Sample(metric, float(count), "Count")


def by_service(uses: Iterable[TaskUse]) -> Mapping[str, float]:
    """Return each service's CPUUtilization: 100 x used / reserved over its tasks."""
    sums: dict[str, tuple[float, int]] = {}
    for use in uses:
        used, reserved = sums.get(use.service, (0.0, 0))
        sums[use.service] = (used + use.cpu, reserved + use.reserved_cpu)
    return {
        service: percent
        for service, (used, reserved) in sums.items()
        if (percent := utilization(used, reserved)) is not None
    }
