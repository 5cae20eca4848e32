"""Each configuration runs as it is: `alb up`, requests that are answered, `down`."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controlplane.client import Control, UnixAddress
from controlplane.load.main import LoadOptions, run
from controlplane.load.options import parse_url
from controlplane.load.shape import parse_shape

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
READY_S = 30.0
DOWN_S = 30.0
PAUSE_S = 0.1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running(
    config: str, state_dir: Path, **variables: str
) -> AsyncIterator[tuple[Process, int]]:
    """Run `alb up` on a listener of its own; interrupt it in the end."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controlplane.cli", "up",
        "-f", str(CONFIGS / config), "--state-dir", str(state_dir), "--workers", "1",
        stdout=PIPE, stderr=STDOUT, cwd=state_dir,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LISTENER": str(port), **variables},
    )  # fmt: skip
    try:
        yield process, port
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(DOWN_S):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            raise
    assert 0 == process.returncode, output.decode()


async def answer(port: int, path: str, wanted: int, **headers: str) -> str:
    """Ask until the answer has the wanted status; return its body."""
    url = f"http://127.0.0.1:{port}{path}"
    async with asyncio.timeout(READY_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(
                    url, headers=headers, allow_redirects=False
                ) as response:
                    if response.status == wanted:
                        return await response.text()
            except aiohttp.ClientConnectionError:
                pass  # not listening yet
            await asyncio.sleep(
                PAUSE_S
            )  # an answer of another process: nothing to await


@asynccontextmanager
async def target(name: str) -> AsyncIterator[int]:
    """A server that answers 200 with its name."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = name.encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("config", ["processes.yaml", "zones.yaml"])
async def test_its_tasks_answer(config: str, tmp_path: Path) -> None:
    async with running(config, tmp_path) as (_, port):
        assert '"service": "demo"' in await answer(port, "/", 200)


async def alb(state_dir: Path, config: str, *words: str, **variables: str) -> str:
    """Run `alb` beside a configuration that runs; fail unless it succeeds."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "controlplane.cli", *words),
        *("-f", str(CONFIGS / config), "--state-dir", str(state_dir)),
        stdout=PIPE, stderr=STDOUT, cwd=state_dir,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
    )  # fmt: skip
    output, _ = await process.communicate()
    assert 0 == process.returncode, output.decode()
    return output.decode()


async def until_answered(port: int, text: str) -> None:
    async with asyncio.timeout(READY_S):
        while text not in await answer(port, "/", 200):  # noqa: ASYNC110 - it asks
            await asyncio.sleep(PAUSE_S)


async def test_a_release_is_tested_gets_all_requests_and_goes_back(
    tmp_path: Path,
) -> None:
    """docs/how-to/blue-green.md"""
    config, test_port = "blue-green.yaml", free_port()
    more = {"TEST_LISTENER": str(test_port), "BAKE_MINUTES": "5"}
    async with running(config, tmp_path, **more) as (_, port):
        await until_answered(port, '"one"')
        everything = {**more, "LISTENER": str(port), "RELEASE": "two"}
        await alb(tmp_path, config, "apply", **everything)
        await until_answered(test_port, '"two"')
        await until_answered(port, '"two"')
        await alb(tmp_path, config, "rollback", "web", "--wait")
        await until_answered(port, '"one"')
        await until_answered(test_port, '"one"')


async def test_it_follows_a_burst_and_says_why(tmp_path: Path) -> None:
    text = "160x40s"
    async with running("scaling.yaml", tmp_path) as (_, port):
        await answer(port, "/", 200)
        url = parse_url(f"http://127.0.0.1:{port}/")
        stop = asyncio.Event()
        control = Control(UnixAddress(tmp_path / "control.sock"))
        async with asyncio.timeout(READY_S), asyncio.TaskGroup() as group:
            options = LoadOptions((url,), parse_shape(text), text)
            group.create_task(run(options, stop=stop))
            why: Mapping[str, Any] = {"desiredCount": 0}
            while why["desiredCount"] < 4:
                why = await asyncio.to_thread(control.get, "/v1/services/web/scaling")
                await asyncio.sleep(PAUSE_S)
            stop.set()
        told = await asyncio.to_thread(
            control.get, "/v1/services/web/scaling/activities"
        )

    assert ["burst", "cpu"] == [one["policyName"] for one in why["policies"]]
    assert {"morning", "evening"} == {
        one["scheduledActionName"] for one in why["scheduledActions"]
    }
    assert all(one["nextTime"] for one in why["scheduledActions"])
    assert 2 == len(why["alarms"])
    activities = told["scalingActivities"]
    assert isinstance(activities, list)
    assert "policy burst follows InFlightPerTarget" in {a["cause"] for a in activities}


async def test_its_rules_lead_to_its_fixed_targets(tmp_path: Path) -> None:
    async with (
        target("one") as one,
        target("two") as two,
        running(
            "fixed-targets.yaml", tmp_path, TARGET_A=str(one), TARGET_B=str(two)
        ) as (_, port),
    ):
        assert "one" == await answer(port, "/private/x", 200)
        assert "two" == await answer(port, "/?canary=1", 200)
        assert "two" == await answer(port, "/", 200, **{"X-Canary": "yes"})
        await answer(port, "/", 301, Host="old.example.com")
        await answer(port, "/docs", 302)
        assert await answer(port, "/weighted", 200) in {"one", "two"}
        assert await answer(port, "/", 200) in {"one", "two"}


async def test_one_client_in_ten_gets_the_canary_and_stays(tmp_path: Path) -> None:
    async with (
        target("stable") as stable,
        target("canary") as canary,
        running(
            "canary.yaml",
            tmp_path,
            TARGET_STABLE=str(stable),
            TARGET_CANARY=str(canary),
        ) as (_, port),
    ):
        await answer(port, "/", 200)
        jars = [aiohttp.CookieJar(unsafe=True) for _ in range(20)]
        first = [await visit(port, jar) for jar in jars]
        assert {"stable": 18, "canary": 2} == Counter(first)
        assert first == [await visit(port, jar) for jar in jars]


async def visit(port: int, jar: aiohttp.CookieJar) -> str:
    async with (
        aiohttp.ClientSession(cookie_jar=jar) as session,
        session.get(f"http://127.0.0.1:{port}/") as response,
    ):
        assert 200 == response.status
        return await response.text()


async def test_it_holds_awss_limits(tmp_path: Path) -> None:
    async with (
        target("web") as web,
        running("alb-strict.yaml", tmp_path, TARGET=str(web)) as (_, port),
    ):
        assert "not found" == await answer(port, "/", 404)
        assert "web" == await answer(port, "/", 200, Host="a.example.com")
