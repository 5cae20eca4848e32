"""Names that nothing else has: tasks, deployments, containers, targets. Floor 1.

    task        32 hex digits               deployment  ecs-svc/<19 digits>
    container   alb-CLUSTERUID-TASKID-NAME  target      TASKID/NAME/PORT/GROUP

Sources: ECS API reference, Task and Deployment, for the first two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from scheduler.definition import NetworkMode
from scheduler.model import ContainerName, PortLease, ServiceLoadBalancer, Task, TaskId

Draw = Callable[[], float]
"""A number in [0, 1), evenly distributed, new at each call."""


def new_task_id(draw: Draw) -> TaskId:
    return TaskId("".join(f"{int(draw() * 2**32):08x}" for _ in range(4)))


def new_deployment_id(draw: Draw) -> str:
    return f"ecs-svc/{int(draw() * 10**10):010}{int(draw() * 10**9):09}"


def container_name(cluster_uid: str, task: TaskId, container: str) -> ContainerName:
    return ContainerName(f"alb-{cluster_uid}-{task}-{container}")


def container_names(cluster_uid: str, task: Task) -> tuple[ContainerName, ...]:
    """Return the names of all containers of the task, in the definition's order."""
    return tuple(
        container_name(cluster_uid, task.id, container.name)
        for container in task.task_definition.containers
    )


def volume_name(cluster_uid: str, task: TaskId, volume: str) -> str:
    """Return the engine's name of a volume that is the task's own."""
    return f"alb-{cluster_uid}-{task}-{volume}"


def network_bindings(task: Task) -> tuple[PortLease, ...]:
    """Return where the task's ports are reached: what was leased for it.

    A task with an address of its own holds no port of its host.
    """
    if task.task_definition.network_mode is not NetworkMode.AWSVPC:
        return task.leases
    return tuple(
        PortLease(task.instance, port, container.name, port, mapping.protocol)
        for container in task.task_definition.containers
        for mapping in container.port_mappings
        for port in mapping.container_ports
    )


Registrations = Mapping[str, tuple[ServiceLoadBalancer, PortLease]]

REMEMBERED_MAX: Final = 100_000
_remembered: Final[dict[int, tuple[Task, Registrations]]] = {}
"""What `target_ids` found, by identity: every look asks it of every task, and a task
that has not changed is the same object. Holding the task keeps its identity its own."""


def target_ids(task: Task) -> Registrations:
    """Return each registration of the task: the group it is in, and its port."""
    known = _remembered.get(id(task))
    if known is not None and known[0] is task:
        return known[1]
    if len(_remembered) >= REMEMBERED_MAX:
        _remembered.clear()
    found = _target_ids(task)
    _remembered[id(task)] = (task, found)
    return found


def _target_ids(task: Task) -> Registrations:
    leases = {
        (item.container_name, item.container_port): item
        for item in network_bindings(task)
    }
    found = {}
    for balancer in task.load_balancers:
        lease = leases[balancer.container_name, balancer.container_port]
        port = f"{lease.container_name}/{lease.container_port}"
        found[f"{task.id}/{port}/{balancer.target_group}"] = (balancer, lease)
    return found
