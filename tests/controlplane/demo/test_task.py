"""The demo task, as a process of its own: its rate, its queue, its end."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controlplane.load.main import LoadOptions, run
from controlplane.load.options import parse_url
from controlplane.load.shape import parse_shape

SCRIPT = Path(__file__).parents[3] / "controlplane" / "demo" / "task.py"


class Running:
    """A task that listens, and what its machine says about it."""

    def __init__(self, environ: dict[str, str]) -> None:
        started_s = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(SCRIPT)],
            env={"PATH": os.environ["PATH"], "PORT": "0", "HOST": "127.0.0.1"}
            | environ,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout
        line = self.process.stdout.readline().decode()
        self.start_s = time.monotonic() - started_s
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        assert found, line
        self.port = int(found[1])

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().split(") ")[1]
        utime, stime = fields.split()[11:13]
        return (int(utime) + int(stime)) / os.sysconf("SC_CLK_TCK")

    def ask(self, raw: bytes) -> bytes:
        """Send `raw` on a new connection; return all until the task closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            sock.sendall(raw)
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Running] = []

    def begin(**environ: str) -> Running:
        started.append(Running(environ))
        return started[-1]

    yield begin
    for task in started:
        task.process.kill()
        task.process.wait()
        assert task.process.stdout
        task.process.stdout.close()


def get(target: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def options(task: Running, target: str, shape: str) -> LoadOptions:
    url = parse_url(f"http://127.0.0.1:{task.port}{target}")
    return LoadOptions(urls=(url,), shape=parse_shape(shape), shape_text=shape)


def test_it_answers_with_its_name_and_the_id_of_the_request(start: Start) -> None:
    task = start(DEMO_SERVICE="web", DEMO_TASK='t"1')
    head, _, body = task.ask(
        get("/a?b=c", "X-Request-Id: run-7", "Connection: close")
    ).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nX-Request-Id: run-7\r\n" in head
    assert {"task": 't"1', "service": "web", "path": "/a?b=c"} == json.loads(body)


async def test_it_saturates_at_fifty_requests_and_a_quarter_core_a_second(
    start: Start,
) -> None:
    """60/s for 2 s are 120 requests: at 50/s the last is answered 0.4 s late."""
    task = start()
    before_s = task.cpu_s()

    report = await run(options(task, "/", "60x2s"))

    assert (120, 0) == (report.ok, report.failed)
    assert 350 <= report.max_ms <= 2500
    assert pytest.approx(120 * 0.005, rel=0.25) == task.cpu_s() - before_s


async def test_below_saturation_a_request_takes_twenty_milliseconds(
    start: Start,
) -> None:
    report = await run(options(start(), "/", "25x1s"))
    assert 19 <= report.percentiles[50.0] < 200, "nobody waits for another"


async def test_the_query_and_the_environment_set_the_times(start: Start) -> None:
    task = start(DEMO_MS="1", DEMO_CPU_MS="0")
    by_environment = await run(options(task, "/", "20x0.5s"))
    by_query = await run(options(task, "/?ms=80&cpu=1", "5x0.4s"))

    assert by_environment.percentiles[50.0] < 79
    assert 79 <= by_query.percentiles[50.0] < 400


async def test_health_is_answered_while_the_queue_is_full(start: Start) -> None:
    task = start()
    async with asyncio.TaskGroup() as group:
        flood = group.create_task(run(options(task, "/", "400x0.25s")))
        await asyncio.sleep(0.5)
        health = await run(options(task, "/healthz", "10x0.5s"))
    assert (5, 100) == (health.ok, flood.result().ok)
    assert health.percentiles[50.0] < 500
    assert flood.result().max_ms > 1000, "the queue was full all the time"


def test_each_id_is_reported_before_it_is_handled(start: Start) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as witness:
        witness.bind(("127.0.0.1", 0))
        witness.settimeout(5)
        task = start(ALB_WITNESS=f"127.0.0.1:{witness.getsockname()[1]}")
        with socket.create_connection(("127.0.0.1", task.port), timeout=5) as client:
            client.sendall(get("/?ms=60000&cpu=0", "X-Request-Id: run-1"))
            assert b"run-1" == witness.recv(100)


def test_a_pipeline_is_answered_in_order(start: Start) -> None:
    task = start(DEMO_MS="1", DEMO_CPU_MS="0")
    body = b"POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /"
    raw = task.ask(get("/a") + body + get("/healthz") + get("/d", "Connection: close"))
    assert [b"/a", b"/b", b"/healthz", b"/d"] == re.findall(rb'"path": "([^"]+)"', raw)


# fmt: off
UNREADABLE = [
    (b"HELLO\r\n\r\n",                                             b"400"),
    (b"GET / HTTP/2.0\r\n\r\n",                                    b"400"),
    (b"GET / HTTP/1.1\r\nno colon\r\n\r\n",                        b"400"),
    (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",              b"400"),
    (b"GET / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n",         b"413"),
    (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",      b"501"),
    (b"GET / HTTP/1.1\r\nX: " + b"x" * 17_000,                     b"431"),
]
# fmt: on


@pytest.mark.parametrize(("raw", "status"), UNREADABLE)
def test_what_it_cannot_read_it_refuses_and_closes(
    start: Start, raw: bytes, status: bytes
) -> None:
    answer = start().ask(raw)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer


async def test_sigterm_finishes_what_is_queued_and_exits_with_zero(
    start: Start,
) -> None:
    """A second of work is queued when SIGTERM comes; every answer still does."""
    task = start()
    async with asyncio.TaskGroup() as group:
        load = group.create_task(run(options(task, "/", "500x0.1s")))
        await asyncio.sleep(0.3)
        task.process.send_signal(signal.SIGTERM)
    status = await asyncio.to_thread(task.process.wait, 5)

    assert (50, 0, 0) == (load.result().ok, load.result().failed, status)


def test_after_sigterm_answers_say_that_the_connection_closes(start: Start) -> None:
    task = start()
    with socket.create_connection(("127.0.0.1", task.port), timeout=5) as client:
        client.sendall(get("/?ms=300&cpu=0"))
        time.sleep(0.1)
        task.process.send_signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b"\r\nConnection: close\r\n" in answer
    assert 0 == task.process.wait(5)


def test_an_idle_task_ends_at_once(start: Start) -> None:
    task = start()
    with socket.create_connection(("127.0.0.1", task.port), timeout=5):
        began_s = time.monotonic()
        assert 0 == task.end()
        assert time.monotonic() - began_s < 1


def test_it_starts_before_a_health_check_would_miss_it(start: Start) -> None:
    """One of some starts counts: other load on the machine is not ours."""
    assert any(start().start_s < 0.15 for _ in range(30))


def test_it_needs_nothing_that_costs_time_to_import() -> None:
    code = (
        f"import runpy, sys; runpy.run_path({str(SCRIPT)!r}); "
        "print({'asyncio', 'json', 'ssl', 'logging', 'http'} & set(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, check=True, timeout=20
    )
    assert b"set()\n" == told.stdout
