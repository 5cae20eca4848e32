"""Clients and targets that leave, at every stage: all that was given out comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from alb.model import Target, TargetId
from tests.support.wires import Wire, World, upstream_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
)
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
BIG = 200_000


@pytest.fixture
def world() -> Iterator[World]:
    one = World(targets=1)
    yield one
    one.close()


Stage = Callable[[World], Wire]


def before_a_head(world: World) -> Wire:
    return world.client()


def in_a_head(world: World) -> Wire:
    return world.client(GET[:-9])


def waiting_for_a_connection(world: World) -> Wire:
    return world.client(GET)


def uploading_before_there_is_a_connection(world: World) -> Wire:
    return world.client(POST + b"Content-Length: %d\r\n\r\n" % BIG + b"x" * 70_000)


def asked(world: World, request: bytes) -> tuple[Wire, Wire]:
    client = world.client(request)
    target = world.connected()
    world.flush()
    return client, target


def uploading_a_counted_body(world: World) -> Wire:
    return asked(world, POST + b"Content-Length: 9\r\n\r\nhalf")[0]


def uploading_chunks(world: World) -> Wire:
    return asked(world, POST + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf")[0]


def uploading_to_one_who_does_not_read(world: World) -> Wire:
    client, _ = asked(world, POST + b"Content-Length: %d\r\n\r\n" % BIG)
    client.deliver(b"x" * 150_000)
    assert client.paused
    return client


def awaiting_an_answer(world: World) -> Wire:
    return asked(world, GET)[0]


def awaiting_an_answer_with_more_behind(world: World) -> Wire:
    return asked(world, GET * 3)[0]


def downloading(world: World) -> Wire:
    client, target = asked(world, GET)
    target.deliver(OK + b"Content-Length: 9\r\n\r\nhalf")
    return client


def downloading_and_not_reading(world: World) -> Wire:
    client, target = asked(world, GET)
    target.deliver(OK + b"Content-Length: %d\r\n\r\n" % BIG + b"x" * 150_000)
    assert target.paused
    return client


def in_a_tunnel(world: World) -> Wire:
    client, target = asked(world, UPGRADE)
    target.deliver(b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\n\r\n")
    return client


def between_requests(world: World) -> Wire:
    client, target = asked(world, GET)
    target.deliver(OK + b"Content-Length: 0\r\n\r\n")
    return client


def behind_the_last_answer(world: World) -> Wire:
    return world.client(b"nonsense\r\n\r\n")


STAGES: dict[Stage, int] = {
    before_a_head: 0,
    in_a_head: 0,
    waiting_for_a_connection: 1,
    uploading_before_there_is_a_connection: 1,
    uploading_a_counted_body: 1,
    uploading_chunks: 1,
    uploading_to_one_who_does_not_read: 1,
    awaiting_an_answer: 1,
    awaiting_an_answer_with_more_behind: 1,
    downloading: 1,
    downloading_and_not_reading: 1,
    in_a_tunnel: 0,
    between_requests: 0,
    behind_the_last_answer: 0,
}
"""And how many requests have lost their client (460) when one leaves there."""


def gone(world: World) -> int:
    totals = world.door.report().totals
    return totals.get("failure.CLIENT_GONE", 0) + totals.get("failure.CLIENT_CUT", 0)


def assert_at_rest(world: World) -> None:
    assert {} == world.door.clients
    assert [0] == [target.in_flight for target in world.targets]
    for wire in world.upstreams:
        pooled = any(upstream_of(wire) in one.idle for one in world.targets)
        assert pooled != wire.lost


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_client_may_leave_at_any_stage(world: World, stage: Stage, how: str) -> None:
    client = stage(world)
    if how == "reset" or not client.readable:
        client.lose(ConnectionResetError() if how == "reset" else None)
    else:
        client.deliver_eof()
    if stage is in_a_tunnel and how == "end":
        world.upstreams[0].deliver_eof()  # a tunnel has two ends
    while world.connects:
        world.connected()
    world.flush()

    assert gone(world) == STAGES[stage]
    assert_at_rest(world)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_a_target_may_be_lost_at_any_stage(world: World, stage: Stage) -> None:
    client = stage(world)
    for wire in world.upstreams:
        wire.lose(ConnectionResetError())
    while world.connects:
        world.connected().lose(ConnectionResetError())
    world.flush()

    assert client.sent.count(b"HTTP/1.1 ") <= 3
    client.lose()
    world.flush()
    while world.connects:
        world.connected().lose(ConnectionResetError())
    world.flush()
    assert_at_rest(world)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_time_ends_every_stage(world: World, stage: Stage) -> None:
    """Nobody does anything any more, and a minute's timeouts pass."""
    stage(world)
    for _ in range(300):
        while world.connects:
            world.refused()  # connecting has a deadline of its own
        world.sweep(1.0)
        world.settle()

    assert_at_rest(world)


@pytest.mark.parametrize(
    "stage",
    [stage for stage, lost in STAGES.items() if lost or stage is in_a_tunnel],
    ids=lambda stage: stage.__name__,
)
def test_a_deregistered_target_is_cut_off_at_any_stage(
    world: World, stage: Stage
) -> None:
    client = stage(world)
    assert [1] == [target.in_flight for target in world.targets]
    world.publish(Target(TargetId("t0"), "h", 0, draining=True))
    exchange = client.protocol.exchange  # type: ignore[attr-defined]  # a client's
    exchange.cut()
    world.flush()

    assert [0] == [target.in_flight for target in world.targets]
    assert client.lost or b"HTTP/1.1 502 " in client.sent or client.ended
    client.lose()
    while world.connects:
        world.connected()
    world.flush()
    assert {} == world.door.clients


def test_a_tunnel_outlives_changes_and_ends_when_nothing_passes(world: World) -> None:
    client = in_a_tunnel(world)
    (target,) = world.upstreams
    for _ in range(3):  # both snapshots and time: as long as something passes
        world.publish(Target(TargetId("t0"), "h", 0), Target(TargetId("t9"), "h", 9))
        world.sweep(50)
        target.deliver(b"ping")
        world.sweep(50)
        client.deliver(b"pong")
    world.flush()
    assert not client.lost
    assert client.sent.endswith(b"pingpingping")
    assert target.sent.endswith(b"pongpongpong")

    world.sweep(50)
    world.sweep(50)
    world.flush()
    assert client.lost
    assert target.lost
    assert [0, 0] == [one.in_flight for one in world.targets]


def test_a_target_that_reads_nothing_more_is_not_waited_for_behind_its_tunnel(
    world: World,
) -> None:
    """What is left for it is sent as long as it is taken, and no longer."""
    client = in_a_tunnel(world)
    (target,) = world.upstreams
    client.deliver(b"x" * 100)
    client.lose()
    for _ in range(4):  # longer than the idle timeout, but something is read
        world.sweep(50)
        target.take(10)
    world.settle()
    assert not target.lost
    assert world.door.is_busy

    world.sweep(61)
    world.sweep(61)
    world.settle()
    assert target.lost
    assert not world.door.is_busy


def test_a_worker_whose_time_is_over_waits_for_no_target_to_read(world: World) -> None:
    client = in_a_tunnel(world)
    (target,) = world.upstreams
    client.deliver(b"x" * 100)
    client.lose()
    world.settle()
    assert world.door.is_busy

    world.door.abort()
    world.settle()
    assert target.lost
    assert not world.door.is_busy


def test_what_was_left_for_a_target_reaches_it_behind_its_tunnel(world: World) -> None:
    client = in_a_tunnel(world)
    (target,) = world.upstreams
    client.deliver(b"last words")
    client.lose()
    world.flush()
    assert target.sent.endswith(b"last words")
    assert target.lost
    world.sweep()
    assert not world.door.is_busy


def test_a_target_that_ends_is_not_waited_for_to_read_the_rest(world: World) -> None:
    """An end in an answer is the answer's: 502 at once, not 504 in a minute."""
    client = uploading_to_one_who_does_not_read(world)
    (target,) = world.upstreams
    target.deliver_eof()
    world.settle()
    client.take()
    assert client.sent.startswith(b"HTTP/1.1 502 ")
    assert [0] == [one.in_flight for one in world.targets]
