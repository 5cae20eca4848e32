"""What every instance has left for tasks, and what a task needs. Floor 1.

    instances + statuses + tasks --> rooms, once per look --> take, take, take …

A room is changed by what is placed in it, so that the next placement of the
same look sees it: nothing else in `decide` is changed in place, and a board
does not outlive its look.

Source: ECS API reference, ContainerInstance (remainingResources).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from scheduler.model import (
    ContainerInstance,
    InstanceStatus,
    PortLease,
    Task,
    TaskDefinition,
)

STATIC_PORTS_MAX: Final = 100
"""Of one instance, with the reserved ones; dynamic ones do not count."""
RESERVED_PORTS: Final = frozenset({22, 2375, 2376, 51_678, 51_679, 51_680})
"""Of every instance, TCP: of SSH, of Docker, of ECS's agent.

Source: ECS API reference, PortMapping.
"""
_RESERVED: Final = frozenset(("tcp", port) for port in RESERVED_PORTS)

Port = tuple[str, int]
"""(protocol, host port)"""


class Needs(NamedTuple):
    """What one task takes of its instance."""

    cpu: int
    memory_mib: int
    ports: frozenset[Port]
    """Static ones; a dynamic one is found when the task is placed."""


def needs_of(definition: TaskDefinition) -> Needs:
    return Needs(
        definition.reserved_cpu,
        definition.reserved_memory_mib,
        frozenset(
            (mapping.protocol, port)
            for container in definition.containers
            for mapping in container.port_mappings
            for port in mapping.static_host_ports
        ),
    )


@dataclass(slots=True)
class Room:
    """An instance with what its tasks have left of it: a `matching.Candidate`."""

    instance: ContainerInstance
    name: str
    attributes: Mapping[str, str]
    """The host's own, and over them those of the file."""
    connected: bool
    cpu: int
    memory_mib: int
    version: str = ""
    registered_at_unix_s: float = 0.0
    running: int = 0
    """Tasks that run or are to."""
    groups: Counter[str] = field(default_factory=Counter)
    """How many of `running` are of each task group."""
    ports: set[Port] = field(default_factory=lambda: set(_RESERVED))
    """Reserved, or held by its tasks, dynamic ones too."""
    static_ports: int = len(RESERVED_PORTS)

    def take(self, needs: Needs, leases: Iterable[PortLease], group: str) -> None:
        """Give a new task what it needs."""
        self.hold(needs, leases)
        self.running += 1
        self.groups[group] += 1

    def hold(self, needs: Needs, leases: Iterable[PortLease]) -> None:
        """Give it to a task that is, perhaps, on its way to STOPPED."""
        self.cpu -= needs.cpu
        self.memory_mib -= needs.memory_mib
        self.static_ports += len(needs.ports)
        self.ports.update((lease.protocol, lease.host_port) for lease in leases)


def room_of(
    instance: ContainerInstance,
    status: InstanceStatus | None,
    *,
    version: str = "",
    registered_at_unix_s: float = 0.0,
) -> Room:
    """Return an instance without tasks. One that was never seen is not connected."""
    connected = status is not None and status.connected
    own = status.attributes if status else {}
    return Room(
        instance,
        instance.name,
        {**own, **instance.attributes} if own else instance.attributes,
        connected,
        instance.cpu or (status.cpu if status else 0),
        instance.memory_mib or (status.memory_mib if status else 0),
        version,
        registered_at_unix_s,
    )


def occupy(rooms: Mapping[str, Room], tasks: Iterable[Task]) -> None:
    """Let tasks that are not STOPPED hold what is theirs."""
    known: dict[tuple[str, int], Needs] = {}
    for task in tasks:
        room = rooms.get(task.instance)
        if room is None:
            continue
        definition = task.task_definition
        key = (definition.family, definition.revision)
        needs = known.get(key) if definition.revision else None
        if needs is None:
            needs = known[key] = needs_of(definition)
        if task.is_live:
            room.take(needs, task.leases, task.group)
        else:
            room.hold(needs, task.leases)
