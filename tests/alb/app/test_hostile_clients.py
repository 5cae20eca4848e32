"""Clients that want to be expensive: the worker stays small and serves the others."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from alb.model import FixedResponse, PathPattern, Rule
from tests.support.node import Node, Origin, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

Start = Callable[..., Awaitable[Origin]]
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MIB = 1 << 20
FIXED = Rule(1, (PathPattern(("/fixed",)),), FixedResponse(200, message_body="x" * 900))


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process hold a few thousand sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 8192:
        pytest.skip(f"at most {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def rss(node: Node) -> int:
    """Bytes of memory that the worker holds."""
    (worker,) = node.balancer.statistics().workers
    status = Path(f"/proc/{worker.pid}/status").read_text()
    (line,) = [one for one in status.splitlines() if one.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def raise_files(node: Node) -> None:
    (worker,) = node.balancer.statistics().workers
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (8192, 8192))


async def others_are_served(node: Node) -> None:
    assert (await node.ask(GET)).startswith(b"HTTP/1.1 200 ")


async def test_two_thousand_idle_connections_cost_little(
    node: Node, origins: Start, many_files: None
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    raise_files(node)
    await others_are_served(node)
    before = rss(node)

    for _ in range(20):
        await asyncio.gather(*(node.connect() for _ in range(100)))
    await others_are_served(node)

    assert (rss(node) - before) / 2000 < 16 * 1024
    node.hang_up()
    await until(
        lambda: node.balancer.statistics().totals.connections == 0, "all are gone"
    )


async def test_a_pipeline_that_nobody_reads_costs_no_more_than_its_buffers(
    node: Node, origins: Start
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]}, rules=[FIXED])
    await others_are_served(node)
    before = rss(node)
    reader, writer = await node.connect()
    reader._transport.pause_reading()  # type: ignore[attr-defined]  # noqa: SLF001 - no other way not to read

    for path in (b"/fixed", b"/"):
        writer.write(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path * 10_000)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await writer.drain()
        await others_are_served(node)

    assert rss(node) - before < 8 * MIB


async def test_a_pipeline_of_ten_thousand_is_answered_to_one_who_reads(
    node: Node, origins: Start
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]}, rules=[FIXED])
    reader, writer = await node.connect()

    writer.write(b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n" * 9_999 + GET)
    answer = await reader.read(-1)

    assert answer.count(b"HTTP/1.1 200 OK") == 10_000


async def test_heads_that_come_byte_by_byte_are_read_once_whole(
    node: Node, origins: Start
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    _, writer = await node.connect()
    head = GET.replace(b"/", b"/slowly", 1)

    for at in range(len(head)):
        assert not any(b"/slowly" in seen for seen in origin.heads)
        writer.write(head[at : at + 1])
        await asyncio.sleep(0.001)

    await until(lambda: any(b"/slowly" in h for h in origin.heads), "it arrived")


BLOCK = b"z" * MIB
BLOCKS = 256
FRAMINGS = {
    "counted": (b"Content-Length: %d" % (BLOCKS * MIB), BLOCK, b""),
    "chunked": (
        b"Transfer-Encoding: chunked",
        b"100000\r\n%b\r\n" % BLOCK,
        b"0\r\n\r\n",
    ),
}


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_body_larger_than_memory_streams_flat_both_ways(
    node: Node, origins: Start, framing: str
) -> None:
    line, block, end = FRAMINGS[framing]
    got = most = back = 0

    async def send(writer: asyncio.StreamWriter) -> None:
        nonlocal most
        for _ in range(BLOCKS):
            writer.write(block)
            await writer.drain()
            most = max(most, rss(node))
        writer.write(end)

    async def take_and_send(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        nonlocal got
        while got < BLOCKS * MIB:
            got += len(await reader.read(MIB))
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n%b\r\n\r\n" % line)
        await send(writer)
        return False

    origin = await origins(take_and_send)
    await node.serve({"web": [origin.port]})
    before = rss(node)
    reader, writer = await node.connect()
    writer.write(b"PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%b\r\n\r\n" % line)
    await send(writer)
    while data := await reader.read(MIB):
        back += len(data)

    assert back >= BLOCKS * MIB
    assert most - before < 16 * MIB
