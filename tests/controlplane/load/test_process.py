"""`alb load` as a process: its lines, its exit status, its signals."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

COMMAND = [sys.executable, "-m", "controlplane.load"]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A service that answers 200 and echoes, but 500 under /broken."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                own_id = head.partition(b"X-Request-Id: ")[2].strip()
                status = b"500" if b"/broken" in head else b"200"
                writer.write(
                    b"HTTP/1.1 " + status + b" X\r\nContent-Length: 0\r\n"
                    b"X-Request-Id: " + own_id + b"\r\n\r\n"
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def load(*words: str) -> tuple[int, list[str], str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode().splitlines(), err.decode()


async def test_status_0_and_a_report_for_people(url: str) -> None:
    status, out, err = await load(url, "--shape", "20x0.5s")
    assert (0, "") == (status, err)
    assert "10 requests in 0.5 s (20.0/s): 10 ok, 0 failed" == out[0]


async def test_status_1_when_a_request_failed(url: str) -> None:
    status, out, _ = await load(url, url + "/broken", "--shape", "20x0.5s")
    assert 1 == status
    assert "failed, status 500: 5" in out


async def test_progress_is_a_line_of_json_a_second_and_the_report_is_the_last(
    url: str,
) -> None:
    status, out, _ = await load(url, "--shape", "20x1.5s", "--progress", "--json")
    told = [json.loads(text) for text in out]

    assert 0 == status
    assert ["second", "second", "report"] == [each["type"] for each in told]
    assert [20, 10] == [each["sent"] for each in told[:2]]
    assert told[:2] == told[2]["seconds"]


async def test_an_interrupt_ends_the_sending_and_still_reports(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, url, "--shape", "20x60s", "--progress", stdout=subprocess.PIPE
    )
    async with asyncio.timeout(20):
        assert process.stdout
        await process.stdout.readline()  # the first second is over
        process.send_signal(signal.SIGINT)
        rest = (await process.stdout.read()).decode()
        assert 0 == await process.wait()
    assert ", 0 failed\n" in rest


async def test_a_witness_port_that_is_taken_is_said() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, ("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    status, _, err = await load("http://127.0.0.1:1/", "--witness", str(port))
    transport.close()
    assert 1 == status
    assert "Address already in use" in err


async def test_it_sustains_three_thousand_a_second_beside_what_it_measures(
    url: str,
) -> None:
    """The service of this test is slow; the generator must still keep the pace."""
    status, out, _ = await load(url, "--shape", "3000x1s", "--json", "--timeout", "15")
    report = json.loads(out[-1])
    assert (0, 3000) == (status, report["ok"])
    assert report["lagMs"]["p99"] < 500
