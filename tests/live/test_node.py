"""A node under fire: its processes are killed and frozen while requests go on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alb.app.balancer import DecidesNoMore, join
from alb.model import Listener, LoadBalancer, TargetGroup, TargetId
from tests.support.node import QUICK, Node, Origin, free_port, run_node, to, until

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with run_node(tmp_path, workers=2) as running:
        yield running
        running.hang_up()


@dataclass
class Traffic:
    """Requests, one after another on fresh connections, until told to stop."""

    node: Node
    answered: int = 0
    failed: list[bytes] = field(default_factory=list)
    going: bool = True

    async def run(self) -> None:
        while self.going:
            try:
                answer = await self.node.ask(GET)
            except OSError as problem:
                answer = str(problem).encode()
            if answer.startswith(b"HTTP/1.1 200"):
                self.answered += 1
            else:
                self.failed.append(answer[:80])

    async def more(self, count: int) -> None:
        """Wait until so many more requests were answered."""
        goal = self.answered + count
        await until(lambda: self.answered >= goal, f"{count} more answers")


def pids(node: Node) -> set[int]:
    return {worker.pid for worker in node.balancer.statistics().workers}


async def test_a_killed_worker_is_replaced_and_knows_everything(node: Node) -> None:
    origin = await Origin().start()
    await node.serve({"web": [origin.port]})
    (victim, other) = pids(node)

    os.kill(victim, signal.SIGKILL)
    await until(lambda: len(pids(node)) == 2 and victim not in pids(node), "a new one")
    await node.ready()

    answers = [await node.ask(GET) for _ in range(20)]
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
    assert other in pids(node)
    assert node.balancer.statistics().worker_exits == 1
    origin.drop()


async def test_connections_that_wait_for_a_dead_worker_are_served_by_the_next(
    node: Node,
) -> None:
    """Its socket stays open in the keeper: what queued there is not lost."""
    origin = await Origin().start()
    await node.serve({"web": [origin.port]})
    for pid in pids(node):
        os.kill(pid, signal.SIGSTOP)
    asking = [asyncio.ensure_future(node.ask(GET)) for _ in range(8)]
    await asyncio.sleep(0.1)

    for pid in pids(node):
        os.kill(pid, signal.SIGKILL)
    answers = await asyncio.gather(*asking)

    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
    origin.drop()


async def test_without_a_control_the_node_serves_and_checks_health(node: Node) -> None:
    origin, spare = await Origin().start(), await Origin().start()
    await node.serve({"web": [origin.port, spare.port]})
    await node.healthy(f"web-{origin.port}", f"web-{spare.port}")
    node.running.cancel()

    origin.drop()
    answers = [await node.ask(GET) for _ in range(10)]
    await node.rejoin(epoch=2)
    known = node.balancer.statistics().health

    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
    assert known[f"web-{spare.port}"].state.value == "healthy"
    node.run_balancer()
    spare.drop()


async def test_a_new_control_removes_nothing_before_it_knows(node: Node) -> None:
    origin = await Origin().start()
    await node.serve({"web": [origin.port]})
    async with asyncio.TaskGroup() as tasks:
        traffic = Traffic(node)
        tasks.create_task(traffic.run())
        await traffic.more(10)

        await node.rejoin(epoch=2)
        node.balancer.hold()
        node.run_balancer()
        await traffic.more(30)
        groups = (TargetGroup("web", QUICK),)
        listener = Listener(node.port, to("web"))
        node.balancer.configure(
            LoadBalancer("test", listeners=(listener,), groups=groups)
        )
        node.register(f"web-{origin.port}", "web", origin.port)
        node.balancer.release()
        await node.ready()
        await traffic.more(30)
        traffic.going = False

    assert traffic.failed == []
    origin.drop()


async def test_an_older_control_may_not_decide(node: Node) -> None:
    await node.serve({"web": []})
    path = str(node.state_dir / "node.sock")
    newer = await join(path, 7)

    with pytest.raises(DecidesNoMore):
        await join(path, 6)
    assert await node.superseded(), "the one before is told"
    node.balancer = newer
    node.run_balancer()


async def test_a_drained_target_gets_nothing_more_and_loses_nothing(
    node: Node,
) -> None:
    release = asyncio.Event()

    async def slow(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
        return True

    leaving, staying = await Origin(slow).start(), await Origin().start()
    await node.serve({"web": [leaving.port]})
    name = TargetId(f"web-{leaving.port}")
    held = asyncio.ensure_future(node.ask(GET))
    await until(lambda: len(leaving.heads) == 1, "the slow request arrived")
    node.register(f"web-{staying.port}", "web", staying.port)
    await node.healthy(f"web-{staying.port}")

    node.balancer.deregister(name)
    node.balancer.deregister(name)
    await until(
        lambda: node.balancer.observe()[name].removed_everywhere, "removed everywhere"
    )
    answers = [await node.ask(GET) for _ in range(10)]
    assert not node.balancer.observe()[name].drained
    release.set()
    answer = await held
    await until(lambda: node.balancer.observe()[name].drained, "drained")

    assert {one[:12] for one in answers} == {b"HTTP/1.1 200"}
    assert len(leaving.heads) == 1
    assert answer.endswith(b"slow")
    assert node.balancer.observe()[name].cut == 0
    leaving.drop()
    staying.drop()


async def test_what_outlives_the_deregistration_delay_is_cut_and_counted(
    node: Node,
) -> None:
    async def never(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await reader.read(1)
        return False

    origin = await Origin(never).start()
    await node.serve({"web": [origin.port]}, delay_s=1)
    name = TargetId(f"web-{origin.port}")
    held = asyncio.ensure_future(node.ask(GET))
    await until(lambda: len(origin.heads) == 1, "the request arrived")

    node.balancer.deregister(name)
    answer = await held

    assert answer.startswith(b"HTTP/1.1 502 ")
    await until(lambda: node.balancer.observe()[name].drained, "drained")
    assert node.balancer.observe()[name].cut == 1
    origin.drop()


async def test_a_frozen_worker_does_not_hold_up_a_drain(node: Node) -> None:
    origin = await Origin().start()
    await node.serve({"web": [origin.port]})
    name = TargetId(f"web-{origin.port}")
    frozen = min(pids(node))

    os.kill(frozen, signal.SIGSTOP)
    node.balancer.deregister(name)

    await until(lambda: node.balancer.observe()[name].drained, "drained all the same")
    assert frozen not in pids(node)
    origin.drop()


async def test_a_taken_port_is_told_and_opened_once_it_is_free(node: Node) -> None:
    origin = await Origin().start()
    squatter = await Origin().start(node.port)

    groups = (TargetGroup("web", QUICK),)
    node.balancer.configure(
        LoadBalancer("test", listeners=(Listener(node.port, to("web")),), groups=groups)
    )
    node.register(f"web-{origin.port}", "web", origin.port)
    await until(lambda: "in use" in node.balancer.ready()[1], "it says so")
    squatter.drop()

    await node.ready()
    assert (await node.ask(GET)).startswith(b"HTTP/1.1 200")
    origin.drop()


async def test_listeners_come_and_go_without_disturbing_others(node: Node) -> None:
    origin = await Origin().start()
    await node.serve({"web": [origin.port]})
    first, second = node.port, free_port()
    groups = (TargetGroup("web", QUICK),)
    async with asyncio.TaskGroup() as tasks:
        traffic = Traffic(node)
        tasks.create_task(traffic.run())
        for ports in [(first, second), (first,)] * 3:
            listeners = tuple(Listener(port, to("web")) for port in ports)
            node.balancer.configure(
                LoadBalancer("test", listeners=listeners, groups=groups)
            )
            await node.ready()
            await traffic.more(5)
        traffic.going = False

    assert traffic.failed == []
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", second)
    origin.drop()


async def test_snapshots_ten_times_a_second_lose_no_request(node: Node) -> None:
    origins = [await Origin().start() for _ in range(3)]
    await node.serve({"web": [origins[0].port]})
    await node.healthy(f"web-{origins[0].port}")
    async with asyncio.TaskGroup() as tasks:
        traffic = Traffic(node)
        tasks.create_task(traffic.run())
        for turn in range(20):
            other = origins[1 + turn % 2]
            name = f"web-{other.port}-{turn}"
            node.register(name, "web", other.port)
            await asyncio.sleep(0.05)
            node.balancer.deregister(TargetId(name))
            await asyncio.sleep(0.05)
        await node.ready()
        traffic.going = False

    assert traffic.failed == []
    assert traffic.answered > 50
    for origin in origins:
        origin.drop()


async def test_a_killed_prober_forgets_nobodys_health(node: Node) -> None:
    origin = await Origin().start()
    await node.serve({"web": [origin.port]})
    name = f"web-{origin.port}"
    await node.healthy(name)

    for pid in _children_named(node.keeper.pid, "prober_process"):
        os.kill(pid, signal.SIGKILL)
    states = set()
    for _ in range(100):
        states.add(node.balancer.observe()[TargetId(name)].health.state.value)
        await asyncio.sleep(0.02)

    assert states == {"healthy"}
    origin.drop()
    await until(
        lambda: (
            node.balancer.observe()[TargetId(name)].health.state.value == "unhealthy"
        ),
        "the new prober judges",
    )


async def test_a_killed_keeper_takes_no_request_with_it(node: Node) -> None:
    release = asyncio.Event()

    async def slow(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
        return True

    origin = await Origin(slow).start()
    await node.serve({"web": [origin.port]})
    workers = pids(node)
    held = asyncio.ensure_future(node.ask(GET))
    await until(lambda: len(origin.heads) == 1, "the request arrived")

    node.keeper.kill()
    await node.keeper.wait()
    release.set()

    assert (await held).endswith(b"slow")
    await until(lambda: not any(map(_lives, workers)), "the workers ended")
    origin.drop()


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _children_named(parent: int, name: str) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        int(child)
        for child in children
        if name in Path(f"/proc/{child}/cmdline").read_text()
    ]


async def test_what_lies_where_it_is_started_is_not_taken_for_its_modules(
    tmp_path: Path,
) -> None:
    for name in ("alb", "asyncio", "json"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}')\n")
    origin = await Origin().start()

    async with run_node(tmp_path, workers=1, cwd=tmp_path) as node:
        await node.serve({"web": [origin.port]})
        assert (await node.ask(GET)).startswith(b"HTTP/1.1 200")
    origin.drop()


async def test_a_worker_that_a_signal_ends_answers_what_is_on_its_way(
    node: Node,
) -> None:
    """Connections that asked before ask once more, and hear that it is the last."""
    origin = await Origin().start()
    await node.serve({"web": [origin.port]})
    clients = [await node.connect() for _ in range(20)]
    for client in clients:
        assert b"Connection: close" not in await asked(*client)
    for pid in pids(node):
        os.kill(pid, signal.SIGTERM)
    for client in clients:
        while b"Connection: close" not in await asked(*client):
            pass
    assert [b""] * 20 == [await reader.read() for reader, _ in clients]
    origin.drop()


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Ask on a connection that stays; return the head of the answer."""
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(
            int(head.lower().partition(b"content-length:")[2].split()[0])
        )
    return head
