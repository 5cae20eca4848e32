"""What is not passed on: refused on the wire, and nothing of it at a target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from alb.model import LoadBalancerAttributes
from tests.support.messages import get
from tests.support.node import Node, Origin

pytestmark = pytest.mark.asyncio(loop_scope="module")

Start = Callable[..., Awaitable[Origin]]


# fmt: off
REFUSED = [
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",                               b"400", "two Hosts"),
    (b"GET / HTTP/1.1\r\n\r\n",                                                    b"400", "no Host"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400", "both framings"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", b"400", "one length, twice"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",             b"400", "a length with a sign"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",  b"400", "framing in disguise"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", b"400", "a space before the colon"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", b"400", "a coding that is not one"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",     b"501", "a coding we do not know"),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",            b"400", "chunks in HTTP/1.0"),
    (b"GET / HTTP/1.1\nHost: a\n\n",                                               b"400", "bare line feeds"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",                              b"400", "a bare carriage return"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",                              b"400", "a NUL"),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",                                       b"400", "a Host that is none"),
    (b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",                               b"400", "a target that is none"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 31\r\n\r\nGET /x HTTP/1.1\r\nHost: smuggled", b"400", "an upgrade with a body"),
    (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",                                  b"405", "CONNECT"),
    (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",                                       b"405", "TRACE"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",                                          b"505", "HTTP/2 on a connection of HTTP/1"),
    (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",                    b"414", "a target of more than 16 K"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 17_000 + b"\r\n\r\n",             b"400", "a header of more than 16 K"),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 300 + b"\r\n",                b"400", "more headers than anybody needs"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x01" * 90 + b"\r\n\r\n",  b"400", "TLS on a plain port"),
]
# fmt: on


@pytest.mark.parametrize("mode", ["defensive", "strictest"])
@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [row[:-1] for row in REFUSED],
    ids=[row[-1] for row in REFUSED],
)
async def test_what_is_ambiguous_is_refused_and_closed(
    node: Node, origins: Start, request_bytes: bytes, status: bytes, mode: str
) -> None:
    origin = await origins()
    attributes = LoadBalancerAttributes(desync_mitigation_mode=mode)
    await node.serve({"web": [origin.port]}, attributes=attributes)

    answer = await node.ask(
        request_bytes + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 " + status), answer[:60]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert origin.heads == [], "nothing of it reached a target"


# fmt: off
SERVED = [
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", b"X: a b",       1, "a folded line: and closed"),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",             b"GET /a%20b ",  2, "a space in the target"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n",     b"GET / ",       2, "a name that is none: left out"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", b"Content-Length: 1", 1, "a GET with a body: and closed"),
]
# fmt: on


@pytest.mark.parametrize(
    ("request_bytes", "seen", "answers"),
    [row[:-1] for row in SERVED],
    ids=[row[-1] for row in SERVED],
)
async def test_what_defensive_mode_serves_is_written_anew(
    node: Node, origins: Start, request_bytes: bytes, seen: bytes, answers: int
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    following = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    answer = await node.ask(request_bytes + following)

    assert answers == answer.count(b"HTTP/1.1 200 ") == len(origin.heads)
    assert seen in origin.heads[0]
    assert b"X Y" not in origin.heads[0]


@pytest.mark.parametrize(("came", "status"), [(30, b"200"), (31, b"463")])
async def test_at_most_30_forwarders_may_have_gone_before(
    node: Node, origins: Start, came: int, status: bytes
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})

    answer = await node.ask(get(b"/", b"X-Forwarded-For: " + b",".join([b"1"] * came)))

    assert answer.startswith(b"HTTP/1.1 " + status)


# fmt: off
BAD_CHUNKS = [
    (b"5\nhello\r\n0\r\n\r\n",          "a bare line feed after the size"),
    (b"0x5\r\nhello\r\n0\r\n\r\n",       "a size with a prefix"),
    (b"-5\r\nhello\r\n0\r\n\r\n",        "a negative size"),
    (b"5\r\nhelloX\r\n0\r\n\r\n",        "a chunk longer than it said"),
    (b"5;a=\x00\r\nhello\r\n0\r\n\r\n",  "a NUL in an extension"),
    (b"fffffffffffffffff\r\n",          "a size beyond all sizes"),
]
# fmt: on


@pytest.mark.parametrize(
    "body", [row[0] for row in BAD_CHUNKS], ids=[row[1] for row in BAD_CHUNKS]
)
async def test_a_malformed_chunked_body_is_400_and_ends(
    node: Node, origins: Start, body: bytes
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = await node.ask(head + body + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert not any(b"smuggled" in seen for seen in origin.heads)
