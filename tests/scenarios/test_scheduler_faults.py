"""What hosts, runtimes and crashes do to a service, and what becomes of it.

The cluster checks the promises at every commit; see tests.support.cluster.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import pairwise

import pytest

from scheduler.decide.identity import container_name
from scheduler.drivers.memory import Fault, MemoryContainer
from scheduler.model import ContainerName, TaskId, TaskStatus
from scheduler.ports import ContainerSpec
from tests.support.cluster import UID, Cluster, Crashed, web
from tests.support.examples import some
from tests.support.virtual import run

FAULTS = [
    (Fault.NOT_REACHED, "nothing was sent: another task takes its place"),
    (Fault.LOST_BEFORE, "it is tried again on the same host"),
    (Fault.LOST_AFTER, "what was started is adopted"),
    (Fault.NO_IMAGE, "the next try may find the image"),
    (Fault.PORT_TAKEN, "the port rests and another is leased"),
    (Fault.REFUSED, "the next task may be accepted"),
]


@pytest.mark.parametrize(
    "fault", [fault for fault, _ in FAULTS], ids=[because for _, because in FAULTS]
)
def test_one_failed_start_does_not_keep_a_service_down(fault: Fault) -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=1)
        cluster.hosts["a"].faults.append(fault)
        async with cluster.running() as scheduler:
            await cluster.until(lambda: cluster.steady(1), within_s=15)
            same_task = fault in {Fault.LOST_BEFORE, Fault.LOST_AFTER}
            assert len(scheduler.tasks()) == (1 if same_task else 2)
            if fault is Fault.PORT_TAKEN:
                ports = {task.leases[0].host_port for task in scheduler.tasks()}
                assert len(ports) == 2

    run(scenario())


def test_a_start_that_hangs_delays_no_other_task() -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=2)
        cluster.hosts["a"].faults.append(Fault.HANG)
        cluster.services = [web(desired=2)]
        async with cluster.running():
            await cluster.until(lambda: cluster.view().healthy == 1, within_s=5)
            assert cluster.view().pending == 1

    run(scenario())


def test_a_host_that_is_gone_keeps_its_tasks_and_gets_no_new_ones() -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=2)
        cluster.services = [web(desired=4)]
        async with cluster.running() as scheduler:
            await cluster.until(lambda: cluster.steady(4), within_s=10)
            cluster.hosts["a"].reachable = False
            gone = scheduler.instances
            await cluster.until(lambda: not gone()["a"].connected, within_s=10)
            assert "no route to host" in gone()["a"].detail
            await scheduler.set_desired("web", 5, None, "act", "out")
            await cluster.until(lambda: len(cluster.hosts["b"].running()) == 3, 10)
            assert len(cluster.balancer.targets) == 5, "what serves stays registered"
            cluster.hosts["a"].reachable = True
            await cluster.until(lambda: cluster.steady(5), within_s=20)
            assert len(scheduler.tasks()) == 5

    run(scenario())


def test_a_container_without_a_task_is_removed_and_a_foreign_one_is_not() -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=1)
        host = cluster.hosts["a"]
        async with cluster.running():
            await cluster.until(lambda: cluster.steady(1), within_s=10)
            spec = next(iter(host.containers.values())).spec
            for name in ("alb-c1-lost-web", "alb-other-lost-web"):
                host.containers[ContainerName(name)] = stray(spec, name)
            await cluster.until(lambda: len(host.containers) == 2, within_s=10)
            assert "alb-other-lost-web" in host.containers

    run(scenario())


def stray(spec: ContainerSpec, name: str) -> MemoryContainer:
    lost = replace(spec, name=ContainerName(name), task_id=TaskId("lost"), leases=())
    return MemoryContainer(lost)


def test_a_task_that_cannot_start_backs_off_and_a_new_definition_resets() -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=1)
        host = cluster.hosts["a"]
        host.faults = deque([Fault.NO_IMAGE] * 1000)
        async with cluster.running() as scheduler:
            await cluster.until(lambda: cluster.clock.now_s() > 200, within_s=201)
            starts = sorted(task.created_at_unix_s for task in scheduler.tasks())
            waits = [b - a for a, b in pairwise(starts)]
            assert waits[:6] == pytest.approx([0.5, 0.5, 0.5, 1.5, 2.5, 4.5], abs=0.2)
            assert waits[6:10] == pytest.approx([8.5, 16.5, 32.5, 60.5], abs=0.2)
            throttled = "is unable to consistently start tasks successfully."
            assert any(throttled in message for message in cluster.messages())
            failed = cluster.view().deployments[0].deployment.failed_tasks
            assert failed == len(starts)
            assert "CannotPullContainerError" in scheduler.tasks()[0].stopped_reason

            host.faults.clear()
            cluster.services = [web("web:2")]
            await scheduler.configure(cluster.instances, cluster.services)
            await cluster.until(lambda: cluster.steady(1), within_s=10)

    run(scenario())


def test_strangers_on_our_ports_cost_tries_but_no_waiting() -> None:
    """Such as another cluster on the same machine, which leases the same range."""

    async def scenario() -> None:
        cluster = Cluster(hosts=1)
        cluster.hosts["a"].faults = deque([Fault.PORT_TAKEN] * 8)
        async with cluster.running() as scheduler:
            await cluster.until(lambda: cluster.steady(1), within_s=12)
            assert len(scheduler.tasks()) == 9

    run(scenario())


def test_a_task_that_runs_and_dies_at_once_backs_off_too() -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=1)
        cluster.hosts["a"].dies_after_s = 3.0
        cluster.services = [web(desired=3)]
        async with cluster.running() as scheduler:
            await cluster.until(lambda: cluster.clock.now_s() > 300, within_s=301)
            rounds = len(scheduler.tasks()) / 3
            assert 10 <= rounds <= 15, "not the 85 that 3.5 s each would make"

    run(scenario())


@pytest.mark.parametrize("lives_s", [0.0, 0.0005, 0.001, 0.0015, 0.002, 0.01])
def test_a_task_that_dies_before_it_serves_is_gone_at_once(lives_s: float) -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=1)
        cluster.hosts["a"].dies_after_s = lives_s
        async with cluster.running() as scheduler:
            await cluster.until(lambda: bool(scheduler.tasks()), within_s=5)
            first = scheduler.tasks()[0].id

            def gone() -> bool:
                found = {task.id: task.status for task in scheduler.tasks()}
                return found[first] is TaskStatus.STOPPED

            await cluster.until(gone, within_s=5)

    run(scenario())


def test_what_a_task_wrote_last_outlives_its_container() -> None:
    """Else nobody could see why a task fails again and again."""

    async def scenario() -> None:
        cluster = Cluster(hosts=1)
        cluster.hosts["a"].dies_after_s = 1.0
        async with cluster.running() as scheduler:
            await cluster.until(lambda: len(scheduler.tasks()) == 3, within_s=20)
            first = scheduler.tasks()[0]
            name = container_name(UID, first.id, "web")
            assert name not in cluster.hosts["a"].containers
            assert b"exit" in await scheduler.outputs.read(name)
            await cluster.until(lambda: cluster.clock.now_s() > 4200, within_s=4200)
            assert first not in scheduler.tasks()
            assert not scheduler.outputs.has(name), "kept as long as the task"

    run(scenario())


def test_a_port_rests_before_it_is_used_again() -> None:
    """The cluster checks each lease; ten ports do not last for six rollouts."""

    async def scenario() -> None:
        cluster = Cluster(hosts=1)
        cluster.services = [web(desired=3)]
        async with cluster.running() as scheduler:
            for _ in range(6):
                await scheduler.force_deployment("web")
                await cluster.until(lambda: cluster.steady(3), within_s=150)
            no_port = "is already using a port required by your task."
            assert any(no_port in message for message in cluster.messages())

    run(scenario())


def test_what_does_not_fit_is_said_and_started_when_there_is_room() -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=1)
        cluster.hosts["a"].cpu_units = 600
        cluster.services = [web(desired=3)]
        async with cluster.running():
            await cluster.until(lambda: cluster.view().healthy == 2, within_s=10)
            assert any(
                "The closest matching (container-instance a) has insufficient CPU "
                "units available." in message
                for message in cluster.messages()
            )
            cluster.hosts["a"].cpu_units = 1024
            await cluster.until(lambda: cluster.steady(3), within_s=10)

    run(scenario())


async def prepared(image: str = "web:1", desired: int = 2) -> Cluster:
    """A cluster in its steady state whose control has ended."""
    cluster = Cluster(hosts=2)
    cluster.services = [web(image, desired)]
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(desired), within_s=20)
    cluster.restart()
    return cluster


async def commits_of_a_rollout() -> int:
    cluster = await prepared()
    before = cluster.journal.commits
    cluster.services = [web("web:2", 3)]
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(3), within_s=60)
    return cluster.journal.commits - before


POINTS = [half / 2 for half in range(1, 2 * run(commits_of_a_rollout()) + 1)]


@pytest.mark.parametrize("point", some(POINTS))
def test_control_may_die_at_any_point_of_a_rollout(point: float) -> None:
    """n.5: a commit is never written; n: it is, and nothing of it is done."""

    async def scenario() -> None:
        cluster = await prepared()
        cluster.journal.crash_at = cluster.journal.commits + point
        cluster.services = [web("web:2", 3)]
        with pytest.raises(ExceptionGroup) as death:
            async with cluster.running():
                await cluster.until(lambda: cluster.steady(3), within_s=60)
        assert death.value.subgroup(Crashed)

        cluster.restart()
        async with cluster.running() as scheduler:
            await cluster.until(lambda: cluster.steady(3), within_s=60)
            live = [task for task in scheduler.tasks() if task.is_live]
            assert {"web:2"} == {task.task_definition.name for task in live}
            assert len(cluster.balancer.targets) == 3

    run(scenario())


def test_tasks_leave_an_instance_that_is_not_in_the_file_any_more() -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=2)
        cluster.services = [web(desired=4)]
        async with cluster.running() as scheduler:
            await cluster.until(lambda: cluster.steady(4), within_s=10)
            await scheduler.configure(cluster.instances[1:], cluster.services)
            moved = cluster.hosts["b"].running
            await cluster.until(lambda: len(moved()) == 4 and cluster.steady(4), 30)
            assert not cluster.hosts["a"].containers

    run(scenario())


def test_tasks_of_an_instance_that_a_restart_does_not_know_serve_until_replaced() -> (
    None
):
    async def scenario() -> None:
        cluster = await prepared(desired=2)
        del cluster.instances[0]
        gone = cluster.hosts.pop("a")
        cluster.balancer.probe = lambda _host, _port: True
        async with cluster.running() as scheduler:
            await cluster.until(scheduler.adopted, within_s=5)
            assert len(cluster.balancer.targets) == 2, "both are registered again"
            moved = cluster.hosts["b"].running
            await cluster.until(lambda: len(moved()) == 2, within_s=30)
            await cluster.until(lambda: cluster.view().healthy == 2, within_s=30)
        assert len(gone.running()) == 1, "nobody can reach it"

    run(scenario())
