"""A target that turned healthy, on the whole request path: its share over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from alb.model import (
    Algorithm,
    HealthState,
    Target,
    TargetGroup,
    TargetHealth,
    TargetId,
)
from tests.support.wires import Wire, World, client_of, upstream_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HEALTHY = TargetHealth(HealthState.HEALTHY)
DURATION_S = 30
PER_SECOND = 60

Make = Callable[[str], World]


@pytest.fixture
def make() -> Iterator[Make]:
    worlds: list[World] = []

    def one(algorithm: str) -> World:
        group = TargetGroup(
            "web", algorithm=Algorithm(algorithm), slow_start_s=float(DURATION_S)
        )
        worlds.append(World(3, group=group))
        judge(worlds[-1])
        return worlds[-1]

    yield one
    for world in worlds:
        world.close()


def judge(world: World) -> None:
    """Every registered target is healthy."""
    world.table.judge({target.id: HEALTHY for target in world.targets}, world.now_s)


def join(world: World, name: str) -> None:
    """Another target is registered, and turns healthy."""
    world.publish(*world.registered, Target(TargetId(name), "h", 9))
    judge(world)


def ask(world: World) -> str:
    """Send one request and have it answered; return the name of its target."""
    exchange: object = client_of(world.client(GET)).exchange
    wire: Wire
    if world.connects:
        wire = world.connected()
    else:
        (wire,) = [w for w in world.upstreams if upstream_of(w).exchange is exchange]
    name = str(getattr(upstream_of(wire).pool, "id", ""))
    wire.deliver(OK)
    world.flush()
    world.clients.clear()
    world.upstreams = [one for one in world.upstreams if not one.lost]
    return name


def by_second(world: World, seconds: int) -> list[Counter[str]]:
    """Ask steadily, and return who answered in each second."""
    answered = []
    for _ in range(seconds):
        answered.append(Counter[str]())
        for _ in range(2):
            for _ in range(PER_SECOND // 2):
                answered[-1][ask(world)] += 1
            world.sweep()
    return answered


def expected(second: int) -> float:
    """Of that second's requests, those of one target in slow start beside three.

    A worker reads its clock twice a second.
    """
    share = (second + 0.25) / DURATION_S
    return PER_SECOND * share / (3 + share)


@pytest.mark.parametrize(
    ("algorithm", "most_apart"), [("round_robin", 2.0), ("weighted_random", 60.0)]
)
def test_the_share_grows_to_a_full_one(
    make: Make, algorithm: str, most_apart: float
) -> None:
    world = make(algorithm)
    join(world, "new")

    answered = by_second(world, DURATION_S)

    got = wanted = 0.0
    for second, counts in enumerate(answered):
        got += counts["new"]
        wanted += expected(second)
        assert abs(got - wanted) <= most_apart, f"after {second + 1} s"
    others = sum(answered, Counter[str]())
    assert min(others[f"t{n}"] for n in range(3)) > others["new"]


def test_afterwards_turns_are_plain_again(make: Make) -> None:
    world = make("round_robin")
    join(world, "new")
    by_second(world, DURATION_S)

    (second,) = by_second(world, 1)

    assert set(second.values()) == {PER_SECOND // 4}
    assert world.table.groups["web"].chooser is None


def test_in_every_second_nobody_with_a_full_share_gets_less_than_others(
    make: Make,
) -> None:
    world = make("round_robin")
    join(world, "new")
    for counts in by_second(world, DURATION_S):
        full = [counts[f"t{n}"] for n in range(3)]
        assert max(full) - min(full) <= 2
        assert counts["new"] <= min(full) + 1


def test_one_that_cannot_be_reached_is_passed_over_in_slow_start_too(
    make: Make,
) -> None:
    world = make("round_robin")
    join(world, "new")
    world.targets[0].avoid_until_s = world.now_s + 60
    (counts,) = by_second(world, 1)

    assert counts["t0"] == 0
    assert counts["t1"] + counts["t2"] + counts["new"] == PER_SECOND
