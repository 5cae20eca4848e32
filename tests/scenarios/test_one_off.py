"""Tasks that are run once: placed, told, and never replaced."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from scheduler.decide.overrides import ContainerOverride, RunTask
from scheduler.model import (
    ConstraintType,
    PlacementConstraint,
    PlacementStrategy,
    StopCode,
    StrategyType,
    TaskDefinition,
    TaskStatus,
)
from tests.support.cluster import Cluster, web
from tests.support.virtual import run


def job() -> TaskDefinition:
    [container] = web().task_definition.containers
    alone = replace(container, name="job", port_mappings=(), cpu=1024)
    return TaskDefinition("job", (alone,))


def cluster_of_one() -> Cluster:
    cluster = Cluster(hosts=1)
    cluster.services = []
    return cluster


def test_a_task_is_run_and_not_replaced_when_it_has_ended() -> None:
    async def scenario() -> None:
        cluster = cluster_of_one()
        cluster.hosts["a"].ends_at_once["job"] = 3
        async with cluster.running() as scheduler:
            await asyncio.sleep(3)
            override = ContainerOverride("job", ("other",), (("A", "b"),))
            ran = await scheduler.run_task(
                RunTask(job(), overrides=(override,), started_by="me")
            )
            [task] = ran.tasks
            assert ("family:job", "me", "") == (
                task.group,
                task.started_by,
                task.service,
            )
            [container] = task.task_definition.containers
            assert ("other",) == container.command
            assert ("A", "b") in container.environment
            await asyncio.sleep(30)
            [ended] = scheduler.tasks()
            assert (TaskStatus.STOPPED, StopCode.ESSENTIAL_CONTAINER_EXITED) == (
                ended.status,
                ended.stop_code,
            )
            assert [3] == [each.exit_code for each in ended.containers]
            told = [event.message for event in scheduler.events()]
            assert f"(family:job) has started 1 tasks: (task {task.id})." in told
            assert [] == cluster.containers()

    run(scenario())


def test_what_finds_no_place_is_a_failure_with_ecss_reason() -> None:
    async def scenario() -> None:
        cluster = cluster_of_one()
        async with cluster.running() as scheduler:
            await asyncio.sleep(3)
            ran = await scheduler.run_task(RunTask(job(), count=6))
            assert 4 == len(ran.tasks), "a host of 4096 units has room for four"
            assert ["RESOURCE:CPU"] * 2 == [each.reason for each in ran.failures]
            await asyncio.sleep(60)
            assert 4 == len(cluster.containers()), "failures are not tried again"

    run(scenario())


def test_a_task_stops_when_a_person_says_so_and_when_all_goes_down() -> None:
    async def scenario() -> None:
        cluster = cluster_of_one()
        async with cluster.running() as scheduler:
            await asyncio.sleep(3)
            ran = await scheduler.run_task(RunTask(job(), count=2))
            await asyncio.sleep(5)
            one, other = ran.tasks
            await scheduler.stop_task(one.id, "enough")
            await asyncio.sleep(10)
            stopped = {task.id: task for task in scheduler.tasks()}
            assert (TaskStatus.STOPPED, StopCode.USER_INITIATED, "enough") == (
                stopped[one.id].status,
                stopped[one.id].stop_code,
                stopped[one.id].stopped_reason,
            )
            assert TaskStatus.RUNNING is stopped[other.id].status
            cluster.closing = True
            await scheduler.shut_down()
            assert [] == cluster.containers()

    run(scenario())


def test_a_task_outlives_control_and_is_started_once() -> None:
    async def scenario() -> None:
        cluster = cluster_of_one()
        async with cluster.running() as scheduler:
            await asyncio.sleep(3)
            await scheduler.run_task(RunTask(job()))
        cluster.restart()
        async with cluster.running() as scheduler:
            await asyncio.sleep(10)
            [task] = scheduler.tasks()
            assert TaskStatus.RUNNING is task.status
        assert [1] == list(cluster.hosts["a"].created.values())

    run(scenario())


def test_tasks_go_where_their_call_says() -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=3)
        cluster.services = []
        async with cluster.running() as scheduler:
            await asyncio.sleep(3)
            apart = PlacementConstraint(ConstraintType.DISTINCT_INSTANCE)
            ran = await scheduler.run_task(
                RunTask(job(), count=4, placement_constraints=(apart,))
            )
            assert {"a", "b", "c"} == {task.instance for task in ran.tasks}
            [failure] = ran.failures
            assert "DistinctInstance placement constraint unsatisfied." == (
                failure.reason
            )
            where = "attribute:ecs.availability-zone == b"
            member = PlacementConstraint(ConstraintType.MEMBER_OF, where)
            ran = await scheduler.run_task(
                RunTask(job(), count=2, placement_constraints=(member,))
            )
            assert ["b", "b"] == [task.instance for task in ran.tasks]
            full = PlacementStrategy(StrategyType.BINPACK, "cpu")
            ran = await scheduler.run_task(RunTask(job(), placement_strategy=(full,)))
            assert ["b"] == [task.instance for task in ran.tasks], "the fullest"

    run(scenario())
