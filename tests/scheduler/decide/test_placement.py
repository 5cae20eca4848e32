"""Where tasks go: fit, then spread; and from where they go first."""

from dataclasses import replace

import pytest

from scheduler.decide import wording
from scheduler.decide.placement import (
    Placed,
    Room,
    Unplaceable,
    place,
    room_on,
    scale_in_order,
    spread_fields,
)
from scheduler.model import (
    InstanceStatus,
    PlacementStrategy,
    PortLease,
    PortMapping,
    Task,
    TaskDefinition,
    TaskStatus,
)
from tests.support.tasks import NOW, container, definition, instance, task

SEEN = InstanceStatus(connected=True, cpu=1024, memory_mib=512, address="10.0.0.1")


def rooms(**zones: str) -> list[Room]:
    """One empty connected room for each name=zone."""
    return [
        Room(instance(name, zone), connected=True, cpu=1024, memory_mib=512)
        for name, zone in zones.items()
    ]


def peers(places: str) -> list[Task]:
    """Tasks named t0, t1, …, each on the instance its letter names."""
    return [
        replace(task(f"t{index}", on=letter), created_at_unix_s=NOW + index)
        for index, letter in enumerate(places)
    ]


# fmt: off
SPREADS = [  # zones of a b c, where tasks are, strategy, where the next goes, because
    ("xxy", "",    (), "a", "all equal: the first by name"),
    ("xxy", "a",   (), "c", "the zone with fewest tasks"),
    ("xxy", "ac",  (), "b", "zones equal: the instance with fewest"),
    ("xxy", "abc", (), "c", "zone y has one, zone x two"),
    ("xxy", "cc",  (), "a", "however many the other zone has room for"),
    ("xxy", "ab",  ("instanceId",), "c", "by instance alone"),
    ("xxy", "cab", ("instanceId",), "a", "zones do not count then"),
    ("xxy", "aab", ("host",), "c", "host is another word for it"),
    (" yy", "bc",  (), "b", "what lacks the attribute comes last"),
    ("xyx", "a",   ("attribute:ecs.availability-zone",), "b", "as the default does"),
]
# fmt: on


@pytest.mark.parametrize("row", SPREADS, ids=[row[-1] for row in SPREADS])
def test_spread(row: tuple[str, str, tuple[str, ...], str, str]) -> None:
    zones, where, strategy, expected, _ = row
    open_rooms = rooms(**{n: z.strip() for n, z in zip("abc", zones, strict=True)})
    fields = [PlacementStrategy("spread", field) for field in strategy]

    found = place(definition(), open_rooms, peers(where), fields)

    assert isinstance(found, Placed)
    assert expected == found.instance.name


def test_spread_fields_end_with_the_instance() -> None:
    disk = PlacementStrategy("spread", "attribute:disk")
    assert ("attribute:disk", "instanceId") == spread_fields([disk])


FULL = definition(container("web", 8080, cpu=2000))
STATIC = definition(replace(container(), port_mappings=(PortMapping(80, 80),)))
[EMPTY] = rooms(a="")
REFUSALS = [
    ([], definition(), wording.NO_INSTANCES),
    ([replace(EMPTY, connected=False)], definition(), wording.AGENT),
    ([EMPTY], FULL, wording.NO_CPU),
    ([replace(EMPTY, memory_mib=100)], definition(), wording.NO_MEMORY),
    (
        [replace(EMPTY, host_ports=frozenset({("tcp", 80)}))],
        STATIC,
        wording.PORT_IN_USE,
    ),
]


@pytest.mark.parametrize(
    ("on", "wanted", "reason"), REFUSALS, ids=[row[-1] for row in REFUSALS]
)
def test_a_refusal_says_why_in_ecs_words(
    on: list[Room], wanted: TaskDefinition, reason: str
) -> None:
    found = place(wanted, on, [])
    assert isinstance(found, Unplaceable)
    assert found.reason.endswith(reason)


def test_the_closest_is_the_one_that_failed_last() -> None:
    away = replace(EMPTY, connected=False)
    small = replace(EMPTY, instance=instance("b"), memory_mib=1)
    found = place(definition(), [small, away], [])
    assert Unplaceable(wording.closest("b", wording.NO_MEMORY)) == found


def test_udp_and_tcp_ports_are_apart() -> None:
    taken = replace(EMPTY, host_ports=frozenset({("udp", 80)}))
    assert isinstance(place(STATIC, [taken], []), Placed)


def test_room_is_what_tasks_leave() -> None:
    one = replace(task(), leases=(PortLease("a", 20_005, "web", 8080),))
    room = room_on(instance("a"), SEEN, [one])
    assert (768, 384) == (room.cpu, room.memory_mib)
    assert frozenset({("tcp", 20_005)}) == room.host_ports
    assert room.connected


def test_room_may_be_configured_and_the_unseen_is_not_connected() -> None:
    small = replace(instance("a"), cpu=512, memory_mib=256)
    assert (512, 256) == (
        room_on(small, SEEN, []).cpu,
        room_on(small, SEEN, []).memory_mib,
    )
    assert not room_on(small, None, []).connected
    assert room_on(instance("a"), None, []).cpu == 0


# fmt: off
SCALE_INS = [  # zones of a b c, where t0, t1, … are, order, because
    ("xxy", "aab",  "t1 t2 t0",    "the newest where the most are, again and again"),
    ("xxy", "abcc", "t3 t1 t2 t0", "zones are equal: the instance with two gives first"),
    ("xyz", "abc",  "t2 t1 t0",    "all equal: the newest first"),
    ("xy ", "aad",  "t1 t2 t0",    "an instance that is no more counts as one without zone"),
]
# fmt: on


@pytest.mark.parametrize("row", SCALE_INS, ids=[row[-1] for row in SCALE_INS])
def test_scale_in(row: tuple[str, str, str, str]) -> None:
    zones, where, order, _ = row
    names = zip("abc", zones, strict=True)
    instances = {name: instance(name, zone.strip()) for name, zone in names}
    tasks = peers(where)
    found = scale_in_order(tasks, tasks, instances)
    assert order == " ".join(item.id for item in found)


def test_a_task_that_does_not_run_yet_goes_first() -> None:
    running, waiting = task("r"), task("w", TaskStatus.PENDING, on="b")
    both = [running, replace(waiting, created_at_unix_s=0.0)]
    [first, _] = scale_in_order(both, both, {"a": instance("a")})
    assert first.id == "w"
