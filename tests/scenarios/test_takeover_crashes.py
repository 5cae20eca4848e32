"""Control may die at any call while a deployment takes over, and the next goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from scheduler.configuration import HookStage, Strategy
from tests.scenarios.test_deployments import change, image_at, newest, running
from tests.scenarios.test_hooks import hooked, webhook
from tests.scenarios.test_takeovers import moved, production, settled
from tests.support.cluster import PRODUCTION, Cluster
from tests.support.crash_points import Story
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


async def begun() -> Cluster:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        pass
    cluster.restart()
    return cluster


def story(begin: Callable[[Cluster], Awaitable[None]], image: str) -> Story:
    """It ends with three tasks of `image`: of the old one when the new has failed."""

    def ended(cluster: Cluster) -> bool:
        failed = image != "web:1" or newest(cluster).failure != ""
        return settled(cluster, image) and failed

    return Story(begun, begin, ended, 3)


STORIES = {
    "blue/green": story(begin_green, "web:2"),
    "canary": story(begin_canary, "web:2"),
    "blue/green with hooks": story(begin_asked, "web:2"),
    "failed, rolled back": story(begin_bad, "web:1"),
    "alarm, shifted back": story(begin_alarm, "web:1"),
}
POINTS = [(name, point) for name, each in STORIES.items() for point in each.points()]


@pytest.mark.parametrize(("name", "point"), some(POINTS))
def test_control_may_die_at_any_call_of_a(name: str, point: float) -> None:
    def see(cluster: Cluster) -> None:
        [group] = {one.group for one in cluster.balancer.targets.values()}
        assert production(cluster)[group] == 100

    run(STORIES[name].dies_at(point, see))
