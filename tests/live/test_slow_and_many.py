"""Slow clients and many of them: all is bounded, the others are served, all ends.

What others waited for meanwhile is told in the report, and never asserted.
"""

from __future__ import annotations

import asyncio
import re
import resource
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from alb.model import FixedResponse, LoadBalancerAttributes, PathPattern, Rule
from tests.support.crowd import (
    Others,
    at_rest,
    connections,
    crowd,
    failures,
    in_flight,
    open_files,
    total,
    workers,
)
from tests.support.needs import FILES
from tests.support.node import Node, Origin, answer_ok, read_body, run_node, to, until

pytestmark = [pytest.mark.timeout(180), pytest.mark.needs("time")]

Property = Callable[[str, object], None]
MIB = 1 << 20
QUICK = LoadBalancerAttributes(idle_timeout_s=5, head_timeout_s=3)
FIXED = Rule(1, (PathPattern(("/fixed",)),), FixedResponse(200, message_body="f"))
KEPT = b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with run_node(tmp_path, workers=1) as running:
        yield running
        running.hang_up()


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    started = await Origin().start()
    yield started
    started.drop()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Property:
    """Write a number into the test's report (--junitxml), of whichever family."""

    def write(name: str, value: object) -> None:
        request.node.user_properties.append((name, value))

    return write


@pytest.mark.needs("files")
async def test_ten_thousand_idle_connections_harm_nobody(
    node: Node, origin: Origin, tell: Property
) -> None:
    with open_files(FILES):
        await node.serve({"web": [origin.port]}, rules=[FIXED])
        (worker,) = workers(node)
        others = Others(node)
        await others.ask(20)
        memory, files = worker.memory, worker.files
        async with crowd(node) as idle:
            await idle.come(10_000)
            await until(lambda: connections(node) >= 10_000, "all are connected")
            grown = (worker.memory - memory) / 10_000
            tell("bytes_per_idle_connection", round(grown))
            await others.ask(200)
            idle.say(KEPT)
            here, gone = idle.hear()
        tell("others_p99_ms", others.p99_ms)

        assert grown < 16 * 1024
        assert (10_000, 0) == (len(here), len(gone))
        assert [] == others.failed
        await at_rest(node)
        await until(lambda: worker.files <= files + 4, "their files are closed")


async def test_heads_that_trickle_are_ended_by_their_deadline(
    node: Node, origin: Origin, tell: Property
) -> None:
    await node.serve({"web": [origin.port]}, attributes=QUICK)
    others = Others(node)
    async with crowd(node) as slow:
        await slow.come(500, b"GET / HTTP/1.1\r\nX: ")
        for _ in range(40):
            slow.say(b"y")
            await others.ask(5)
            await asyncio.sleep(0.05)
        await until(lambda: connections(node) <= 1, "all of them were ended")
        said = {sock.recv(12) for sock in slow.sockets}
    tell("others_p99_ms", others.p99_ms)

    assert {b"HTTP/1.1 408"} == said
    assert 500 == total(node, "refused.HeadTimeout")
    assert [] == others.failed
    await at_rest(node)


async def test_bodies_that_stop_coming_free_their_target(
    node: Node, origin: Origin, tell: Property
) -> None:
    await node.serve({"web": [origin.port]}, attributes=QUICK)
    others = Others(node)
    async with crowd(node) as slow:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n"
        await slow.come(300, head + b"some")
        await others.ask(100)
        await until(lambda: failures(node).get("failure.CLIENT_SLOW") == 300, "408")
        said = {sock.recv(12) for sock in slow.sockets}
    tell("others_p99_ms", others.p99_ms)

    assert {b"HTTP/1.1 408"} == said
    assert [] == others.failed
    await at_rest(node)


def sending(size: int, sent: list[int]) -> Callable[..., object]:
    """A target whose answers are larger than every buffer on the way."""

    async def handle(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if b"GET /big" not in head:
            return await answer_ok(head, reader, writer)
        await read_body(head, reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            writer.write(b"z" * MIB)
            await writer.drain()
            sent[0] += MIB
        return True

    return handle


async def test_readers_that_stop_cost_a_bounded_memory_and_are_ended(
    node: Node, tell: Property
) -> None:
    """A hundred ask for 64 MiB each and read none of it."""
    sent = [0]
    origin = await Origin(sending(64 * MIB, sent)).start()  # type: ignore[arg-type] # a handler
    patient = LoadBalancerAttributes(idle_timeout_s=10)  # the target is busy as well
    await node.serve({"web": [origin.port]}, attributes=patient)
    (worker,) = workers(node)
    others = Others(node)
    await others.ask(20)
    memory = worker.memory
    async with crowd(node) as slow:
        await slow.come(100, b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n", buffer=4096)
        await others.ask(100)
        grown = worker.memory - memory
        await until(
            lambda: failures(node).get("failure.CLIENT_STALLED") == 100,
            "all ended",
            within_s=60,
        )
    tell("others_p99_ms", others.p99_ms)
    tell("bytes_per_stopped_reader", grown // 100)

    assert grown < 100 * MIB
    assert sent[0] < 100 * 32 * MIB
    assert [] == others.failed
    await at_rest(node)
    origin.drop()


async def test_who_leaves_while_paused_frees_the_target_at_once(node: Node) -> None:
    """A reset or an end is not told while reading is paused; it is asked for."""
    sent = [0]
    origin = await Origin(sending(64 * MIB, sent)).start()  # type: ignore[arg-type] # a handler
    await node.serve({"web": [origin.port]})  # the idle timeout is a minute
    for reset in (True, False):
        async with crowd(node) as slow:
            await slow.come(20, b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n", buffer=4096)
            await until(lambda: in_flight(node) == 20, "all are in flight")
            slow.leave(reset=reset)
            await at_rest(node)
    origin.drop()


async def test_storms_of_resets_leave_nothing_behind(
    node: Node, origin: Origin, tell: Property
) -> None:
    await node.serve({"web": [origin.port]}, rules=[FIXED])
    (worker,) = workers(node)
    others = Others(node)
    await others.ask(50)
    memory, files = worker.memory, worker.files
    starts = (
        *(b"", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", KEPT * 3),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    )
    async with crowd(node) as storm:
        for _ in range(10):
            for start in starts:
                await storm.come(50, start)
                storm.leave(reset=True)
            await others.ask(10)
    tell("others_p99_ms", others.p99_ms)

    assert [] == others.failed
    await at_rest(node)
    await until(lambda: worker.files <= files + 4, "their files are closed")
    assert worker.memory - memory < 16 * MIB


async def first_of(sock: socket.socket, size: int = 12) -> bytes:
    async with asyncio.timeout(10):
        return await asyncio.get_running_loop().sock_recv(sock, size)


async def test_connections_beyond_what_may_be_open_are_rejected_and_counted(
    tmp_path: Path, origin: Origin, tell: Property
) -> None:
    few = ("prlimit", "--nofile=200:200")
    async with run_node(tmp_path, workers=1, through=few) as node, crowd(node) as many:
        await node.serve({"web": [origin.port]})
        (worker,) = workers(node)
        files = worker.files
        await many.come(400)
        await until(
            lambda: total(node, "rejectedConnections") + connections(node) == 400,
            "each of them is counted, as one or the other",
        )
        here, gone = many.hear()
        assert total(node, "rejectedConnections") == len(gone) >= 200
        assert worker.files < 200 - 30
        before = worker.cpu_s
        await asyncio.sleep(1)
        assert worker.cpu_s - before < 0.5, "no loop over what cannot be accepted"

        asked = here[:20]  # who is in is served, and needs a target's connection
        for sock in asked:
            sock.send(KEPT.replace(b"/fixed", b"/"))
        assert {b"HTTP/1.1 200"} == {await first_of(sock) for sock in asked}
        tell("accepted", len(here))
        tell("rejected", len(gone))
        many.leave()
        await at_rest(node)
        others = Others(node)
        await others.ask(20)
        assert [] == others.failed
        await until(lambda: worker.files <= files + 4, "their files are closed")
        node.hang_up()


class Holding:
    """A target that holds what asks for /hold until it is told to let go."""

    def __init__(self) -> None:
        self.free = asyncio.Event()

    async def answer(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if b" /hold" in head:
            await self.free.wait()
        return await answer_ok(head, reader, writer)


def leave_files(node: Node, count: int) -> None:
    """Let the worker open so many files more than it has."""
    (worker,) = workers(node)
    _, most = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (worker.files + count, most))


HOLD = KEPT.replace(b"/fixed", b"/hold")


async def test_without_a_file_left_the_node_recovers_by_itself(node: Node) -> None:
    """Even where files are gone that it counted on: accept itself fails."""
    holding = Holding()
    origin = await Origin(holding.answer).start()
    await node.serve({"web": [origin.port]}, rules=[FIXED])
    (worker,) = workers(node)
    others = Others(node)
    await others.ask(5)
    leave_files(node, 20)
    async with crowd(node) as many:
        await many.come(200)
        await until(
            lambda: connections(node) + len(many.hear()[1]) == 200 > connections(node),
            "each of them is open, or was closed at once",
        )
        here, _ = many.hear()
        before = worker.cpu_s
        await asyncio.sleep(1)
        assert worker.cpu_s - before < 0.5, "no loop over what cannot be accepted"
        asked = here[:8]
        for sock in asked:
            sock.send(HOLD)
        await until(
            lambda: failures(node).get("failure.NO_SOCKET", 0) > 0, "none to connect by"
        )
        holding.free.set()
        assert {b"HTTP/1.1 200", b"HTTP/1.1 503"} == {await first_of(s) for s in asked}
        for sock in here[8:]:
            sock.send(KEPT)
            assert await first_of(sock) == b"HTTP/1.1 200"
        totals = node.balancer.statistics().totals
        assert [0] == [t.totals["connectionErrors"] for t in totals.targets.values()]
    await at_rest(node)
    await others.ask(20)
    assert [] == others.failed
    origin.drop()


async def test_connections_that_wait_in_pools_make_room_for_one_that_is_needed(
    node: Node, origin: Origin
) -> None:
    holding = Holding()
    other = await Origin(holding.answer).start()
    rule = Rule(1, (PathPattern(("/hold",)),), to("other"))
    await node.serve({"web": [origin.port], "other": [other.port]}, rules=[rule])
    async with crowd(node) as clients:
        await clients.come(10, HOLD)
        await until(lambda: len(other.heads) == 10, "each has a connection")
        holding.free.set()
        for sock in clients.sockets:
            assert await first_of(sock, 4096) != b""
        leave_files(node, 0)
        first = clients.sockets[0]
        first.send(KEPT)
        assert await first_of(first) == b"HTTP/1.1 200"
    assert {} == failures(node)
    other.drop()


ROOT = Path(__file__).parents[2]
PORTS = """
ip link set lo up
echo 30000 30007 > /proc/sys/net/ipv4/ip_local_port_range
exec "$@"
"""


@pytest.mark.needs("root")
async def test_without_a_port_left_another_target_is_tried_and_none_is_blamed(
    tmp_path: Path,
) -> None:
    """In a network of its own, where eight ports are all there are for connections."""
    apart = ("unshare", "--net", "sh", "-ec", PORTS, "apart")
    process = await asyncio.create_subprocess_exec(
        *(*apart, sys.executable, "-m", "tests.support.few_ports", str(tmp_path)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()

    # a health check may have had one of the ports
    assert re.fullmatch(b"held [678], refused 503, then 200, blamed 0\n", said), said
