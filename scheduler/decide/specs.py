"""What a runtime is told to create for a task. Floor 1: pure.

A function of the recorded task and of settings that a restart finds again, so
that a repeated start is the same start.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from scheduler.decide.identity import container_name, network_bindings
from scheduler.decide.images import with_images
from scheduler.decide.order import in_order
from scheduler.decide.quotas import cpu_quotas, memory_limits_mib
from scheduler.definition import ContainerDefinition, NetworkMode
from scheduler.model import ECU_PER_CORE, PAUSE, RuntimeKind, Task, TaskDefinition
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
    specs = [
        _spec(task, definition, kind, around)
        for definition in in_order(
            with_images(task.task_definition, task.images).containers
        )
    ]
    if task.task_definition.needs_pause:
        pause = pause_definition(task.task_definition)
        specs.insert(0, _spec(task, pause, kind, around))
    return tuple(specs)


def pause_definition(definition: TaskDefinition) -> ContainerDefinition:
    """Return the container that holds what those of a task share.

    Who joins a network cannot say how names are resolved in it: what the others
    want of that is the pause container's.
    """
    containers = definition.containers
    servers = dict.fromkeys(s for each in containers for s in each.dns_servers)
    domains = dict.fromkeys(d for each in containers for d in each.dns_search_domains)
    return ContainerDefinition(
        PAUSE, dns_servers=tuple(servers), dns_search_domains=tuple(domains)
    )


def _spec(
    task: Task,
    definition: ContainerDefinition,
    kind: RuntimeKind,
    around: Surroundings,
) -> ContainerSpec:
    whole = task.task_definition
    leases = tuple(
        lease for lease in task.leases if lease.container_name == definition.name
    )
    quota = cpu_quotas(whole).get(definition.name)
    if quota is not None:  # of a faster core it is less
        quota = max(1, quota * ECU_PER_CORE // task.ecu_per_core)
    limit = memory_limits_mib(whole).get(definition.name)
    mounted = {each.source_volume for each in definition.mount_points}
    volumes = tuple(each for each in whole.volumes if each.name in mounted)
    content = repr((task.id, definition, leases, quota, limit, volumes))
    return ContainerSpec(
        name=container_name(around.cluster_uid, task.id, definition.name),
        task_id=task.id,
        service=task.service,
        cluster_uid=around.cluster_uid,
        definition=definition,
        environment=environment(task, definition, kind, around.front_door),
        leases=leases,
        cpu_quota=quota,
        memory_limit_mib=limit,
        task_definition=whole.name,
        network_mode=whole.network_mode,
        pid_mode=whole.pid_mode,
        ipc_mode=whole.ipc_mode,
        volumes=volumes,
        spec_hash=hashlib.sha256(content.encode()).hexdigest()[:16],
    )


def environment(
    task: Task, definition: ContainerDefinition, kind: RuntimeKind, front_door: str
) -> tuple[tuple[str, str], ...]:
    """Return the definition's variables and ours; the definition's win.

    PORT is where the container is to listen for its first port mapping: the
    leased port where it shares the host's network, else its own.
    """
    if definition.name == PAUSE:
        return ()
    ours = {"ALB_SERVICE": task.service, "ALB_TASK_ID": task.id}
    if front_door:
        host_network = task.task_definition.network_mode is NetworkMode.HOST
        seen_as = RuntimeKind.PROCESS if host_network else kind
        ours["ALB_URL"] = seen_from(seen_as, front_door)
    for binding in network_bindings(task):
        if binding.container_name != definition.name:
            continue
        shared = kind is RuntimeKind.PROCESS
        port = str(binding.host_port if shared else binding.container_port)
        ours.setdefault("PORT", port)
        ours[f"PORT_{binding.container_port}"] = port
    return tuple({**ours, **dict(definition.environment)}.items())


def seen_from(kind: RuntimeKind, front_door: str) -> str:
    """Return the front door's URL as a container of that runtime must call it."""
    if kind is RuntimeKind.DOCKER:
        for name in LOOPBACK:
            front_door = front_door.replace(f"//{name}", f"//{HOST_GATEWAY}", 1)
    return front_door
