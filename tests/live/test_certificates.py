"""Certificates on a running cluster: replaced under load, and found by whoever starts.

Keys are looked for wherever they must not be.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.certificates import Pair, pair
from tests.support.live import WORKERS, Host, LiveCluster, ends
from tests.support.node import Origin, answer_ok, free_port
from tests.support.tls_client import TlsClient

pytestmark = [pytest.mark.timeout(300), pytest.mark.needs("time")]

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
TUNNEL = (
    b"GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
)
REPLACEMENTS = 10
VISITORS = 2
STAYING = 6
SERVED_WITHIN_S = 45.0
WORKER = "alb.app.worker"


async def answer(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """A target that answers, and echoes what comes through a tunnel."""
    if b"/tunnel" not in head:
        return await answer_ok(head, reader, writer)
    writer.write(
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
    )
    while data := await reader.read(100):
        writer.write(data)
    return False


@dataclass
class Visitors:
    """Clients that come, ask three times and go, again and again."""

    port: int
    going: bool = True
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    serials: set[int] = field(default_factory=set)

    async def run(self) -> None:
        while self.going:
            try:
                client = await TlsClient.to(self.port)
                self.serials.add(client.serial)
                for _ in range(2):
                    client.send(GET)
                    assert b" 200 " in await client.read_until(b"/x")
                client.send(LAST)
                assert b" 200 " in await client.read_all()
                self.answered += 3
                client.close()
            except (OSError, AssertionError) as problem:
                self.failed.append(repr(problem))
            await asyncio.sleep(0.1)


@asynccontextmanager
async def secured(directory: Path, first: Pair) -> AsyncIterator[LiveCluster]:
    """Run a cluster whose one listener is HTTPS, in front of a target in here."""
    origin = await Origin(answer).start()
    port = free_port()
    (directory / "tls").mkdir()
    put(directory, first)
    certificate = {"certificate": "tls/a.pem", "privateKey": "tls/a.key"}
    file = {
        "cluster": "secured",
        "targetGroups": [
            {
                "name": "web",
                "healthCheckPath": "/healthz",
                "healthCheckIntervalSeconds": 1,
                "targets": [{"id": "127.0.0.1", "port": origin.port}],
            }
        ],
        "listeners": [
            {
                "port": port,
                "protocol": "HTTPS",
                "certificates": [certificate],
                "defaultActions": [{"type": "forward", "targetGroup": "web"}],
            }
        ],
        "control": {"address": f"127.0.0.1:{free_port()}"},
    }
    cluster = LiveCluster(Host(directory), port, ("", 0), file)
    cluster.write_file()
    try:
        told = await cluster.alb("up", "-d", "--workers", str(WORKERS))
        assert f"https://127.0.0.1:{port}" in told
        await served(cluster, first)
        await cluster.until(
            "the target is healthy",
            lambda state: state["targetGroups"][0]["targets"][0]["state"] == "healthy",
        )
        yield cluster
    finally:
        with suppress(AssertionError):
            await cluster.alb("down", "--wait", "30")
        origin.drop()


def put(directory: Path, one: Pair) -> None:
    """Replace the pair as careful people do."""
    for name, text in (("a.pem", one.certificate), ("a.key", one.key)):
        beside = directory / "tls" / f"{name}.new"
        beside.touch(mode=0o600)
        beside.write_text(text)
        beside.replace(directory / "tls" / name)


async def served(cluster: LiveCluster, one: Pair) -> None:
    """Wait until new connections get this certificate, from every worker."""
    in_a_row = 0
    async with asyncio.timeout(SERVED_WITHIN_S):
        while in_a_row < 6 * WORKERS:
            await asyncio.sleep(0.02)
            with suppress(OSError):
                client = await TlsClient.to(cluster.port)
                in_a_row = in_a_row + 1 if client.serial == one.serial else 0
                client.close()


async def test_certificates_replaced_ten_times_under_load_lose_nothing(
    tmp_path: Path,
) -> None:
    pairs = [pair("localhost") for _ in range(REPLACEMENTS + 1)]
    async with secured(tmp_path, pairs[0]) as cluster:
        staying = [await TlsClient.to(cluster.port) for _ in range(STAYING)]
        tunnel = await TlsClient.to(cluster.port)
        tunnel.send(TUNNEL)
        await tunnel.read_until(b"\r\n\r\n")
        visitors = Visitors(cluster.port)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(VISITORS):
                tasks.create_task(visitors.run())
            for turn, one in enumerate(pairs[1:]):
                put(tmp_path, one)
                if turn % 5:  # the others are seen to have changed
                    await cluster.alb("apply")
                await served(cluster, one)
                for client in staying:
                    client.send(GET)
                    assert b" 200 " in await client.read_until(b"/x")
                tunnel.send(b"turn %d" % turn)
                assert b"turn %d" % turn == await tunnel.read_until(b"%d" % turn)
            visitors.going = False

        assert [] == visitors.failed
        assert visitors.answered > 100
        assert visitors.serials >= {one.serial for one in pairs[1:]}
        assert all(client.serial == pairs[0].serial for client in staying)
        for client in (*staying, tunnel):
            client.close()


async def test_whoever_starts_has_the_certificates_though_the_files_are_gone(
    tmp_path: Path,
) -> None:
    one = pair("localhost")
    async with secured(tmp_path, one) as cluster:
        for name in ("a.pem", "a.key"):
            (tmp_path / "tls" / name).unlink()

        for worker in cluster.children()[WORKER]:
            os.kill(worker, signal.SIGKILL)
            await ends(worker)
        await served(cluster, one)
        await cluster.kill_control()
        await cluster.until("it serves", lambda state: state["node"]["ready"])
        await served(cluster, one)
        before = set(cluster.children()[WORKER])
        await cluster.alb("upgrade")
        await served(cluster, one)

        assert not before & set(cluster.children()[WORKER])
        assert "there is no file" in await cluster.alb("events")


async def test_no_key_is_where_it_must_not_be(tmp_path: Path) -> None:
    one, other = pair("localhost"), pair("localhost")
    async with secured(tmp_path, one) as cluster:
        put(tmp_path, other)
        await served(cluster, other)
        (tmp_path / "tls" / "a.key").write_text(one.key)  # a bad pair is told
        state = await cluster.until("there are listeners", lambda s: s["listeners"])

        shown = [json.dumps(state), await cluster.alb("events"), cluster.keeper_log()]
        kept = [
            path.read_bytes()
            for path in cluster.state_dir.path.rglob("*")
            if path.is_file()
        ]
        for secret in (one.key, other.key):
            line = secret.splitlines()[1]
            assert not any(line in text for text in shown)
            assert not any(line.encode() in content for content in kept)
        assert any(b"a.key" in content for content in kept), "the file's name is"
        assert 0o700 == cluster.state_dir.path.stat().st_mode & 0o777


async def test_a_listener_without_certificates_is_reached_by_who_trusts_the_local_ca(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    one = pair("localhost")
    async with secured(tmp_path, one) as cluster:
        del cluster.file["listeners"][0]["certificates"]
        await cluster.apply()
        authority = (await cluster.alb("certs", "--path")).strip()
        trusting = ssl.create_default_context(cafile=authority)

        async with asyncio.timeout(SERVED_WITHIN_S):
            while True:
                with suppress(ssl.SSLError):
                    client = await TlsClient.to(cluster.port, trusting, "app.localhost")
                    break
                await asyncio.sleep(0.05)
        client.send(LAST)
        assert (await client.read_all()).endswith(b"/x")
        client.close()
        assert authority == str(tmp_path / "data" / "alb" / "ca" / "ca.pem")
        (key,) = (cluster.state_dir.path / "tls").glob("*.key")
        assert 0o600 == key.stat().st_mode & 0o777
        line = key.read_text().splitlines()[1]
        database = cluster.state_dir.database
        for path in database.parent.glob(f"{database.name}*"):
            assert line.encode() not in path.read_bytes()
        assert line not in json.dumps(await cluster.state())


async def test_a_bad_pair_is_refused_with_its_place_and_nothing_changes(
    tmp_path: Path,
) -> None:
    one = pair("localhost")
    async with secured(tmp_path, one) as cluster:
        (tmp_path / "tls" / "a.key").write_text(pair("localhost").key)

        status, told = await cluster.try_alb("apply")

        assert 2 == status
        assert "certificates[0].privateKey: does not belong to the certificate" in told
        await served(cluster, one)
