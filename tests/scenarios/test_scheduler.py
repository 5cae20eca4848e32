"""Hours in the life of a service, in virtual time.

At every commit of every scenario the cluster itself checks what must always
hold: the rollout's two limits, no port leased twice or too early; and in the
end: no task with two containers, no SIGTERM before its targets were drained.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace

import pytest

from scheduler.decide.revisions import REVISIONS_KEPT
from scheduler.drivers.memory import Fault, MemoryHost
from scheduler.model import StopCode, TaskStatus
from tests.support.cluster import DELAY_S, Cluster, web
from tests.support.virtual import run

STEADY = "(service web) has reached a steady state."

Scenario = Callable[[], Coroutine[object, object, None]]


def in_virtual_time(scenario: Scenario) -> Callable[[], None]:
    def test() -> None:
        run(scenario())

    test.__name__ = scenario.__name__
    test.__doc__ = scenario.__doc__
    return test


@in_virtual_time
async def test_one_task_becomes_six_and_one_again() -> None:
    cluster = Cluster(hosts=2)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        assert await scheduler.set_desired("web", 6, 1, "act-1", "alarm out")
        await cluster.until(lambda: cluster.steady(6), within_s=10)
        assert [3, 3] == [len(host.running()) for host in cluster.hosts.values()]
        assert await scheduler.set_desired("web", 1, 2, "act-2", "alarm in")
        await cluster.until(lambda: cluster.steady(1), within_s=20)
    assert len(cluster.balancer.targets) == 1


@in_virtual_time
async def test_a_count_is_set_once_per_activity_and_only_on_its_version() -> None:
    cluster = Cluster()
    async with cluster.running() as scheduler:
        assert await scheduler.set_desired("web", 3, 1, "act-1", "out")
        assert await scheduler.set_desired("web", 3, 1, "act-1", "out"), "repeated"
        assert cluster.view().version == 2
        assert not await scheduler.set_desired("web", 5, 1, "act-2", "out"), "stale"
        assert not await scheduler.set_desired("wbe", 5, None, "act-3", "out")
        assert cluster.view().desired == 3


@pytest.mark.parametrize(
    "percents", [(100, 200), (50, 100), (100, 125), (0, 100), (75, 150)], ids=str
)
def test_a_rollout_ends_and_keeps_its_limits(percents: tuple[int, int]) -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=3)
        cluster.services = [web("web:1", 4, percents)]
        async with cluster.running() as scheduler:
            await cluster.until(lambda: cluster.steady(4), within_s=10)
            cluster.services = [web("web:2", 4, percents)]
            await scheduler.configure(cluster.instances, cluster.services)
            await cluster.until(lambda: cluster.steady(4), within_s=120)
            running = [task for task in scheduler.tasks() if task.is_live]
            assert {"web:2"} == {task.task_definition.name for task in running}
            assert len(cluster.view().deployments) == 1
            assert any("deployment completed" in text for text in cluster.messages())

    run(scenario())


@in_virtual_time
async def test_a_rollout_without_room_either_way_says_so_and_waits() -> None:
    cluster = Cluster()
    cluster.services = [web("web:1", 2, (100, 100))]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(2), within_s=10)
        cluster.services = [web("web:2", 2, (100, 100))]
        await scheduler.configure(cluster.instances, cluster.services)
        await cluster.until(lambda: "was unable to stop or start" in last(cluster), 5)
        assert cluster.view().healthy == 2


@in_virtual_time
async def test_an_unchanged_file_changes_nothing() -> None:
    cluster = Cluster()
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        commits = cluster.journal.commits
        await scheduler.configure(cluster.instances, cluster.services)
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        [deployment] = cluster.view().deployments
        assert deployment.deployment.task_definition.revision == 1
        assert cluster.journal.commits <= commits + 1


@in_virtual_time
async def test_a_year_of_changes_does_not_grow_the_records() -> None:
    cluster = Cluster()
    ports = (20_000, 20_999)
    cluster.instances = [
        replace(each, dynamic_port_range=ports) for each in cluster.instances
    ]
    count = REVISIONS_KEPT + 20
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        for number in range(2, count + 1):
            cluster.services = [web(f"web:{number}")]
            await scheduler.configure(cluster.instances, cluster.services)
        await cluster.until(lambda: cluster.steady(1), within_s=60)
    cluster.restart()  # the next life configures what is wished once more
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        told = {task.task_definition.name for task in scheduler.tasks()}

    kept = cluster.journal.of("task_definition")
    newest = {f"web:{count - back}" for back in range(REVISIONS_KEPT)}
    assert newest | told == set(kept)
    assert len(kept) < count


@in_virtual_time
async def test_an_instance_becomes_another_host_only_while_nothing_runs_there() -> None:
    cluster = Cluster(hosts=1)
    mistyped = cluster.hosts["a"]
    mistyped.reachable = False
    async with cluster.running() as scheduler:
        await cluster.until(lambda: "unable to place" in last(cluster), within_s=10)
        assert () == await scheduler.set_aside(["a"])
        mistyped.reachable = True  # as it may turn out meanwhile
        await asyncio.sleep(10)
        assert [] == scheduler.tasks(), "set aside"

        cluster.hosts["a"] = MemoryHost("a", cluster.clock, address="10.0.0.9")
        await scheduler.watch_no_others()
        await scheduler.configure(cluster.instances, cluster.services)
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        [served] = scheduler.tasks()
        assert "10.0.0.9" == served.address
        assert not mistyped.created, "nothing was left to the host that it was"

        assert ("a",) == await scheduler.set_aside(["a"])
        await scheduler.set_desired("web", 2, None, "", "it may be placed as before")
        await cluster.until(lambda: cluster.steady(2), within_s=10)


@in_virtual_time
async def test_a_forced_deployment_replaces_tasks_of_the_same_revision() -> None:
    cluster = Cluster()
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        [before] = cluster.containers()
        await scheduler.force_deployment("web")
        await cluster.until(lambda: cluster.steady(1), within_s=30)
        assert [before] != cluster.containers()
        assert cluster.view().service.task_definition.revision == 1


@in_virtual_time
async def test_a_killed_task_is_replaced_and_leaves_the_load_balancer() -> None:
    cluster = Cluster(hosts=1)
    cluster.services = [web(desired=3)]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(3), within_s=10)
        victim = cluster.containers()[0]
        cluster.hosts["a"].die(victim)
        await cluster.until(lambda: cluster.steady(3), within_s=20)
        assert victim not in cluster.containers()
        [dead] = [task for task in scheduler.tasks() if not task.is_live]
        assert dead.stop_code is StopCode.ESSENTIAL_CONTAINER_EXITED
        assert dead.stopped_reason == "Essential container in task exited"
        assert [137] == [container.exit_code for container in dead.containers]
        assert len(cluster.balancer.targets) == 3


@in_virtual_time
async def test_a_container_that_somebody_removed_is_replaced() -> None:
    cluster = Cluster(hosts=1)
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        [name] = cluster.containers()
        del cluster.hosts["a"].containers[name]
        await cluster.until(lambda: not cluster.steady(1), within_s=5)
        await cluster.until(lambda: cluster.steady(1), within_s=20)


@in_virtual_time
async def test_an_unhealthy_task_stays_until_its_replacement_is_healthy() -> None:
    cluster = Cluster(hosts=1)
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        [old] = cluster.containers()
        [sick] = [target.port for target in cluster.balancer.targets.values()]
        cluster.sick = lambda _host, port: port == sick
        await cluster.until(lambda: len(cluster.containers()) == 2, within_s=5)
        await cluster.until(lambda: cluster.view().healthy == 1, within_s=5)
        assert old in cluster.containers(), "it was not stopped before"
        await cluster.until(lambda: cluster.steady(1), within_s=20)
        assert old not in cluster.containers()
        unhealthy = f"(port {sick}) is unhealthy in (target-group web)"
        assert any(unhealthy in text for text in cluster.messages())


@in_virtual_time
async def test_a_grace_period_keeps_a_slow_starter() -> None:
    cluster = Cluster(hosts=1)
    cluster.services = [replace(web(), health_check_grace_period_s=60.0)]
    cluster.sick = lambda _host, _port: cluster.clock.now_s() < 50
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=60)
        assert len(scheduler.tasks()) == 1


@in_virtual_time
async def test_a_slow_stop_is_killed_and_reported() -> None:
    cluster = Cluster(hosts=1)
    cluster.hosts["a"].stop_s = 60.0
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        await scheduler.set_desired("web", 0, None, "act", "by hand")
        await cluster.until(lambda: cluster.steady(0), within_s=30)
        assert any("did not stop within 5 seconds" in m for m in cluster.messages())


@in_virtual_time
async def test_a_silent_load_balancer_stops_nothing_but_does_not_block_for_ever() -> (
    None
):
    cluster = Cluster(hosts=1)
    cluster.services = [web(desired=2)]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(2), within_s=10)
        began = cluster.clock.now_s()
        cluster.balancer.silent = True
        await scheduler.set_desired("web", 0, None, "act", "by hand")
        await cluster.until(lambda: not cluster.containers(), within_s=30)
        assert cluster.clock.now_s() - began >= 20, "delay + 10 s"


@in_virtual_time
async def test_a_removed_service_drains_and_is_forgotten() -> None:
    cluster = Cluster()
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        await scheduler.configure(cluster.instances, [])
        assert cluster.view().status.value == "DRAINING"
        await cluster.until(lambda: not scheduler.observe_services(), within_s=20)
        assert not cluster.containers()
        assert not cluster.balancer.targets
        told = [event.message for event in scheduler.events()]
        assert "has stopped 1 running tasks" in told[-1], "also its last task"
        await asyncio.sleep(3700)
        assert not scheduler.events()


@in_virtual_time
async def test_shutting_down_leaves_no_container_and_keeps_the_wish() -> None:
    cluster = Cluster()
    cluster.services = [web(desired=4)]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(4), within_s=10)
        cluster.closing = True
        await scheduler.shut_down()
        assert not any(host.containers for host in cluster.hosts.values())
        assert cluster.view().desired == 4
    cluster.restart()
    cluster.closing = False
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(4), within_s=10)


@in_virtual_time
async def test_stopping_the_scheduler_leaves_tasks_running_and_six_stay_six() -> None:
    cluster = Cluster()
    cluster.services = [web(desired=6)]
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(6), within_s=10)
    six = cluster.containers()
    assert len(six) == 6
    cluster.restart()
    async with cluster.running() as scheduler:
        await cluster.until(scheduler.adopted, within_s=2)
        assert len(cluster.balancer.targets) == 6, "registered before it is adopted"
        await cluster.until(lambda: cluster.steady(6), within_s=10)
        assert six == cluster.containers()
        assert len(scheduler.tasks()) == 6


@in_virtual_time
async def test_nothing_is_done_while_nothing_can_be_written() -> None:
    cluster = Cluster(hosts=1)
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        cluster.journal.failing = True
        [name] = cluster.containers()
        cluster.hosts["a"].die(name)
        await cluster.until(lambda: cluster.clock.now_s() > 20, within_s=20)
        assert not cluster.containers()
        assert "deregister" not in [what for _, what, _ in cluster.balancer.log]
        cluster.journal.failing = False
        await cluster.until(lambda: cluster.steady(1), within_s=20)


@in_virtual_time
async def test_used_cpu_is_told_with_what_is_reserved() -> None:
    cluster = Cluster(hosts=1)
    cluster.hosts["a"].used_units = 384.0
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        [use] = scheduler.task_uses()
        assert ("web", 256) == (use.service, use.reserved_cpu)
        assert use.task_id == scheduler.tasks()[0].id
        assert use.cpu == pytest.approx(384, abs=1)
        assert use.memory_mib is None, "not known, not 0"
        cluster.hosts["a"].reachable = False
        await cluster.until(lambda: cluster.clock.now_s() > 15, within_s=20)
        assert not scheduler.task_uses(), "missing, not 0"


@in_virtual_time
async def test_what_reserves_nothing_uses_the_cluster_all_the_same() -> None:
    cluster = Cluster(hosts=1)
    cluster.hosts["a"].used_units = 384.0
    [service] = cluster.services
    definition = service.task_definition
    [container] = definition.containers
    free = replace(definition, containers=(replace(container, cpu=0),))
    cluster.services = [replace(service, task_definition=free)]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        [use] = scheduler.task_uses()
        assert use.reserved_cpu == 0
        assert use.cpu == pytest.approx(384, abs=1)


@in_virtual_time
async def test_a_restart_is_no_news_of_a_service_that_stays_steady() -> None:
    cluster = Cluster(hosts=1)
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(1), within_s=10)
    before = cluster.messages()
    cluster.restart()
    async with cluster.running():
        await cluster.until(lambda: bool(cluster.balancer.targets), within_s=10)
        assert cluster.view().reached, "what is not known yet is not worse"
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        assert before.count(STEADY) == cluster.messages().count(STEADY)


@in_virtual_time
async def test_a_changed_deregistration_delay_holds_for_tasks_that_run() -> None:
    cluster = Cluster(hosts=1)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(1), within_s=10)
        [service] = cluster.services
        [group] = service.load_balancers
        longer = replace(group, deregistration_delay_s=DELAY_S + 60)
        cluster.services = [replace(service, load_balancers=(longer,))]
        await scheduler.configure(cluster.instances, cluster.services)
        assert len(cluster.view().deployments) == 1, "nothing is replaced for it"
        cluster.balancer.in_flight_s = DELAY_S + 30
        await scheduler.set_desired("web", 0, None, "", "in")
        await cluster.until(lambda: not cluster.containers(), within_s=90)


@in_virtual_time
async def test_tasks_are_told_by_their_lifecycle() -> None:
    cluster = Cluster(hosts=1)
    async with cluster.running() as scheduler:
        await cluster.until(lambda: bool(scheduler.tasks()), within_s=1)
        assert TaskStatus.PENDING is scheduler.tasks()[0].status
        assert (0, 1) == (cluster.view().running, cluster.view().pending)
        await cluster.until(lambda: cluster.view().running == 1, within_s=5)
        assert not cluster.view().reached
        assert cluster.view().deploying


def last(cluster: Cluster) -> str:
    return cluster.messages()[-1] if cluster.messages() else ""


@in_virtual_time
async def test_changes_are_told_to_whoever_listens() -> None:
    cluster = Cluster()
    told: list[int] = []
    cluster.scheduler.on_change(lambda: told.append(len(cluster.scheduler.tasks())))
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(1), within_s=10)
    assert [0, 1] == told[:2], "the wish, then the task"


@in_virtual_time
async def test_shutting_down_does_not_wait_for_a_host_that_is_away() -> None:
    cluster = Cluster(hosts=2)
    cluster.services = [web(desired=2)]
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.steady(2), within_s=10)
        cluster.closing = True
        cluster.hosts["a"].reachable = False
        await cluster.until(lambda: not scheduler.instances()["a"].connected, 10)
        async with asyncio.timeout(30):
            await scheduler.shut_down()
        assert not cluster.hosts["b"].containers
        left = [task for task in scheduler.tasks() if task.stopped_at_unix_s is None]
        assert ["a"] == [task.instance for task in left], "it is not forgotten"


@in_virtual_time
async def test_a_slow_pull_does_not_delay_another_service() -> None:
    cluster = Cluster(hosts=1)
    cluster.hosts["a"].faults.append(Fault.HANG)
    other = replace(web(), name="api")
    async with cluster.running() as scheduler:
        await cluster.until(lambda: cluster.view().pending == 1, within_s=2)
        await scheduler.configure(cluster.instances, [*cluster.services, other])
        await cluster.until(lambda: cluster.view("api").reached, within_s=10)
        assert cluster.view().pending == 1
