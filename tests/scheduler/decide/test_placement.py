"""Where tasks go: fit, then constraints, then strategies."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.decide import wording
from scheduler.decide.board import STATIC_PORTS_MAX, Needs, Room, needs_of, room_of
from scheduler.decide.matching import matcher_of
from scheduler.decide.placement import Placer, Unplaceable, Wanted
from scheduler.definition import PortMapping
from scheduler.model import (
    ConstraintType,
    InstanceStatus,
    PlacementConstraint,
    PlacementStrategy,
    PortLease,
    StrategyType,
    Task,
)
from tests.support.examples import examples
from tests.support.tasks import NOW, container, definition, instance, task

SEEN = InstanceStatus(connected=True, cpu=1024, memory_mib=512, address="10.0.0.1")
WEB = needs_of(definition())
GROUP = "service:web"


def rooms(**zones: str) -> list[Room]:
    """One empty connected room for each name=zone."""
    return [room_of(instance(name, zone), SEEN) for name, zone in zones.items()]


def peers(places: str) -> list[Task]:
    """Tasks named t0, t1, …, each on the instance its letter names."""
    return [
        replace(task(f"t{index}", on=letter), created_at_unix_s=NOW + index)
        for index, letter in enumerate(places)
    ]


def strategy(text: str) -> tuple[PlacementStrategy, ...]:
    """Read strategies such as "spread attribute:disk, binpack cpu, random"."""
    parts = [part.split() for part in text.split(",") if part]
    return tuple(
        PlacementStrategy(StrategyType(kind), *field) for kind, *field in parts
    )


def placer(  # noqa: PLR0913 - one for each thing that a row may say
    on: Sequence[Room],
    there: Sequence[Task] = (),
    *,
    needs: Needs = WEB,
    chain: str = "",
    constraints: Sequence[PlacementConstraint] = (),
    draws: Sequence[float] = (0.0,),
) -> Placer:
    drawn = cycle(draws)
    wanted = Wanted(GROUP, needs, tuple(constraints), strategy(chain))
    return Placer(wanted, on, there, {r.name: r for r in on}, lambda: next(drawn))


def chosen(found: Room | Unplaceable) -> str:
    return found.name if isinstance(found, Room) else found.reason


def place_all(placing: Placer, count: int) -> str:
    """Place so many; return where, by the letters of the instances."""
    places = ""
    for _ in range(count):
        room = placing.choose()
        if isinstance(room, Unplaceable):
            break
        placing.settle(room, ())
        places += room.name
    return places


ZONE = "spread attribute:ecs.availability-zone"
# fmt: off
SPREADS = [  # zones of a b c, where tasks are, strategy, where the next goes, because
    ("xxy", "",    "", "a", "all equal: the first by name"),
    ("xxy", "a",   "", "c", "the zone with fewest tasks"),
    ("xxy", "ac",  "", "b", "zones equal: the instance with fewest"),
    ("xxy", "abc", "", "c", "zone y has one, zone x two"),
    ("xxy", "cc",  "", "a", "however many the other zone has room for"),
    ("xxy", "ab",  "spread instanceId", "c", "by instance alone"),
    ("xxy", "cab", "spread instanceId", "a", "zones do not count then"),
    (" yy", "bc",  "", "b", "what lacks the attribute comes last"),
    ("xyx", "a",   ZONE, "b", "as the default does"),
    ("xxy", "d",   "", "a", "an instance that is gone counts for nobody"),
]
CHAINS = [  # cpu left on a b c (zones x x y), strategy, draw, where five tasks go, because
    ((512, 768, 1024), "binpack cpu",        0.0, "aabbb", "the fullest that still fits, until it is full"),
    ((512, 512, 512),  "binpack cpu",        0.0, "aabbcc"[:5], "equal ones by name"),
    ((512, 768, 1024), f"{ZONE}, binpack cpu", 0.0, "acacc", "zones even, each packed"),
    ((512, 768, 1024), "binpack cpu, random", 0.9, "aabbb", "chance decides between equals alone"),
]
# fmt: on


@pytest.mark.parametrize("row", SPREADS, ids=[row[-1] for row in SPREADS])
def test_spread(row: tuple[str, str, str, str, str]) -> None:
    zones, where, chain, expected, _ = row
    on = rooms(**{n: z.strip() for n, z in zip("abc", zones, strict=True)})

    assert expected == chosen(placer(on, peers(where), chain=chain).choose())


@pytest.mark.parametrize("row", CHAINS, ids=[row[-1] for row in CHAINS])
def test_a_chain_of_strategies(
    row: tuple[tuple[int, ...], str, float, str, str],
) -> None:
    left, chain, draw, expected, _ = row
    on = rooms(a="x", b="x", c="y")
    for room, cpu in zip(on, left, strict=True):
        room.cpu = cpu

    assert expected == place_all(placer(on, chain=chain, draws=[draw]), 5)


def test_binpack_of_memory_looks_at_memory() -> None:
    on = rooms(a="", b="")
    on[0].cpu, on[1].memory_mib = 256, 256
    assert "b" == chosen(placer(on, chain="binpack memory").choose())


def test_chance_is_even() -> None:
    """Whatever was placed before, each instance is as likely as another."""
    chance = random.Random(1)  # noqa: S311 - it repeats
    tiny = Needs(0, 0, frozenset())
    draws = [chance.random() for _ in range(3000)]
    on = rooms(a="x", b="x", c="y")
    found = Counter(
        place_all(placer(on, needs=tiny, chain="random", draws=draws), 3000)
    )
    assert all(900 < found[name] < 1100 for name in "abc")


FULL = definition(container("web", 8080, cpu=2000))
STATIC = needs_of(
    definition(replace(container(), port_mappings=(PortMapping(80, 80),)))
)
DISTINCT = PlacementConstraint(ConstraintType.DISTINCT_INSTANCE)


def member(expression: str) -> PlacementConstraint:
    return PlacementConstraint(ConstraintType.MEMBER_OF, expression)


def one(**changes: object) -> list[Room]:
    [room] = rooms(a="")
    for name, value in changes.items():
        setattr(room, name, value)
    return [room]


# fmt: off
REFUSALS = [
    ([],                                    WEB,           (), wording.NO_INSTANCES),
    (one(connected=False),                  WEB,           (), wording.AGENT),
    (one(),                                 needs_of(FULL), (), wording.NO_CPU),
    (one(memory_mib=100),                   WEB,           (), wording.NO_MEMORY),
    (one(ports={("tcp", 80)}),              STATIC,        (), wording.PORT_IN_USE),
    (one(static_ports=STATIC_PORTS_MAX),    STATIC,        (), wording.PORT_IN_USE),
    (one(),                                 WEB,           (member("attribute:disk exists"),), wording.NO_MEMBER),
    (one(groups=Counter({GROUP: 1})),       WEB,           (DISTINCT,), wording.NOT_DISTINCT),
]
# fmt: on


@pytest.mark.parametrize(
    ("on", "needs", "constraints", "reason"),
    REFUSALS,
    ids=[f"{number} {row[-1]}" for number, row in enumerate(REFUSALS)],
)
def test_a_refusal_says_why_in_ecs_words(
    on: list[Room],
    needs: Needs,
    constraints: tuple[PlacementConstraint, ...],
    reason: str,
) -> None:
    found = placer(on, needs=needs, constraints=constraints).choose()
    assert isinstance(found, Unplaceable)
    assert found.reason.endswith(reason)


def test_the_closest_is_the_one_that_failed_last() -> None:
    away, small = rooms(a="", b="")
    away.connected, small.memory_mib = False, 1
    found = placer([small, away]).choose()
    assert Unplaceable(wording.closest("b", wording.NO_MEMORY)) == found


def test_udp_and_tcp_ports_are_apart() -> None:
    assert "a" == chosen(placer(one(ports={("udp", 80)}), needs=STATIC).choose())


def test_a_port_that_ecs_reserves_is_nobodys() -> None:
    for port in (22, 2375, 2376, 51_678, 51_679, 51_680):
        needs = Needs(256, 128, frozenset({("tcp", port)}))
        told = chosen(placer(rooms(a=""), needs=needs).choose())
        assert told.endswith(wording.PORT_IN_USE), port
    udp = Needs(256, 128, frozenset({("udp", 22)}))
    assert "a" == chosen(placer(rooms(a=""), needs=udp).choose())


def test_a_static_port_is_taken_once() -> None:
    placing = placer(rooms(a="", b=""), needs=STATIC)
    lease = PortLease("a", 80, "web", 80)
    for _ in "ab":
        room = placing.choose()
        assert isinstance(room, Room)
        placing.settle(room, (lease,))
    assert chosen(placing.choose()).endswith(wording.PORT_IN_USE)


def test_an_instance_that_was_refused_is_not_chosen_again() -> None:
    placing = placer(rooms(a="", b=""))
    room = placing.choose()
    assert isinstance(room, Room)
    placing.refuse(room, wording.PORT_IN_USE)
    assert "bbbb" == place_all(placing, 9)
    assert chosen(placing.choose()).endswith(
        f"(container-instance a) {wording.PORT_IN_USE}"
    )


def test_distinct_instances_take_one_task_each() -> None:
    assert "abc" == place_all(
        placer(rooms(a="x", b="x", c="x"), constraints=[DISTINCT]), 9
    )


def test_another_groups_tasks_do_not_count_as_distinct() -> None:
    on = one(groups=Counter({"service:db": 1}))
    assert "a" == place_all(placer(on, constraints=[DISTINCT]), 9)


# fmt: off
MEMBERS = [  # disks of a b c, expression, where tasks go until none fits, because
    ("ssd hdd ssd", "attribute:disk == ssd",               "acacacac", "only members"),
    ("ssd hdd ssd", "runningTasksCount < 2",               "abcabc",   "a count that grows as tasks are placed"),
    ("ssd hdd ssd", "task:group == service:db",            "bbbb",     "where another service is"),
    ("ssd hdd ssd", "not(task:group == service:db)",       "acacacac", "where it is not"),
    ("ssd hdd ssd", "task:group == service:web",           "",         "its own group is nowhere yet"),
]
# fmt: on


@pytest.mark.parametrize("row", MEMBERS, ids=[row[-1] for row in MEMBERS])
def test_members(row: tuple[str, str, str, str]) -> None:
    disks, expression, expected, _ = row
    on = rooms(a="", b="", c="")
    for room, disk in zip(on, disks.split(), strict=True):
        room.attributes = {"disk": disk}
    on[1].groups["service:db"] = 1
    placing = placer(on, constraints=[member(expression)])

    assert expected == place_all(placing, 12)[: len(expected) or 12]
    if len(expected) < 8:
        assert isinstance(placing.choose(), Unplaceable) or expected == "bbbb"


# --- promises ---------------------------------------------------------------------

ROOMS = st.lists(
    st.builds(
        lambda zone, disk, cpu, memory: (zone, disk, cpu, memory),
        st.sampled_from(["x", "y", "z", ""]),
        st.sampled_from(["ssd", "hdd"]),
        st.integers(0, 2000),
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=8,
)
CHAIN = st.lists(
    st.sampled_from(
        [ZONE, "spread attribute:disk", "spread instanceId", "binpack cpu",
         "binpack memory", "random"]
    ),
    max_size=3,
).map(",".join)  # fmt: skip
LIMITS = st.lists(
    st.sampled_from(
        [DISTINCT, member("attribute:disk == ssd"), member("runningTasksCount <= 1")]
    ),
    max_size=2,
)
DRAWS = st.lists(
    st.floats(0, 1, exclude_max=True, allow_nan=False), min_size=1, max_size=5
)


def made(
    shapes: Sequence[tuple[str, str, int, int]],
) -> list[Room]:
    on = rooms(**{f"i{n}": zone for n, (zone, *_) in enumerate(shapes)})
    for room, (_, disk, cpu, memory) in zip(on, shapes, strict=True):
        room.cpu, room.memory_mib = cpu, memory
        room.attributes = {**room.attributes, "disk": disk}
    return on


@settings(max_examples=examples(400))
@given(shapes=ROOMS, chain=CHAIN, constraints=LIMITS, draws=DRAWS)
def test_no_task_goes_where_it_does_not_fit_or_must_not(
    shapes: list[tuple[str, str, int, int]],
    chain: str,
    constraints: list[PlacementConstraint],
    draws: list[float],
) -> None:
    on = made(shapes)
    placing = placer(on, chain=chain, constraints=constraints, draws=draws)
    placed = 0
    while True:
        room = placing.choose()
        if isinstance(room, Unplaceable):
            break
        assert room.cpu >= WEB.cpu
        assert room.memory_mib >= WEB.memory_mib
        for constraint in constraints:
            if constraint is DISTINCT:
                assert not room.groups[GROUP]
            else:
                assert matcher_of(constraint.expression)(room)
        placing.settle(room, ())
        placed += 1
    for room in on:
        assert placed == sum(other.running for other in on)
        allowed = [matcher_of(c.expression)(room) for c in constraints if c != DISTINCT]
        distinct = DISTINCT not in constraints or not room.groups[GROUP]
        fits = room.cpu >= WEB.cpu and room.memory_mib >= WEB.memory_mib
        assert not (fits and distinct and all(allowed)), "it would have fitted there"


@settings(max_examples=examples(200))
@given(
    zones=st.lists(st.sampled_from("xyz"), min_size=1, max_size=9),
    count=st.integers(0, 20),
    chain=st.sampled_from(["", ZONE, f"{ZONE},binpack cpu", f"{ZONE},random"]),
    draws=DRAWS,
)
def test_zones_differ_by_one_at_most_where_there_is_room(
    zones: list[str], count: int, chain: str, draws: list[float]
) -> None:
    on = rooms(**{f"i{n}": zone for n, zone in enumerate(zones)})
    for room in on:
        room.cpu = room.memory_mib = 1_000_000
    placing = placer(on, chain=chain, draws=draws)
    for _ in range(count):
        found = placing.choose()
        assert isinstance(found, Room)
        placing.settle(found, ())
    counts = dict.fromkeys(zones, 0)
    for room in on:
        counts[room.instance.zone] += room.running
    assert max(counts.values()) - min(counts.values()) <= 1


@settings(max_examples=examples(200))
@given(shapes=ROOMS, chain=CHAIN, draws=DRAWS, start=st.text("012", max_size=5))
def test_the_same_draws_place_the_same(
    shapes: list[tuple[str, str, int, int]],
    chain: str,
    draws: list[float],
    start: str,
) -> None:
    there = [task(f"t{n}", on=f"i{letter}") for n, letter in enumerate(start)]
    first, again = (
        place_all(placer(made(shapes), there, chain=chain, draws=draws), 30)
        for _ in range(2)
    )
    assert first == again


def naive(on: Sequence[Room], there: Sequence[Task], chain: str) -> str:
    """Place one task by looking at every instance, as the manual tells it."""
    fitting = [
        room for room in on if room.cpu >= WEB.cpu and room.memory_mib >= WEB.memory_mib
    ]
    homes = {room.name: room for room in on}

    def key(room: Room) -> tuple[object, ...]:
        found: list[object] = []
        for item in (*strategy(chain or ZONE), *strategy("spread instanceId")):
            if item.field == "instanceId":
                if (
                    item.type is StrategyType.SPREAD and "binpack" not in chain
                ) or item in strategy(chain):
                    found.append(sum(t.instance == room.name for t in there))
            elif item.type is StrategyType.BINPACK:
                found.append(room.cpu if item.field == "cpu" else room.memory_mib)
            else:
                name = item.field.removeprefix("attribute:")
                mine = room.attributes.get(name, "")
                same = (
                    homes[t.instance].attributes.get(name, "") == mine for t in there
                )
                found.append((mine == "", sum(same)))
        return (*found, room.name)

    return min(fitting, key=key).name if fitting else ""


@settings(max_examples=examples(300))
@given(
    shapes=ROOMS,
    chain=CHAIN.filter(lambda chain: "random" not in chain),
    count=st.integers(1, 12),
)
def test_each_is_placed_where_a_look_at_all_would_place_it(
    shapes: list[tuple[str, str, int, int]], chain: str, count: int
) -> None:
    on = made(shapes)
    placing = placer(on, chain=chain)
    there: list[Task] = []
    for number in range(count):
        expected = naive(on, there, chain)
        room = placing.choose()
        assert expected == (room.name if isinstance(room, Room) else "")
        if isinstance(room, Unplaceable):
            return
        placing.settle(room, ())
        there.append(task(f"t{number}", on=room.name))
