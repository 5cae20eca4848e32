"""What a runtime is told to create for a task. Floor 1: pure.

A function of the recorded task and of settings that a restart finds again, so
that a repeated start is the same start.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from scheduler.decide.identity import container_name
from scheduler.model import ContainerDefinition, RuntimeKind, Task
from scheduler.ports import ContainerSpec

HOST_GATEWAY = "host.docker.internal"
"""The machine as its containers see it."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all tasks of a cluster share. `front_door` is a URL, or empty."""

    cluster_uid: str
    front_door: str = ""
    version: str = ""
    """Of the agent, which is this program: ``agentVersion`` of cluster queries."""


def container_specs(
    task: Task, kind: RuntimeKind, around: Surroundings
) -> tuple[ContainerSpec, ...]:
    """Return the spec of each container, in the order in which they start."""
    return tuple(
        _spec(task, definition, kind, around)
        for definition in task.task_definition.containers
    )


def _spec(
    task: Task,
    definition: ContainerDefinition,
    kind: RuntimeKind,
    around: Surroundings,
) -> ContainerSpec:
    leases = tuple(
        lease for lease in task.leases if lease.container_name == definition.name
    )
    quota = task.task_definition.cpu
    content = repr((task.id, definition, leases, quota))
    return ContainerSpec(
        name=container_name(around.cluster_uid, task.id, definition.name),
        task_id=task.id,
        service=task.service,
        cluster_uid=around.cluster_uid,
        definition=definition,
        environment=environment(task, definition, kind, around.front_door),
        leases=leases,
        cpu_quota=quota,
        spec_hash=hashlib.sha256(content.encode()).hexdigest()[:16],
    )


def environment(
    task: Task, definition: ContainerDefinition, kind: RuntimeKind, front_door: str
) -> tuple[tuple[str, str], ...]:
    """Return the definition's variables and ours; the definition's win.

    PORT is where the container is to listen for its first port mapping: the
    leased port where it shares the host's network, else its own.
    """
    ours = {"ALB_SERVICE": task.service, "ALB_TASK_ID": task.id}
    if front_door:
        ours["ALB_URL"] = seen_from(kind, front_door)
    for lease in task.leases:
        if lease.container_name != definition.name:
            continue
        shared = kind is RuntimeKind.PROCESS
        port = str(lease.host_port if shared else lease.container_port)
        ours.setdefault("PORT", port)
        ours[f"PORT_{lease.container_port}"] = port
    return tuple({**ours, **dict(definition.environment)}.items())


def seen_from(kind: RuntimeKind, front_door: str) -> str:
    """Return the front door's URL as a container of that runtime must call it."""
    if kind is RuntimeKind.DOCKER:
        for name in LOOPBACK:
            front_door = front_door.replace(f"//{name}", f"//{HOST_GATEWAY}", 1)
    return front_door
