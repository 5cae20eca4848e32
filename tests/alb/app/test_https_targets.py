"""Targets that speak TLS: reached, checked, reused, and what it costs if they fail."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field, replace

import pytest

from alb.app.connecting import Connector
from alb.decide.tls_policies import DEFAULT_POLICY, POLICIES
from alb.drivers.tls_contexts import server_context
from alb.drivers.upstream import UpstreamConnection
from alb.errors import Failure
from alb.model import HealthState, Target, TargetId
from alb.state.targets import TargetState
from tests.support.certificates import kept
from tests.support.node import QUICK, Handler, Node, Origin, free_port, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MIB = 1024 * 1024


def secured() -> ssl.SSLContext:
    """Return what a target has: a certificate that nobody trusts."""
    return server_context(POLICIES[DEFAULT_POLICY], [kept("target").served().pem])


async def serve(node: Node, origin: Origin, *, check: str = "HTTPS") -> None:
    checks = replace(QUICK, protocol=check)
    await node.serve(
        {"web": [origin.port]}, group={"protocol": "HTTPS", "health_check": checks}
    )
    await node.healthy(f"web-{origin.port}")


async def test_a_target_is_checked_and_reached_by_tls_and_its_connection_kept(
    node: Node,
) -> None:
    origin = await Origin().start(tls=secured())
    await serve(node, origin)

    answers = [await node.ask(GET) for _ in range(3)]

    assert all(answer.endswith(b"\r\n\r\n/x") for answer in answers)
    assert 1 == origin.connections
    origin.drop()


async def test_large_bodies_pass_both_ways_whole(node: Node) -> None:
    origin = await Origin().start(tls=secured())
    await serve(node, origin)
    body = bytes(range(256)) * (4 * MIB // 256)
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    reader, writer = await node.connect()

    async def upload() -> None:
        writer.write(head % len(body) + body)
        await writer.drain()

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(upload())
        answer = tasks.create_task(reader.read())

    assert answer.result().endswith(b"\r\n\r\n" + body)
    node.hang_up()
    origin.drop()


async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speak HTTP and no TLS."""
    asked = await reader.read(65536)
    status = b"200 OK" if asked.startswith(b"GET ") else b"400 Bad Request"
    writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
    writer.close()


async def test_a_target_that_speaks_no_tls_is_a_502_and_counted(node: Node) -> None:
    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await node.serve({"web": [port]}, group={"protocol": "HTTPS"})
    await node.healthy(f"web-{port}")

    answer = await node.ask(GET)

    assert answer.startswith(b"HTTP/1.1 502 ")

    def counted() -> bool:
        counters = node.balancer.statistics().totals.targets.get(f"web-{port}")
        return counters is not None and counters.totals["tlsErrors"] >= 1

    await until(counted, "the handshake is counted")
    totals = node.balancer.statistics().totals.targets[f"web-{port}"].totals
    assert 0 == totals["connectionErrors"]
    server.close()


async def test_a_check_by_tls_fails_where_there_is_none(node: Node) -> None:
    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    checks = replace(QUICK, protocol="HTTPS", unhealthy_threshold=1)

    await node.serve({"web": [port]}, group={"health_check": checks})

    def failed() -> bool:
        health = node.balancer.observe()[TargetId(f"web-{port}")].health
        return health.state is HealthState.UNHEALTHY and "TLS" in health.description

    await until(failed, "its health says why")
    server.close()


async def unfinished(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Answer until the connection ends, and end it without saying so."""
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf")
    await writer.drain()
    writer.transport.abort()
    return False


async def finished(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Answer until the connection ends, and say that it does."""
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhole")
    await writer.drain()
    return False


@pytest.mark.parametrize(
    ("handler", "is_whole"), [(unfinished, False), (finished, True)]
)
async def test_an_answer_without_length_is_whole_if_the_target_says_it_ends(
    node: Node, handler: Handler, *, is_whole: bool
) -> None:
    origin = await Origin(handler).start(tls=secured())
    await serve(node, origin)
    reader, writer = await node.connect()

    writer.write(GET.replace(b"HTTP/1.1", b"HTTP/1.0"))
    async with asyncio.timeout(10):
        if is_whole:
            assert (await reader.read()).endswith(b"whole")
        else:
            with pytest.raises(ConnectionError):
                await reader.read()

    node.hang_up()
    origin.drop()


# --- handshakes with a deadline of our own -----------------------------------------


@dataclass
class Request:
    """Waits for a connection; one attempt is all it has."""

    is_last_attempt: bool = False
    upstream: UpstreamConnection | None = None
    failures: list[Failure] = field(default_factory=list)

    def switch_target(self) -> TargetState | None:
        return None

    def on_connected(self, upstream: UpstreamConnection) -> None:
        self.upstream = upstream

    def on_not_connected(self, failure: Failure) -> None:
        self.failures.append(failure)


def target(port: int) -> TargetState:
    return TargetState(Target(TargetId("t"), "127.0.0.1", port), secure=True)


def no_pools() -> bool:
    return False


def no_doubts(target: TargetState) -> None:
    pass


async def test_a_target_that_never_finishes_its_handshake_is_a_504() -> None:
    ended = asyncio.Event()

    async def silent(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read()  # the hello, and then the end of it all
        ended.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    request = Request()

    await Connector(no_pools, no_doubts, 0.1).connect(
        request, target(server.sockets[0].getsockname()[1])
    )

    assert [Failure.TLS_TIMEOUT] == request.failures
    assert 504 == request.failures[0].status
    async with asyncio.timeout(5):
        await ended.wait()
    server.close()


async def test_a_target_that_is_not_there_is_refused_and_no_failed_handshake() -> None:
    request = Request()
    doubted: list[TargetState] = []
    gone = target(free_port())

    await Connector(no_pools, doubted.append).connect(request, gone)

    assert [Failure.CONNECT_REFUSED] == request.failures
    assert [gone] == doubted


async def test_a_target_that_hangs_up_in_its_handshake_is_a_502() -> None:
    async def leaving(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(leaving, "127.0.0.1", 0)
    request = Request()

    hasty = target(server.sockets[0].getsockname()[1])
    doubted: list[TargetState] = []
    await Connector(no_pools, doubted.append).connect(request, hasty)

    assert [Failure.TLS_FAILED] == request.failures
    assert [hasty] == doubted
    server.close()
