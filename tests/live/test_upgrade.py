"""A node becomes another program under load: nobody is refused, nothing is cut."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.live.test_node import Traffic, pids
from tests.support.node import Node, Origin, run_node, until

TUNNEL = (
    b"GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with run_node(tmp_path, more=("--drain-timeout", "8")) as running:
        yield running
        running.hang_up()


async def echo(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """A target that answers, and echoes what comes through a tunnel."""
    if b"/tunnel" not in head:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True
    writer.write(
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
    )
    while data := await reader.read(100):
        writer.write(data)
    return False


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def upgrade(node: Node, epoch: int = 2) -> None:
    """Tell the keeper, and join the program that it becomes."""
    former = pids(node)
    node.keeper.send_signal(signal.SIGUSR2)
    async with asyncio.timeout(10):
        await node.running  # its link to the keeper has ended
    await until((node.state_dir / "node.sock").exists, "the new program listens")
    await node.rejoin(epoch)
    node.run_balancer()
    await until(lambda: len(pids(node) - former) == 2, "two workers of its own")


async def test_an_upgrade_under_load_loses_no_request_and_no_tunnel(node: Node) -> None:
    origin = await Origin(echo).start()
    await node.serve({"web": [origin.port]})
    before, keeper = pids(node), node.keeper.pid
    reader, writer = await node.connect()
    writer.write(TUNNEL)
    await reader.readuntil(b"\r\n\r\n")

    traffic = Traffic(node)
    async with asyncio.TaskGroup() as group:
        group.create_task(traffic.run())
        await traffic.more(50)
        await upgrade(node)
        await node.serve({"web": [origin.port]})
        await until(lambda: len(pids(node) & before) <= 1, "the idle one has ended")
        await traffic.more(50)
        traffic.going = False
    writer.write(b"still here")
    told = await reader.readexactly(10)
    writer.close()

    assert traffic.failed == []
    assert told == b"still here"
    assert lives(keeper), "it is the same process"
    await until(
        lambda: not any(map(lives, before)), "both have ended with what they had"
    )
    await until(lambda: len(pids(node)) == 2, "and that is known")
    origin.drop()


async def test_what_outlives_the_drain_timeout_is_cut_and_counted(
    tmp_path: Path,
) -> None:
    async with run_node(tmp_path, 1, more=("--drain-timeout", "0.5")) as node:
        origin = await Origin(echo).start()
        await node.serve({"web": [origin.port]})
        reader, writer = await node.connect()
        writer.write(TUNNEL)
        await reader.readuntil(b"\r\n\r\n")

        node.keeper.send_signal(signal.SIGUSR2)
        async with asyncio.timeout(10):
            await node.running
        await until((tmp_path / "node.sock").exists, "the new program listens")
        await node.rejoin(2)
        node.run_balancer()

        async with asyncio.timeout(10):
            assert await reader.read() == b""
        await until(lambda: cut(node) == 1, "it is counted")
        node.hang_up()
        origin.drop()


def cut(node: Node) -> int:
    reported = node.balancer.statistics().totals.listeners.values()
    return sum(counters.totals["cutConnections"] for counters in reported)


async def test_a_program_that_does_not_start_is_not_become(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    installed.mkdir()
    state_dir = tmp_path / "state"
    async with run_node(state_dir, 1, env={"PYTHONPATH": str(installed)}) as node:
        origin = await Origin().start()
        await node.serve({"web": [origin.port]})
        before = pids(node)
        (installed / "alb").mkdir()
        tried = tmp_path / "tried"
        broken = f"open({str(tried)!r}, 'w'); raise SystemExit(3)"
        (installed / "alb" / "__init__.py").write_text(broken)

        node.keeper.send_signal(signal.SIGUSR2)
        traffic = Traffic(node)
        async with asyncio.TaskGroup() as group:
            group.create_task(traffic.run())
            await until(tried.exists, "it was tried")
            await traffic.more(50)
            traffic.going = False

        assert traffic.failed == []
        assert before == pids(node)
        assert not node.running.done()
        node.hang_up()
        origin.drop()
