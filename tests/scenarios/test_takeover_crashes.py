"""Control may die at any call while a deployment takes over, and the next goes on."""

from __future__ import annotations

import pytest

from scheduler.configuration import HookStage, Strategy
from tests.scenarios.test_deployments import change, image_at, newest, running
from tests.scenarios.test_hooks import hooked, webhook
from tests.scenarios.test_takeovers import moved, production, settled
from tests.support.cluster import PRODUCTION, Cluster, Crashed
from tests.support.examples import some
from tests.support.virtual import run


async def begin_green(cluster: Cluster) -> None:
    await change(cluster, moved("web:2", bake_s=5))


async def begin_canary(cluster: Cluster) -> None:
    await change(cluster, moved("web:2", Strategy.CANARY))


async def begin_asked(cluster: Cluster) -> None:
    await change(cluster, hooked("web:2", webhook(*HookStage)))


async def begin_bad(cluster: Cluster) -> None:
    cluster.sick = lambda host, port: image_at(cluster, host, port) == "web:2"
    await change(cluster, moved("web:2"))


async def begin_alarm(cluster: Cluster) -> None:
    """The alarm is raised once green serves, and stays."""

    def in_alarm() -> set[str]:
        told, _ = cluster.balancer.weights.get(PRODUCTION, ({}, 0.0))
        if told.get("green") == 100:
            cluster.in_alarm.add("errors")
        return cluster.in_alarm

    cluster.alarms = in_alarm
    await change(cluster, moved("web:2", bake_s=30))


STORIES = {
    "blue/green": (begin_green, "web:2"),
    "canary": (begin_canary, "web:2"),
    "blue/green with hooks": (begin_asked, "web:2"),
    "failed, rolled back": (begin_bad, "web:1"),
    "alarm, shifted back": (begin_alarm, "web:1"),
}


async def begun() -> Cluster:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        pass
    cluster.restart()
    return cluster


async def to_its_end(cluster: Cluster, story: str) -> None:
    image = STORIES[story][1]

    def ended() -> bool:
        failed = image != "web:1" or newest(cluster).failure != ""
        return settled(cluster, image) and failed

    await cluster.until(ended, within_s=300)


async def told(cluster: Cluster, story: str) -> None:
    async with cluster.running():
        await STORIES[story][0](cluster)
        await to_its_end(cluster, story)


async def calls_of(story: str) -> int:
    cluster = await begun()
    before = cluster.calls.count
    await told(cluster, story)
    return cluster.calls.count - before


POINTS = [
    (story, half / 2)
    for story in STORIES
    for half in range(1, 2 * run(calls_of(story)) + 1)
]


@pytest.mark.parametrize(("story", "point"), some(POINTS))
def test_control_may_die_at_any_call_of_a(story: str, point: float) -> None:
    """n.5: the call was never made; n: it took effect, and nobody heard of it."""

    async def scenario() -> None:
        cluster = await begun()
        begin, _ = STORIES[story]
        cluster.calls.crash_at = cluster.calls.count + point
        with pytest.raises(ExceptionGroup) as death:
            await told(cluster, story)
        assert death.value.subgroup(Crashed)

        cluster.restart()
        async with cluster.running():
            await begin(cluster)
            await to_its_end(cluster, story)
            assert len(cluster.balancer.targets) == 3
            left = [name for one in cluster.hosts.values() for name in one.containers]
            assert len(left) == 3
            [group] = {one.group for one in cluster.balancer.targets.values()}
            assert production(cluster)[group] == 100

    run(scenario())
