"""Where a task goes, and which goes first when there are too many. Floor 1.

    instances -> those it fits on -> spread: fewest tasks of the service -> one

Spread fields are applied left to right, each breaking the ties of the one
before; the reverse (the fullest first) is the order of scale-in. Best effort:
spreading never keeps a task from an instance that it fits on. Absent:
constraints, binpack, random.

Source: ECS developer guide, "Amazon ECS task placement".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler.decide import wording
from scheduler.model import (
    ZONE_ATTRIBUTE,
    ContainerInstance,
    InstanceStatus,
    PlacementStrategy,
    Task,
    TaskDefinition,
    TaskStatus,
)

ATTRIBUTE: Final = "attribute:"
INSTANCE: Final = "instanceId"
DEFAULT_SPREAD: Final = (f"{ATTRIBUTE}{ZONE_ATTRIBUTE}", INSTANCE)
"""What a service without a strategy gets."""


@dataclass(frozen=True, slots=True)
class Room:
    """An instance with what its tasks have left of it."""

    instance: ContainerInstance
    connected: bool
    cpu: int
    memory_mib: int
    host_ports: frozenset[tuple[str, int]] = frozenset()
    """(protocol, port) held by its tasks."""


def room_on(
    instance: ContainerInstance, status: InstanceStatus | None, tasks: Sequence[Task]
) -> Room:
    """Return what is left; `tasks` are all of that instance that are not STOPPED.

    An instance that was never seen is not connected.
    """
    connected = status is not None and status.connected
    cpu = instance.cpu or (status.cpu if status else 0)
    memory = instance.memory_mib or (status.memory_mib if status else 0)
    return Room(
        instance=instance,
        connected=connected,
        cpu=cpu - sum(task.task_definition.reserved_cpu for task in tasks),
        memory_mib=memory
        - sum(task.task_definition.reserved_memory_mib for task in tasks),
        host_ports=frozenset(
            (lease.protocol, lease.host_port) for task in tasks for lease in task.leases
        ),
    )


@dataclass(frozen=True, slots=True)
class Placed:
    instance: ContainerInstance


@dataclass(frozen=True, slots=True)
class Unplaceable:
    """`reason` in ECS's words: of the instance that came closest."""

    reason: str


def place(
    definition: TaskDefinition,
    rooms: Sequence[Room],
    peers: Sequence[Task],
    strategy: Sequence[PlacementStrategy] = (),
) -> Placed | Unplaceable:
    """Choose the instance for one task of a service. Never raises.

    `peers` are the service's live tasks. An instance that lacks a spread
    attribute comes last; equal instances: the first by name.
    """
    refused = {room.instance.name: _refusal(definition, room) for room in rooms}
    fitting = [room for room in rooms if refused[room.instance.name] is None]
    if not fitting:
        return Unplaceable(_closest(refused))
    fields = spread_fields(strategy)
    instances = {room.instance.name: room.instance for room in rooms}
    counts = _counts(fields, peers, instances)

    def crowd(room: Room) -> tuple[object, ...]:
        values = [_value(room.instance, field) for field in fields]
        tallies = [
            (value == "", counts[field][value])
            for field, value in zip(fields, values, strict=True)
        ]
        return (tallies, room.instance.name)

    return Placed(min(fitting, key=crowd).instance)


def scale_in_order(
    candidates: Sequence[Task],
    peers: Sequence[Task],
    instances: Mapping[str, ContainerInstance],
    strategy: Sequence[PlacementStrategy] = (),
) -> list[Task]:
    """Return `candidates` in the order in which they may be stopped.

    `peers` are the service's live tasks, the candidates among them. Tasks that
    do not run yet first; then from where the most are; the newest of those.
    """
    fields = spread_fields(strategy)
    counts = _counts(fields, peers, instances)
    left = list(candidates)
    order: list[Task] = []

    def crowd(task: Task) -> tuple[object, ...]:
        home = instances.get(task.instance)
        tallies = tuple(counts[field][_value(home, field)] for field in fields)
        waiting = task.status is not TaskStatus.RUNNING
        return (waiting, tallies, task.created_at_unix_s, task.id)

    while left:
        fullest = max(left, key=crowd)
        left.remove(fullest)
        order.append(fullest)
        home = instances.get(fullest.instance)
        for field in fields:
            counts[field][_value(home, field)] -= 1
    return order


def spread_fields(strategy: Sequence[PlacementStrategy]) -> tuple[str, ...]:
    """Return the fields to spread over; the instance breaks the last ties."""
    fields = tuple(
        INSTANCE if item.field == "host" else item.field for item in strategy
    )
    if not fields:
        return DEFAULT_SPREAD
    return fields if INSTANCE in fields else (*fields, INSTANCE)


def _counts(
    fields: Sequence[str],
    peers: Sequence[Task],
    instances: Mapping[str, ContainerInstance],
) -> dict[str, Counter[str]]:
    """Return, for each field, how many peers each of its values has."""
    homes = [instances.get(task.instance) for task in peers]
    return {field: Counter(_value(home, field) for home in homes) for field in fields}


def _value(instance: ContainerInstance | None, field: str) -> str:
    if instance is None:
        return ""
    if field == INSTANCE:
        return instance.name
    return instance.attributes.get(field.removeprefix(ATTRIBUTE), "")


def _refusal(definition: TaskDefinition, room: Room) -> str | None:
    """Return why the task does not fit, in ECS's words; None when it does."""
    if not room.connected:
        return wording.AGENT
    if definition.reserved_cpu > room.cpu:
        return wording.NO_CPU
    if definition.reserved_memory_mib > room.memory_mib:
        return wording.NO_MEMORY
    wanted = {
        (mapping.protocol, mapping.host_port)
        for container in definition.containers
        for mapping in container.port_mappings
        if mapping.host_port
    }
    return wording.PORT_IN_USE if wanted & room.host_ports else None


def _closest(refused: Mapping[str, str | None]) -> str:
    if not refused:
        return wording.NO_INSTANCES
    hurdles = (wording.AGENT, wording.NO_CPU, wording.NO_MEMORY, wording.PORT_IN_USE)
    furthest = max(sorted(refused), key=lambda name: hurdles.index(str(refused[name])))
    return wording.closest(furthest, str(refused[furthest]))
