"""Host ports for a new task. Floor 1: pure.

A dynamic port (`hostPort` 0) is leased from the instance's range: one never
used before (each cluster begins elsewhere, so that two on one machine seldom
meet), else the least recently released that is free again. It is free
when nothing that was sent to its former tenant can still arrive: the
deregistration delay and a minute after its release. One that could not be
bound is in quarantine. Static ports are taken as they are: placement has seen
that no other task holds them.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from scheduler.definition import NetworkMode
from scheduler.instance import PortRecord
from scheduler.model import (
    ContainerInstance,
    PortLease,
    Task,
    TaskDefinition,
)

COOL_DOWN_S: Final = 60.0
"""A port rests this long beyond the deregistration delay."""
QUARANTINE_S: Final = 600.0
"""Nobody has told us who holds the port; ask again later."""


class Ports(NamedTuple):
    """What is known of an instance's ports."""

    held: Collection[int]
    """Of tasks that are there."""
    used: Mapping[int, PortRecord]
    """Records of earlier tasks, by port."""
    origin: int = 0
    """Where in the range this cluster begins, counted round and round."""


def origin(cluster_uid: str) -> int:
    """Return where in every range the cluster begins."""
    return zlib.crc32(cluster_uid.encode())


def lease(
    definition: TaskDefinition,
    instance: ContainerInstance,
    ports: Ports,
    now_unix_s: float,
) -> tuple[PortLease, ...] | None:
    """Return a lease for every port mapping; None when the range has too few."""
    if definition.network_mode is NetworkMode.AWSVPC:
        return ()
    static = {
        port
        for container in definition.containers
        for mapping in container.port_mappings
        for port in mapping.static_host_ports
    }
    taken = ports._replace(held=static.union(ports.held))
    free = _free(instance, taken, now_unix_s)
    leases: list[PortLease] = []
    for container in definition.containers:
        for mapping in container.port_mappings:
            first = mapping.host_port or _in_a_row(free, len(mapping.container_ports))
            if first is None:
                return None
            leases.extend(
                PortLease(
                    instance=instance.name,
                    host_port=first + step,
                    container_name=container.name,
                    container_port=port,
                    protocol=mapping.protocol,
                )
                for step, port in enumerate(mapping.container_ports)
            )
    return tuple(leases)


def _in_a_row(free: Iterator[int], count: int) -> int | None:
    """Take the next `count` free ports that follow each other; return the first."""
    run: list[int] = []
    for port in free:
        run = [*run, port] if run and port == run[-1] + 1 else [port]
        if len(run) == count:
            return run[0]
    return None


def are_dynamic(definition: TaskDefinition) -> bool:
    """Tell whether another task of it would have other ports."""
    return not any(
        mapping.host_port
        for container in definition.containers
        for mapping in container.port_mappings
    )


def released(task: Task, now_unix_s: float) -> tuple[PortRecord, ...]:
    """Return what to remember of the ports of a task that is gone."""
    delay_s = max(
        (item.deregistration_delay_s for item in task.load_balancers), default=0.0
    )
    return _records(task, now_unix_s, now_unix_s + delay_s + COOL_DOWN_S)


def quarantined(task: Task, now_unix_s: float) -> tuple[PortRecord, ...]:
    """Return what to remember of ports of which one could not be bound."""
    return _records(task, now_unix_s, now_unix_s + QUARANTINE_S)


def _records(
    task: Task, released_at_unix_s: float, free_at_unix_s: float
) -> tuple[PortRecord, ...]:
    return tuple(
        PortRecord(lease.instance, lease.host_port, released_at_unix_s, free_at_unix_s)
        for lease in task.leases
    )


def _free(
    instance: ContainerInstance, ports: Ports, now_unix_s: float
) -> Iterator[int]:
    """Yield the range's free ports: never used, then least recently released."""
    first, last = instance.dynamic_port_range
    count = last + 1 - first
    for step in range(count):
        port = first + (ports.origin + step) % count
        if port not in ports.used and port not in ports.held:
            yield port
    rested = [
        record
        for record in ports.used.values()
        if first <= record.host_port <= last
        and record.host_port not in ports.held
        and record.free_at_unix_s <= now_unix_s
    ]
    rested.sort(key=lambda record: (record.released_at_unix_s, record.host_port))
    for record in rested:
        yield record.host_port
