"""What comes back to a client: responses through a real worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.messages import CLOSE, body_of, get, head_of, replying
from tests.support.node import Node, Origin

pytestmark = pytest.mark.asyncio(loop_scope="module")

Start = Callable[..., Awaitable[Origin]]


async def test_response_headers_pass_in_order_and_unfolded(
    node: Node, origins: Start
) -> None:
    told = (
        b"HTTP/1.1 203 Fine By Me\r\nSet-Cookie: a=1\r\nX-Odd:  caf\xe9 \r\n"
        b"Set-Cookie: b=2\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok"
    )
    origin = await origins(replying(told))
    await node.serve({"web": [origin.port]})

    answer = await node.ask(get(b"/"))

    assert head_of(answer) == [
        b"HTTP/1.1 203 Fine By Me",
        b"Set-Cookie: a=1",
        b"X-Odd:  caf\xe9 ",
        b"Set-Cookie: b=2",
        b"Content-Length: 2",
        b"Connection: close",
    ]
    assert body_of(answer) == b"ok"


# fmt: off
ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
     b"3\r\nabc\r\n0\r\n\r\n", b"Transfer-Encoding: chunked", "chunked stays chunked"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b"", b"HTTP/1.1 204 No Content", "204 has no body"),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"", b"Content-Length: 9", "304 keeps its length and has none"),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
     b"x", b"HTTP/1.1 200 OK", "interim responses end here"),
]
# fmt: on


@pytest.mark.parametrize(
    ("told", "body", "line"),
    [row[:-1] for row in ANSWERS],
    ids=[row[-1] for row in ANSWERS],
)
async def test_responses_of_every_framing_pass(
    node: Node, origins: Start, told: bytes, body: bytes, line: bytes
) -> None:
    origin = await origins(replying(told))
    await node.serve({"web": [origin.port]})

    answer = await node.ask(get(b"/") + get(b"/never-read"))

    assert line in head_of(answer)
    assert body_of(answer) == body


async def test_a_response_that_ends_with_its_connection_ends_ours(
    node: Node, origins: Start
) -> None:
    origin = await origins(
        replying(b"HTTP/1.0 200 OK\r\n\r\nuntil the end", then=False)
    )
    await node.serve({"web": [origin.port]})

    answer = await node.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert body_of(answer) == b"until the end"
    assert b"Connection: close" in head_of(answer)


async def test_head_gets_the_length_and_no_body(node: Node, origins: Start) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})

    answer = await node.ask(b"HEAD /four HTTP/1.1\r\n" + CLOSE)

    assert b"Content-Length: 5" in head_of(answer)
    assert body_of(answer) == b""


async def test_http_1_0_is_served_and_closed(node: Node, origins: Start) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})

    answer = await node.ask(b"GET /old HTTP/1.0\r\n\r\n")

    assert body_of(answer) == b"/old"
    assert b"Host: 127.0.0.1:%d" % node.port in origin.heads[0]


async def test_http_1_0_never_gets_chunks(node: Node, origins: Start) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    )
    origin = await origins(replying(chunked))
    await node.serve({"web": [origin.port]})

    answer = await node.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert body_of(answer) == b"ab"
    assert b"chunked" not in answer


async def test_a_websocket_is_a_tunnel_from_the_first_byte(
    node: Node, origins: Start
) -> None:
    async def switch(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nserver first;"
        )
        while data := await reader.read(1000):
            writer.write(data.upper())
        writer.write(b"bye")
        return False

    origin = await origins(switch)
    await node.serve({"web": [origin.port]})
    reader, writer = await node.connect()

    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: k\r\n\r\nclient first;"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    early = await reader.readexactly(len(b"server first;CLIENT FIRST;"))
    writer.write(b"later")
    later = await reader.readexactly(5)
    writer.write_eof()
    rest = await reader.read()

    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Upgrade: websocket\r\n" in head
    assert b"Connection: upgrade\r\n" in head.replace(b"Upgrade\r\n", b"upgrade\r\n")
    assert (early, later, rest) == (b"server first;CLIENT FIRST;", b"LATER", b"bye")
    assert b"Upgrade: websocket\r\n" in origin.heads[0]


async def test_a_refused_upgrade_is_an_ordinary_answer(
    node: Node, origins: Start
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    upgrade = (
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    )

    answer = await node.ask(upgrade + get(b"/next"))

    assert answer.count(b"HTTP/1.1 200 OK") == 2
