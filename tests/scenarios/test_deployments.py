"""Deployments that fail, are rolled back, bake; and fleets that fail at once.

The cluster checks the rollout's two limits at every commit; see
tests.support.cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from scheduler.app.scheduler import Scheduler
from scheduler.configuration import (
    CircuitBreaker,
    DeploymentAlarms,
    DeploymentConfiguration,
    ThresholdType,
)
from scheduler.container import HealthStatus
from scheduler.errors import NothingToRollBackTo
from scheduler.model import Deployment, RolloutState, Service
from tests.support.cluster import Cluster, web
from tests.support.crash_points import Story
from tests.support.examples import some
from tests.support.virtual import run

Scenario = Callable[[], Coroutine[object, object, None]]

BREAKER = CircuitBreaker(enable=True, rollback=True)


def in_virtual_time(scenario: Scenario) -> Callable[[], None]:
    def test() -> None:
        run(scenario())

    test.__name__ = scenario.__name__
    test.__doc__ = scenario.__doc__
    return test


def guarded(image: str, desired: int = 3, breaker: CircuitBreaker = BREAKER) -> Service:
    config = DeploymentConfiguration(circuit_breaker=breaker)
    return replace(web(image, desired), deployment=config)


def watched(image: str, *, bake_time_s: float = 0.0, rollback: bool = True) -> Service:
    alarms = DeploymentAlarms(("errors",), enable=True, rollback=rollback)
    config = DeploymentConfiguration(
        alarms=alarms, bake_time_in_minutes=bake_time_s / 60
    )
    return replace(web(image, 2), deployment=config)


@asynccontextmanager
async def running(cluster: Cluster, service: Service) -> AsyncIterator[Scheduler]:
    """A cluster that has the service in its steady state."""
    cluster.services = [service]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(service.desired_count), 120)
        yield scheduler


async def change(cluster: Cluster, service: Service) -> None:
    cluster.services = [service]
    await cluster.scheduler.configure(cluster.instances, cluster.services)


def images(cluster: Cluster) -> set[str]:
    """Return the images of the live tasks."""
    return {
        task.task_definition.containers[0].image
        for task in cluster.scheduler.tasks()
        if task.is_live
    }


def image_at(cluster: Cluster, address: str, port: int) -> str:
    """Return the image of the container that answers there."""
    found = (
        container.spec.definition.image
        for host in cluster.hosts.values()
        for container in host.containers.values()
        for lease in container.spec.leases
        if (host.address, lease.host_port) == (address, port)
    )
    return next(found, "")


def newest(cluster: Cluster) -> Deployment:
    """Return the deployment that was begun last."""
    history = [one.deployment for one in cluster.view().history]
    return max(history, key=lambda one: one.created_at_unix_s)


@in_virtual_time
async def test_a_deployment_whose_tasks_cannot_start_is_rolled_back() -> None:
    cluster = Cluster()
    for host in cluster.hosts.values():
        host.missing.add("web:2")
    async with running(cluster, guarded("web:1")):
        kept = cluster.containers()
        good = cluster.view().deployments[0].deployment
        await change(cluster, guarded("web:2"))
        await cluster.until(lambda: newest(cluster).failure != "", within_s=20)
        bad = newest(cluster)
        assert RolloutState.FAILED is bad.rollout_state
        assert bad.rollout_state_reason == (
            f"ECS deployment circuit breaker: rolling back to deploymentId {good.id}."
        )
        await cluster.until(lambda: cluster.steady(3), within_s=20)
        assert kept == cluster.containers(), "what served goes on serving"
        told = cluster.messages()
        failed = f"(service web) (deployment {bad.id}) deployment failed: "
        assert failed + "tasks failed to start." in told
        assert f"(service web) rolling back to deployment {good.id}." in told
        [primary] = cluster.view().deployments
        assert (good.id, "PRIMARY") == (primary.deployment.id, primary.status)
        await asyncio.sleep(600)
        assert newest(cluster).id == bad.id, "it is not tried again by itself"


@in_virtual_time
async def test_one_whose_tasks_never_turn_healthy_is_rolled_back() -> None:
    cluster = Cluster()
    async with running(cluster, guarded("web:1")):
        cluster.sick = lambda host, port: image_at(cluster, host, port) == "web:2"
        await change(cluster, guarded("web:2"))
        await cluster.until(lambda: newest(cluster).failure != "", within_s=60)
        await cluster.until(lambda: cluster.steady(3), within_s=60)
        assert {"web:1"} == images(cluster)
        reasons = {task.stopped_reason for task in cluster.scheduler.tasks()}
        assert "Task failed ELB health checks in (target-group web)" in reasons


@in_virtual_time
async def test_one_whose_tasks_run_and_exit_is_rolled_back() -> None:
    """ECS never notices; see decide.breaker."""
    cluster = Cluster()
    async with running(cluster, guarded("web:1")):
        for host in cluster.hosts.values():
            host.dies_after_s = 1.0
        await change(cluster, guarded("web:2"))
        await cluster.until(lambda: newest(cluster).failure != "", within_s=60)
        await cluster.until(lambda: cluster.steady(3), within_s=60)
        assert {"web:1"} == images(cluster)


@in_virtual_time
async def test_without_rollback_it_stays_failed_and_starts_no_more() -> None:
    cluster = Cluster()
    for host in cluster.hosts.values():
        host.missing.add("web:2")
    stays = CircuitBreaker(enable=True)
    async with running(cluster, guarded("web:1", breaker=stays)) as scheduler:
        await change(cluster, guarded("web:2", breaker=stays))
        await cluster.until(lambda: newest(cluster).failure != "", within_s=20)
        assert newest(cluster).rollout_state_reason == (
            "ECS deployment circuit breaker: tasks failed to start."
        )
        made = len(scheduler.tasks())
        await asyncio.sleep(600)
        assert made == len(scheduler.tasks())
        assert {"web:1"} == images(cluster), "the old ones serve on"
        assert cluster.view().healthy == 3
        assert not cluster.view().reached
        await scheduler.roll_back("web")
        await cluster.until(lambda: cluster.steady(3), within_s=20)


@in_virtual_time
async def test_a_healthy_task_ends_the_row_of_failures() -> None:
    cluster = Cluster(hosts=1)
    patient = CircuitBreaker(
        enable=True, threshold_type=ThresholdType.COUNT, threshold_value=9
    )
    cluster.services = [guarded("web:1", 1, patient)]
    cluster.hosts["a"].missing.add("web:1")
    async with cluster.running():
        await cluster.until(lambda: newest(cluster).failed_tasks > 2, within_s=20)
        cluster.hosts["a"].missing.clear()
        await cluster.until(lambda: cluster.steady(1), within_s=20)
        assert newest(cluster).failed_tasks == 0


@in_virtual_time
async def test_a_first_deployment_has_nothing_to_be_rolled_back_to() -> None:
    cluster = Cluster(hosts=1)
    cluster.services = [guarded("web:1")]
    cluster.hosts["a"].missing.add("web:1")
    async with cluster.running() as scheduler:
        await cluster.until(lambda: bool(newest(cluster).failure), within_s=20)
        assert not newest(cluster).rolled_back_to
        with pytest.raises(NothingToRollBackTo):
            await scheduler.roll_back("web")


@in_virtual_time
async def test_a_rollback_that_fails_too_is_left_at_that() -> None:
    """Else one after the other would be tried, and none of them looked at."""
    cluster = Cluster()
    async with running(cluster, guarded("web:0")) as scheduler:
        await change(cluster, guarded("web:1"))
        await cluster.until(
            lambda: {"web:1"} == images(cluster) and cluster.steady(3), within_s=60
        )
        for host in cluster.hosts.values():
            host.missing.update({"web:0", "web:1", "web:2"})
        host = next(host for host in cluster.hosts.values() if host.running())
        host.die(host.running()[0])
        await change(cluster, guarded("web:2"))
        await asyncio.sleep(300)
        states = {
            one.deployment.task_definition.containers[0].image: (
                one.status,
                one.deployment.rollout_state,
            )
            for one in cluster.view().history
        }
        assert ("PRIMARY", RolloutState.FAILED) == states["web:1"]
        assert RolloutState.FAILED is states["web:2"][1]
        assert ("INACTIVE", RolloutState.COMPLETED) == states["web:0"]
        assert cluster.view().healthy == 2, "what serves is left alone"
        made = len(scheduler.tasks())
        await asyncio.sleep(600)
        assert made == len(scheduler.tasks())


@in_virtual_time
async def test_an_alarm_fails_the_deployment_and_rolls_it_back() -> None:
    cluster = Cluster()
    async with running(cluster, watched("web:1")):
        await change(cluster, watched("web:2"))
        await cluster.until(lambda: "web:2" in images(cluster), within_s=5)
        cluster.in_alarm.add("errors")
        await cluster.until(lambda: newest(cluster).failure != "", within_s=5)
        assert newest(cluster).failure == "errors in ALARM"
        await cluster.until(lambda: cluster.steady(2), within_s=60)
        assert {"web:1"} == images(cluster), "although it is in ALARM still"


@in_virtual_time
async def test_an_alarm_during_the_bake_time_rolls_back_what_was_whole() -> None:
    cluster = Cluster()
    async with running(cluster, watched("web:1")):
        await change(cluster, watched("web:2", bake_time_s=30))
        await cluster.until(lambda: {"web:2"} == images(cluster), within_s=30)
        await asyncio.sleep(20)
        assert RolloutState.IN_PROGRESS is newest(cluster).rollout_state
        cluster.in_alarm.add("errors")
        await cluster.until(lambda: newest(cluster).failure != "", within_s=5)
        cluster.in_alarm.clear()
        await cluster.until(lambda: cluster.steady(2), within_s=120)
        assert {"web:1"} == images(cluster)


@in_virtual_time
async def test_after_its_bake_time_a_deployment_is_completed() -> None:
    cluster = Cluster()
    async with running(cluster, watched("web:1")):
        await change(cluster, watched("web:2", bake_time_s=30))
        await cluster.until(lambda: {"web:2"} == images(cluster), within_s=30)
        await cluster.until(lambda: cluster.steady(2), within_s=60)
        done = newest(cluster)
        await cluster.until(
            lambda: RolloutState.COMPLETED is newest(cluster).rollout_state, 60
        )
        assert done.baking_since_unix_s is not None
        baked_s = (newest(cluster).finished_at_unix_s or 0) - done.baking_since_unix_s
        assert baked_s == pytest.approx(30, abs=1)
        cluster.in_alarm.add("errors")
        await asyncio.sleep(60)
        assert newest(cluster).failure == "", "later alarms are no affair of its"


@in_virtual_time
async def test_an_alarm_that_was_raised_before_is_not_listened_to() -> None:
    cluster = Cluster()
    async with running(cluster, watched("web:1")):
        cluster.in_alarm.add("errors")
        await change(cluster, watched("web:2"))
        await cluster.until(
            lambda: {"web:2"} == images(cluster) and cluster.steady(2), 60
        )


@in_virtual_time
async def test_a_deployment_under_way_can_be_rolled_back_by_hand() -> None:
    cluster = Cluster()
    async with running(cluster, web("web:1", 3)) as scheduler:
        await change(cluster, web("web:2", 3))
        await cluster.until(lambda: "web:2" in images(cluster), within_s=5)
        await scheduler.roll_back("web")
        await cluster.until(lambda: cluster.steady(3), within_s=60)
        assert {"web:1"} == images(cluster)
        assert newest(cluster).failure == "stopped by request"
        await change(cluster, web("web:2", 3))
        await asyncio.sleep(60)
        assert {"web:1"} == images(cluster), "the file has not changed"
        await scheduler.force_deployment("web")
        await cluster.until(lambda: cluster.steady(3), within_s=60)
        assert {"web:2"} == images(cluster), "deployed is what the file says"


@in_virtual_time
async def test_a_completed_deployment_can_be_rolled_back_and_forth() -> None:
    cluster = Cluster()
    async with running(cluster, web("web:1", 2)) as scheduler:
        await change(cluster, web("web:2", 2))
        await cluster.until(
            lambda: {"web:2"} == images(cluster) and cluster.steady(2), 60
        )
        for image in ("web:1", "web:2"):
            await scheduler.roll_back("web")
            await cluster.until(lambda: not cluster.view().reached, within_s=5)
            await cluster.until(lambda: cluster.steady(2), within_s=60)
            assert {image} == images(cluster)


@in_virtual_time
async def test_a_container_that_fails_its_own_check_is_replaced() -> None:
    cluster = Cluster(hosts=1)
    host = cluster.hosts["a"]
    host.health = HealthStatus.UNKNOWN
    cluster.services = [web(desired=2)]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: len(host.running()) == 2, within_s=10)
        await asyncio.sleep(10)
        assert cluster.view().healthy == 0, "no verdict yet"
        host.health = HealthStatus.HEALTHY
        for container in host.containers.values():
            container.health = HealthStatus.HEALTHY
        await cluster.until(lambda: cluster.steady(2), within_s=10)
        first, _ = host.running()
        host.containers[first].health = HealthStatus.UNHEALTHY
        await cluster.until(lambda: len(host.running()) == 3, within_s=10)
        await cluster.until(lambda: cluster.steady(2), within_s=30)
        assert first not in host.running()
        reasons = [task.stopped_reason for task in scheduler.tasks()]
        assert "Task failed container health checks" in reasons


@in_virtual_time
async def test_a_problem_in_front_of_the_tasks_does_not_restart_the_fleet() -> None:
    cluster = Cluster()
    async with running(cluster, web(desired=6)) as scheduler:
        six = set(cluster.containers())
        cluster.sick = lambda _host, _port: True
        await asyncio.sleep(300)
        assert six <= set(cluster.containers())
        assert len(scheduler.tasks()) <= 6 + 20, "one is tried, more and more rarely"
        assert any("most tasks fail" in message for message in cluster.messages())
        cluster.sick = lambda _host, _port: False
        await cluster.until(lambda: cluster.steady(6), within_s=120)
        assert len(six & set(cluster.containers())) >= 5


@in_virtual_time
async def test_a_fleet_that_hangs_is_replaced_faster_and_faster() -> None:
    cluster = Cluster()
    async with running(cluster, web(desired=6)):
        six = set(cluster.containers())
        hung = {(one.host, one.port) for one in cluster.balancer.targets.values()}
        cluster.sick = lambda host, port: (host, port) in hung
        began = cluster.clock.now_s()
        await cluster.until(lambda: cluster.steady(6), within_s=120)
        assert not six & set(cluster.containers())
        assert cluster.clock.now_s() - began < 60


@in_virtual_time
async def test_a_deployment_runs_one_image_on_every_engine() -> None:
    cluster = Cluster()
    a, b = cluster.hosts.values()
    a.digests["web:1"], b.digests["web:1"] = "web@sha256:11", "web@sha256:22"
    async with running(cluster, web("web:1", 4)) as scheduler:
        a.digests["web:1"] = b.digests["web:1"] = "web@sha256:33"
        await scheduler.set_desired("web", 6, None, "", "out")
        await cluster.until(lambda: cluster.steady(6), within_s=20)
        assert {"web@sha256:11"} == running_images(cluster)
        await scheduler.force_deployment("web")
        await cluster.until(lambda: not cluster.view().reached, within_s=5)
        await cluster.until(lambda: cluster.steady(6), within_s=60)
        assert {"web@sha256:33"} == running_images(cluster), "the tag has moved"
        await scheduler.roll_back("web")
        await cluster.until(lambda: not cluster.view().reached, within_s=5)
        await cluster.until(lambda: cluster.steady(6), within_s=60)
        assert {"web@sha256:11"} == running_images(cluster), "and back"


def running_images(cluster: Cluster) -> set[str]:
    return {
        host.containers[name].spec.definition.image
        for host in cluster.hosts.values()
        for name in host.running()
    }


@in_virtual_time
async def test_an_engine_that_does_not_tell_what_a_tag_means_delays_nobody_long() -> (
    None
):
    cluster = Cluster()
    cluster.hosts["a"].resolve_s = 500.0
    cluster.services = [web("web:1", 2)]
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(2), within_s=15)


@in_virtual_time
async def test_an_image_that_is_not_there_yet_is_found_later() -> None:
    cluster = Cluster()
    for host in cluster.hosts.values():
        host.missing.add("web:1")
        host.digests["web:1"] = "web@sha256:11"
    cluster.services = [web("web:1", 3)]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: len(scheduler.tasks()) > 3, within_s=60)
        reason = "CannotPullContainerError: manifest unknown"
        assert reason == scheduler.tasks()[0].stopped_reason
        for host in cluster.hosts.values():
            host.missing.clear()
        await cluster.until(lambda: cluster.steady(3), within_s=60)
        assert {"web@sha256:11"} == running_images(cluster)


# --- control may die at any call ----------------------------------------------------


async def rollout(cluster: Cluster) -> None:
    await change(cluster, guarded("web:2"))


async def scale_in(cluster: Cluster) -> None:
    await change(cluster, guarded("web:1", desired=1))


async def bad_rollout(cluster: Cluster) -> None:
    for host in cluster.hosts.values():
        host.missing.add("web:2")
    await change(cluster, guarded("web:2"))


async def begun() -> Cluster:
    cluster = Cluster()
    async with running(cluster, guarded("web:1")):
        pass
    cluster.restart()
    return cluster


def told(
    begin: Callable[[Cluster], Awaitable[None]],
    image: str,
    tasks: int,
    *,
    fails: bool = False,
) -> Story:
    """It ends with so many tasks of `image`; the file is as the story left it."""

    def ended(cluster: Cluster) -> bool:
        failed = not fails or newest(cluster).failure != ""
        return cluster.steady(tasks) and images(cluster) == {image} and failed

    return Story(begun, begin, ended, tasks)


STORIES = {
    "rollout": told(rollout, "web:2", 3),
    "scale-in": told(scale_in, "web:1", 1),
    "failed, rolled back": told(bad_rollout, "web:1", 3, fails=True),
}
POINTS = [(name, point) for name, each in STORIES.items() for point in each.points()]


@pytest.mark.parametrize(("name", "point"), some(POINTS))
def test_control_may_die_at_any_call_of_a(name: str, point: float) -> None:
    def see(cluster: Cluster) -> None:
        states = {one.deployment.rollout_state for one in cluster.view().deployments}
        assert {RolloutState.COMPLETED} == states

    run(STORIES[name].dies_at(point, see))
