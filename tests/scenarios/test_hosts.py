"""Hosts that are drained, that do not answer, that are lost, and that come back.

The cluster checks both percentages and the ports at every commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace

import pytest

from scheduler.decide.overrides import RunTask
from scheduler.drivers.memory import Fault
from scheduler.instance import ContainerInstanceStatus
from scheduler.model import (
    ContainerName,
    RolloutState,
    SchedulingStrategy,
    StopCode,
    TaskDefinition,
    TaskStatus,
)
from tests.support.cluster import Cluster, Crashed, web
from tests.support.examples import some
from tests.support.virtual import run

ACTIVE, DRAINING = ContainerInstanceStatus.ACTIVE, ContainerInstanceStatus.DRAINING
TWICE_S = 10.0
"""How long what was replaced may run once its host is back."""
NOTICED_S = 12.0
"""Until a look that hangs is given up, and the next one has begun."""

Scenario = Callable[[], Coroutine[object, object, None]]


def in_virtual_time(scenario: Scenario) -> Callable[[], None]:
    def test() -> None:
        run(scenario())

    test.__name__ = scenario.__name__
    return test


def job() -> TaskDefinition:
    """What is run once, and has no targets."""
    [container] = web().task_definition.containers
    return TaskDefinition("job", (replace(container, name="job", port_mappings=()),))


def on(cluster: Cluster, host: str) -> list[ContainerName]:
    return cluster.hosts[host].running()


async def steady(hosts: int, desired: int) -> Cluster:
    """A cluster that is about to run, with that many tasks wanted."""
    cluster = Cluster(hosts)
    cluster.services = [web(desired=desired)]
    for number, instance in enumerate(cluster.instances):
        cluster.instances[number] = replace(
            instance, dynamic_port_range=(20_000, 20_099)
        )
    return cluster


# --- drained --------------------------------------------------------------------


@in_virtual_time
async def test_tasks_leave_a_host_that_drains_and_none_comes_until_it_is_active() -> (
    None
):
    cluster = await steady(hosts=3, desired=6)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(6), within_s=10)
        assert ["z"] == await scheduler.update_instances_state(["a", "z"], DRAINING)
        await cluster.until(lambda: cluster.steady(6) and not on(cluster, "a"), 30)
        await scheduler.set_desired("web", 9, None, "", "more")
        await cluster.until(lambda: cluster.steady(9), within_s=10)
        assert [] == on(cluster, "a")
        assert (DRAINING, 2) == standing(cluster, "a")
    cluster.restart()
    cluster.services = [web(desired=9)]
    cluster.instances[0] = replace(cluster.instances[0], status=DRAINING)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(9), within_s=10)
        await scheduler.force_deployment("web")
        await cluster.until(lambda: completed(cluster), within_s=60)
        assert [] == on(cluster, "a"), "a restart does not forget it"
        await scheduler.update_instances_state(["a"], ACTIVE)
        await scheduler.set_desired("web", 12, None, "", "more")
        await cluster.until(lambda: cluster.steady(12), within_s=10)
        assert 3 == len(on(cluster, "a"))


def standing(cluster: Cluster, host: str) -> tuple[ContainerInstanceStatus, int]:
    record = cluster.scheduler.instance_records()[host]
    return record.status, record.version


def completed(cluster: Cluster) -> bool:
    newest = cluster.view().deployments[0].deployment
    done = newest.rollout_state is RolloutState.COMPLETED
    return cluster.view().reached and done


@in_virtual_time
async def test_the_file_can_say_that_a_host_drains() -> None:
    cluster = await steady(hosts=2, desired=4)
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(4), within_s=10)
        cluster.instances[0] = replace(cluster.instances[0], status=DRAINING)
        await cluster.configure()
        await cluster.until(lambda: cluster.steady(4) and not on(cluster, "a"), 30)


@in_virtual_time
async def test_with_room_below_and_none_above_tasks_stop_before_others_start() -> None:
    cluster = await steady(hosts=2, desired=4)
    cluster.services = [web(desired=4, percents=(50, 100))]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(4), within_s=10)
        await scheduler.update_instances_state(["a"], DRAINING)
        await cluster.until(lambda: cluster.view().healthy == 2, within_s=20)
        await cluster.until(lambda: cluster.steady(4) and not on(cluster, "a"), 60)


@in_virtual_time
async def test_with_no_room_at_all_draining_is_stuck_and_says_so() -> None:
    cluster = await steady(hosts=2, desired=4)
    cluster.services = [web(desired=4, percents=(100, 100))]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(4), within_s=10)
        await scheduler.update_instances_state(["a"], DRAINING)
        await asyncio.sleep(60)
        assert 2 == len(on(cluster, "a"))
        stuck = "was unable to stop or start tasks during a deployment"
        assert any(stuck in message for message in cluster.messages())


@in_virtual_time
async def test_a_task_that_is_pending_on_a_host_that_drains_is_stopped_at_once() -> (
    None
):
    cluster = await steady(hosts=2, desired=2)
    cluster.hosts["a"].faults.append(Fault.HANG)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.view().healthy == 1, within_s=10)
        await scheduler.update_instances_state(["a"], DRAINING)
        await cluster.until(lambda: len(on(cluster, "b")) == 2, within_s=3)
        assert [] == on(cluster, "a")


@in_virtual_time
async def test_tasks_of_no_service_are_left_to_end_on_a_host_that_drains() -> None:
    cluster = Cluster(hosts=1)
    cluster.services = []
    async with cluster.running() as scheduler:
        await asyncio.sleep(3)
        [task] = (await scheduler.run_task(RunTask(job()))).tasks
        await asyncio.sleep(3)
        await scheduler.update_instances_state(["a"], DRAINING)
        await asyncio.sleep(60)
        assert 1 == len(on(cluster, "a"))
        refused = await scheduler.run_task(RunTask(job()))
        assert not refused.tasks, "nothing new is placed"
        cluster.hosts["a"].die(on(cluster, "a")[0], 0)
        await asyncio.sleep(5)
        assert [task.id] == [one.id for one in scheduler.tasks()]


@in_virtual_time
async def test_the_task_of_a_daemon_leaves_a_host_that_drains() -> None:
    cluster = Cluster(hosts=3)
    daemon = replace(web(), scheduling_strategy=SchedulingStrategy.DAEMON)
    percents = replace(
        daemon.deployment, minimum_healthy_percent=0, maximum_percent=100
    )
    cluster.services = [replace(daemon, deployment=percents)]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(3), within_s=10)
        await scheduler.update_instances_state(["a"], DRAINING)
        await cluster.until(lambda: cluster.steady(2) and not on(cluster, "a"), 30)


# --- lost -----------------------------------------------------------------------


@in_virtual_time
async def test_an_engine_that_does_not_answer_keeps_its_tasks_for_a_minute() -> None:
    cluster = await steady(hosts=3, desired=6)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(6), within_s=10)
        before = {task.id for task in scheduler.tasks()}
        cluster.hosts["a"].freeze()
        await cluster.until(lambda: not scheduler.instances()["a"].connected, 15)
        await asyncio.sleep(58)
        assert before == {task.id for task in scheduler.tasks()}, "nothing is replaced"
        assert 6 == len(cluster.balancer.targets)
        await cluster.until(lambda: is_lost(cluster, "a"), within_s=5)
        await cluster.until(lambda: replaced(cluster, 6, "a"), within_s=20)
        assert any("is lost with 2 tasks" in line for line in cluster.messages())
        reasons = {task.stopped_reason for task in scheduler.tasks()} - {""}
        assert {"Host (container-instance a) stopped/terminated"} == reasons


def is_lost(cluster: Cluster, host: str) -> bool:
    record = cluster.scheduler.instance_records()[host]
    return record.lost_at_unix_s is not None


def replaced(cluster: Cluster, desired: int, lost: str) -> bool:
    """Tell whether all that is desired serves elsewhere."""
    live = [task for task in cluster.scheduler.tasks() if task.is_live]
    elsewhere = all(task.instance != lost for task in live)
    return cluster.view().reached and len(live) == desired and elsewhere


@in_virtual_time
async def test_a_host_whose_targets_fail_too_is_lost_at_once() -> None:
    cluster = await steady(hosts=3, desired=6)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(6), within_s=10)
        cluster.cut_off("a")
        await cluster.until(lambda: is_lost(cluster, "a"), within_s=5)
        await cluster.until(lambda: replaced(cluster, 6, "a"), within_s=10)
        buried = [task for task in scheduler.tasks() if task.is_tombstone]
        assert [TaskStatus.STOPPING] * 2 == [task.status for task in buried]
        assert 6 == len(cluster.balancer.targets), (
            "what nothing is sent to is forgotten"
        )
        given_up = "has given up 2 tasks on a host that is lost"
        assert any(given_up in line for line in cluster.messages())


@in_virtual_time
async def test_when_a_lost_host_is_back_nothing_runs_twice_for_long() -> None:
    cluster = await steady(hosts=3, desired=6)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(6), within_s=10)
        cluster.cut_off("a")
        await cluster.until(lambda: replaced(cluster, 6, "a"), within_s=20)
        assert 2 == len(on(cluster, "a")), "they run on where nobody can stop them"
        cluster.hosts["a"].stop_s = 4.0
        cluster.bring_back("a")
        await cluster.until(lambda: scheduler.instances()["a"].connected, 5)
        await scheduler.set_desired("web", 9, None, "", "more")
        await asyncio.sleep(2)
        assert 2 == len(on(cluster, "a"))
        live = [task for task in scheduler.tasks() if task.is_live]
        assert "a" not in {task.instance for task in live}, "before that nothing comes"
        await cluster.until(lambda: not on(cluster, "a"), within_s=TWICE_S)
        await cluster.until(lambda: not is_lost(cluster, "a"), within_s=5)
        await scheduler.set_desired("web", 12, None, "", "more")
        await cluster.until(lambda: cluster.steady(12), within_s=20)
        assert 3 == len(on(cluster, "a")), "and it takes tasks again"


@in_virtual_time
async def test_what_was_begun_on_a_host_before_it_was_lost_holds_nothing_up() -> None:
    """A stop that hangs has its own deadline; a lost host's tasks cannot wait for it."""
    cluster = await steady(hosts=2, desired=2)
    cluster.services = [
        replace(
            web(desired=2),
            task_definition=replace(
                web().task_definition,
                containers=tuple(
                    replace(one, stop_timeout_s=120.0)
                    for one in web().task_definition.containers
                ),
            ),
        )
    ]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(2), within_s=10)
        cluster.hosts["a"].freeze()
        [there] = [task for task in scheduler.tasks() if task.instance == "a"]
        await scheduler.stop_task(there.id, "a stop that hangs")
        await asyncio.sleep(20)
        cluster.cut.add("a")
        await cluster.until(lambda: is_lost(cluster, "a"), within_s=80)
        cluster.hosts["a"].thaw(late=False)
        cluster.bring_back("a")
        await cluster.until(lambda: not on(cluster, "a"), NOTICED_S + TWICE_S)


@in_virtual_time
async def test_a_host_that_died_comes_back_empty_and_is_used_again() -> None:
    cluster = await steady(hosts=2, desired=4)
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(4), within_s=10)
        cluster.cut_off("a")
        for name in on(cluster, "a"):
            cluster.hosts["a"].die(name)
        await cluster.until(lambda: replaced(cluster, 4, "a"), within_s=20)
        cluster.bring_back("a")
        await cluster.until(lambda: not is_lost(cluster, "a"), within_s=10)
        assert {} == cluster.hosts["a"].containers


@in_virtual_time
async def test_while_no_host_answers_none_is_given_up() -> None:
    """It is our own cable then; nothing could take their place."""
    cluster = await steady(hosts=2, desired=4)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(4), within_s=10)
        before = {task.id for task in scheduler.tasks()}
        cluster.cut_off("a")
        cluster.cut_off("b")
        await asyncio.sleep(300)
        cluster.bring_back("a")
        cluster.bring_back("b")
        await cluster.until(lambda: cluster.steady(4), within_s=20)
        assert before == {task.id for task in scheduler.tasks()}


@in_virtual_time
async def test_what_fails_on_every_host_makes_none_of_them_lost() -> None:
    cluster = await steady(hosts=2, desired=4)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(4), within_s=10)
        cluster.sick = lambda _host, _port: True
        cluster.hosts["a"].reachable = False
        await cluster.until(lambda: not scheduler.instances()["a"].connected, 10)
        await asyncio.sleep(20)
        assert not is_lost(cluster, "a")


@in_virtual_time
async def test_a_task_of_no_service_is_given_up_with_its_host() -> None:
    cluster = Cluster(hosts=2)
    cluster.services, cluster.lost_after_s = [], 5.0
    async with cluster.running() as scheduler:
        await asyncio.sleep(3)
        [task] = (await scheduler.run_task(RunTask(job()))).tasks
        await asyncio.sleep(3)
        cluster.hosts[task.instance].reachable = False
        await asyncio.sleep(12)
        [given_up] = scheduler.tasks()
        assert StopCode.INFRASTRUCTURE_HEALTH is given_up.stop_code
        cluster.bring_back(task.instance)
        await cluster.until(lambda: not cluster.containers(), within_s=TWICE_S)


@in_virtual_time
async def test_what_a_lost_host_had_is_forgotten_when_the_file_names_it_no_more() -> (
    None
):
    cluster = await steady(hosts=3, desired=3)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(3), within_s=10)
        cluster.cut_off("a")
        await cluster.until(lambda: replaced(cluster, 3, "a"), within_s=20)
        cluster.instances = cluster.instances[1:]
        await cluster.configure()
        await cluster.until(lambda: not stopping(cluster), within_s=5)
        cluster.bring_back("a")
        await cluster.until(lambda: not on(cluster, "a"), within_s=TWICE_S)
        assert 3 == len([task for task in scheduler.tasks() if task.is_live])


def stopping(cluster: Cluster) -> bool:
    return any(
        not task.is_live and task.status is not TaskStatus.STOPPED
        for task in cluster.scheduler.tasks()
    )


async def commits_of_a_loss() -> int:
    cluster = await steady(hosts=3, desired=3)
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(3), within_s=10)
        before = cluster.journal.commits
        cluster.cut_off("a")
        await cluster.until(lambda: replaced(cluster, 3, "a"), within_s=30)
    return cluster.journal.commits - before


POINTS = [half / 2 for half in range(1, 2 * run(commits_of_a_loss()) + 1)]


async def lose(cluster: Cluster, point: float) -> None:
    """Cut a host off; control dies at that commit after it."""
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(3), within_s=10)
        cluster.cut_off("a")
        cluster.journal.crash_at = cluster.journal.commits + point
        await cluster.until(lambda: replaced(cluster, 3, "a"), within_s=30)


@pytest.mark.parametrize("point", some(POINTS))
def test_control_may_die_at_any_point_of_a_loss(point: float) -> None:
    """n.5: a commit is never written; n: it is, and nothing of it is done."""

    async def scenario() -> None:
        cluster = await steady(hosts=3, desired=3)
        with pytest.raises(ExceptionGroup) as death:
            await lose(cluster, point)
        assert death.value.subgroup(Crashed)

        cluster.restart()
        async with cluster.running():
            await cluster.until(lambda: replaced(cluster, 3, "a"), within_s=80)
            cluster.bring_back("a")
            await cluster.until(lambda: not on(cluster, "a"), within_s=TWICE_S)
            await cluster.until(lambda: cluster.steady(3), within_s=20)
            assert 3 == len(cluster.balancer.targets)

    run(scenario())


@in_virtual_time
async def test_a_lost_host_may_become_another_once_its_tasks_serve_elsewhere() -> None:
    cluster = await steady(hosts=2, desired=2)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(2), within_s=10)
        assert ("a",) == await scheduler.set_aside(["a"])
        cluster.cut_off("a")
        await cluster.until(lambda: replaced(cluster, 2, "a"), within_s=20)
        assert () == await scheduler.set_aside(["a"])
