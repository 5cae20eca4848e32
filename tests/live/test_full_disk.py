"""No space left for the state: control acts on nothing, and the node serves on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.evidence import Note
from tests.support.live import Host, LiveCluster, live_cluster

pytestmark = [pytest.mark.needs("root"), pytest.mark.timeout(120)]

DISK_BYTES = 4 * 1024 * 1024
BLOCK_BYTES = 4096
FAILS_S = 20.0


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    path = tmp_path_factory.mktemp("disk")
    options = f"size={DISK_BYTES},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture(scope="module")
def cluster(disk: Path) -> Iterator[LiveCluster]:
    with live_cluster(Host(disk), desired=2) as running:
        yield running


def fill(filler: Path) -> None:
    """Take all the space that is left."""
    with filler.open("wb", buffering=0) as file:
        for size in (BLOCK_BYTES * 16, BLOCK_BYTES):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue


async def test_a_full_disk_stops_decisions_and_no_request(
    cluster: LiveCluster, disk: Path, note: Note
) -> None:
    before = await cluster.steady(2)
    filler = disk / "filler"

    async with cluster.load() as load:
        fill(filler)
        status, told = await cluster.try_alb("scale", "web=3")
        assert 1 == status, told
        assert "disk is full" in told
        assert 503 == await cluster.status("/readyz")
        assert 200 == await cluster.status("/healthz")
        await load.answered(50)
        assert before == cluster.containers()

        filler.unlink()
        await cluster.until("ready again", lambda state: state["node"]["ready"])
        assert 200 == await cluster.status("/readyz")
        await cluster.scale(3)
        after = await cluster.steady(3)

    load.lost_nothing()
    note(load)
    assert before.items() <= after.items()


async def test_a_control_that_starts_on_a_full_disk_waits_for_space(
    cluster: LiveCluster, disk: Path, note: Note
) -> None:
    (service,) = (await cluster.state())["services"]
    count = service["desiredCount"]
    before = await cluster.steady(count)
    filler = disk / "filler"

    async with cluster.load() as load:
        fill(filler)
        killed = cluster.control_pid
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(FAILS_S):
            while "control exited with status" not in cluster.keeper_log():
                await load.answered(10)
        filler.unlink()
        await cluster.until(
            "another control decides",
            lambda state: state["node"]["ready"] and state["control"]["pid"] != killed,
        )
        after = await cluster.steady(count)

    load.lost_nothing()
    note(load)
    assert before == after
