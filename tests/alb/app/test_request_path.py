"""What reaches a target and what comes back: bytes through a real worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from alb.model import (
    FixedResponse,
    LoadBalancerAttributes,
    PathPattern,
    Redirect,
    Rule,
)
from tests.support.node import Handler, Node, Origin, read_body, to, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Start = Callable[..., Awaitable[Origin]]
CLOSE = b"Host: a.example\r\nConnection: close\r\n\r\n"


def get(path: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path, *lines, CLOSE])


def head_of(answer: bytes) -> list[bytes]:
    return answer.partition(b"\r\n\r\n")[0].split(b"\r\n")


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def replying(answer: bytes, *, then: bool = True) -> Handler:
    """A target that says `answer` to whatever it is asked."""

    async def handle(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await read_body(head, reader)
        writer.write(answer)
        await writer.drain()
        return then

    return handle


async def test_a_request_arrives_with_what_is_ours_to_say(
    node: Node, origins: Start
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})

    answer = await node.ask(
        get(b"/a%2fb/../c?x=%7e", b"Accept: */*", b"X-Forwarded-Proto: gopher")
    )

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    (head,) = origin.heads
    lines = head.split(b"\r\n")
    assert lines[0] == b"GET /a%2fb/../c?x=%7e HTTP/1.1", "the target is sent raw"
    assert b"Host: a.example:%d" % node.port in lines
    assert b"Accept: */*" in lines
    assert b"X-Forwarded-For: 127.0.0.1" in lines
    assert b"X-Forwarded-Proto: http" in lines
    assert b"X-Forwarded-Port: %d" % node.port in lines
    assert any(line.startswith(b"X-Amzn-Trace-Id: Root=1-") for line in lines)
    assert not any(line.lower().startswith(b"connection") for line in lines)
    assert b"gopher" not in head


# fmt: off
HOP_BY_HOP = [
    (b"Keep-Alive: timeout=5",      b"keep-alive",    "Keep-Alive is about this connection"),
    (b"TE: trailers",               b"te:",           "TE as well"),
    (b"Trailer: X",                 b"trailer",       "trailers are not passed on"),
    (b"Proxy-Connection: x",        b"proxy-",        "nor what was meant for a proxy"),
    (b"Proxy-Authorization: x",     b"proxy-",        "credentials for us are not for the target"),
    (b"Upgrade: h2c\r\nHTTP2-Settings: AA", b"h2c",   "a target must not be talked into h2c"),
]
# fmt: on


@pytest.mark.parametrize(
    ("line", "absent"),
    [row[:-1] for row in HOP_BY_HOP],
    ids=[row[-1] for row in HOP_BY_HOP],
)
async def test_hop_by_hop_headers_end_here(
    node: Node, origins: Start, line: bytes, absent: bytes
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})

    await node.ask(get(b"/", line))

    assert absent not in origin.heads[0].lower()


async def test_connection_names_headers_that_end_here_but_not_ours(
    node: Node, origins: Start
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})

    await node.ask(
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nX-Kept: 2\r\n"
        b"X-Forwarded-For: 9.9.9.9\r\n"
        b"Connection: close, X-Mine, X-Forwarded-For, Host\r\n\r\n"
    )

    head = origin.heads[0]
    assert b"X-Mine" not in head
    assert b"X-Kept: 2" in head
    assert b"X-Forwarded-For: 9.9.9.9, 127.0.0.1" in head
    assert b"Host: a:" in head


async def test_a_trace_that_came_is_continued(node: Node, origins: Start) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})

    await node.ask(get(b"/", b"X-Amzn-Trace-Id: Root=1-a-b;Sampled=1"))

    assert b"X-Amzn-Trace-Id: Self=1-" in origin.heads[0]
    assert b";Root=1-a-b;Sampled=1\r\n" in origin.heads[0]


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


async def test_a_pipeline_is_answered_in_order(node: Node, origins: Start) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    paths = [b"/%d" % n for n in range(20)]
    pipeline = b"".join(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % p for p in paths)

    answer = await node.ask(pipeline + get(b"/last"))

    bodies = [part.split(b"HTTP/1.1 ")[0] for part in answer.split(b"\r\n\r\n")[1:]]
    assert bodies == [*paths, b"/last"]
    assert len(origin.heads) == 21


async def test_connections_to_targets_are_reused(node: Node, origins: Start) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    before = origin.connections

    for _ in range(10):
        await node.ask(get(b"/"))

    assert origin.connections - before == 1


# fmt: off
BODIES = [
    (b"Content-Length: 5",          b"hello",                        b"hello",      "a counted body"),
    (b"Content-Length: 0",          b"",                             b"/post",      "an empty one"),
    (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nA: b\r\n\r\n", b"hello!", "a chunked one, framed anew"),
]
# fmt: on


@pytest.mark.parametrize(
    ("line", "body", "arrives"),
    [row[:-1] for row in BODIES],
    ids=[row[-1] for row in BODIES],
)
async def test_request_bodies_arrive(
    node: Node, origins: Start, line: bytes, body: bytes, arrives: bytes
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})

    answer = await node.ask(b"POST /post HTTP/1.1\r\n" + line + b"\r\n" + CLOSE + body)

    assert body_of(answer) == arrives
    assert b"x=y" not in origin.heads[0]


async def test_a_body_in_many_pieces_arrives_whole(node: Node, origins: Start) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    reader, writer = await node.connect()
    writer.write(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n" + CLOSE)

    for start in range(0, 300_000, 7_000):
        writer.write(b"x" * min(7_000, 300_000 - start))
        await writer.drain()
    answer = await reader.read()

    assert len(body_of(answer)) == 300_000


async def test_expect_is_answered_at_once_and_ends_here(
    node: Node, origins: Start
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    reader, writer = await node.connect()

    writer.write(
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n" + CLOSE
    )
    interim = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"ok")
    answer = await reader.read()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert body_of(answer) == b"ok"
    assert b"expect" not in origin.heads[0].lower()


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


async def test_rules_redirect_answer_and_forward(node: Node, origins: Start) -> None:
    origin, other = await origins(), await origins()
    await node.serve(
        {"web": [origin.port], "other": [other.port]},
        rules=[
            Rule(1, (PathPattern(("/moved/*",)),), Redirect(302, path="/to/#{path}")),
            Rule(
                2, (PathPattern(("/teapot",)),), FixedResponse(418 - 4, "text/css", "x")
            ),
            Rule(3, (PathPattern(("/o/*",)),), to("other")),
        ],
    )

    moved = await node.ask(get(b"/moved/x?y=1"))
    fixed = await node.ask(get(b"/teapot"))
    await node.ask(get(b"/o/x"))
    await node.ask(get(b"/x"))

    place = b"Location: http://a.example:%d/to/moved/x?y=1" % node.port
    assert moved.startswith(b"HTTP/1.1 302 Found\r\n")
    assert place in head_of(moved)
    assert fixed.startswith(b"HTTP/1.1 414 ")
    assert body_of(fixed) == b"x"
    assert (len(other.heads), len(origin.heads)) == (1, 1)


async def test_requests_take_turns(node: Node, origins: Start) -> None:
    first, second, third = await origins(), await origins(), await origins()
    ports = [first.port, second.port, third.port]
    await node.serve({"web": ports})
    await node.healthy(*(f"web-{port}" for port in ports))

    for _ in range(9):
        await node.ask(get(b"/"))

    assert [len(origin.heads) for origin in (first, second, third)] == [3, 3, 3]


async def test_a_refused_connection_is_tried_elsewhere(
    node: Node, origins: Start
) -> None:
    dead, alive = await origins(), await origins()
    await node.serve({"web": [dead.port, alive.port]})
    await node.healthy(f"web-{dead.port}", f"web-{alive.port}")
    dead.drop()

    answers = [await node.ask(get(b"/%d" % n)) for n in range(6)]

    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 6
    assert len(alive.heads) == 6


async def test_a_pooled_connection_that_ended_is_never_written_to(
    node: Node, origins: Start
) -> None:
    """The target hangs up after each answer without having said so."""
    quiet = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    origin = await origins(replying(quiet, then=False))
    await node.serve({"web": [origin.port]})
    await node.healthy(f"web-{origin.port}")

    answers = []
    for _ in range(5):
        answers.append(await node.ask(get(b"/")))
        await asyncio.sleep(0.02)

    assert [body_of(answer) for answer in answers] == [b"ok"] * 5


async def test_nothing_registered_is_503(node: Node, origins: Start) -> None:
    await node.serve({"empty": []})

    answer = await node.ask(get(b"/"))

    assert answer.startswith(b"HTTP/1.1 503 Service Temporarily Unavailable\r\n")


# fmt: off
BROKEN = [
    (b"nonsense\r\n\r\n",                                                     b"502", "what is no HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nx",    b"502", "two lengths"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"502", "two framings"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000 + b"\r\n\r\n",                  b"502", "a head of more than 32 K"),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",                b"502", "a switch nobody asked for"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 100,                                   b"502", "a storm of interim responses"),
    (b"HTTP/1.1 200 OK\r\nContent-",                                          b"502", "a head that ends in the middle"),
    (b"",                                                                     b"502", "a connection closed without a word"),
]
# fmt: on


@pytest.mark.parametrize(
    ("told", "status"), [row[:-1] for row in BROKEN], ids=[row[-1] for row in BROKEN]
)
async def test_what_is_no_response_is_502(
    node: Node, origins: Start, told: bytes, status: bytes
) -> None:
    origin = await origins(replying(told, then=False))
    await node.serve({"web": [origin.port]})

    answer = await node.ask(get(b"/"))

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert len(origin.heads) == 1, "what may have been seen is not sent again"


# fmt: off
TRUNCATED = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",               "counted"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this", "chunked"),
]
# fmt: on


@pytest.mark.parametrize(
    "told", [row[0] for row in TRUNCATED], ids=[row[1] for row in TRUNCATED]
)
async def test_a_truncated_response_cannot_be_taken_for_whole(
    node: Node, origins: Start, told: bytes
) -> None:
    origin = await origins(replying(told, then=False))
    await node.serve({"web": [origin.port]})
    reader, writer = await node.connect()

    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + get(b"/next"))
    with pytest.raises(ConnectionResetError):
        await reader.readuntil(b"never")

    assert len(origin.heads) == 1, "the next answer must not follow a piece of this"


async def test_bytes_nobody_asked_for_reach_nobody(node: Node, origins: Start) -> None:
    over = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX: evil\r\n\r\n"
    origin = await origins(replying(over))
    await node.serve({"web": [origin.port]})

    answers = [await node.ask(get(b"/%d" % n)) for n in range(4)]

    assert [body_of(answer) for answer in answers] == [b"ok"] * 4
    assert not any(b"evil" in answer for answer in answers)


async def test_an_early_answer_arrives_though_the_body_does_not_end(
    node: Node, origins: Start
) -> None:
    async def refuse(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        writer.write(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        return True

    origin = await origins(refuse)
    await node.serve({"web": [origin.port]})
    reader, writer = await node.connect()

    writer.write(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" + b"x" * 9000
    )
    answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 413 Too Much\r\n")
    assert b"Connection: close" in head_of(answer)


async def test_bodies_larger_than_buffers_stream_under_back_pressure(
    node: Node, origins: Start
) -> None:
    size = 64 * 1024 * 1024
    sent = 0

    async def flood(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        block = b"z" * 65536
        for _ in range(size // len(block)):
            writer.write(block)
            await writer.drain()
            sent += len(block)
        return True

    origin = await origins(flood)
    await node.serve({"web": [origin.port]})
    reader, writer = await node.connect()
    writer.write(get(b"/"))
    await reader.readuntil(b"\r\n\r\n")

    stalled = -1
    while stalled != sent:  # nobody reads: the target must come to stand
        stalled = sent
        await asyncio.sleep(0.2)
    assert sent < size // 2, "the target was not slowed down"
    got = 0
    while data := await reader.read(1 << 20):
        got += len(data)

    assert got == size


async def test_the_client_leaving_frees_the_target(node: Node, origins: Start) -> None:
    gone = asyncio.Event()

    async def wait(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        assert await reader.read(1) == b""
        gone.set()
        return False

    origin = await origins(wait)
    await node.serve({"web": [origin.port]})
    _, writer = await node.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: len(origin.heads) == 1, "the request arrived")

    writer.close()

    async with asyncio.timeout(5):
        await gone.wait()


async def test_a_silent_target_is_504_after_the_idle_timeout(
    node: Node, origins: Start
) -> None:
    async def wait(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await reader.read(1)
        return False

    origin = await origins(wait)
    quick = LoadBalancerAttributes(idle_timeout_s=1)
    await node.serve({"web": [origin.port]}, attributes=quick)

    answer = await node.ask(get(b"/"))

    assert answer.startswith(b"HTTP/1.1 504 Gateway Time-out\r\n")


async def test_a_head_trickled_past_its_deadline_is_408(
    node: Node, origins: Start
) -> None:
    await node.serve({"web": []}, attributes=LoadBalancerAttributes(head_timeout_s=1))
    reader, writer = await node.connect()

    async def trickle() -> None:
        for letter in b"GET / HTTP/1.1\r\nX: " + b"y" * 1000:
            writer.write(bytes([letter]))
            await asyncio.sleep(0.05)

    trickling = asyncio.ensure_future(trickle())
    async with asyncio.timeout(10):
        answer = await reader.read()
    trickling.cancel()

    assert answer.startswith(b"HTTP/1.1 408 Request Time-out\r\n")


async def test_a_body_that_stops_coming_is_408(node: Node, origins: Start) -> None:
    origin = await origins()
    quick = LoadBalancerAttributes(idle_timeout_s=1)
    await node.serve({"web": [origin.port]}, attributes=quick)
    reader, writer = await node.connect()

    writer.write(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n" + CLOSE + b"half")
    async with asyncio.timeout(10):
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 408 Request Time-out\r\n")


async def test_an_idle_connection_is_closed_without_a_word(
    node: Node, origins: Start
) -> None:
    quick = LoadBalancerAttributes(idle_timeout_s=1)
    await node.serve({"web": []}, attributes=quick)
    reader, _ = await node.connect()

    async with asyncio.timeout(10):
        answer = await reader.read()

    assert answer == b""


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
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",                           b"400", "a folded line"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",                              b"400", "a NUL"),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",                                       b"400", "a Host that is none"),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",                                      b"400", "a space in the target"),
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


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [row[:-1] for row in REFUSED],
    ids=[row[-1] for row in REFUSED],
)
async def test_what_is_ambiguous_is_refused_and_closed(
    node: Node, origins: Start, request_bytes: bytes, status: bytes
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})

    answer = await node.ask(
        request_bytes + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 " + status), answer[:60]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert origin.heads == [], "nothing of it reached a target"


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


async def test_everything_given_out_comes_back(node: Node, origins: Start) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    for _ in range(3):
        await node.ask(get(b"/"))

    def at_rest() -> bool:
        totals = node.balancer.statistics().totals
        return totals.in_flight == {} and totals.connections == 0

    await until(at_rest, "no request is in flight, no connection open")
