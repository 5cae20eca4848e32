"""Sessions outlive workers, programs and nodes: all of them have the same keys."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from alb.drivers.link import encode
from alb.model import (
    Forward,
    Listener,
    LoadBalancer,
    Stickiness,
    TargetGroup,
    WeightedGroup,
)
from alb.ports import Manifest, Message
from tests.live.test_node import pids
from tests.live.test_upgrade import upgrade
from tests.support.control import RunningCluster, run_cluster
from tests.support.node import QUICK, Node, Origin, run_node, until

STICKY = TargetGroup("web", QUICK, stickiness=Stickiness(enabled=True))
CLIENTS = 12


async def serve(node: Node, origins: Sequence[Origin]) -> None:
    forward = Forward((WeightedGroup("web"),))
    front = Listener(node.port, forward)
    node.balancer.configure(LoadBalancer("test", listeners=(front,), groups=(STICKY,)))
    for origin in origins:
        node.register(f"web-{origin.port}", "web", origin.port)
    await node.ready()
    await node.healthy(*(f"web-{origin.port}" for origin in origins))


class Clients:
    """A dozen, each with a cookie jar; every request is a connection of its own."""

    def __init__(self, node: Node, origins: Sequence[Origin]) -> None:
        self.node = node
        self.origins = origins
        self.cookies = [b""] * CLIENTS

    async def ask(self) -> list[int]:
        """Return the port that answered each of them."""
        return [await self._one(number) for number in range(CLIENTS)]

    async def _one(self, number: int) -> int:
        before = [len(origin.heads) for origin in self.origins]
        answer = await self.node.ask(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%b\r\n"
            % self.cookies[number]
        )
        assert answer.startswith(b"HTTP/1.1 200 ")
        (found,) = re.findall(rb"\r\nSet-Cookie: AWSALB=([^;]*)", answer)
        self.cookies[number] = b"Cookie: AWSALB=%b\r\n" % found
        (port,) = (
            origin.port
            for origin, count in zip(self.origins, before, strict=True)
            if len(origin.heads) > count
        )
        return port


async def started() -> list[Origin]:
    return [await Origin().start() for _ in range(3)]


async def test_all_workers_keep_a_session_and_so_do_those_that_follow_them(
    tmp_path: Path,
) -> None:
    origins = await started()
    async with run_node(tmp_path, workers=2) as node:
        await serve(node, origins)
        clients = Clients(node, origins)
        at_first = await clients.ask()
        assert 3 == len(set(at_first))
        for _ in range(4):  # whichever of two workers accepts them
            assert at_first == await clients.ask()

        killed = pids(node)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: len(pids(node) - killed) == 2, "two new workers")
        await node.ready()
        assert at_first == await clients.ask()

        await upgrade(node)
        await until(lambda: not pids(node) & killed, "the former are gone")
        await serve(node, origins)
        assert at_first == await clients.ask()

    async with run_node(tmp_path, workers=2) as again:
        await serve(again, origins)
        clients.node = again
        assert at_first == await clients.ask()
    for origin in origins:
        origin.drop()


def holders(directory: Path, secrets: Sequence[str]) -> list[Path]:
    """Return the files in which any of these stands."""
    files = [one for one in directory.rglob("*") if one.is_file()]
    return [
        one for one in files if any(s.encode() in one.read_bytes() for s in secrets)
    ]


async def test_keys_lie_in_one_private_file_and_are_told_to_workers_alone(
    tmp_path: Path,
) -> None:
    origins = await started()
    async with run_node(tmp_path, workers=1) as node:
        await serve(node, origins)
        path = tmp_path / "session.keys"
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        secrets = [key["secret"] for key in json.loads(path.read_text())["keys"]]
        assert secrets
        heard: list[Message] = []
        hear = node.balancer._hear  # noqa: SLF001 - all that control is told

        def listen(message: Message) -> bool:
            heard.append(message)
            return hear(message)

        node.balancer._hear = listen  # type: ignore[method-assign] # noqa: SLF001
        os.kill(next(iter(pids(node))), signal.SIGKILL)
        await until(lambda: len(heard) > 5, "a worker has ended and begun")
        await node.ready()
        told = b"".join(map(encode, heard)).decode("latin-1")
        assert not any(secret in told for secret in secrets)
        assert not any(isinstance(one, Manifest) for one in heard)
    assert [path] == holders(tmp_path, secrets)
    for origin in origins:
        origin.drop()


async def test_a_broken_key_file_costs_the_sessions_and_nothing_else(
    tmp_path: Path,
) -> None:
    origins = await started()
    (tmp_path / "session.keys").write_text("{")
    async with run_node(tmp_path, workers=1) as node:
        await serve(node, origins)
        clients = Clients(node, origins)
        at_first = await clients.ask()
        assert at_first == await clients.ask()
    for origin in origins:
        origin.drop()


def sticky_file(port: int, origins: Sequence[Origin]) -> str:
    group = {
        "name": "web",
        "healthCheckPath": "/healthz",
        "healthCheckIntervalSeconds": 1,
        "attributes": {"stickiness.enabled": True},
        "targets": [{"id": "127.0.0.1", "port": one.port} for one in origins],
    }
    action = {"type": "forward", "targetGroup": "web"}
    listener = {"port": port, "protocol": "HTTP", "defaultActions": [action]}
    return json.dumps(
        {"cluster": "test", "targetGroups": [group], "listeners": [listener]}
    )


class Visitor:
    """Comes to a cluster's front door again and again, with its cookies."""

    def __init__(self, cluster: RunningCluster) -> None:
        self.url = f"http://127.0.0.1:{cluster.port}/"
        self.jar = aiohttp.CookieJar(unsafe=True)

    async def ask(self, origins: Sequence[Origin]) -> int:
        """Return the number of the target that answers."""
        before = [len(one.heads) for one in origins]
        connector = aiohttp.TCPConnector(force_close=True)
        async with (
            aiohttp.ClientSession(cookie_jar=self.jar, connector=connector) as session,
            session.get(self.url) as answer,
        ):
            assert 200 == answer.status
        after = [len(one.heads) for one in origins]
        (number,) = (n for n in range(len(origins)) if after[n] > before[n])
        return number


async def test_sessions_outlive_control_and_down_and_up_and_nobody_tells_the_keys(
    tmp_path: Path,
) -> None:
    origins = await started()
    async with run_cluster(tmp_path) as cluster:
        port = cluster.port
        status, told = await cluster.apply(sticky_file(port, origins))
        assert 200 == status, told
        await ready(cluster)
        visitors = [Visitor(cluster) for _ in range(6)]
        at_first = [await one.ask(origins) for one in visitors]

        killed = cluster.control_pid
        os.kill(killed, signal.SIGKILL)
        assert at_first == [await one.ask(origins) for one in visitors]
        await cluster.answers(unlike_pid=killed)
        await ready(cluster)
        assert at_first == [await one.ask(origins) for one in visitors]

        path = tmp_path / "session.keys"
        secrets = [key["secret"] for key in json.loads(path.read_text())["keys"]]
        for page in ("/v1/state", "/v1/events", "/metrics"):
            _, shown = await cluster.ask("GET", page)
            assert not any(secret in shown for secret in secrets), page
        assert [path] == holders(tmp_path, secrets)

    async with run_cluster(tmp_path) as again:
        again.port = port
        status, told = await again.apply(sticky_file(port, origins))
        assert 200 == status, told
        await ready(again)
        assert at_first == [await one.ask(origins) for one in visitors]
    for origin in origins:
        origin.drop()


async def ready(cluster: RunningCluster) -> None:
    """Wait until the node serves what was applied, and its targets are healthy."""

    def healthy(state: dict[str, Any]) -> bool:
        targets = [one for group in state["targetGroups"] for one in group["targets"]]
        return state["node"]["ready"] and all(t["state"] == "healthy" for t in targets)

    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                if healthy(await cluster.state()):
                    return
            await asyncio.sleep(0.05)
