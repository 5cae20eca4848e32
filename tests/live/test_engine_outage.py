"""The engine is away for 30 s: its containers serve on, and nothing is replaced.

Neither when control dies meanwhile: the next one knows them from its records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines import Engine, engines_apart
from tests.support.evidence import Note
from tests.support.live import Host, LiveCluster, live_cluster

pytestmark = [pytest.mark.needs("engines"), pytest.mark.timeout(180)]

AWAY_S = 30.0


@pytest.fixture
def engine(short_path: Path) -> Iterator[Engine]:
    """A host of its own, whose containers outlive its engine."""
    with engines_apart(1, short_path / "hosts", ["--live-restore"]) as (host,):
        yield host


@pytest.fixture
def cluster(engine: Engine, tmp_path: Path) -> Iterator[LiveCluster]:
    host = Host(tmp_path, engine, engine.tcp_endpoint)
    with live_cluster(host, desired=3) as running:
        yield running


async def test_a_stopped_engine_and_a_dead_control_take_no_request_and_no_task(
    cluster: LiveCluster, engine: Engine, note: Note
) -> None:
    before = await cluster.steady(3)

    async with cluster.load() as load:
        await asyncio.to_thread(engine.stop)
        away = await cluster.until("control has noticed", lambda state: not up(state))
        await load.answered(round(AWAY_S / 2 * load.rate), within_s=AWAY_S)
        await cluster.kill_control()
        await load.answered(round(AWAY_S / 2 * load.rate), within_s=AWAY_S)
        still = await cluster.state()
        await asyncio.to_thread(engine.start)
        await cluster.until("control is back on it", up)
        after = await cluster.steady(3)
        await cluster.scale(4)
        more = await cluster.steady(4)

    load.lost_nothing()
    note(load)
    assert before == after
    assert before.items() <= more.items()
    for state in (away, still):
        (service,) = state["services"]
        assert (3, 3) == (service["runningCount"], service["healthyCount"])
        assert not up(state)


def up(state: dict[str, list[dict[str, bool]]]) -> bool:
    """Whether control reaches its only engine."""
    (instance,) = state["containerInstances"]
    return instance["connected"]
