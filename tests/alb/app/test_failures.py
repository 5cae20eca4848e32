"""What goes wrong at targets, clients and on the clock, and what clients are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from alb.model import LoadBalancerAttributes
from alb.policies import RetryPolicy
from tests.support.messages import CLOSE, body_of, get, head_of, replying
from tests.support.node import Node, Origin, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Start = Callable[..., Awaitable[Origin]]


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


async def test_a_moment_in_which_all_refuse_costs_time_and_no_request(
    node: Node, origins: Start
) -> None:
    """An engine that starts writes its port rules anew."""
    first, second = await origins(), await origins()
    await node.serve({"web": [first.port, second.port]})
    await node.healthy(f"web-{first.port}", f"web-{second.port}")
    first.drop()
    second.drop()

    asking = [asyncio.ensure_future(node.ask(get(b"/%d" % n))) for n in range(8)]
    await asyncio.sleep(0.2)
    await first.start(first.port)
    answers = await asyncio.gather(*asking)

    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 8


async def test_when_all_go_on_refusing_it_is_502(node: Node, origins: Start) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    await node.healthy(f"web-{origin.port}")
    origin.drop()

    answer = await node.ask(get(b"/"), within_s=3.0)

    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


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


async def test_a_keep_alive_race_is_nobodys_failure_where_resets_are_followed(
    node: Node, origins: Start
) -> None:
    """The target takes a second request on a connection, and hangs up on it."""

    async def once(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if writer in answered:
            return False
        answered.append(writer)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    answered: list[asyncio.StreamWriter] = []
    origin = await origins(once)
    await node.serve(
        {"web": [origin.port]}, group={"retry": RetryPolicy(on_reset=True)}
    )
    await node.healthy(f"web-{origin.port}")

    answers = [await node.ask(get(b"/%d" % n)) for n in range(4)]

    assert [body_of(answer) for answer in answers] == [b"ok"] * 4
    assert len(origin.heads) > len(answers), "some were sent twice"


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


async def test_everything_given_out_comes_back(node: Node, origins: Start) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    for _ in range(3):
        await node.ask(get(b"/"))

    def at_rest() -> bool:
        totals = node.balancer.statistics().totals
        return totals.in_flight == {} and totals.connections == 0

    await until(at_rest, "no request is in flight, no connection open")
