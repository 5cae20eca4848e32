"""`alb weight` under load: the shares change, no request fails, and it lasts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import RunningCluster, run_cluster
from tests.support.node import Origin


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[RunningCluster]:
    async with run_cluster(tmp_path) as running:
        yield running


class Split:
    """Two fixed targets behind a weighted rule; and load that never stops."""

    def __init__(self, cluster: RunningCluster) -> None:
        self.cluster = cluster
        self.stable = Origin()
        self.canary = Origin()
        self.answers: Counter[int] = Counter()

    def text(self, stable: int, canary: int) -> str:
        weights = {"stable": stable, "canary": canary}
        origins = {"stable": self.stable, "canary": self.canary}
        action = {
            "type": "forward",
            "targetGroups": [
                {"targetGroup": name, "weight": weight}
                for name, weight in weights.items()
            ],
        }
        rule = {
            "name": "shop",
            "priority": 10,
            "conditions": [{"field": "path-pattern", "values": ["/shop"]}],
            "actions": [action],
        }
        groups = [
            {
                "name": name,
                "healthCheckPath": "/healthz",
                "healthCheckIntervalSeconds": 1,
                "targets": [{"id": "127.0.0.1", "port": origin.port}],
            }
            for name, origin in origins.items()
        ]
        listener = {
            "port": self.cluster.port,
            "protocol": "HTTP",
            "rules": [rule],
            "defaultActions": [{"type": "forward", "targetGroup": "stable"}],
        }
        return json.dumps(
            {"cluster": "test", "targetGroups": groups, "listeners": [listener]}
        )

    async def weigh(
        self, weights: dict[str, int], **more: object
    ) -> tuple[int, dict[str, Any]]:
        path = f"/v1/listeners/{self.cluster.port}/weights"
        body = {"rule": "shop", "weights": weights, **more}
        status, text = await self.cluster.ask("POST", path, body)
        return status, json.loads(text)

    async def load(self) -> None:
        while True:
            status, _ = await self.cluster.get("/shop")
            self.answers[status] += 1

    async def shares(self, count: int = 20) -> tuple[int, int]:
        """Of so many requests, how many reached each."""
        before = len(self.stable.heads), len(self.canary.heads)
        for _ in range(count):
            status, _ = await self.cluster.get("/shop")
            self.answers[status] += 1
        return len(self.stable.heads) - before[0], len(self.canary.heads) - before[1]

    async def until_shares(self, stable: int, canary: int, what: str) -> None:
        """Ask until one round is shared like this."""
        async with asyncio.timeout(20):
            while await self.shares(stable + canary) != (stable, canary):  # noqa: ASYNC110 - it asks
                await asyncio.sleep(0)
        assert what

    async def plan(self, text: str) -> list[str]:
        body = {"file": "alb.yaml", "text": text, "variables": {}}
        _, answer = await self.cluster.ask("POST", "/v1/plan", body)
        return [change["text"] for change in json.loads(answer)["plan"]]


async def test_weights_change_under_load_and_are_kept(cluster: RunningCluster) -> None:
    split = Split(cluster)
    await split.stable.start()
    await split.canary.start()
    text = split.text(1, 0)
    status, told = await cluster.apply(text)
    assert 200 == status, told
    async with asyncio.timeout(20):
        while (await cluster.ask("GET", "/readyz"))[0] != 200:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    assert (20, 0) == await split.shares()

    async with asyncio.TaskGroup() as group:
        loads = [group.create_task(split.load()) for _ in range(3)]
        for stable, canary in ((90, 10), (50, 50), (0, 100)):
            status, told = await split.weigh({"stable": stable, "canary": canary})
            assert 200 == status, told
            assert {"stable": stable, "canary": canary} == told["weights"]
            await asyncio.sleep(0.2)
        for one in loads:
            one.cancel()
    await split.until_shares(0, 10, "all go to the canary")
    _, events = await cluster.ask("GET", "/v1/events")
    assert "rule shop of listener" in events
    assert "weights stable 0, canary 100, were stable 50, canary 50" in events

    status, refused = await split.weigh({"canary": 1}, ifVersion=told["version"] - 1)
    assert (409, "VersionPassed") == (status, refused["error"]["code"])
    status, kept = await split.weigh({"canary": 100}, ifVersion=told["version"])
    assert (200, told["version"]) == (status, kept["version"]), "nothing was changed"

    lines = await split.plan(text)
    assert 2 == len(lines)
    assert all(line.endswith("(stays)") for line in lines), lines
    await cluster.apply(text)
    await split.until_shares(0, 10, "an apply of what was applied keeps them")

    killed = cluster.control_pid
    os.kill(killed, signal.SIGKILL)
    await cluster.answers(unlike_pid=killed)
    assert lines == await split.plan(text), "the next control knows them too"
    await split.until_shares(0, 10, "and serves them")

    status, told = await cluster.apply(split.text(2, 2))
    assert 200 == status, told
    await split.until_shares(5, 5, "a file that changed wins")
    assert [] == await split.plan(split.text(2, 2))
    assert {200} == set(split.answers)
    split.stable.drop()
    split.canary.drop()
