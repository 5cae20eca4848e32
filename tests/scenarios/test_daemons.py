"""A DAEMON has one task on each instance, whatever becomes of instances and tasks.

The cluster checks the rollout's two limits at every commit.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace

from scheduler.model import SchedulingStrategy, Service
from tests.support.cluster import Cluster, web
from tests.support.virtual import run

Scenario = Callable[[], Coroutine[object, object, None]]


def in_virtual_time(scenario: Scenario) -> Callable[[], None]:
    def test() -> None:
        run(scenario())

    test.__name__ = scenario.__name__
    return test


def daemon(image: str = "web:1", minimum: int = 0) -> Service:
    service = web(image, desired=0, percents=(minimum, 100))
    return replace(service, scheduling_strategy=SchedulingStrategy.DAEMON)


def homes(cluster: Cluster) -> list[str]:
    """Return the host of each running container."""
    return [name for name, host in cluster.hosts.items() for _ in host.running()]


@in_virtual_time
async def test_every_instance_has_one_and_a_new_one_gets_one() -> None:
    cluster = Cluster(hosts=3)
    three, cluster.instances = cluster.instances, cluster.instances[:2]
    cluster.services = [daemon()]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(2), within_s=10)
        assert ["a", "b"] == homes(cluster)
        await scheduler.configure(three, cluster.services)
        await cluster.until(lambda: cluster.steady(3), within_s=10)
        assert ["a", "b", "c"] == homes(cluster)
        assert not await scheduler.set_desired("web", 9, None, "", "by hand")
        await scheduler.configure(three[1:], cluster.services)
        await cluster.until(lambda: cluster.steady(2), within_s=30)
        assert ["b", "c"] == homes(cluster)


@in_virtual_time
async def test_one_that_dies_is_replaced_where_it_was() -> None:
    cluster = Cluster(hosts=3)
    cluster.services = [daemon()]
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(3), within_s=10)
        cluster.hosts["b"].die(cluster.hosts["b"].running()[0])
        await cluster.until(lambda: not cluster.steady(3), within_s=5)
        await cluster.until(lambda: cluster.steady(3), within_s=20)
        assert ["a", "b", "c"] == homes(cluster)


@in_virtual_time
async def test_a_rollout_stops_before_it_starts_and_keeps_its_minimum() -> None:
    cluster = Cluster(hosts=4)
    cluster.services = [daemon(minimum=50)]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(4), within_s=10)
        cluster.services = [daemon("web:2", minimum=50)]
        await scheduler.configure(cluster.instances, cluster.services)
        await cluster.until(lambda: not cluster.steady(4), within_s=5)
        await cluster.until(lambda: cluster.steady(4), within_s=60)
        assert ["a", "b", "c", "d"] == homes(cluster)
        live = [task for task in scheduler.tasks() if task.is_live]
        assert {"web:2"} == {task.task_definition.name for task in live}
        assert not any("unable to place" in text for text in cluster.messages())


@in_virtual_time
async def test_an_instance_that_is_away_keeps_its_task() -> None:
    cluster = Cluster(hosts=2)
    cluster.services = [daemon()]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(2), within_s=10)
        cluster.hosts["a"].reachable = False
        await cluster.until(lambda: not scheduler.instances()["a"].connected, 10)
        assert cluster.view().desired == 2
        cluster.hosts["a"].reachable = True
        await cluster.until(lambda: cluster.steady(2), within_s=10)
        assert len(scheduler.tasks()) == 2
