"""Which tasks go first: the reverse of how they were placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.decide.board import Room, occupy, room_of
from scheduler.decide.scale_in import scale_in_order
from scheduler.model import (
    InstanceStatus,
    PlacementStrategy,
    StrategyType,
    Task,
    TaskId,
    TaskStatus,
)
from tests.support.examples import examples
from tests.support.tasks import NOW, instance, task

SEEN = InstanceStatus(connected=True, cpu=1024, memory_mib=1024, address="10.0.0.1")
BINPACK = (PlacementStrategy(StrategyType.BINPACK, "cpu"),)
RANDOM = (PlacementStrategy(StrategyType.RANDOM),)
ZONE = PlacementStrategy(StrategyType.SPREAD, "attribute:ecs.availability-zone")


def peers(places: str) -> list[Task]:
    """Tasks named t0, t1, …, each on the instance its letter names."""
    return [
        replace(task(f"t{index}", on=letter), created_at_unix_s=NOW + index)
        for index, letter in enumerate(places)
    ]


def homes(zones: str, tasks: Sequence[Task]) -> dict[str, Room]:
    named = zip("abc", zones, strict=True)
    found = {name: room_of(instance(name, zone.strip()), SEEN) for name, zone in named}
    occupy(found, tasks)
    return found


# fmt: off
SCALE_INS = [  # zones of a b c, where t0, t1, … are, strategy, order, because
    ("xxy", "aab",  (), "t1 t2 t0",    "the newest where the most are, again and again"),
    ("xxy", "abcc", (), "t3 t1 t2 t0", "zones are equal: the instance with two gives first"),
    ("xyz", "abc",  (), "t2 t1 t0",    "all equal: the newest first"),
    ("xy ", "aad",  (), "t1 t2 t0",    "an instance that is no more counts as one without zone"),
    ("xxx", "aab",  BINPACK, "t2 t1 t0", "packed: the instance that is left emptiest"),
    ("xxx", "abbd", BINPACK, "t3 t0 t2 t1", "first what is on an instance that is no more"),
    ("xxy", "abc",  (ZONE, *BINPACK), "t1 t2 t0", "the fullest zone first, then packed"),
]
# fmt: on


@pytest.mark.parametrize("row", SCALE_INS, ids=[row[-1] for row in SCALE_INS])
def test_scale_in(
    row: tuple[str, str, tuple[PlacementStrategy, ...], str, str],
) -> None:
    zones, where, strategy, order, _ = row
    tasks = peers(where)
    found = scale_in_order(tasks, homes(zones, tasks), lambda: 0.0, strategy)
    assert order == " ".join(item.id for item in found)


def test_a_task_that_does_not_run_yet_goes_first() -> None:
    running, waiting = task("r"), task("w", TaskStatus.PENDING, on="b")
    both = [running, replace(waiting, created_at_unix_s=0.0)]
    [first, _] = scale_in_order(both, homes("xyz", both), lambda: 0.0)
    assert first.id == "w"


def test_chance_decides_where_placement_is_random() -> None:
    tasks = peers("abc")
    drawn = [
        scale_in_order(tasks, homes("xxx", tasks), lambda draw=draw: draw, RANDOM)[0].id  # type: ignore[misc]
        for draw in (0.0, 0.5, 0.99)
    ]
    assert {"t0", "t1", "t2"} == set(drawn)


def test_the_protected_come_last_and_count_where_they_are() -> None:
    tasks = peers("aaab")
    kept = {TaskId("t1"), TaskId("t2")}
    order = scale_in_order(tasks, homes("xyz", tasks), lambda: 0.0, (), kept)
    assert ["t0", "t3", "t2", "t1"] == [item.id for item in order]


@settings(max_examples=examples(300))
@given(
    where=st.text("abcd", max_size=12),
    zones=st.sampled_from(["xxy", "xyz", "xx ", "xxx"]),
    strategy=st.sampled_from([(), BINPACK, RANDOM, (ZONE,), (ZONE, *BINPACK)]),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_everybody_goes_once_and_zones_stay_even(
    where: str, zones: str, strategy: tuple[PlacementStrategy, ...], draw: float
) -> None:
    tasks = peers(where)
    rooms = homes(zones, tasks)
    order = scale_in_order(tasks, rooms, lambda: draw, strategy)

    assert sorted(task.id for task in tasks) == sorted(task.id for task in order)
    if strategy not in ((), (ZONE,), (ZONE, *BINPACK)):
        return
    left = [
        rooms[t.instance].instance.zone if t.instance in rooms else "" for t in tasks
    ]
    for gone in order:
        zone = rooms[gone.instance].instance.zone if gone.instance in rooms else ""
        assert left.count(zone) == max(map(left.count, left))
        left.remove(zone)
