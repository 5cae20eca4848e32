"""What reaches a target: requests through a real worker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from alb.model import FixedResponse, LoadBalancer, PathPattern, Redirect, Rule
from tests.support.messages import CLOSE, body_of, get, head_of
from tests.support.node import Node, Origin, to

pytestmark = pytest.mark.asyncio(loop_scope="module")

Start = Callable[..., Awaitable[Origin]]


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

    answers = [await node.ask(get(b"/")) for _ in range(10)]

    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers), answers
    assert len(origin.heads) == 10
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


async def test_a_listener_that_comes_back_keeps_its_connections(
    node: Node, origins: Start
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    node.balancer.configure(LoadBalancer("test"))
    await node.ready()
    await node.serve({"web": [origin.port]})

    answer = await node.ask(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" + get(b"/2"))

    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_a_registration_with_another_address_is_served_there(
    node: Node, origins: Start
) -> None:
    first, second = await origins(), await origins()
    await node.serve({"web": [first.port]})
    await node.ask(get(b"/1"))

    node.register(f"web-{first.port}", "web", second.port)
    await node.ready()
    await node.ask(get(b"/2"))

    assert (len(first.heads), len(second.heads)) == (1, 1)
