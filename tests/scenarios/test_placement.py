"""Placement over time: constraints, zones made even again, protected tasks."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from scheduler.decide import wording
from scheduler.decide.protection import NotProtected, Protected, ProtectionFailure
from scheduler.model import (
    ConstraintType,
    PlacementConstraint,
    PlacementStrategy,
    Service,
    StopCode,
    StrategyType,
    TaskStatus,
)
from scheduler.state.records import Records
from tests.support.cluster import Cluster, web
from tests.support.virtual import run

DISTINCT = PlacementConstraint(ConstraintType.DISTINCT_INSTANCE)


def member(expression: str) -> PlacementConstraint:
    return PlacementConstraint(ConstraintType.MEMBER_OF, expression)


def places(cluster: Cluster) -> dict[str, int]:
    """Return how many live tasks are on each host."""
    live = [task.instance for task in cluster.journal.tasks() if task.is_live]
    return dict(Counter(live))


async def steadily(cluster: Cluster, service: Service) -> None:
    """Apply the service and wait until it is as wished."""
    cluster.services = [service]
    await cluster.scheduler.configure(cluster.instances, cluster.services)
    await cluster.until(lambda: cluster.steady(service.desired_count), 200)


# fmt: off
CONSTRAINED = [  # constraints, how many tasks, where they are, because
    ((DISTINCT,), 3, {"a": 1, "b": 1, "c": 1}, "one on each"),
    ((member("attribute:ecs.availability-zone in [a, c]"),), 4, {"a": 2, "c": 2}, "in two zones of three"),
    ((member("ec2InstanceId != c"), DISTINCT), 2, {"a": 1, "b": 1}, "both hold"),
    ((member("attribute:ecs.os-type == linux"),), 3, {"a": 1, "b": 1, "c": 1}, "what the host says of itself"),
    ((member("registeredAt > 2020-01-01 and agentVersion >= 1.2"),), 3, {"a": 1, "b": 1, "c": 1}, "since when, and which version"),
]
# fmt: on


@pytest.mark.parametrize("row", CONSTRAINED, ids=[row[-1] for row in CONSTRAINED])
def test_constraints_hold(
    row: tuple[tuple[PlacementConstraint, ...], int, dict[str, int], str],
) -> None:
    constraints, count, expected, _ = row

    async def story() -> None:
        cluster = Cluster(hosts=3)
        async with cluster.running():
            await steadily(
                cluster, replace(web(desired=count), placement_constraints=constraints)
            )
            assert expected == places(cluster)

    run(story())


def test_a_task_without_a_place_is_told_of_and_started_when_there_is_one() -> None:
    async def story() -> None:
        cluster = Cluster(hosts=2)
        service = replace(web(desired=3), placement_constraints=(DISTINCT,))
        async with cluster.running():
            await cluster.scheduler.configure(cluster.instances, [service])
            told = f"instance a) {wording.NOT_DISTINCT}"
            await cluster.until(
                lambda: any(told in line for line in cluster.messages()), 30
            )
            assert {"a": 1, "b": 1} == places(cluster)
            constraints = replace(service, placement_constraints=())
            await cluster.scheduler.configure(cluster.instances, [constraints])
            await cluster.until(lambda: cluster.steady(3), 60)

    run(story())


def test_a_constraint_of_the_task_definition_holds_and_moves_tasks() -> None:
    async def story() -> None:
        cluster = Cluster(hosts=2)
        async with cluster.running():
            await steadily(cluster, web(desired=2))
            bound = replace(
                web().task_definition,
                placement_constraints=(member("ec2InstanceId == b"),),
            )
            service = replace(web(desired=2), task_definition=bound)
            await cluster.scheduler.configure(cluster.instances, [service])
            await cluster.until(
                lambda: cluster.steady(2) and places(cluster) == {"b": 2}, 200
            )

    run(story())


def test_a_packed_service_leaves_the_emptiest_instance_first() -> None:
    async def story() -> None:
        cluster = Cluster(hosts=3)
        packed = (PlacementStrategy(StrategyType.BINPACK, "memory"),)
        cluster.hosts["b"].memory_mib = 512
        service = replace(web(desired=6), placement_strategy=packed)
        async with cluster.running():
            await steadily(cluster, service)
            assert {"b": 4, "a": 2} == places(cluster)
            await steadily(cluster, replace(service, desired_count=4))
            assert {"b": 4} == places(cluster)

    run(story())


# --- rebalancing ------------------------------------------------------------------


def balanced(desired: int, percents: tuple[int, int] = (100, 200)) -> Service:
    service = web(desired=desired, percents=percents)
    return replace(service, availability_zone_rebalancing=True)


def test_a_zone_that_comes_back_gets_its_share_and_no_limit_is_broken() -> None:
    """The cluster itself checks both percents at every commit."""

    async def story() -> None:
        cluster = Cluster(hosts=3)
        cluster.hosts["c"].reachable = False
        async with cluster.running():
            await steadily(cluster, balanced(6))
            assert {"a": 3, "b": 3} == places(cluster)

            cluster.hosts["c"].reachable = True
            even = {"a": 2, "b": 2, "c": 2}
            await cluster.until(
                lambda: cluster.steady(6) and places(cluster) == even, 200
            )
            told = cluster.messages()
            start = wording.not_balanced("web", {"a": 3, "b": 3, "c": 0})
            assert start in told
            assert wording.balanced("web", even) in told[told.index(start) :]

            before = [task.id for task in cluster.journal.tasks()]
            await asyncio.sleep(60)
            assert before == [task.id for task in cluster.journal.tasks()]

    run(story())


# fmt: off
UNMOVED = [
    (replace(balanced(6), availability_zone_rebalancing=False), "it is disabled"),
    (balanced(6, (100, 110)), "there is no room for one more: 110 % of 6 is 6"),
]
# fmt: on


@pytest.mark.parametrize(
    "service", [r[0] for r in UNMOVED], ids=[r[1] for r in UNMOVED]
)
def test_zones_stay_as_they_are(service: Service) -> None:
    async def story() -> None:
        cluster = Cluster(hosts=2)
        cluster.hosts["b"].reachable = False
        async with cluster.running():
            cluster.services = [service]
            await cluster.scheduler.configure(cluster.instances, cluster.services)
            await cluster.until(lambda: cluster.steady(6), 200)
            cluster.hosts["b"].reachable = True
            await asyncio.sleep(60)
            assert {"a": 6} == places(cluster)

    run(story())


def test_a_zone_without_room_is_told_of_and_nothing_moves() -> None:
    async def story() -> None:
        cluster = Cluster(hosts=2)
        cluster.hosts["b"].memory_mib = 64
        async with cluster.running():
            await steadily(cluster, balanced(4))
            told = wording.unplaceable_in_zone("web", ["b"])
            await cluster.until(lambda: told in cluster.messages(), 30)
            assert {"a": 4} == places(cluster)
            assert cluster.steady(4)

    run(story())


def test_an_extra_task_that_never_is_healthy_takes_nobodys_place() -> None:
    async def story() -> None:
        cluster = Cluster(hosts=2)
        cluster.hosts["b"].reachable = False
        async with cluster.running():
            await steadily(cluster, balanced(4))
            cluster.sick = lambda host, _port: host == cluster.hosts["b"].address
            cluster.hosts["b"].reachable = True
            await cluster.until(lambda: "b" in places(cluster), 30)
            for _ in range(120):
                assert 4 == places(cluster)["a"]
                await asyncio.sleep(1)
            cluster.sick = lambda _host, _port: False
            await cluster.until(lambda: places(cluster) == {"a": 2, "b": 2}, 600)

    run(story())


# --- protection -------------------------------------------------------------------


def test_a_protected_task_outlives_scale_in_until_it_expires() -> None:
    async def story() -> None:
        cluster = Cluster(hosts=1)
        async with cluster.running() as scheduler:
            await steadily(cluster, web(desired=3))
            newest = max(scheduler.tasks(), key=lambda t: (t.created_at_unix_s, t.id))
            until = cluster.clock.unix_s() + 60
            [made] = await scheduler.update_task_protection([newest.id[:8]], until)
            assert isinstance(made, Protected)

            await scheduler.set_desired("web", 1, None, "", "less")
            await cluster.until(lambda: cluster.steady(1), 30)
            assert [newest.id] == [t.id for t in scheduler.tasks() if t.is_live]

            await scheduler.set_desired("web", 0, None, "", "none")
            told = wording.protected("web", newest.deployment_id)
            await cluster.until(lambda: told in cluster.messages(), 10)
            assert cluster.clock.unix_s() < until
            await cluster.until(lambda: cluster.steady(0), 80)
            assert cluster.clock.unix_s() >= until

    run(story())


def test_a_deployment_waits_for_protected_tasks_and_says_so() -> None:
    async def story() -> None:
        cluster = Cluster(hosts=2)
        async with cluster.running() as scheduler:
            await steadily(cluster, web(desired=2))
            old = scheduler.tasks()[0]
            until = cluster.clock.unix_s() + 300
            await scheduler.update_task_protection([old.id], until)
            await scheduler.configure(cluster.instances, [web("web:2", desired=2)])
            told = wording.protected("web", old.deployment_id)
            await cluster.until(lambda: told in cluster.messages(), 30)
            await cluster.until(lambda: sum(places(cluster).values()) == 3, 60)
            assert wording.stuck("web") not in cluster.messages()

            [other] = await scheduler.update_task_protection(["feed"], until)
            assert NotProtected("feed", ProtectionFailure.MISSING) == other
            await scheduler.update_task_protection([old.id], None)
            await cluster.until(lambda: cluster.steady(2), 60)

    run(story())


def test_a_protected_task_that_fails_its_health_checks_is_replaced() -> None:
    async def story() -> None:
        cluster = Cluster(hosts=2)
        async with cluster.running() as scheduler:
            await steadily(cluster, web(desired=2))
            sick = scheduler.tasks()[0]
            until = cluster.clock.unix_s() + 300
            await scheduler.update_task_protection([sick.id], until)
            port = sick.leases[0].host_port
            cluster.sick = lambda host, at: (host, at) == (sick.address, port)
            await cluster.until(
                lambda: (
                    Records.read(cluster.journal.records).tasks[sick.id].status
                    is TaskStatus.STOPPED
                ),
                60,
            )
            cluster.sick = lambda _host, _port: False
            await cluster.until(lambda: cluster.steady(2), 60)

    run(story())


def test_a_service_that_goes_takes_its_protected_tasks_along() -> None:
    async def story() -> None:
        cluster = Cluster(hosts=1)
        async with cluster.running() as scheduler:
            await steadily(cluster, web(desired=1))
            [one] = scheduler.tasks()
            until = cluster.clock.unix_s() + 3600
            await scheduler.update_task_protection([one.id], until)
            await scheduler.configure(cluster.instances, [])
            await cluster.until(lambda: not cluster.containers(), 60)
            [gone] = scheduler.tasks()
            assert StopCode.SERVICE_SCHEDULER_INITIATED is gone.stop_code

    run(story())
