"""Everything may change ten times a second: nobody who is being served notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from alb.model import (
    Listener,
    LoadBalancer,
    LoadBalancerAttributes,
    PathPattern,
    Rule,
    TargetGroup,
    TargetId,
)
from tests.live.test_node import Traffic
from tests.live.test_upgrade import TUNNEL, cut, echo
from tests.support.node import QUICK, Node, Origin, read_body, run_node, to

IDLE = 40
TUNNELS = 20
UPLOADS = 5
UPLOAD = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHANGES = 30
EVERY_S = 0.1


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with run_node(tmp_path) as running:
        yield running
        running.hang_up()


async def serve(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Echo tunnels; say how much was uploaded."""
    if not head.startswith(b"POST "):
        return await echo(head, reader, writer)
    told = b"%d" % len(await read_body(head, reader))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))
    return True


class Configuration:
    """Rules, groups, targets and attributes that change in turns."""

    def __init__(self, node: Node, port: int) -> None:
        self._node = node
        self._target_port = port
        self._groups = {
            name: TargetGroup(name, QUICK, deregistration_delay_s=5.0)
            for name in ("web", "api")
        }
        self._listener = Listener(node.port, to("web"))

    def begin(self) -> None:
        self._rules(1)
        for group in ("web", "api"):
            self._register(f"{group}-stays", group)

    def change(self, turn: int) -> None:
        """One change: each kind comes round every six turns."""
        match turn % 6:
            case 0:
                self._rules(turn)
            case 1:
                self._groups[f"more-{turn}"] = TargetGroup(f"more-{turn}", QUICK)
                self._configure()
                self._register(f"t-{turn}", f"more-{turn}")
            case 2:
                self._register(f"web-{turn}", "web")
            case 3:
                self._node.balancer.deregister(TargetId(f"web-{turn - 1}"))
                del self._groups[f"more-{turn - 2}"]
                self._configure()
            case 4:
                attributes = LoadBalancerAttributes(idle_timeout_s=60.0 + turn)
                self._listener = replace(self._listener, attributes=attributes)
                self._configure()
            case _:
                web = replace(self._groups["web"], deregistration_delay_s=5.0 + turn)
                self._groups["web"] = web
                self._configure()

    def _rules(self, turn: int) -> None:
        """A new rule leads all requests to one group or the other; the last is gone."""
        way = ("web", "api") if turn % 4 else ("api", "web")
        rules = tuple(
            Rule(turn + number, (PathPattern(("/*",)),), to(group))
            for number, group in enumerate(way, start=1)
        )
        self._listener = replace(self._listener, rules=rules)
        self._configure()

    def _configure(self) -> None:
        groups = tuple(self._groups.values())
        self._node.balancer.configure(
            LoadBalancer("test", listeners=(self._listener,), groups=groups)
        )

    def _register(self, name: str, group: str) -> None:
        self._node.register(name, group, self._target_port)


async def test_ten_changes_a_second_disturb_no_request_upload_or_tunnel(
    node: Node,
) -> None:
    origin = await Origin(serve).start()
    configuration = Configuration(node, origin.port)
    configuration.begin()
    await node.ready()
    await node.healthy("web-stays", "api-stays")
    idle = [await node.connect() for _ in range(IDLE)]
    tunnels = [await node.connect() for _ in range(TUNNELS)]
    for reader, writer in tunnels:
        writer.write(TUNNEL)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    uploads = [await node.connect() for _ in range(UPLOADS)]
    for _, writer in uploads:
        writer.write(UPLOAD % (CHANGES * 1000))

    traffic = Traffic(node)
    async with asyncio.TaskGroup() as group:
        group.create_task(traffic.run())
        await traffic.more(5)
        for turn in range(CHANGES):
            configuration.change(turn)
            for _, writer in uploads:
                writer.write(bytes(1000))
            for _, writer in tunnels:
                writer.write(b"%04d" % turn)
            async with asyncio.timeout(10):
                told = {await reader.readexactly(4) for reader, _ in tunnels}
            assert told == {b"%04d" % turn}
            await asyncio.sleep(EVERY_S)
        await node.ready()
        await traffic.more(5)
        traffic.going = False

    assert traffic.failed == []
    for reader, _ in uploads:
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(5) == b"%d" % (CHANGES * 1000)
    for reader, writer in idle:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(10):
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
    assert cut(node) == 0
    origin.drop()
