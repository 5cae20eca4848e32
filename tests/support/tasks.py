"""Tasks, definitions and instances to decide about, short to write."""

from __future__ import annotations

from dataclasses import replace

from scheduler.definition import ContainerDefinition, PortMapping
from scheduler.model import (
    STARTING,
    ZONE_ATTRIBUTE,
    ContainerInstance,
    PortLease,
    RuntimeKind,
    ServiceLoadBalancer,
    Task,
    TaskDefinition,
    TaskId,
    TaskStatus,
)
from scheduler.ports import TargetView

NOW = 1_000_000.0


def container(name: str = "web", *ports: int, cpu: int = 256) -> ContainerDefinition:
    """A container with a mapping for each container port, all dynamic."""
    mappings = tuple(PortMapping(port) for port in ports)
    return ContainerDefinition(
        name, image="web:1", cpu=cpu, memory_mib=128, port_mappings=mappings
    )


def definition(*containers: ContainerDefinition, revision: int = 1) -> TaskDefinition:
    return TaskDefinition("web", containers or (container("web", 8080),), revision)


def instance(
    name: str = "a", zone: str = "", ports: tuple[int, int] = (20_000, 20_009)
) -> ContainerInstance:
    return ContainerInstance(
        name,
        RuntimeKind.DOCKER,
        attributes={ZONE_ATTRIBUTE: zone} if zone else {},
        dynamic_port_range=ports,
    )


def task(
    name: str = "t", status: TaskStatus = TaskStatus.RUNNING, on: str = "a"
) -> Task:
    """A task of service web with one container, one port and one target."""
    made = Task(
        id=TaskId(name),
        service="web",
        deployment_id="ecs-svc/1",
        task_definition=definition(),
        instance=on,
        status=status,
        created_at_unix_s=NOW - 100,
        address="10.0.0.1",
        leases=(PortLease(on, 20_000, "web", 8080),),
        load_balancers=(ServiceLoadBalancer("blue", "web", 8080, 10.0),),
    )
    if status in STARTING | {TaskStatus.ACTIVATING}:
        return made
    made = replace(made, started_at_unix_s=NOW - 90)
    return made if made.is_live else replace(made, stopping_at_unix_s=NOW - 5)


HEALTHY = TargetView(
    healthy=True,
    unhealthy=False,
    reason="",
    eligible_everywhere=True,
    removed_everywhere=False,
    in_flight=3,
    drained=False,
)
UNHEALTHY = replace(HEALTHY, healthy=False, unhealthy=True)
INITIAL = replace(HEALTHY, healthy=False)
DRAINED = replace(INITIAL, removed_everywhere=True, in_flight=0, drained=True)
