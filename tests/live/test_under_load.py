"""Under constant load, whatever is done to tasks and processes loses no request.

Excused are only requests that were in a task or a worker when it was killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.engines import Engine
from tests.support.evidence import KILLED_TASK, KILLED_WORKER, Note
from tests.support.live import (
    WORKERS,
    Document,
    Host,
    LiveCluster,
    alive,
    ends,
    listener_to,
    live,
    live_cluster,
)
from tests.support.node import free_port

pytestmark = pytest.mark.timeout(180)

NOTICE_S = 0.75
"""How long after a death a request may still be sent to who died."""
WORKER = "alb.app.worker"
PROBER = "alb.app.prober_process"
CONTROL = "controlplane.control"


@pytest.fixture(
    scope="module",
    params=[
        "process",
        pytest.param("docker", marks=pytest.mark.needs("docker")),
    ],
)
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveCluster]:
    """One cluster for all; each test first has it at the count it needs."""
    engine: Engine | None = None
    if request.param == "docker":
        engine = request.getfixturevalue("engine")
    directory = tmp_path_factory.mktemp("live")
    with live_cluster(Host(directory, engine), desired=3) as running:
        yield running


async def at(cluster: LiveCluster, count: int) -> dict[str, str]:
    """Have the cluster at `count` steady tasks."""
    (service,) = (await cluster.state())["services"]
    if service["desiredCount"] != count:
        await cluster.scale(count)
    return await cluster.steady(count)


def serves_with_another(*workers: int) -> Callable[[Document], bool]:
    """Whether all workers serve and these are not among them."""

    def is_so(state: Document) -> bool:
        pids = {one["pid"] for one in state["node"]["workers"]}
        ready: bool = state["node"]["ready"]
        return ready and len(pids) == WORKERS and not pids & {*workers}

    return is_so


async def test_a_killed_task_takes_only_what_it_had_and_is_replaced(
    cluster: LiveCluster, note: Note
) -> None:
    before = await at(cluster, 3)
    counted = (await cluster.state())["loadBalancer"]["failures"]
    victim = min(before)

    async with cluster.slow_load() as load:
        moment = load.moment()
        await cluster.kill_task(victim)
        until_s = time.monotonic() + NOTICE_S
        await cluster.until(
            "the dead one is replaced",
            lambda state: victim not in [one["taskId"] for one in live(state)],
        )
        after = await cluster.steady(3)

    load.lost_only(KILLED_TASK, moment, until_s)
    note(load)
    await cluster.counted(
        "TARGET_CLOSED", counted.get("TARGET_CLOSED", 0) + load.excused
    )
    assert len(before.keys() & after.keys()) == 2
    assert after.items() >= (before.items() & after.items())


async def test_a_rolling_deployment_keeps_its_minimum_healthy(
    cluster: LiveCluster, note: Note
) -> None:
    before = await at(cluster, 3)
    seen = {await cluster.release_seen()}
    cluster.release("two")

    async with cluster.load() as load, cluster.watching() as watched:
        await cluster.apply()
        while before.keys() & (await asyncio.to_thread(cluster.containers)).keys():
            seen.add(await cluster.release_seen())
        after = await cluster.steady(3)
        seen.add(await cluster.release_seen())

    load.lost_nothing()
    note(load)
    assert {"one", "two"} == seen
    assert "two" == await cluster.release_seen()
    assert before.keys().isdisjoint(after)
    assert min(watched.healthy) >= 3
    assert max(watched.live) <= 6


async def test_deploy_replaces_every_task(cluster: LiveCluster, note: Note) -> None:
    before = await at(cluster, 3)

    async with cluster.slow_load() as load, cluster.watching() as watched:
        await cluster.alb("deploy", "web")
        await cluster.until(
            "the old ones are gone",
            lambda state: before.keys().isdisjoint(
                one["taskId"] for one in live(state)
            ),
        )
        after = await cluster.steady(3)

    load.lost_nothing()
    note(load)
    assert before.keys().isdisjoint(after)
    assert min(watched.healthy) >= 3


async def test_an_applied_change_disturbs_nobody(
    cluster: LiveCluster, note: Note
) -> None:
    before = await at(cluster, 3)
    second = free_port()
    (listener,) = cluster.file["listeners"]
    (group,) = cluster.file["targetGroups"]
    hello = {"type": "fixed-response", "statusCode": "200", "messageBody": "hello"}
    rule = {
        "priority": 10,
        "conditions": [{"field": "path-pattern", "values": ["/hello"]}],
        "actions": [hello],
    }

    async with cluster.load() as load:
        cluster.file["listeners"] = [listener | {"rules": [rule]}, listener_to(second)]
        await cluster.apply()
        await cluster.steady(3)
        assert (200, "hello") == await cluster.get("/hello")
        assert 200 == (await cluster.get(port=second))[0]

        group["healthCheckPath"] = "/healthz?again"
        group["attributes"]["deregistration_delay.timeout_seconds"] = "4"
        cluster.file["listeners"] = [listener]
        await cluster.apply()
        after = await cluster.steady(3)
        assert "hello" != (await cluster.get("/hello"))[1]
        with pytest.raises(OSError, match=r"refused|Connect"):
            await cluster.get(port=second)

    load.lost_nothing()
    note(load)
    assert before == after


async def test_a_file_with_mistakes_changes_nothing(
    cluster: LiveCluster, note: Note
) -> None:
    before = await at(cluster, 3)
    snapshot = (await cluster.state())["node"]["snapshot"]
    (service,) = cluster.file["services"]

    async with cluster.load() as load:
        try:
            cluster.release("three")
            service["desiredCount"] = -1
            cluster.write_file()
            status, told = await cluster.try_alb("apply")
        finally:
            cluster.release("two")
            service["desiredCount"] = 3
            cluster.write_file()
        after = await cluster.steady(3)

    load.lost_nothing()
    note(load)
    assert 2 == status
    assert "services[0].desiredCount: must be 0 or more" in told
    assert before == after
    assert snapshot == (await cluster.state())["node"]["snapshot"]


async def test_scaling_out_and_in_loses_nothing(
    cluster: LiveCluster, note: Note
) -> None:
    await at(cluster, 3)

    async with cluster.load() as load:
        await cluster.scale(5)
        five = await cluster.steady(5)
        await cluster.scale(1)
        one = await cluster.steady(1)

    load.lost_nothing()
    note(load)
    assert one.items() <= five.items()


async def test_control_dies_while_scaling_out(cluster: LiveCluster, note: Note) -> None:
    await at(cluster, 1)

    async with cluster.load() as load:
        await cluster.scale(6)
        await cluster.kill_control()
        await cluster.steady(6)

    load.lost_nothing()
    note(load)


async def test_control_dies_and_the_next_keeps_every_task(
    cluster: LiveCluster, note: Note
) -> None:
    before = await at(cluster, 6)

    async with cluster.load() as load:
        await cluster.kill_control()
        after = await cluster.steady(6)

    load.lost_nothing()
    note(load)
    assert before == after


async def test_a_worker_frozen_in_a_drain_does_not_hold_it_up(
    cluster: LiveCluster, note: Note
) -> None:
    before = await at(cluster, 6)
    frozen = min(cluster.children()[WORKER])

    async with cluster.load() as load:
        moment = load.moment()
        os.kill(frozen, signal.SIGSTOP)
        await cluster.scale(2)
        until_s = await ends(frozen) + NOTICE_S
        await cluster.until("another worker serves", serves_with_another(frozen))
        after = await cluster.steady(2)

    load.lost_only(KILLED_WORKER, moment, until_s)
    note(load)
    assert after.items() <= before.items()
    assert len(cluster.children()[WORKER]) == 2


async def test_the_program_is_upgraded(cluster: LiveCluster, note: Note) -> None:
    before = await at(cluster, 3)
    workers = cluster.children()[WORKER]

    async with cluster.load() as load:
        told = await cluster.alb("upgrade")
        await cluster.until(
            "the former workers are gone", serves_with_another(*workers)
        )
        after = await cluster.steady(3)

    load.lost_nothing()
    note(load)
    assert "upgraded: " in told
    assert before == after
    assert not {*workers} & {*cluster.children()[WORKER]}


async def test_control_dies_while_deploying(cluster: LiveCluster, note: Note) -> None:
    before = await at(cluster, 2)
    cluster.release("three")

    async with cluster.load() as load, cluster.watching() as watched:
        await cluster.apply()
        await cluster.kill_control()
        await cluster.until(
            "the old ones are gone",
            lambda state: before.keys().isdisjoint(
                one["taskId"] for one in live(state)
            ),
        )
        await cluster.steady(2)

    load.lost_nothing()
    note(load)
    assert "three" == await cluster.release_seen()
    assert min(watched.healthy) >= 2


async def test_a_killed_worker_takes_only_what_it_had(
    cluster: LiveCluster, note: Note
) -> None:
    before = await at(cluster, 3)
    exits = (await cluster.state())["node"]["workerExits"]
    (victim, other) = cluster.children()[WORKER]

    async with cluster.load() as load:
        moment = load.moment()
        os.kill(victim, signal.SIGKILL)
        until_s = await ends(victim) + NOTICE_S
        await cluster.until("another worker serves", serves_with_another(victim))
        after = await cluster.steady(3)

    load.lost_only(KILLED_WORKER, moment, until_s)
    note(load)
    assert before == after
    assert exits + 1 == (await cluster.state())["node"]["workerExits"]
    assert other in cluster.children()[WORKER]


async def test_the_keeper_brings_back_its_prober(
    cluster: LiveCluster, note: Note
) -> None:
    before = await at(cluster, 3)
    children = cluster.children()
    (prober,) = children[PROBER]

    async with cluster.load() as load:
        os.kill(prober, signal.SIGKILL)
        await ends(prober)
        await cluster.until(
            "another prober", lambda _: bool(cluster.children().get(PROBER))
        )
        await load.answered(100)
        after = await cluster.steady(3)

    load.lost_nothing()
    note(load)
    assert before == after
    assert children.keys() == cluster.children().keys()
    assert children[WORKER] == cluster.children()[WORKER]


async def test_down_leaves_nothing(cluster: LiveCluster) -> None:
    """The last test of the cluster: it ends it."""
    await at(cluster, 3)
    children = cluster.children()
    pids = [cluster.keeper_pid, *(pid for group in children.values() for pid in group)]
    assert {WORKER, PROBER, CONTROL} == children.keys()

    await cluster.alb("down", "--wait", "60")

    assert not [pid for pid in pids if alive(pid)]
    assert not await asyncio.to_thread(cluster.containers)
    if cluster.host.engine is not None:
        uid = f"label=alb.cluster-uid={cluster.uid}"
        assert not cluster.host.engine.docker("ps", "-a", "-q", "--filter", uid)
    left = {path.suffix for path in cluster.state_dir.path.rglob("*")}
    assert left.isdisjoint({".sock", ".pid"})
    with pytest.raises(OSError, match=r"refused|Connect"):
        await cluster.get()
