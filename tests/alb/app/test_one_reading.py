"""Whatever a client sends: what leaves for a target is read alike by every server.

The differential property of the request path: requests with framing doubled,
disguised and contradicted, cut anywhere, in all modes.
"""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alb.decide.desync import MODES
from alb.model import LoadBalancerAttributes
from tests.support.examples import examples
from tests.support.readings import READINGS, Careless, Seen, strictly
from tests.support.wires import Wire, World, client_of

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
LENGTHS = [
    *(b"Content-Length: %b", b"content-length:%b", b"Content-Length:\t%b "),
    *(b"Content-Length : %b", b"Content_Length: %b", b"Content-Length: +%b"),
    *(b"Content-Length: %b, %b", b"Content-Length: 0%b", b"X: a\r\n Content-Length: %b"),
    *(b"X: a\nContent-Length: %b", b"\x0bContent-Length: %b", b"Content-Length: %b\x0b"),
    *(b"Content-Length\x00: %b", b"X: a\rContent-Length: %b", b"Content-Length: 0x%b"),
    *(b"Content-Length: 0", b"Content-Length: 99999999999999999999", b"Content-Length: -%b"),
]  # fmt: skip
CODINGS = [
    *(b"Transfer-Encoding: chunked", b"transfer-encoding:chunked", b"TE: chunked"),
    *(b"Transfer-Encoding : chunked", b"Transfer_Encoding: chunked"),
    *(b"Transfer-Encoding: xchunked", b"Transfer-Encoding: \x0bchunked"),
    *(b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity"),
    *(b"X: a\r\n Transfer-Encoding: chunked", b"X: a\nTransfer-Encoding: chunked"),
    *(b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: chunked;q=1"),
    *(b"-Transfer-Encoding: chunked", b"Transfer-Encoding-: chunked"),
    *(b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked\x00"),
    *(b"Transfer\xc5\xbfEncoding: chunked", b"Tran\xc5\xbffer-Encoding: chunked"),
]  # fmt: skip
OTHERS = [
    *(b"Connection: keep-alive", b"Connection: close", b"Connection: content-length"),
    *(b"Connection: transfer-encoding, x", b"Expect: 100-continue", b": empty"),
    *(b"Upgrade: websocket\r\nConnection: upgrade", b"Upgrade: h2c\r\nConnection: upgrade"),
    *(b"no colon", b"X-A: b\r\n\tfolded", b"X Y: 1", b"Host: b", b"Trailer: Host"),
    *(b"Upgrade: x\r\nConnection: upgrade, host", b"X-Forwarded-For: 1", b"\xe9: 1"),
]  # fmt: skip
BODIES = [
    b"",
    b"hello",
    SMUGGLED,
    b"5\r\nhello\r\n0\r\n\r\n",
    b"0\r\n\r\n" + SMUGGLED,
    b"1;a=b\r\nx\r\n0\r\nHost: b\r\nContent-Length: 37\r\n\r\n",
    b"1;\n\r\nx\r\n0\r\n\r\n",
    b"2\r\nxx\r\n1\nx\n0\n\n" + SMUGGLED,
    b"25\r\n" + SMUGGLED + b"\r\n0\r\n\r\n",
    b"1\r\nxG\r\n0\r\n\r\n",
    b"0\r\nX: y\n\n" + SMUGGLED,
    b"1 ; " + SMUGGLED[:20] + b"\r\nx\r\n0\r\n\r\n",
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One that is meant as a single request, by whom it is to fool."""
    method = draw(
        st.sampled_from([b"POST"] * 3 + [b"GET", b"HEAD", b"OPTIONS", b"FOO"])
    )
    version = draw(st.sampled_from([b"HTTP/1.1"] * 5 + [b"HTTP/1.0", b"HTTP/1.2"]))
    body = draw(st.sampled_from(BODIES))
    length = st.sampled_from(LENGTHS).map(
        lambda line: line.replace(b"%b", b"%d" % len(body))
    )
    odd = st.one_of(length, st.sampled_from(CODINGS), st.sampled_from(OTHERS))
    lines = [b"Host: a", *draw(st.lists(odd, max_size=3))]
    end = draw(st.sampled_from([b"\r\n"] * 9 + [b"\n"]))
    target = draw(st.sampled_from([b"/r"] * 5 + [b"/a b", b"http://a/r", b"/\x01"]))
    start = b"%b %b %b" % (method, target, version)
    return end.join([start, *lines, b"", b""]) + body


def carried(mode: str, data: bytes, cuts: list[int]) -> tuple[World, Wire]:
    """Everybody behaves: all that can be sent is sent, and answered."""
    world = World(
        targets=1, attributes=LoadBalancerAttributes(desync_mitigation_mode=mode)
    )
    client = world.client()
    answered: dict[Wire, int] = {}
    for start, end in itertools.pairwise([0, *sorted(cuts), len(data)]):
        if client.readable and start < end:
            client.deliver(data[start:end])
        while answer_next(world, answered):
            pass
    return world, client


def answer_next(world: World, answered: dict[Wire, int]) -> bool:
    while world.connects:
        world.connected()
    world.flush()
    for wire in world.upstreams:
        done = answered.get(wire, 0)
        whole = strictly(wire.sent)
        if wire.readable and len(whole) > done:
            answered[wire] = done + 1
            wire.deliver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return True
    return False


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", MODES)
@given(st.lists(requests(), min_size=1, max_size=3), st.data())
@settings(max_examples=examples(240))
@example(
    [b"POST /r HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + BODIES[5]],
    None,
)
def test_every_server_reads_the_same_requests(
    mode: str, sent: list[bytes], data: st.DataObject | None
) -> None:
    whole = b"".join(sent)
    cuts = (
        []
        if data is None
        else data.draw(st.lists(st.integers(0, len(whole)), max_size=3))
    )
    world, client = carried(mode, whole, cuts)
    try:
        for wire in world.upstreams:
            read = strictly(wire.sent)
            for name, reading in READINGS.items():
                if not _is_known(name, wire.sent):
                    assert reading(wire.sent) == read, (name, wire.sent)
            assert not any(_with_body(one) for one in read[:-1]), "reused behind a body"
        answers = client.sent + client.unsent
        forwarded = sum(len(strictly(wire.sent)) for wire in world.upstreams)
        assert answers.count(b"HTTP/1.1 200 OK") == forwarded, "one answer each"
        assert forwarded <= world.door.counters.requests
        for target in world.targets:
            assert target.in_flight == world.exchanges(target)
    finally:
        world.close()


def _with_body(one: Seen) -> bool:
    return one.method in (b"GET", b"HEAD") and one.body != b""


_GET_WITH_BODY = re.compile(
    rb"(?:GET|HEAD) [^\r]+\r\n(?:[^\r]+\r\n)*(?:Content-Length|Transfer-Encoding):"
)


def _is_known(name: str, sent: bytes) -> bool:
    """AWS's modes pass the body of a GET on, whoever may take it for a request:
    then both connections end."""
    return name == "no body in GET" and _GET_WITH_BODY.search(sent) is not None


def test_a_careless_server_is_one() -> None:
    """What these would do with what is not written anew: the test can fail."""
    both = (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        % (5 + len(SMUGGLED))
    )
    assert len(Careless()(both + SMUGGLED)) == 2
    assert len(Careless(length_wins=True)(both + SMUGGLED)) == 1
    bare = b"POST / HTTP/1.1\nHost: a\n\n"
    assert len(Careless()(bare)) == 1
    spelled = both.replace(b"Transfer-", b"Transfer_")
    assert len(Careless(squints=True)(spelled + SMUGGLED)) == 2
    assert len(Careless(bodiless=(b"POST",))(both + SMUGGLED)) == 3


def test_a_connection_that_carried_what_is_ambiguous_is_not_used_again() -> None:
    world, client = carried(
        "monitor",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
        [],
    )
    (target,) = world.targets
    assert client.sent.startswith(b"HTTP/1.1 200 OK")
    assert client.lost
    assert client_of(client).exchange is None
    assert target.idle == []
    assert world.upstreams[0].lost
    world.close()
