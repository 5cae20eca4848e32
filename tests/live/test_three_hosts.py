"""Three engines, each a host and a zone, under load: drained, frozen, cut off, back.

Excused are only requests that were on their way to a host when it was cut off, or
were sent there until that was noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.support.engines import Engine, run
from tests.support.evidence import KILLED_TASK, Note
from tests.support.examples import examples
from tests.support.live import (
    Document,
    Host,
    LiveCluster,
    live,
    live_cluster,
)

pytestmark = [pytest.mark.needs("engines"), pytest.mark.timeout(300)]

NOTICE_S: Final = {"refused": 3.0, "silent": 4.0}
"""How long a request may still be sent to a host that is cut off: where nothing answers
up to a second until the next check, two checks of a second each, and a busy machine."""
TWICE_S: Final = 10.0
"""How long what was replaced may run once its host is back."""
LOST_AFTER_S: Final = 15
HELD_S: Final = 14.0
"""An engine is asked for ten seconds until it is known that it does not answer."""
UNREACHED: Final = KILLED_TASK | {"timeout", "status 504"}
TASKS: Final = 6
Tell = Callable[[str, object], None]
ALL_ZONES: Final = {"a": 2, "b": 2, "c": 2}
SLEEP: Final = ["python", "-c", "import time; time.sleep(600)"]


@pytest.fixture(scope="module")
def cluster(
    three_engines: list[Engine], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveCluster]:
    first, *others = three_engines
    host = Host(tmp_path_factory.mktemp("live"), first, others=tuple(others))
    with live_cluster(host, desired=TASKS) as running:
        running.file["hostLostAfterSeconds"] = LOST_AFTER_S
        asyncio.run(running.apply())
        yield running


def zones(state: Document) -> Counter[str]:
    return Counter(task["containerInstance"] for task in live(state))


async def even(cluster: LiveCluster) -> dict[str, str]:
    """Wait until two tasks serve in each zone; return {task id: its container}."""
    await cluster.until("two in each", lambda state: zones(state) == ALL_ZONES, 90)
    await cluster.steady(TASKS, within_s=90)
    state = await cluster.state()
    return {one["taskId"]: one["containerInstance"] for one in live(state)}


def instance(state: Document, name: str) -> Document:
    (found,) = (one for one in state["containerInstances"] if one["name"] == name)
    return dict(found)


async def test_tasks_are_spread_over_the_zones(cluster: LiveCluster) -> None:
    placed = await even(cluster)
    assert ALL_ZONES == Counter(placed.values())
    told = await cluster.alb("instances")
    assert [["a", "a", "ACTIVE", "yes", "2"], ["b", "b", "ACTIVE", "yes", "2"]] == [
        line.split()[:5] for line in told.splitlines()[1:3]
    ]


async def test_a_host_is_drained_and_takes_tasks_again(
    cluster: LiveCluster, note: Note
) -> None:
    before = await even(cluster)

    async with cluster.load() as load, cluster.watching() as watched:
        told = await cluster.alb("drain", "b", "--wait")
        drained = await cluster.state()
        await cluster.kill_control()
        await cluster.scale(TASKS + 3)
        more = await cluster.until(
            "three more", lambda state: service(state)["healthyCount"] == TASKS + 3
        )
        await cluster.scale(TASKS)
        await cluster.steady(TASKS)
        await cluster.alb("activate", "b")
        after = await even(cluster)

    load.lost_nothing()
    note(load)
    assert told.endswith("0 tasks are left\n")
    assert "DRAINING" == instance(drained, "b")["status"]
    assert zones(drained).keys() == zones(more).keys() == {"a", "c"}
    assert min(watched.healthy) >= TASKS
    assert before.keys() & after.keys(), "those of other hosts were left alone"


def service(state: Document) -> Document:
    (found,) = state["services"]
    return dict(found)


async def test_a_frozen_engine_keeps_its_tasks_then_they_are_replaced(
    cluster: LiveCluster, note: Note, tell: Tell
) -> None:
    before = await even(cluster)
    engine = cluster.host.engines[1]

    async with cluster.load() as load, cluster.watching() as watched:
        with frozen(engine):
            await cluster.until(
                "it is noticed", lambda state: not instance(state, "b")["connected"]
            )
            noticed_s = time.monotonic()
            await asyncio.sleep(LOST_AFTER_S / 2)
            held = await cluster.state()
            await cluster.until("it is lost", is_lost)
            silent_s = time.monotonic() - noticed_s
            await cluster.until("all serve elsewhere", all_elsewhere, 60)
        back_s = time.monotonic()
        await nothing_twice(cluster, engine, before)
        twice_s = time.monotonic() - back_s
        after = await even(cluster)

    load.lost_nothing()
    note(load)
    assert before.keys() == {one["taskId"] for one in live(held)}, "nothing is replaced"
    tell("runs twice s", round(twice_s, 1))
    assert silent_s >= LOST_AFTER_S - 1
    assert twice_s <= TWICE_S
    assert min(watched.healthy) >= TASKS
    assert before.keys() & after.keys()


@contextlib.contextmanager
def frozen(engine: Engine) -> Iterator[None]:
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(engine.pid, signal.SIGCONT)


def is_lost(state: Document) -> bool:
    return bool(instance(state, "b")["lostAt"])


def all_elsewhere(state: Document) -> bool:
    serving = [one for one in state["tasks"] if one["lastStatus"] == "RUNNING"]
    return (
        len(serving) == TASKS == service(state)["healthyCount"]
        and "b" not in zones({"tasks": serving})
        and service(state)["steady"]
    )


async def nothing_twice(
    cluster: LiveCluster, engine: Engine, before: dict[str, str]
) -> None:
    """Wait until nothing of before runs on a host that is back."""
    mine = {task for task, host in before.items() if host == "b"}

    def there() -> set[str]:
        return {task for task, _ in cluster.containers_on(engine)}

    async with asyncio.timeout(3 * TWICE_S):
        while mine & await asyncio.to_thread(there):  # noqa: ASYNC110 - an engine tells
            await asyncio.sleep(0.1)


Commands = tuple[tuple[str, ...], tuple[str, ...]]


def cuts(engine: Engine, how: str) -> Commands:
    """Return what cuts the host off, and what undoes it."""
    if how == "refused":
        link = ("ip", "link", "set", f"alb-{engine.address.split('.')[2]}")
        return (*link, "down"), (*link, "up")
    drop = ("PREROUTING", "--table", "raw", "--jump", "DROP")
    table = (*engine.enter, "iptables")
    return (*table, "--insert", *drop), (*table, "--delete", *drop)


@contextlib.contextmanager
def cut_off(engine: Engine, how: str) -> Iterator[None]:
    cut, mend = cuts(engine, how)
    run(*cut)
    try:
        yield
    finally:
        run(*mend)


@pytest.mark.parametrize(
    "how", ["refused", "silent"], ids=["no route leads there", "all is dropped there"]
)
async def test_a_host_that_is_cut_off_is_replaced_and_when_it_is_back_runs_nothing_twice(
    cluster: LiveCluster, note: Note, tell: Tell, how: str
) -> None:
    before = await even(cluster)
    engine = cluster.host.engines[1]

    async with cluster.load() as load:
        moment = load.moment()
        with cut_off(engine, how):
            cut_s = time.monotonic()
            await cluster.until("it is lost", is_lost)
            lost_s = time.monotonic() - cut_s
            await cluster.until("all serve elsewhere", all_elsewhere, 60)
        back_s = time.monotonic()
        await nothing_twice(cluster, engine, before)
        twice_s = time.monotonic() - back_s
        await even(cluster)

    load.lost_only(UNREACHED, moment, cut_s + NOTICE_S[how])
    note(load)
    tell("lost after s", round(lost_s, 1))
    tell("runs twice s", round(twice_s, 1))
    last = max((one.intended_s for one in load.evidence.every_failure), default=cut_s)
    tell("noticed after s", round(last - cut_s, 2))
    assert lost_s < LOST_AFTER_S + HELD_S, "not only by the time that has passed"
    assert twice_s <= TWICE_S
    events = await cluster.alb("events")
    for line in ("(container-instance b) is lost", "has given up", "instance is back"):
        assert line in events, events


async def test_control_may_die_at_any_time_while_hosts_drain_and_come_back(
    cluster: LiveCluster, note: Note, tell: Tell
) -> None:
    seed = secrets.randbits(32)
    tell("seed", seed)
    chance = random.Random(seed)  # noqa: S311 - it repeats
    await even(cluster)

    async def kill() -> None:
        for _ in range(examples(20)):
            await asyncio.sleep(chance.uniform(0.2, 4))
            await cluster.kill_control()

    async with cluster.load() as load:
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(kill())
            while not killing.done():
                name = chance.choice("abc")
                command = chance.choice((("drain", name), ("deploy", "web")))
                await cluster.try_alb(*command)
                await asyncio.sleep(chance.uniform(0.5, 3))
                await cluster.try_alb("activate", name)
        await cluster.alb("activate", "a", "b", "c")
        await even(cluster)

    load.lost_nothing()
    note(load)


async def test_a_daemon_runs_once_on_each_host_that_takes_tasks(
    cluster: LiveCluster,
) -> None:
    """The last test of the cluster: its file has another service then."""
    await even(cluster)
    (web,) = cluster.file["taskDefinitions"]
    [container] = web["containerDefinitions"]
    agent = container | {"name": "agent", "portMappings": [], "command": SLEEP}
    cluster.file["taskDefinitions"].append(
        {"family": "agent", "containerDefinitions": [agent]}
    )
    cluster.file["services"].append(
        {
            "serviceName": "agent",
            "taskDefinition": "agent",
            "schedulingStrategy": "DAEMON",
        }
    )
    await cluster.apply()

    await cluster.until("one on each", lambda state: agents(state) == ["a", "b", "c"])
    await cluster.alb("drain", "b")
    await cluster.until("none on b", lambda state: agents(state) == ["a", "c"], 60)
    await cluster.alb("activate", "b")
    await cluster.until("again", lambda state: agents(state) == ["a", "b", "c"], 60)


def agents(state: Document) -> list[str]:
    return sorted(
        one["containerInstance"]
        for one in live(state)
        if one["service"] == "agent" and one["lastStatus"] == "RUNNING"
    )
