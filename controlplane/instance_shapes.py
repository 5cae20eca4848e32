"""Container instances and the cluster in the shapes of `aws ecs describe-…`.

Registered is what an instance has to hand out; remaining is what its tasks leave of
it. Of ports it is those that are taken, as ECS tells them, in both.

Source: ECS API reference, ContainerInstance, Resource, Attribute, Cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.api.ports import Document
from controlplane.ecs_shapes import ARN
from controlplane.version import __version__
from scheduler.decide.board import RESERVED_PORTS, Room, occupy, room_of
from scheduler.instance import InstanceRecord
from scheduler.model import (
    STARTING,
    ContainerInstance,
    InstanceStatus,
    Task,
    TaskStatus,
)

MISSING: Final = "MISSING"
"""Why something that was asked for is not told: as ECS does, not an error."""


@dataclass(frozen=True, slots=True)
class Host:
    """All that is known of one container instance."""

    instance: ContainerInstance
    record: InstanceRecord
    status: InstanceStatus
    tasks: Sequence[Task]
    """Those that are there, STOPPED ones not."""


def instance_arn(name: str, cluster: str) -> str:
    return f"{ARN}:container-instance/{cluster}/{name}"


def cluster_arn(cluster: str) -> str:
    return f"{ARN}:cluster/{cluster}"


def described_instance(host: Host, cluster: str) -> Document:
    """Return an instance as DescribeContainerInstances does."""
    name = host.instance.name
    free, left = (
        room_of(host.instance, host.status),
        room_of(host.instance, host.status),
    )
    occupy({name: left}, host.tasks)
    live = [task for task in host.tasks if task.is_live]
    lost = host.record.lost_at_unix_s is not None
    return {
        "containerInstanceArn": instance_arn(name, cluster),
        "ec2InstanceId": name,
        "version": host.record.version,
        "versionInfo": {"agentVersion": __version__},
        "status": host.record.status.value,
        "statusReason": "lost: its tasks are replaced elsewhere" if lost else "",
        "agentConnected": host.status.connected,
        "runningTasksCount": len(live),
        "pendingTasksCount": sum(task.status in STARTING for task in live),
        "registeredResources": _resources(free, reserved_only=True),
        "remainingResources": _resources(left, reserved_only=False),
        "attributes": _attributes(free.attributes),
        "registeredAt": host.record.registered_at_unix_s,
        "healthStatus": _health(host.status, lost=lost),
    }


def _resources(room: Room, *, reserved_only: bool) -> list[Document]:
    taken: dict[str, list[str]] = {}
    for protocol in ("tcp", "udp"):
        ports = {port for kind, port in room.ports if kind == protocol}
        if reserved_only:
            ports &= RESERVED_PORTS
        taken[protocol] = [str(port) for port in sorted(ports)]
    return [
        {"name": "CPU", "type": "INTEGER", "integerValue": room.cpu},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": room.memory_mib},
        {"name": "PORTS", "type": "STRINGSET", "stringSetValue": taken["tcp"]},
        {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": taken["udp"]},
    ]


def _attributes(attributes: Mapping[str, str]) -> list[Document]:
    return [{"name": key, "value": told} for key, told in sorted(attributes.items())]


def _health(status: InstanceStatus, *, lost: bool) -> Document:
    """Return what ECS tells of the container runtime; unseen is not known."""
    if status.connected:
        told = "OK"
    elif lost or status.silent_since_unix_s is not None:
        told = "IMPAIRED"
    else:
        told = "INSUFFICIENT_DATA"
    detail: dict[str, object] = {"type": "CONTAINER_RUNTIME", "status": told}
    if status.silent_since_unix_s is not None:
        detail["lastStatusChange"] = status.silent_since_unix_s
    return {"overallStatus": told, "details": [detail]}


def described_cluster(
    name: str,
    hosts: Iterable[Host],
    tasks: Sequence[Task],
    services: int,
    tags: Mapping[str, str],
) -> Document:
    """Return a cluster as DescribeClusters does; `services` are the ACTIVE ones."""
    live = [task for task in tasks if task.is_live]
    starting = sum(task.status is not TaskStatus.RUNNING for task in live)
    return {
        "clusterArn": cluster_arn(name),
        "clusterName": name,
        "status": "ACTIVE",
        "registeredContainerInstancesCount": len([*hosts]),
        "runningTasksCount": len(live) - starting,
        "pendingTasksCount": starting,
        "activeServicesCount": services,
        "statistics": [],
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
        "settings": [],
        "capacityProviders": [],
        "defaultCapacityProviderStrategy": [],
    }


def failure(arn: str) -> Document:
    return {"arn": arn, "reason": MISSING}
