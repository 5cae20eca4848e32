"""What instances have left, and what tasks take of it."""

from __future__ import annotations

from dataclasses import replace

from scheduler.decide.board import RESERVED_PORTS, Needs, needs_of, occupy, room_of
from scheduler.definition import PortMapping
from scheduler.model import InstanceStatus, PortLease, TaskStatus
from tests.support.tasks import container, definition, instance, task

SEEN = InstanceStatus(
    connected=True,
    cpu=1024,
    memory_mib=512,
    address="10.0.0.1",
    attributes={"ecs.os-type": "linux", "disk": "hdd"},
)


def test_room_is_what_tasks_leave() -> None:
    room = room_of(instance("a"), SEEN)
    leases = (PortLease("a", 20_005, "web", 8080),)
    occupy({"a": room}, [replace(task(), leases=leases), task("u", on="gone")])

    assert (768, 384) == (room.cpu, room.memory_mib)
    assert {("tcp", 20_005)} == room.ports - {("tcp", one) for one in RESERVED_PORTS}
    assert (1, {"service:web": 1}) == (room.running, room.groups)
    assert len(RESERVED_PORTS) == room.static_ports, "a dynamic one does not count"


def test_a_task_on_its_way_to_stopped_holds_its_room_and_is_not_running() -> None:
    room = room_of(instance("a"), SEEN)
    occupy({"a": room}, [task("t", TaskStatus.DEACTIVATING)])

    assert (768, 0, {}) == (room.cpu, room.running, room.groups)


def test_room_may_be_configured_and_the_unseen_is_not_connected() -> None:
    small = replace(instance("a"), cpu=512, memory_mib=256)
    room = room_of(small, SEEN)
    assert (512, 256) == (room.cpu, room.memory_mib)
    assert not room_of(small, None).connected
    assert room_of(instance("a"), None).cpu == 0


def test_the_files_attributes_stand_over_the_hosts_own() -> None:
    labelled = replace(instance("a", "x"), attributes={"disk": "ssd"})

    assert {"ecs.os-type": "linux", "disk": "ssd"} == room_of(labelled, SEEN).attributes


def test_a_task_needs_what_its_containers_reserve_and_their_static_ports() -> None:
    web = replace(
        container("web", 8080), port_mappings=(PortMapping(80, 80), PortMapping(81))
    )
    dns = replace(container("dns"), port_mappings=(PortMapping(53, 53, "udp"),))

    ports = frozenset({("tcp", 80), ("udp", 53)})
    assert Needs(512, 256, ports) == needs_of(definition(web, dns))
