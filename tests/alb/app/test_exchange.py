"""One request through the door, step by step, over connections in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alb.errors import Failure
from alb.model import Target, TargetId
from tests.support.wires import Wire, World, client_of

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%b"
BIG = 200_000


@pytest.fixture
def world() -> Iterator[World]:
    one = World(targets=1)
    yield one
    one.close()


def in_flight(world: World) -> int:
    return sum(target.in_flight for target in world.targets)


def idle(world: World) -> int:
    return sum(len(target.idle) for target in world.targets)


def asked(world: World, request: bytes) -> tuple[Wire, Wire]:
    """A client whose request has reached a target."""
    client = world.client(request)
    target = world.connected()
    world.flush()
    return client, target


def test_an_answered_request_leaves_a_clean_connection(world: World) -> None:
    client, target = asked(world, GET % b"x")
    target.deliver(OK % b"ok")
    world.flush()
    assert client.sent.endswith(b"ok")
    assert (in_flight(world), idle(world)) == (0, 1)


def test_a_request_that_waits_for_a_connection_has_no_timeout_of_its_own(
    world: World,
) -> None:
    world.client(GET % b"x")
    world.sweep(5)
    assert in_flight(world) == 1


# fmt: off
NOT_REUSED = [
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nGET",              b"ok", "a target may take the body of a GET for a request"),
    (b"HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"",  "or of a HEAD"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",            b"ok", "the answer came before the body was whole"),
    (GET % b"x",                                                                b"ok!", "more came than was told"),
]
# fmt: on


@pytest.mark.parametrize(
    ("request_bytes", "body"),
    [row[:-1] for row in NOT_REUSED],
    ids=[row[-1] for row in NOT_REUSED],
)
def test_a_connection_that_may_not_be_clean_is_not_used_again(
    world: World, request_bytes: bytes, body: bytes
) -> None:
    client, target = asked(world, request_bytes)
    target.deliver(OK % body)
    world.flush()
    assert idle(world) == 0
    assert target.lost
    assert client.sent.count(b"HTTP/1.1 200 OK") == 1


def test_a_connection_is_not_used_again_while_a_body_is_still_being_sent(
    world: World,
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BIG
    client, target = asked(world, head)
    client.deliver(b"x" * BIG)
    target.deliver(OK % b"ok")
    assert target.aborted
    assert idle(world) == 0
    assert in_flight(world) == 0
    assert client.unsent.endswith(b"ok")


def test_a_pooled_connection_that_ends_is_out_of_the_pool_at_once(world: World) -> None:
    """Before its transport has told so: the next request may be there already."""
    client, target = asked(world, GET % b"1")
    target.deliver(OK % b"ok")
    target.deliver_eof()
    client.deliver(GET % b"2")
    assert b"/2 " not in target.sent + target.unsent
    assert len(world.connects) == 1


def test_a_pooled_connection_that_was_reset_is_not_written_to(world: World) -> None:
    client, target = asked(world, GET % b"1")
    target.deliver(OK % b"ok")
    target.closing = True  # the loop tells next turn
    client.deliver(GET % b"2")
    assert len(world.connects) == 1


def test_bytes_nobody_asked_for_end_a_pooled_connection(world: World) -> None:
    _, target = asked(world, GET % b"1")
    target.deliver(OK % b"ok")
    target.deliver(OK % b"evil")
    assert target.aborted
    assert idle(world) == 0


def test_a_slow_reader_gets_the_end_of_its_last_response(world: World) -> None:
    client, target = asked(
        world, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    target.deliver(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000)
    for _ in range(60):
        world.sweep(5)
        assert not client.aborted
        client.take(1000)
    world.flush()
    assert client.sent.endswith(b"x" * 60_000)
    assert client.lost


@pytest.mark.parametrize("last", [b"Connection: close\r\n", b""])
def test_one_who_never_reads_is_given_up(world: World, last: bytes) -> None:
    client, target = asked(world, b"GET / HTTP/1.1\r\nHost: a\r\n" + last + b"\r\n")
    target.deliver(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000)
    for _ in range(6):
        world.sweep(50)
    assert client.aborted


def test_one_who_leaves_without_reading_is_given_up(world: World) -> None:
    client, target = asked(world, GET % b"x")
    target.deliver(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + b"x" * 70_000
    )
    client.deliver_eof()
    for _ in range(6):
        world.sweep(50)
    assert client.aborted
    assert in_flight(world) == 0


def test_bytes_trickled_after_the_end_keep_no_connection(world: World) -> None:
    client = world.client(b"nonsense\r\n\r\n")
    client.take()
    for _ in range(10):
        if client.readable:
            client.deliver(b"x")
        world.sweep(0.5)
    assert client.aborted


def test_requests_behind_the_end_of_a_client_reach_nobody(world: World) -> None:
    client, target = asked(world, GET % b"1" + GET % b"2" + b"nonsense\r\n\r\n")
    client.deliver_eof()
    client.unsent += b"held up"
    target.deliver(OK % b"ok")
    world.flush()
    assert b"/2 " not in target.sent
    assert client.lost
    assert in_flight(world) == 0


def test_nothing_is_read_behind_the_end_of_a_client_that_read_slowly(
    world: World,
) -> None:
    client, target = asked(world, GET % b"1")
    target.deliver(b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000)
    client.deliver(b"nonsense\r\n\r\n")
    client.deliver_eof()
    world.flush()
    assert client.lost


def test_a_tunnel_ends_when_both_sides_have_and_all_was_sent(world: World) -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    client, target = asked(world, upgrade)
    target.deliver(b"HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\nhello")
    client.deliver(b"there")
    client.deliver_eof()
    target.deliver(b"bye")
    assert in_flight(world) == 1
    target.deliver_eof()
    world.flush()
    assert client.sent.endswith(b"hellobye")
    assert target.sent.endswith(b"there")
    assert client.lost
    assert target.lost
    assert (in_flight(world), idle(world)) == (0, 0)


def test_the_end_of_a_tunnel_waits_for_a_reader_but_not_for_ever(world: World) -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    client, target = asked(world, upgrade)
    target.deliver(b"HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n" + b"x" * 1000)
    target.lose(ConnectionResetError())
    world.sweep(50)
    assert not client.aborted
    world.sweep(50)
    world.sweep(50)
    assert client.aborted


def test_a_target_that_drains_is_told_of_when_its_last_request_ends(
    world: World,
) -> None:
    client, target = asked(world, GET % b"1")
    (state,) = world.targets
    world.publish(Target(TargetId("t0"), "h", 0, draining=True))
    assert world.drained == []
    target.deliver(OK % b"ok")
    assert world.drained == [state]
    assert idle(world) == 0
    client.deliver(GET % b"2")
    assert b"HTTP/1.1 503 " in client.unsent


def test_a_refused_connection_is_tried_elsewhere_three_times() -> None:
    world = World(targets=5)
    client = world.client(GET % b"x")
    for _ in range(3):
        assert in_flight(world) == 1
        world.refused()
    assert client.unsent.startswith(b"HTTP/1.1 502 ")
    assert in_flight(world) == 0
    assert world.door.counters.by_failure == {Failure.CONNECT_REFUSED: 1}
    assert sum(target.counters.retries for target in world.targets) == 2
    world.close()


def test_a_connection_nobody_waits_for_any_more_is_kept_for_the_next(
    world: World,
) -> None:
    client = world.client(GET % b"x")
    client.lose()
    assert in_flight(world) == 0
    world.connected()
    assert idle(world) == 1


# fmt: off
HEADS = [
    (b"GET http://b:81/c HTTP/1.1\r\nHost: a\r\n\r\n",                    b"b:81",  b"",  "an absolute target"),
    (b"GET / HTTP/1.0\r\n\r\n",                                          b"127.0.0.1:8080", b"", "no Host at all"),
    (b"POST / HTTP/1.1\r\nHost: A\r\ncontent-length: 0\r\n\r\n",         b"a:8080", b"Content-Length: 0", "an empty body"),
    (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",                              b"a:8080", b"Content-Length: 0", "none"),
    (b"PUT / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:  3\r\n\r\nabc",      b"a:8080", b"Content-Length: 3", "a counted one"),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTRANSFER-encoding: CHUNKED\r\nConnection: x, content-length\r\n\r\n0\r\n\r\n", b"a:8080", b"Transfer-Encoding: chunked", "a chunked one"),
]
# fmt: on


@pytest.mark.parametrize(
    ("came", "host", "framing"), [r[:-1] for r in HEADS], ids=[r[-1] for r in HEADS]
)
def test_what_is_sent_on_has_one_host_and_one_framing(
    world: World, came: bytes, host: bytes, framing: bytes
) -> None:
    _, target = asked(world, came)
    lines = target.sent.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    names = [line.partition(b":")[0].lower() for line in lines]
    assert names.count(b"host") == 1
    assert b"Host: " + host in lines
    framings = {b"content-length", b"transfer-encoding"}
    told = [line for name, line in zip(names, lines, strict=True) if name in framings]
    assert told == ([framing] if framing else [])


def test_everything_that_was_paused_goes_on(world: World) -> None:
    """A body and an answer larger than all buffers, read in small bites."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BIG
    client = world.client(head + b"x" * 70_000)
    assert client.paused, "there is no connection yet"
    target = world.connected()
    assert client.paused, "and now it is full"
    sent = 70_000
    while sent < BIG:
        target.take(10_000)
        if client.readable:
            client.deliver(b"x" * 10_000)
            sent += 10_000
    target.take()
    target.deliver(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
    left = BIG
    while left:
        if target.readable:
            target.deliver(b"y" * 50_000)
            left -= 50_000
        client.take(10_000)
    world.flush()
    assert target.sent.endswith(b"x" * BIG)
    assert client.sent.endswith(b"y" * BIG)
    assert not client_of(client).reading_paused
    assert (in_flight(world), idle(world)) == (0, 1)


def test_a_pipeline_of_one_who_does_not_read_comes_to_stand(world: World) -> None:
    fixed = b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n"
    client = world.client()
    sent = 0
    while client.readable:
        client.deliver(fixed * 100)
        sent += 100
        assert sent < 100_000
    assert len(client.unsent) < 100_000
    while sent * 1000 and not client.lost and (client.unsent or client.paused):
        client.take(30_000)
    assert client.sent.count(b"HTTP/1.1 200 OK") == sent


# fmt: off
LOST = [  # what a target sends before its connection is lost
    (b"",                                                  True,  "no answer"),
    (b"HTTP/1.1 200",                                      True,  "half a head"),
    (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",     False, "an answer, whatever it says"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",   False, "half an answer: it lives"),
]
# fmt: on


@pytest.mark.parametrize(
    ("sent", "doubted"), [row[:2] for row in LOST], ids=[row[2] for row in LOST]
)
def test_a_target_that_hangs_up_without_an_answer_is_in_doubt(
    world: World,
    sent: bytes,
    doubted: bool,  # noqa: FBT001 - a table's column
) -> None:
    _, target = asked(world, GET % b"x")
    target.deliver(sent)
    target.lose(ConnectionResetError())
    world.flush()

    assert world.doubted == world.targets * doubted
