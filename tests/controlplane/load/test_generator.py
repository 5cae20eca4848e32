"""The generator, over real sockets: what it sends, when, and what it calls failed."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from controlplane.load.main import LoadOptions, run
from controlplane.load.options import parse_url
from controlplane.load.outcome import Second
from controlplane.load.report import LoadReport, as_json, as_text
from controlplane.load.shape import parse_shape

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = re.compile(rb"GET (\S+) HTTP/1.1\r\n.*X-Request-Id: (\S+)\r\n\r\n", re.DOTALL)


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    served: list[asyncio.Task[object]] = []

    async def closing(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task
        served.append(task)
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    if served:
        await asyncio.wait(served, timeout=5)


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the path and the id of the next request."""
    found = HEAD.fullmatch(await reader.readuntil(b"\r\n\r\n"))
    assert found
    return found[1], found[2]


def answer(own_id: bytes, status: int = 200, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n{more}X-Request-Id: "
    return head.encode() + own_id + b"\r\n\r\nok"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        _, own_id = await read_request(reader)
        writer.write(answer(own_id))


def options(*urls: str, shape: str = "50x0.4s", timeout_s: float = 0.3) -> LoadOptions:
    return LoadOptions(
        urls=tuple(parse_url(url) for url in urls),
        shape=parse_shape(shape),
        shape_text=shape,
        timeout_s=timeout_s,
    )


def failures(report: LoadReport) -> dict[str, int]:
    return {reason: kind.count for reason, kind in report.failures.items()}


async def load(serve: Serve, **given: object) -> LoadReport:
    async with serving(serve) as url:
        return await run(replace(options(url), **given))  # type: ignore[arg-type]


async def test_every_arrival_of_the_shape_is_sent_once_with_an_id_of_its_own() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, own_id = await read_request(reader)
            seen.append(own_id)
            writer.write(answer(own_id))

    report = await load(serve, shape=parse_shape("100-300x0.5s"))

    assert (100, 100, 0, 0) == (
        report.requests,
        report.ok,
        report.failed,
        report.exit_status,
    )
    assert {f"{report.run_id}-{n}".encode() for n in range(100)} == set(seen)
    assert 100 == len(seen)


async def test_urls_take_turns() -> None:
    paths: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path, own_id = await read_request(reader)
            paths.append(path)
            writer.write(answer(own_id))

    async with serving(serve) as url:
        await run(options(url, url, url + "api/x", shape="60x0.5s"))

    assert (20, 10) == (paths.count(b"/"), paths.count(b"/api/x"))


async def test_a_stalled_service_does_not_slow_the_arrivals_and_its_stall_counts() -> (
    None
):
    """A closed loop would send one request into the stall and report one slow
    answer; here every request that came due in it was as late as its user saw."""
    stalled_until_s = time.monotonic() + 0.5

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, own_id = await read_request(reader)
            await asyncio.sleep(max(0.0, stalled_until_s - time.monotonic()))
            writer.write(answer(own_id))

    report = await load(
        serve, shape=parse_shape("100x1s"), timeout_s=5.0, connections=4
    )

    assert (100, 0) == (report.ok, report.failed)
    assert 4 == report.connections_peak
    assert pytest.approx(1.0, abs=0.05) == report.duration_s
    assert report.percentiles[90.0] > 300, "those that waited for a connection count"


async def test_a_busy_connection_is_not_waited_for_while_another_may_be_opened() -> (
    None
):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, own_id = await read_request(reader)
            await asyncio.sleep(0.1)
            writer.write(answer(own_id))

    report = await load(serve, shape=parse_shape("100x0.5s"), timeout_s=5.0)

    assert (50, 0) == (report.ok, report.failed)
    assert 8 <= report.connections_peak <= 20
    assert report.percentiles[50.0] < 180


async def _unlike(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes
) -> None:
    """Answer every second request of a connection with `raw`; close unless it is whole.

    Nobody who was given a whole answer is to be hung up on: their next request
    could be on its way.
    """
    whole = raw.endswith(b"\r\n\r\n")
    answered = False
    while whole or not answered:
        _, own_id = await read_request(reader)
        writer.write(answer(own_id))
        _, own_id = await read_request(reader)
        writer.write(raw.replace(b"OWN", own_id))
        await writer.drain()
        answered = True


# fmt: off
OUTCOMES = [
    (b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n",  "status 503",
     "another status"),
    (b"HTTP/1.1 200 X\r\nContent-Length: 0\r\nX-Request-Id: else\r\n\r\n", "wrong id",
     "another's id"),
    (b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n",  "wrong id",
     "no id"),
    (b"",                                             "closed early",
     "no answer at all"),
    (b"HTTP/1.1 200 X\r\nContent-Length: 9\r\nX-Request-Id: OWN\r\n\r\nhalf",
     "closed early", "half an answer"),
    (b"SSH-2.0-OpenSSH\r\n",                          "malformed response",
     "something that is not HTTP"),
]
# fmt: on


@pytest.mark.parametrize(
    ("raw", "expected"), [r[:2] for r in OUTCOMES], ids=[r[2] for r in OUTCOMES]
)
async def test_failures_are_classified(raw: bytes, expected: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _unlike(reader, writer, raw)

    report = await load(serve, shape=parse_shape("50x0.2s"), connections=1)

    assert {expected: 5} == failures(report)
    assert (10, 5, 1) == (report.requests, report.ok, report.exit_status)
    assert 5 == len(report.failures[expected].samples)


async def test_a_reset_is_told_as_one() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )  # close by RST
        writer.transport.abort()

    report = await load(serve, shape=parse_shape("50x0.1s"))
    assert {"reset": 5} == failures(report)


async def test_nobody_listening_is_connect_refused_for_each_request() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        report = await run(options(url, shape="100x0.2s"))
    assert {"connect refused": 20} == failures(report)


async def test_silence_is_a_timeout_and_its_connection_is_not_used_again() -> None:
    requests_of: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests_of.append(0)
        while True:
            await read_request(reader)
            requests_of[-1] += 1

    report = await load(serve, shape=parse_shape("20x0.5s"), timeout_s=0.1)

    assert {"timeout": 10} == failures(report)
    assert {1} == set(requests_of)


async def test_a_request_that_waits_past_its_timeout_is_never_sent() -> None:
    received = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while True:
            await read_request(reader)
            received += 1

    report = await load(
        serve, shape=parse_shape("10000x2ms"), timeout_s=0.2, connections=1
    )

    assert {"timeout": 20} == failures(report)
    assert 1 <= received < 5


async def test_a_connection_the_server_closed_while_idle_is_not_used() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, own_id = await read_request(reader)
        writer.write(answer(own_id))  # and close, without saying so

    report = await load(serve, shape=parse_shape("20x0.5s"))
    assert (10, 0, 10) == (report.ok, report.failed, report.connections_opened)


async def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, own_id = await read_request(reader)
        writer.write(b"HTTP/1.1 200 X\r\nX-Request-Id: " + own_id + b"\r\n\r\nok")

    report = await load(serve)
    assert (20, 0) == (report.ok, report.failed)


async def test_an_interim_response_is_not_the_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, own_id = await read_request(reader)
            writer.write(b"HTTP/1.1 103 Early\r\nX-Request-Id: no\r\n\r\n")
            writer.write(answer(own_id))

    report = await load(serve, connections=1)
    assert (20, 0, 1) == (report.ok, report.failed, report.connections_opened)


async def test_an_id_that_two_targets_received_is_a_failure() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        witness = free.getsockname()
    reporting = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, own_id = await read_request(reader)
            times = 2 if own_id.endswith(b"-3") else 1
            for _ in range(times):
                reporting.sendto(own_id, witness)
            writer.write(answer(own_id))

    with reporting:
        report = await load(serve, witness=witness)

    assert {"seen twice": 1} == failures(report)
    assert (20, 19, 20) == (report.requests, report.ok, report.witnessed)
    assert f"{report.run_id}-3" == report.failures["seen twice"].samples[0].id


async def test_seconds_are_told_as_they_end_and_add_up() -> None:
    async with serving(echo) as url:
        told: list[Second] = []
        report = await run(options(url, shape="20x1s,40x0.5s"), told.append)

    assert [0, 1] == [second.at_s for second in told]
    assert (20, 20) == (told[0].sent, told[1].sent)
    assert 40 == sum(second.ok for second in told) == report.ok
    assert tuple(told) == report.seconds


async def test_stopping_ends_the_sending_and_still_reports() -> None:
    async with serving(echo) as url:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stop.set)
        report = await run(options(url, shape="50x50s"), stop=stop)

    assert 5 <= report.requests <= 25
    assert (report.requests, 0) == (report.ok, report.failed)


async def test_the_report_reads_the_same_for_people_and_programs() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, own_id = await read_request(reader)
            writer.write(answer(own_id, 500 if own_id.endswith(b"-7") else 200))

    report = await load(serve)
    text, json = as_text(report), as_json(report)

    assert "20 requests in 0.4 s (50.0/s): 19 ok, 1 failed" in text
    assert f"failed, status 500: 1\n  {report.run_id}-7 at 0.150 s" in text
    sample = {"id": f"{report.run_id}-7", "atSeconds": 0.15}
    assert {"status 500": {"count": 1, "samples": [sample]}} == json["failures"]
