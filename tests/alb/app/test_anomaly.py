"""One of three targets that answers 500, on the whole request path: its share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from alb.model import Algorithm, HealthState, TargetGroup, TargetHealth
from tests.support.wires import Wire, World, client_of, upstream_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BROKEN = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
HEALTHY = TargetHealth(HealthState.HEALTHY)
SICK = TargetHealth(HealthState.UNHEALTHY)
PER_SECOND = 60

Make = Callable[..., World]


@pytest.fixture
def make() -> Iterator[Make]:
    worlds: list[World] = []

    def one(*, mitigates: bool = True, targets: int = 3) -> World:
        algorithm = Algorithm("weighted_random", anomaly_mitigation=mitigates)
        worlds.append(World(targets, group=TargetGroup("web", algorithm=algorithm)))
        world = worlds[-1]
        world.table.judge({t.id: HEALTHY for t in world.targets}, world.now_s)
        return world

    yield one
    for world in worlds:
        world.close()


def ask(world: World, failing: str) -> str:
    """Send one request and have it answered; return the name of its target."""
    exchange: object = client_of(world.client(GET)).exchange
    wire: Wire
    if world.connects:
        wire = world.connected()
    else:
        (wire,) = [w for w in world.upstreams if upstream_of(w).exchange is exchange]
    name = str(getattr(upstream_of(wire).pool, "id", ""))
    wire.deliver(BROKEN if name == failing else OK)
    world.flush()
    world.clients.clear()
    world.upstreams = [one for one in world.upstreams if not one.lost]
    return name


def asked(world: World, seconds: int, failing: str = "") -> Counter[str]:
    """Ask steadily; return who answered how often."""
    answered = Counter[str]()
    for _ in range(seconds * 2):
        for _ in range(PER_SECOND // 2):
            answered[ask(world, failing)] += 1
        world.sweep()
    return answered


def test_the_share_of_who_fails_falls_to_almost_nothing_and_comes_back(
    make: Make,
) -> None:
    world = make()
    assert min(asked(world, 5).values()) > 60, "they begin alike"

    asked(world, 20, failing="t0")
    assert world.table.anomalies()[1] == ("t0",)
    ramps, weights = world.table.shares(world.now_s)
    assert ({}, {"t0"}) == (ramps, {*weights})
    assert 0.0 < weights["t0"] < 1.0
    failing = asked(world, 60, failing="t0")
    assert failing["t0"] < 0.05 * failing.total()
    assert min(failing["t1"], failing["t2"]) > 0.4 * failing.total()

    asked(world, 120)
    assert world.table.anomalies() == ((), ())
    again = asked(world, 10)
    assert again["t0"] > 0.25 * again.total()


def test_connections_that_fail_count_like_answers(make: Make) -> None:
    world = make()
    for number in range(150):
        world.client(GET)
        while world.connects:
            _, target = world.connects[0]
            if target.id == "t0":
                target.avoid_until_s = 0.0
                world.refused()
                target.avoid_until_s = 0.0
            else:
                world.connected().deliver(OK)
        world.flush()
        for wire in world.upstreams:
            wire.lose()
        world.upstreams.clear()
        if not number % 30:
            world.sweep()

    assert world.table.anomalies()[0] == ("t0",)


def test_without_mitigation_it_is_told_and_nothing_else(make: Make) -> None:
    world = make(mitigates=False)

    answered = asked(world, 10, failing="t0")

    assert world.table.anomalies() == (("t0",), ())
    assert answered["t0"] > 0.25 * answered.total()


def test_two_targets_are_not_compared(make: Make) -> None:
    world = make(targets=2)

    asked(world, 5, failing="t0")

    assert world.table.anomalies() == ((), ())


def test_nor_are_three_of_which_one_is_unhealthy(make: Make) -> None:
    world = make()
    asked(world, 5, failing="t0")
    assert world.table.anomalies()[0] == ("t0",)

    health = {target.id: HEALTHY for target in world.targets}
    world.table.judge(health | {world.targets[2].id: SICK}, world.now_s)
    world.sweep()

    assert world.table.anomalies()[0] == ()
