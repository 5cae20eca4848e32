"""One health check against real sockets: what it asks, and what it makes of answers."""

import asyncio
import contextlib
import os
import resource
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from alb.decide.health import Answered, Failed, NotMade, ProbeOutcome, TimedOut
from alb.drivers.probe import HEAD_MAX_BYTES, probe
from alb.model import HealthCheck

QUICK = HealthCheck(path="/healthz?deep=1", timeout_s=0.25)
PATIENT = HealthCheck(timeout_s=5.0)


@contextlib.asynccontextmanager
async def target(
    *answer: bytes, hold: bool = True
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that sends the pieces of `answer`, then holds or closes."""
    asked: list[bytes] = []
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            for piece in answer:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if hold:
                await release.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        release.set()
        server.close()
        await server.wait_closed()


OK = b"HTTP/1.1 200 OK\r\n"
NOT_HTTP = Failed("the response is not HTTP/1.1")
TOO_LARGE = Failed("the response head is too large")
CUT = Failed("connection closed before a whole response head")

# fmt: off
ANSWERS = [
    ([OK, b"\r\n"],                                Answered(200), "a whole head is enough"),
    ([OK + b"Content-Length: 9\r\n\r\nfour"],      Answered(200), "the body does not matter"),
    ([*(bytes((o,)) for o in OK + b"\r\n")],       Answered(200), "however it is cut"),
    ([b"HTTP/1.0 503 Busy\r\n\r\n"],               Answered(503), "any status is an answer"),
    ([b"HTTP/1.1 204\r\n\r\n"],                    Answered(204), "words are optional"),
    ([b"HTTP/1.1 200 OK\n\n"],                     Answered(200), "so are carriage returns"),
    ([b"HTTP/1.1 101 Switching\r\n\r\n"],          Answered(101), "no other protocol was asked for"),
    ([b"HTTP/1.1 100 Go\r\n\r\n", OK, b"\r\n"],    Answered(200), "an interim answer is none"),
    ([OK, b"A: b\r\n"],                            TimedOut(),    "half a head is none"),
    ([],                                           TimedOut(),    "nor is silence"),
    ([b"SSH-2.0-OpenSSH_9\r\n"],                   NOT_HTTP,      "another protocol"),
    ([b"HTTP/2.0 200 OK\r\n\r\n"],                 NOT_HTTP,      "another version"),
    ([b"HTTP/1.1 2000 OK\r\n\r\n"],                NOT_HTTP,      "a status that is none"),
    ([b"HTTP/1.1 200 OK\rX\r\n\r\n"],              NOT_HTTP,      "a bare carriage return"),
    ([b"HTTP/1.1 200 " + b"x" * HEAD_MAX_BYTES],   TOO_LARGE,     "an endless first line"),
    ([OK] + [b"A: b\r\n" * 99] * (HEAD_MAX_BYTES // 594 + 1), TOO_LARGE, "endless headers"),
    ([b"HTTP/1.1 100 Go\r\n\r\n" * 99] * (HEAD_MAX_BYTES // 1881 + 9), TOO_LARGE, "endless interim answers"),
]
# fmt: on


@pytest.mark.parametrize(
    ("answer", "expected"),
    [row[:2] for row in ANSWERS],
    ids=[row[2] for row in ANSWERS],
)
async def test_answers(answer: list[bytes], expected: ProbeOutcome) -> None:
    check = QUICK if isinstance(expected, TimedOut) else PATIENT
    async with target(*answer) as (port, _):
        assert expected == await probe("127.0.0.1", port, check)


@pytest.mark.parametrize("answer", [[], [OK], [OK, b"A: b\r\n"]])
async def test_a_head_cut_short_is_a_failure(answer: list[bytes]) -> None:
    async with target(*answer, hold=False) as (port, _):
        assert await probe("127.0.0.1", port, PATIENT) == CUT


async def test_it_asks_as_the_balancer_of_aws_does() -> None:
    async with target(OK, b"\r\n") as (port, asked):
        await probe("127.0.0.1", port, QUICK)

    line, *headers = asked[0].decode().removesuffix("\r\n\r\n").split("\r\n")
    assert line == "GET /healthz?deep=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in headers
    assert "Connection: close" in headers
    assert "User-Agent: ELB-HealthChecker/2.0" in headers


async def test_nobody_listening_is_a_failure_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        outcome = await probe("127.0.0.1", port, PATIENT)

    assert outcome == Failed("connection refused")


async def test_a_name_that_cannot_be_one_is_a_failure() -> None:
    outcome = await probe("a" * 64 + ".example", 80, PATIENT)

    assert isinstance(outcome, Failed)


LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
"""They differ in what they run first after a stall: timers or sockets."""


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
def test_our_own_stall_is_not_the_targets_fault(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(probed_during_a_stall()) == Answered(200)


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
def test_silence_is_a_timeout_on_either_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def ask() -> ProbeOutcome:
        async with target() as (port, _):
            return await probe("127.0.0.1", port, QUICK)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(ask()) == TimedOut()


async def probed_during_a_stall() -> ProbeOutcome:
    """The answer comes while our loop stands still for twice the timeout."""
    stalled = threading.Event()

    def answer_during_the_stall(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            stalled.wait(5)
            connection.sendall(OK + b"\r\n")
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer_during_the_stall, args=[listener])
        server.start()
        port = listener.getsockname()[1]

        def stall() -> None:
            stalled.set()
            time.sleep(0.5)

        asyncio.get_running_loop().call_later(0.1, stall)
        outcome = await probe("127.0.0.1", port, QUICK)
        await asyncio.to_thread(server.join)
    return outcome


async def test_a_timeout_is_kept() -> None:
    loop = asyncio.get_running_loop()
    async with target() as (port, _):
        start_s = loop.time()
        await probe("127.0.0.1", port, QUICK)

    assert 0.2 <= loop.time() - start_s < 2.0


async def test_every_connection_is_closed_afterwards() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"\r\n")
        await reader.read()
        writer.close()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(5):
        await probe("127.0.0.1", server.sockets[0].getsockname()[1], PATIENT)
        await closed.wait()


def test_a_prober_that_has_no_time_at_all_says_nothing() -> None:
    """Every slice is late: the loop is kept busy for longer than any patience."""

    async def ask() -> ProbeOutcome:
        loop = asyncio.get_running_loop()

        def stay_busy() -> None:
            time.sleep(0.1)
            loop.call_later(0.005, stay_busy)

        async with target() as (port, _):
            loop.call_soon(stay_busy)
            return await probe("127.0.0.1", port, QUICK)

    outcome = asyncio.run(ask())

    assert isinstance(outcome, NotMade)


async def test_our_own_lack_of_descriptors_says_nothing() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with target(OK, b"\r\n") as (port, _):
        free = os.open(os.devnull, os.O_RDONLY)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            outcome = await probe("127.0.0.1", port, PATIENT)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert outcome == NotMade("Too many open files")
