"""Each algorithm on the whole request path, over several targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from alb.model import Algorithm, Target, TargetGroup, TargetId
from tests.support.wires import Wire, World, client_of, upstream_of

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-User: %d\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FAILED = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"

Make = Callable[..., World]


@pytest.fixture
def make() -> Iterator[Make]:
    worlds: list[World] = []

    def one(algorithm: str, targets: int = 3, hash_on: str = "source-ip") -> World:
        group = TargetGroup("web", algorithm=Algorithm(algorithm, hash_on))
        worlds.append(World(targets, group=group))
        return worlds[-1]

    yield one
    for world in worlds:
        world.close()


def ask(world: World, number: int = 0, user: int = 0) -> Wire:
    """Send one request; return the target's end, its answer still to come."""
    exchange: object = client_of(world.client(GET % (number, user))).exchange
    if world.connects:
        return world.connected()
    (busy,) = [w for w in world.upstreams if upstream_of(w).exchange is exchange]
    return busy


def answer(world: World, wire: Wire, response: bytes = OK) -> None:
    wire.deliver(response)
    world.flush()


def name_of(wire: Wire) -> str:
    target = upstream_of(wire).pool
    return str(getattr(target, "id", ""))


def loads(world: World) -> list[int]:
    return [target.in_flight for target in world.targets]


ALGORITHMS = (
    "round_robin",
    "least_outstanding_requests",
    "weighted_random",
    "alb.peak_ewma",
    "alb.consistent_hash",
)
every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def test_requests_in_flight_are_level_over_targets(make: Make) -> None:
    world = make("least_outstanding_requests")
    for number in range(9):
        ask(world, number)
    assert loads(world) == [3, 3, 3]

    for wire in [*world.upstreams]:
        if name_of(wire) == "t1":
            answer(world, wire)
    for number in range(3):
        assert name_of(ask(world, number)) == "t1"


def test_a_new_target_gets_what_levels_it_and_no_more(make: Make) -> None:
    world = make("least_outstanding_requests", 2)
    for number in range(8):
        ask(world, number)
    world.publish(*world.registered, Target(TargetId("t9"), "h", 9))
    for number in range(7):
        ask(world, number)
    assert loads(world) == [5, 5, 5]


def test_a_tunnel_counts_while_it_is_open(make: Make) -> None:
    world = make("least_outstanding_requests", 2)
    world.client(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    )
    tunnel = world.connected()
    tunnel.deliver(b"HTTP/1.1 101 Ok\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
    for number in range(4):
        wire = ask(world, number)
        assert name_of(wire) != name_of(tunnel)
        answer(world, wire)


@pytest.mark.parametrize("algorithm", ["least_outstanding_requests", "alb.peak_ewma"])
@pytest.mark.parametrize("how", ["503", "closes"])
def test_a_target_that_fails_at_once_does_not_draw_every_request(
    make: Make, algorithm: str, how: str
) -> None:
    """The black hole: nothing is in flight where everything fails at once."""
    world, fails = make(algorithm), Counter[str]()
    waiting: list[Wire] = []
    for number in range(120):
        wire = ask(world, number)
        if name_of(wire) != "t0":
            waiting.append(wire)  # healthy ones take a while
        elif how == "503":
            fails["t0"] += 1
            answer(world, wire, FAILED)
        else:
            fails["t0"] += 1
            wire.lose()
            world.flush()
        if len(waiting) > 4:
            answer(world, waiting.pop(0))
        if not number % 30:
            world.sweep()
    assert fails["t0"] < 25, "a third of them would be its share"


def test_a_target_that_failed_is_believed_again(make: Make) -> None:
    world = make("least_outstanding_requests")
    for _ in range(12):
        wire = ask(world)
        answer(world, wire, FAILED if name_of(wire) == "t0" else OK)
    for _ in range(8):
        world.sweep()

    picked = Counter[str]()
    for _ in range(9):
        wire = ask(world)
        picked[name_of(wire)] += 1
        answer(world, wire)

    assert picked == {"t0": 3, "t1": 3, "t2": 3}


@every_algorithm
def test_one_that_refuses_is_passed_over_for_a_moment(
    make: Make, algorithm: str
) -> None:
    world = make(algorithm)
    world.client(GET % (0, 0))
    _, refusing = world.connects[0]
    world.refused()
    world.connected()
    for number in range(6):
        world.client(GET % (number, number))
        _, target = world.connects.pop()
        assert target is not refusing


@every_algorithm
def test_but_never_the_last_one(make: Make, algorithm: str) -> None:
    world = make(algorithm, 1)
    world.targets[0].avoid_until_s = world.now_s + 5
    world.client(GET % (0, 0))
    assert len(world.connects) == 1


def test_one_user_stays_with_one_target(make: Make) -> None:
    world = make("alb.consistent_hash", 5, "header:x-user")
    places: dict[int, set[str]] = {}
    for number in range(60):
        user = number % 12
        wire = ask(world, number, user)
        places.setdefault(user, set()).add(name_of(wire))
        answer(world, wire)

    assert all(len(names) == 1 for names in places.values())
    assert len(set.union(*places.values())) > 2, "and users are spread"


def test_an_algorithm_may_change_while_requests_run(make: Make) -> None:
    world = make("round_robin")
    first = [ask(world, number) for number in range(4)]
    for algorithm in ALGORITHMS:
        world.group = TargetGroup("web", algorithm=Algorithm(algorithm))
        world.publish(*world.registered)
        answer(world, ask(world))
    for wire in first:
        answer(world, wire)
    assert loads(world) == [0, 0, 0]
