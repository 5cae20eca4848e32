"""What targets answer, and must not: no byte of it reaches another, nothing grows.

Two clients share one connection to a target, one after the other. Whatever the
first answer was, the second client gets its own or none of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alb.decide.response import HEAD_MAX
from alb.drivers.upstream import INTERIM_MAX
from tests.support.examples import examples
from tests.support.wires import Wire, World

ASK = b"%b /%b HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"Content-Length: 2\r\n\r\nok"
EVIL = OK + b"Content-Length: 4\r\n\r\nevil"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </evil.css>\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def world() -> Iterator[World]:
    one = World(targets=1)
    yield one
    one.close()


def asked(world: World, method: bytes = b"GET") -> tuple[Wire, Wire]:
    client = world.client(ASK % (method, b"first"))
    target = world.connected()
    world.flush()
    return client, target


def deliver(target: Wire, *pieces: bytes) -> None:
    for piece in pieces:
        if target.readable:
            target.deliver(piece)


def pooled(world: World) -> int:
    return sum(len(target.idle) for target in world.targets)


# fmt: off
KEPT, ENDED = True, False
ANSWERS = [  # method, what comes, status for the client, its body, connection to the target
    (b"GET",  [OK + TWO],                              b"200", b"ok",   KEPT,  "an answer as it should be"),
    (b"GET",  [OK, b"Content-Len", b"gth: 2\r\n\r\no", b"k"], b"200", b"ok", KEPT, "in pieces"),
    (b"GET",  [OK + TWO + EVIL],                       b"200", b"ok",   ENDED, "a second answer in the same piece"),
    (b"GET",  [OK + TWO, EVIL],                        b"200", b"ok",   ENDED, "a second answer in the next"),
    (b"GET",  [OK + TWO[:-1], b"k" + EVIL],            b"200", b"ok",   ENDED, "a second answer behind the last byte"),
    (b"GET",  [OK + TWO + b"\r\n"],                    b"200", b"ok",   ENDED, "an empty line too many"),
    (b"GET",  [OK + CHUNKED + b"2\r\nok\r\n0\r\n\r\n"],        b"200", b"2\r\nok\r\n0\r\n\r\n", KEPT, "chunks as they should be"),
    (b"GET",  [OK + CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + EVIL], b"200", b"2\r\nok\r\n0\r\n\r\n", ENDED, "a second answer behind chunks"),
    (b"GET",  [OK + CHUNKED + b"2\r\nok\r\n0\r\n", b"X-Evil: y\r\n\r\n"], b"200", b"2\r\nok\r\n0\r\n\r\n", KEPT, "trailers end here"),
    (b"GET",  [b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + CHUNKED + b"2\r\nok\r\n0\r\n\r\n"], b"200", b"2\r\nok\r\n0\r\n\r\n", ENDED, "chunks of HTTP/1.0"),
    (b"HEAD", [OK + b"Content-Length: 4\r\n\r\n"],     b"200", b"",     KEPT,  "the head alone for HEAD"),
    (b"HEAD", [OK + b"Content-Length: 4\r\n\r\nevil"], b"200", b"",     ENDED, "a body for HEAD"),
    (b"HEAD", [OK + b"Content-Length: 4\r\n\r\n", b"evil"], b"200", b"", ENDED, "a body for HEAD, later"),
    (b"HEAD", [OK + CHUNKED + b"4\r\nevil\r\n0\r\n\r\n"], b"200", b"",  ENDED, "chunks for HEAD"),
    (b"GET",  [b"HTTP/1.1 204 No\r\n\r\n"],            b"204", b"",     KEPT,  "no content"),
    (b"GET",  [b"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nevil"], b"204", b"", ENDED, "no content, and some"),
    (b"GET",  [b"HTTP/1.1 204 No\r\n" + CHUNKED + b"4\r\nevil\r\n0\r\n\r\n"], b"204", b"", ENDED, "no content, in chunks"),
    (b"GET",  [b"HTTP/1.1 304 Not\r\nContent-Length: 4\r\n\r\n"], b"304", b"", KEPT, "not modified, with the length it would have"),
    (b"GET",  [b"HTTP/1.1 304 Not\r\nContent-Length: 4\r\n\r\nevil"], b"304", b"", ENDED, "not modified, with a body"),
    (b"GET",  [b"HTTP/1.1 304 Not\r\n\r\n", EVIL],     b"304", b"",     ENDED, "not modified, and another answer"),
    (b"GET",  [CONTINUE + OK + TWO],                   b"200", b"ok",   KEPT,  "a 100 in front"),
    (b"GET",  [CONTINUE, HINTS, OK + TWO],             b"200", b"ok",   KEPT,  "others in front"),
    (b"GET",  [HINTS * INTERIM_MAX + OK + TWO],        b"200", b"ok",   KEPT,  "as many as are borne"),
    (b"GET",  [HINTS * (INTERIM_MAX + 1) + OK + TWO],  b"502", None,    ENDED, "a storm of them"),
    (b"GET",  [HINTS] * (INTERIM_MAX + 1) + [OK + TWO], b"502", None,   ENDED, "a storm in pieces"),
    (b"GET",  [b"HTTP/1.1 100 Go\r\nContent-Length: 4\r\n\r\nevil" + OK + TWO], b"502", None, ENDED, "a body for 100"),
    (b"GET",  [b"HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\nevil"], b"502", None, ENDED, "a switch nobody asked for"),
    (b"GET",  [b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_MAX], b"502", None, ENDED, "a head without an end"),
    (b"GET",  [b"HTTP/1.1 200 OK\r\nX: ", *[b"x" * 999] * 33], b"502", None, ENDED, "in pieces without a line's end"),
    (b"GET",  [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n" * 99] * 56, b"\r\n"], b"502", None, ENDED, "and with them"),
    (b"GET",  [b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_MAX + b"\r\n\r\n"], b"502", None, ENDED, "a head too long at once"),
    (b"GET",  [b"SSH-2.0-OpenSSH_9.2\r\n"],            b"502", None,    ENDED, "another protocol"),
    (b"GET",  [OK + b"Content-Length: 2\r\nContent-Length: 4\r\n\r\nevil"], b"502", None, ENDED, "two lengths"),
    (b"GET",  [OK + b"Content-Length: 2\r\n" + CHUNKED + b"0\r\n\r\n"], b"502", None, ENDED, "two framings"),
    (b"GET",  [OK + b"Content-Length: +2\r\n\r\nok"],  b"502", None,    ENDED, "a length with a sign"),
    (b"GET",  [OK + b"X: y\n" + TWO],                  b"502", None,    ENDED, "a line ended by half"),
    (b"GET",  [OK + b" folded\r\n" + TWO],             b"502", None,    ENDED, "a folded line"),
    (b"GET",  [OK + b"X : y\r\n" + TWO],               b"502", None,    ENDED, "a space before the colon"),
]
# fmt: on


@pytest.mark.parametrize(
    ("method", "pieces", "status", "body", "kept"),
    [row[:-1] for row in ANSWERS],
    ids=[row[-1] for row in ANSWERS],
)
def test_an_answer_reaches_its_client_and_nothing_else_does(  # noqa: PLR0913, PLR0917 - one column each
    world: World,
    method: bytes,
    pieces: list[bytes],
    status: bytes,
    body: bytes | None,
    kept: bool,  # noqa: FBT001 - a column
) -> None:
    client, target = asked(world, method)

    deliver(target, *pieces)
    world.flush()

    assert client.sent[9:12] == status
    assert client.sent.count(b"HTTP/1.1 ") == 1
    assert b"evil" not in client.sent
    if body is not None:
        assert client.sent.partition(b"\r\n\r\n")[2] == body
    assert kept == bool(pooled(world)) == (not target.lost)
    assert [0] == [one.in_flight for one in world.targets]


TRUNCATED = {
    "counted": OK + b"Content-Length: 9\r\n\r\nonly",
    "in a chunk": OK + CHUNKED + b"9\r\nonly",
    "between chunks": OK + CHUNKED + b"4\r\nonly\r\n",
    "before the last line": OK + CHUNKED + b"4\r\nonly\r\n0\r\n",
}


@pytest.mark.parametrize("answer", TRUNCATED.values(), ids=TRUNCATED)
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_what_is_cut_short_ends_in_a_reset_and_is_followed_by_nothing(
    world: World, answer: bytes, how: str
) -> None:
    client = world.client(ASK % (b"GET", b"first") + ASK % (b"GET", b"second"))
    target = world.connected()
    world.flush()
    target.deliver(answer)
    client.take()
    target.lose(ConnectionResetError() if how == "reset" else None)

    assert client.aborted
    assert client.sent.count(b"HTTP/1.1 ") == 1
    assert not client.sent.endswith(b"0\r\n\r\n")
    assert b"/second" not in target.sent
    assert {"failure.RESPONSE_TRUNCATED": 1} == {
        name: count
        for name, count in world.door.report().totals.items()
        if name.startswith("failure.")
    }


def test_a_reset_of_what_lasts_until_the_end_is_no_end(world: World) -> None:
    client, target = asked(world)
    target.deliver(OK + b"\r\nall of")
    target.lose(ConnectionResetError())

    assert client.aborted


def test_bytes_before_a_request_was_written_discard_the_connection(
    world: World,
) -> None:
    _, target = asked(world)
    target.deliver(OK + TWO)
    world.flush()
    target.deliver(b"H")

    second = world.client(ASK % (b"GET", b"second"))
    assert target.aborted
    assert len(world.connects) == 1
    world.connected().deliver(OK + TWO)
    world.flush()
    assert second.sent.endswith(b"ok")


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 9\r\n\r\nhalf", CHUNKED + b"9\r\nhalf"]
)
def test_an_answer_before_the_body_was_read_ends_both_connections(
    world: World, framing: bytes
) -> None:
    client = world.client(b"POST /first HTTP/1.1\r\nHost: a\r\n" + framing)
    target = world.connected()
    world.flush()
    target.deliver(b"HTTP/1.1 413 No\r\n" + TWO)
    client.take()

    assert b"\r\nConnection: close\r\n" in client.sent
    assert client.sent.endswith(b"ok")
    assert client.ended, "told that no more comes"
    assert target.aborted
    client.deliver(b" and GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.sent.count(b"HTTP/1.1 ") == 1
    assert b"smuggled" not in b"".join(wire.sent for wire in world.upstreams)


pieces = st.lists(
    st.sampled_from(
        [
            *(OK, b"HTTP/1.1 204 No\r\n", b"HTTP/1.1 304 No\r\n", CONTINUE, HINTS),
            *(b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 101 S\r\n", b"Connection: close\r\n"),
            *(b"Content-Length: 2\r\n", b"Content-Length: 0\r\n", b"X: y\r\n"),
            *(CHUNKED[:-2], b"\r\n", b"ok", b"2\r\nok\r\n", b"0\r\n\r\n", EVIL, b"\n"),
        ]
    ),
    max_size=8,
)


@pytest.mark.timeout(240)
@given(
    method=st.sampled_from([b"GET", b"HEAD", b"POST"]),
    answer=pieces.map(b"".join),
    cuts=st.lists(st.integers(0, 300), max_size=4),
    ends=st.booleans(),
)
@settings(max_examples=examples(1500))
def test_no_answer_whatever_it_is_reaches_another_client(
    method: bytes,
    answer: bytes,
    cuts: list[int],
    ends: bool,  # noqa: FBT001 - drawn
) -> None:
    world = World(targets=1)
    try:
        _, target = asked(world, method)
        places = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
        deliver(
            target,
            *(answer[a:b] for a, b in itertools.pairwise(places) if b > a),
        )
        if ends and target.readable:
            target.deliver_eof()
        world.flush()
        second = world.client(ASK % (b"GET", b"second"))
        while world.connects:
            world.connected()
        world.flush()
        for wire in world.upstreams:
            if b"/second" in wire.sent and wire.readable:
                wire.deliver(OK + b"X-Own: y\r\nContent-Length: 3\r\n\r\nown")
        world.flush()
        assert second.sent.endswith(b"own")
        assert second.sent.count(b"HTTP/1.1 ") == 1
    finally:
        world.close()
