"""Blue/green, linear and canary deployments, from stage to stage.

The cluster checks at every commit that nobody gets requests who does not serve, and
that nobody is stopped who gets any; see tests.support.cluster.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from scheduler.configuration import (
    Canary,
    CircuitBreaker,
    DeploymentAlarms,
    DeploymentConfiguration,
    LifecycleStage,
    Linear,
    Strategy,
)
from scheduler.model import RolloutState, Service
from tests.scenarios.test_deployments import (
    change,
    image_at,
    images,
    in_virtual_time,
    newest,
    running,
)
from tests.support.cluster import PRODUCTION, TEST, Cluster, shop

ALARMS = DeploymentAlarms(("errors",), enable=True, rollback=True)
BREAKER = CircuitBreaker(enable=True, rollback=True)


def moved(
    image: str,
    strategy: Strategy = Strategy.BLUE_GREEN,
    desired: int = 3,
    bake_s: float = 0.0,
) -> Service:
    """A service whose canary or steps are watched for a minute."""
    config = DeploymentConfiguration(
        circuit_breaker=BREAKER,
        alarms=ALARMS,
        bake_time_in_minutes=bake_s / 60,
        strategy=strategy,
        linear=Linear(25.0, 1.0),
        canary=Canary(10.0, 1.0),
    )
    return shop(image, desired, config)


def production(cluster: Cluster) -> dict[str, float]:
    return cluster.balancer.weights[PRODUCTION][0]


def group_under_test(cluster: Cluster) -> str:
    weights = cluster.balancer.weights[TEST][0]
    [group] = [name for name, percent in weights.items() if percent]
    return group


def stage(cluster: Cluster) -> LifecycleStage:
    """Return the stage of the deployment that was begun last."""
    takeover = newest(cluster).takeover
    assert takeover is not None
    return takeover.stage


def settled(cluster: Cluster, image: str, desired: int = 3) -> bool:
    return cluster.steady(desired) and images(cluster) == {image}


@in_virtual_time
async def test_all_of_green_is_healthy_before_requests_are_shifted_at_once() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        assert production(cluster) == {"blue": 100.0, "green": 0.0}
        assert group_under_test(cluster) == "blue"
        await change(cluster, moved("web:2", bake_s=60))
        await cluster.until(lambda: production(cluster)["green"] > 0, within_s=30)
        assert production(cluster) == {"blue": 0.0, "green": 100.0}
        assert group_under_test(cluster) == "green"
        assert cluster.view().healthy == 6, "all of both"
        assert {"web:1", "web:2"} == images(cluster)
        await asyncio.sleep(50)
        assert stage(cluster) is LifecycleStage.BAKE_TIME
        assert cluster.view().healthy == 6
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=60)
        assert RolloutState.COMPLETED is newest(cluster).rollout_state
        groups = {target.group for target in cluster.balancer.targets.values()}
        assert {"green"} == groups
        told = [
            text.rsplit(" ", 1)[1] for text in cluster.messages() if "is in" in text
        ]
        assert [f"{one.value}." for one in [*LifecycleStage][1:]] == told[-9:]


@in_virtual_time
async def test_the_next_deployment_goes_back_to_the_first_group() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")) as scheduler:
        await change(cluster, moved("web:2"))
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=60)
        assert production(cluster) == {"blue": 0.0, "green": 100.0}
        await scheduler.set_desired("web", 4, None, "", "out")
        await cluster.until(lambda: settled(cluster, "web:2", 4), within_s=30)
        await change(cluster, moved("web:3", desired=4))
        await cluster.until(lambda: settled(cluster, "web:3", 4), within_s=60)
        assert production(cluster) == {"blue": 100.0, "green": 0.0}


@in_virtual_time
async def test_what_is_desired_is_there_also_while_two_deployments_run() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")) as scheduler:
        assert cluster.view().fulfilled
        await change(cluster, moved("web:2", bake_s=600))
        await cluster.until(lambda: production(cluster)["green"] == 100, within_s=30)
        assert cluster.view().serving == 3, "those that requests reach"
        await scheduler.set_desired("web", 4, None, "", "out")
        assert not cluster.view().fulfilled
        await cluster.until(lambda: cluster.view().fulfilled, within_s=30)
        view = cluster.view()
        assert (view.healthy, view.serving, view.reached) == (8, 4, False)
        assert stage(cluster) is LifecycleStage.BAKE_TIME


@in_virtual_time
async def test_an_alarm_in_the_bake_time_gives_blue_its_requests_back_at_once() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        blue = set(cluster.containers())
        await change(cluster, moved("web:2", bake_s=600))
        await cluster.until(lambda: production(cluster)["green"] == 100, within_s=30)
        await asyncio.sleep(60)
        cluster.in_alarm.add("errors")
        await cluster.until(lambda: production(cluster)["blue"] == 100, within_s=3)
        await cluster.until(lambda: settled(cluster, "web:1"), within_s=60)
        assert blue == set(cluster.containers()), "the tasks that never stopped"
        assert newest(cluster).failure == "errors in ALARM"
        assert group_under_test(cluster) == "blue"


@in_virtual_time
async def test_green_that_never_turns_healthy_never_gets_a_request() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        blue = set(cluster.containers())
        cluster.sick = lambda host, port: image_at(cluster, host, port) == "web:2"
        await change(cluster, moved("web:2"))
        for _ in range(600):
            assert production(cluster) == {"blue": 100.0, "green": 0.0}
            await asyncio.sleep(0.1)
        await cluster.until(lambda: settled(cluster, "web:1"), within_s=60)
        assert newest(cluster).failure == "tasks failed to start"
        assert blue == set(cluster.containers())


@in_virtual_time
async def test_a_canary_is_watched_before_the_others_follow() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1", Strategy.CANARY)):
        await change(cluster, moved("web:2", Strategy.CANARY))
        await cluster.until(lambda: production(cluster)["green"] > 0, within_s=30)
        assert production(cluster) == {"blue": 90.0, "green": 10.0}
        await asyncio.sleep(55)
        assert production(cluster) == {"blue": 90.0, "green": 10.0}
        await cluster.until(lambda: production(cluster)["green"] > 10, within_s=10)
        assert production(cluster) == {"blue": 0.0, "green": 100.0}
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=60)


@in_virtual_time
async def test_linear_goes_in_equal_steps() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1", Strategy.LINEAR)):
        await change(cluster, moved("web:2", Strategy.LINEAR))
        seen: list[tuple[float, float]] = []
        while not settled(cluster, "web:2"):
            percent = production(cluster)["green"]
            if not seen or percent != seen[-1][0]:
                seen.append((percent, cluster.clock.now_s()))
            await asyncio.sleep(0.1)
        assert [0, 25, 50, 75, 100] == [percent for percent, _ in seen]
        waits = [b - a for (_, a), (_, b) in pairwise(seen[1:])]
        assert waits == pytest.approx([60, 60, 60], abs=1.5)


@in_virtual_time
async def test_what_has_its_canary_is_undone_before_the_next_begins() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1", Strategy.CANARY)):
        blue = set(cluster.containers())
        await change(cluster, moved("web:2", Strategy.CANARY))
        await cluster.until(lambda: production(cluster)["green"] == 10, within_s=30)
        await change(cluster, moved("web:3", Strategy.CANARY))
        await cluster.until(lambda: production(cluster)["green"] == 0, within_s=3)
        await cluster.until(lambda: "web:2" not in images(cluster), within_s=30)
        assert blue <= set(cluster.containers())
        await cluster.until(lambda: production(cluster)["green"] == 10, within_s=30)
        assert {"web:1", "web:3"} == images(cluster)
        await cluster.until(lambda: settled(cluster, "web:3"), within_s=120)


@in_virtual_time
async def test_by_hand_a_deployment_is_rolled_back_while_it_bakes_and_when_it_is_done() -> (
    None
):
    cluster = Cluster()
    async with running(cluster, moved("web:1")) as scheduler:
        await change(cluster, moved("web:2", bake_s=600))
        await cluster.until(lambda: production(cluster)["green"] == 100, within_s=30)
        await scheduler.roll_back("web")
        await cluster.until(lambda: production(cluster)["blue"] == 100, within_s=3)
        await cluster.until(lambda: settled(cluster, "web:1"), within_s=60)
        await change(cluster, moved("web:3"))
        await cluster.until(lambda: settled(cluster, "web:3"), within_s=60)
        await scheduler.roll_back("web")
        await cluster.until(lambda: production(cluster)["blue"] == 100, within_s=30)
        await cluster.until(lambda: settled(cluster, "web:1"), within_s=60)


@in_virtual_time
async def test_requests_do_not_go_back_to_tasks_that_do_not_serve() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        await change(cluster, moved("web:2", bake_s=600))
        await cluster.until(lambda: production(cluster)["green"] == 100, within_s=30)
        cluster.sick = lambda host, port: image_at(cluster, host, port) == "web:1"
        await asyncio.sleep(30)
        cluster.in_alarm.add("errors")
        await asyncio.sleep(60)
        assert production(cluster)["green"] == 100, "these at least answer"
        assert "web:2" in images(cluster)
        cluster.sick = lambda _host, _port: False
        await cluster.until(lambda: production(cluster)["blue"] == 100, within_s=60)
        await cluster.until(lambda: settled(cluster, "web:1"), within_s=120)


@in_virtual_time
async def test_both_follow_the_desired_count_and_lose_no_task_for_good() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")) as scheduler:
        await change(cluster, moved("web:2", bake_s=600))
        await cluster.until(lambda: production(cluster)["green"] == 100, within_s=30)
        await scheduler.set_desired("web", 4, None, "", "out")
        await cluster.until(lambda: cluster.view().healthy == 8, within_s=30)
        host = next(host for host in cluster.hosts.values() if host.running())
        host.die(host.running()[0])
        await cluster.until(lambda: cluster.view().healthy == 7, within_s=5)
        await cluster.until(lambda: cluster.view().healthy == 8, within_s=30)
        await scheduler.set_desired("web", 2, None, "", "in")
        await cluster.until(lambda: cluster.view().healthy == 4, within_s=60)
        assert {"web:1", "web:2"} == images(cluster)


@in_virtual_time
async def test_a_rolling_deployment_stays_in_the_group_that_serves() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        await change(cluster, moved("web:2"))
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=60)
        rolling = DeploymentConfiguration()
        await change(cluster, shop("web:3", 3, rolling))
        await cluster.until(lambda: settled(cluster, "web:3"), within_s=60)
        assert production(cluster) == {"blue": 0.0, "green": 100.0}
        groups = {target.group for target in cluster.balancer.targets.values()}
        assert {"green"} == groups


@in_virtual_time
async def test_a_removed_service_leaves_its_rules_to_the_file() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")) as scheduler:
        await scheduler.configure(cluster.instances, [])
        await cluster.until(lambda: not scheduler.observe_services(), within_s=60)
        await cluster.until(lambda: not cluster.balancer.weights, within_s=5)


@in_virtual_time
async def test_nothing_goes_on_while_workers_do_not_say_that_they_share_alike() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        await change(cluster, moved("web:2"))
        await cluster.until(lambda: production(cluster)["green"] == 100, within_s=30)
        cluster.balancer.silent = True
        await asyncio.sleep(60)
        assert {"web:1", "web:2"} == images(cluster)


@in_virtual_time
async def test_without_a_load_balancer_both_run_and_one_is_left() -> None:
    cluster = Cluster()

    def headless(image: str) -> Service:
        return replace(moved(image), load_balancers=())

    async with running(cluster, headless("web:1")):
        await change(cluster, headless("web:2"))
        await cluster.until(lambda: cluster.view().running == 6, within_s=10)
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=120)


@in_virtual_time
async def test_shares_are_told_before_every_host_was_asked() -> None:
    """Else the node would hear the file's weights from a control that waits for one."""
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        await change(cluster, moved("web:2"))
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=60)
    cluster.restart()
    cluster.hosts["a"].status_s = 3600.0
    async with cluster.running() as scheduler:
        await asyncio.sleep(1)
        assert not scheduler.adopted()
        assert production(cluster) == {"blue": 0.0, "green": 100.0}


@in_virtual_time
async def test_a_protected_blue_task_is_no_obstacle_until_blue_is_to_stop() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")) as scheduler:
        [kept, *_] = scheduler.tasks()
        until = cluster.clock.unix_s() + 300
        await scheduler.update_task_protection([kept.id], until)
        await change(cluster, moved("web:2", bake_s=60))
        await cluster.until(lambda: production(cluster)["green"] == 100, within_s=30)
        await asyncio.sleep(30)
        assert not any("protected tasks" in text for text in cluster.messages())
        await asyncio.sleep(60)
        assert stage(cluster) is LifecycleStage.CLEAN_UP
        assert any("protected tasks" in text for text in cluster.messages())
        assert {"web:1", "web:2"} == images(cluster)
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=300)


@in_virtual_time
async def test_what_a_rolling_deployment_has_begun_goes_on_until_green_takes_over() -> (
    None
):
    """The cluster checks that blue keeps as many healthy tasks as it has to."""
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        await change(cluster, shop("web:2", 3, DeploymentConfiguration()))
        await cluster.until(lambda: "web:2" in images(cluster), within_s=10)
        await change(cluster, moved("web:3"))
        await cluster.until(lambda: "web:1" not in images(cluster), within_s=60)
        await cluster.until(lambda: settled(cluster, "web:3"), within_s=60)


@in_virtual_time
async def test_tasks_that_get_no_requests_are_not_counted_on() -> None:
    """Green is healthy and whole, and nobody is sent there: blue rolls by itself."""
    cluster = Cluster()
    async with running(cluster, moved("web:1", desired=1)):
        await change(cluster, moved("web:2", desired=1))
        await cluster.until(lambda: cluster.view().healthy == 2, within_s=30)
        await change(cluster, shop("web:3", 1, DeploymentConfiguration()))
        await cluster.until(lambda: "web:2" not in images(cluster), within_s=10)
        await cluster.until(lambda: settled(cluster, "web:3", 1), within_s=60)


@in_virtual_time
async def test_a_first_deployment_that_never_ran_keeps_no_other_from_serving() -> None:
    cluster = Cluster()
    for host in cluster.hosts.values():
        host.missing.add("web:1")
    cluster.services = [moved("web:1", Strategy.CANARY)]
    async with cluster.running():
        await cluster.until(lambda: newest(cluster).failure != "", within_s=30)
        await change(cluster, moved("web:2", Strategy.CANARY))
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=120)
        assert production(cluster) == {"blue": 0.0, "green": 100.0}
