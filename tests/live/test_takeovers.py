"""Blue/green and canary deployments under load: nobody notices, whoever wins.

Absent: what a stage waits for (tests/scenarios/test_takeovers).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.evidence import Note
from tests.support.live import Document, Host, LiveCluster, live_cluster
from tests.support.node import free_port

pytestmark = [pytest.mark.timeout(240), pytest.mark.needs("time")]

BREAKER = {
    "enable": True,
    "rollback": True,
    "thresholdConfiguration": {"type": "COUNT", "value": 2},
}


@pytest.fixture(
    params=["process", pytest.param("docker", marks=pytest.mark.needs("docker"))]
)
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveCluster]:
    engine = request.getfixturevalue("engine") if request.param == "docker" else None
    host = Host(tmp_path_factory.mktemp("takeover"), engine)
    with live_cluster(host, desired=2) as running:
        yield running


class Pair:
    """A cluster whose service has two target groups, and a rule to test by."""

    def __init__(self, cluster: LiveCluster) -> None:
        self.cluster = cluster
        self.test_port = free_port()
        (blue,) = cluster.file["targetGroups"]
        cluster.file["targetGroups"] = [blue, {**blue, "name": "green"}]
        cluster.file["listeners"] = [
            {"port": port, "protocol": "HTTP", "defaultActions": [self.forward()]}
            for port in (cluster.port, self.test_port)
        ]
        self.balancer["advancedConfiguration"] = {
            "alternateTargetGroupName": "green",
            "productionListenerRule": str(cluster.port),
            "testListenerRule": str(self.test_port),
        }

    @staticmethod
    def forward() -> Document:
        weights = {"web": 1, "green": 0}
        groups = [{"targetGroup": n, "weight": w} for n, w in weights.items()]
        return {"type": "forward", "targetGroups": groups}

    @property
    def balancer(self) -> Document:
        (service,) = self.cluster.file["services"]
        (balancer,) = service["loadBalancers"]
        found: Document = balancer
        return found

    def configure(self, **config: object) -> None:
        (service,) = self.cluster.file["services"]
        service["deploymentConfiguration"] = {
            "strategy": "BLUE_GREEN",
            "deploymentCircuitBreaker": BREAKER,
            **config,
        }

    async def begin(self) -> None:
        """Have release one serve as the first blue."""
        self.configure()
        await self.cluster.apply()
        await self.done()

    async def done(self) -> Document:
        await self.cluster.until("it is done", lambda s: newest(s)["status"] in ENDS)
        await self.cluster.steady(2)
        return newest(await self.cluster.state())

    async def share(self, percent: float) -> None:
        """Wait until the deployment has that part of the requests."""
        name = "requestedProductionTrafficWeight"
        await self.cluster.until(f"{percent} %", lambda s: newest(s)[name] == percent)

    async def seen(self, count: int, port: int = 0) -> Counter[str]:
        """Of so many requests, how many each release answered."""
        found: Counter[str] = Counter()
        for _ in range(count):
            status, text = await self.cluster.get("/", port)
            assert 200 == status, text
            found[
                next(one for one in ("one", "two", "three") if f'"{one}"' in text)
            ] += 1
        return found


ENDS = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")


def newest(state: Document) -> Document:
    """Return the deployment that was begun last."""
    (service,) = state["services"]
    return max(service["serviceDeployments"], key=lambda one: float(one["createdAt"]))


async def test_blue_green_and_back_and_a_killed_control(
    cluster: LiveCluster, note: Note
) -> None:
    pair = Pair(cluster)
    await pair.begin()
    assert {"one": 10} == await pair.seen(10)

    async with cluster.load() as load, cluster.watching() as watched:
        pair.configure(bakeTimeInMinutes=0.1)
        cluster.release("two")
        await cluster.apply()
        await pair.share(100)
        await cluster.kill_control()
        assert "SUCCESSFUL" == (await pair.done())["status"]
        assert {"two": 10} == await pair.seen(10)
        assert {"two": 10} == await pair.seen(10, pair.test_port)
        await cluster.alb("rollback", "web", "--wait")
        await cluster.steady(2)
        assert {"one": 10} == await pair.seen(10)
        status, told = await cluster.try_alb("weight", str(cluster.port), "green=1")

    load.lost_nothing()
    note(load)
    assert max(watched.healthy) == 4, "both were whole at once"
    assert min(watched.healthy) >= 2
    assert 2 == status
    assert "by the deployments of service web" in told


async def test_a_canary_gets_its_part_first(cluster: LiveCluster, note: Note) -> None:
    pair = Pair(cluster)
    await pair.begin()

    async with cluster.load() as load:
        canary = {"canaryPercent": 20, "canaryBakeTimeInMinutes": 0.15}
        pair.configure(strategy="CANARY", canaryConfiguration=canary)
        cluster.release("two")
        await cluster.apply()
        await pair.share(20)
        assert {"two": 10} == await pair.seen(10, pair.test_port)
        found = await pair.seen(50)
        await pair.share(100)
        assert "SUCCESSFUL" == (await pair.done())["status"]
        assert {"two": 10} == await pair.seen(10)

    load.lost_nothing()
    note(load)
    assert 2 <= found["two"] <= 25, found


async def test_green_that_fails_and_green_that_is_given_up(
    cluster: LiveCluster, note: Note
) -> None:
    pair = Pair(cluster)
    await pair.begin()
    before = await cluster.steady(2)

    async with cluster.load() as load:
        (definition,) = cluster.file["taskDefinitions"]
        (container,) = definition["containerDefinitions"]
        container["command"] = ["/bin/false"]
        await cluster.apply()
        assert "ROLLBACK_SUCCESSFUL" == (await pair.done())["status"]
        assert before == await cluster.steady(2), "blue never stopped"

        pair.configure(bakeTimeInMinutes=5)
        cluster.release("three")
        await cluster.apply()
        await pair.share(100)
        assert {"three": 10} == await pair.seen(10)
        await cluster.alb("rollback", "web", "--wait")
        assert before == await cluster.steady(2)
        assert {"one": 10} == await pair.seen(10)

    load.lost_nothing()
    note(load)


CHECK = """
import json, sys, urllib.request
told = json.load(sys.stdin)
url = "http://127.0.0.1:" + told["hookDetails"]["port"]
release = json.load(urllib.request.urlopen(url))["service"]
sys.exit(f"release {release} does not pass" if release == "three" else 0)
"""
"""Looks at what answers on the test listener, as a person would."""


async def test_a_command_has_the_last_word_on_what_it_has_tested(
    cluster: LiveCluster, note: Note
) -> None:
    pair = Pair(cluster)
    hook = {
        "targetType": "COMMAND",
        "command": [sys.executable, "-c", CHECK],
        "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"],
        "hookDetails": {"port": str(pair.test_port)},
    }
    cluster.file["allowPrivileged"] = True
    await pair.begin()
    before = await cluster.steady(2)

    async with cluster.load() as load:
        pair.configure(lifecycleHooks=[hook])
        cluster.release("three")
        await cluster.apply()
        assert "ROLLBACK_SUCCESSFUL" == (await pair.done())["status"]
        assert before == await cluster.steady(2)
        told = await cluster.alb("deployments", "web")
        cluster.release("two")
        await cluster.apply()
        assert "SUCCESSFUL" == (await pair.done())["status"]
        assert {"two": 10} == await pair.seen(10)

    load.lost_nothing()
    note(load)
    assert "lifecycle hook" in told
