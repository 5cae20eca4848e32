"""No host can make the scheduler wait: every call to one has a deadline."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest

from scheduler.app.watch import Watch
from scheduler.app.workers import Workers
from scheduler.decide.actions import Start, Stop
from scheduler.decide.specs import Surroundings, container_specs
from scheduler.drivers.memory import Fault, MemoryHost
from scheduler.errors import HostNotReached, OutcomeUnknown
from scheduler.model import (
    ContainerName,
    ContainerStatus,
    InstanceStatus,
    RuntimeKind,
)
from scheduler.ports import CpuSample, StopOutcome
from tests.support.tasks import task
from tests.support.virtual import LoopClock, run

NAME = ContainerName("alb-c1-t-web")
START = Start("t", "a", container_specs(task(), RuntimeKind.DOCKER, Surroundings("c1")))
STOP = Stop("t", "a", (((NAME, 5.0),),))


class FrozenHost(MemoryHost):
    """Accepts every call and answers none."""

    async def status(self) -> InstanceStatus:
        await asyncio.Event().wait()
        raise AssertionError

    async def stop(self, name: ContainerName, timeout_s: float) -> StopOutcome:
        await asyncio.Event().wait()
        raise AssertionError

    async def cpu(self) -> Mapping[ContainerName, CpuSample]:
        await asyncio.Event().wait()
        raise AssertionError

    async def changes(self) -> AsyncIterator[ContainerStatus]:
        raise HostNotReached(self.name, "events", "refused")
        yield


Then = Callable[[Workers, asyncio.TaskGroup], Awaitable[None]]


def with_workers(host: MemoryHost, then: Then, adopted: tuple[str, ...] = ()) -> None:
    async def scenario() -> None:
        workers = Workers(LoopClock(), {"a": host}, lambda _: None, adopted)
        async with asyncio.TaskGroup() as group:
            await then(workers, group)

    run(scenario())


def test_a_start_that_never_answers_ends_as_unknown() -> None:
    host = MemoryHost("a", LoopClock())
    host.faults.append(Fault.HANG)

    async def then(workers: Workers, group: asyncio.TaskGroup) -> None:
        workers.begin(group, START)
        await asyncio.sleep(601)
        outcome = workers.outcomes["t"]
        assert isinstance(outcome.error, OutcomeUnknown)
        assert not outcome.nothing_sent
        assert not workers.busy

    with_workers(host, then)


def test_a_stop_that_never_answers_ends_thirty_seconds_after_its_timeout() -> None:
    async def then(workers: Workers, group: asyncio.TaskGroup) -> None:
        workers.begin(group, STOP)
        await asyncio.sleep(34)
        assert {"t"} == workers.busy
        await asyncio.sleep(2)
        assert isinstance(workers.outcomes["t"].error, OutcomeUnknown)

    with_workers(FrozenHost("a", LoopClock()), then)


def test_one_action_of_a_task_at_a_time_and_none_where_no_runtime_is() -> None:
    host = MemoryHost("a", LoopClock())

    async def then(workers: Workers, group: asyncio.TaskGroup) -> None:
        workers.begin(group, START)
        workers.begin(group, STOP)
        workers.begin(group, Stop("u", "nowhere", ()))
        await asyncio.sleep(1)
        assert ["start"] == [what for _, what, _ in host.log]
        assert workers.outcomes["t"].action is START
        assert workers.settled_at_s["t"] == pytest.approx(0.5)

    with_workers(host, then)


@pytest.mark.parametrize(
    ("faults", "adopted", "nothing_sent"),
    [
        ([Fault.NOT_REACHED], (), True),
        ([Fault.NOT_REACHED, Fault.NOT_REACHED], (), True),
        ([Fault.LOST_BEFORE, Fault.NOT_REACHED], (), False),
        ([Fault.NOT_REACHED], ("t",), False),
    ],
    ids=["first try", "every try", "an earlier try was sent", "an earlier life"],
)
def test_nothing_sent_is_claimed_only_when_it_is_certain(
    faults: list[Fault],
    adopted: tuple[str, ...],
    nothing_sent: bool,  # noqa: FBT001
) -> None:
    host = MemoryHost("a", LoopClock())
    host.faults.extend(faults)

    async def then(workers: Workers, group: asyncio.TaskGroup) -> None:
        for _ in faults:
            workers.begin(group, START)
            await asyncio.sleep(1)
        assert nothing_sent is workers.outcomes["t"].nothing_sent

    with_workers(host, then, adopted)


def test_what_does_not_matter_any_more_is_forgotten() -> None:
    async def then(workers: Workers, group: asyncio.TaskGroup) -> None:
        workers.begin(group, START)
        await asyncio.sleep(1)
        workers.keep({"t"})
        assert workers.outcomes
        workers.keep(set())
        assert not workers.outcomes
        assert not workers.settled_at_s

    with_workers(MemoryHost("a", LoopClock()), then)


async def watched(host: MemoryHost, seconds: float) -> Watch:
    watch = Watch("a", host, LoopClock(), lambda: None)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watch.run())
        await asyncio.sleep(seconds)
        running.cancel()
    return watch


def test_a_frozen_host_is_not_connected_after_ten_seconds() -> None:
    watch = run(watched(FrozenHost("a", LoopClock()), 11.0))
    assert watch.status is not None
    assert not watch.status.connected
    assert watch.status.detail == "no answer within 10 s"


def test_a_host_that_is_away_keeps_what_was_last_seen_of_it() -> None:
    async def scenario() -> None:
        host = MemoryHost("a", LoopClock())
        watch = Watch("a", host, LoopClock(), lambda: None)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(watch.run())
            await asyncio.sleep(1)
            host.reachable = False
            await asyncio.sleep(3)
            running.cancel()
        assert watch.status is not None
        assert (False, 4096) == (watch.status.connected, watch.status.cpu)

    run(scenario())


def test_a_change_on_the_host_is_seen_at_once() -> None:
    async def scenario() -> None:
        host = MemoryHost("a", LoopClock())
        seen: list[float] = []
        watch = Watch("a", host, LoopClock(), lambda: seen.append(LoopClock().now_s()))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(watch.run())
            await asyncio.sleep(0.1)
            await host.start(START.specs[0])
            await asyncio.sleep(0.1)
            running.cancel()
        assert watch.status is not None
        assert len(watch.status.containers) == 1
        assert seen[-1] < 1.0

    run(scenario())


def test_what_was_begun_on_a_host_that_is_lost_is_given_up_at_once() -> None:
    async def then(workers: Workers, group: asyncio.TaskGroup) -> None:
        workers.begin(group, STOP)
        await asyncio.sleep(1)
        workers.give_up({"b"})
        await asyncio.sleep(1)
        assert {"t"} == workers.busy, "it is another host's"
        workers.give_up({"a"})
        workers.give_up({"a"})
        await asyncio.sleep(0.1)
        assert not workers.busy
        outcome = workers.outcomes["t"]
        assert isinstance(outcome.error, OutcomeUnknown)
        assert "its host was lost" in str(outcome.error)

    with_workers(FrozenHost("a", LoopClock()), then)


def test_since_when_a_host_is_silent_is_told_until_it_answers() -> None:
    async def scenario() -> None:
        host, clock = MemoryHost("a", LoopClock()), LoopClock()
        watch = Watch("a", host, clock, lambda: None)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(watch.run())
            await asyncio.sleep(1)
            host.reachable = False
            await asyncio.sleep(3)
            assert watch.status is not None
            first = watch.status.silent_since_unix_s
            await asyncio.sleep(5)
            assert first == watch.status.silent_since_unix_s
            assert first == pytest.approx(clock.unix_s() - 7, abs=1.1)
            host.reachable = True
            await asyncio.sleep(3)
            assert watch.status.silent_since_unix_s is None
            running.cancel()

    run(scenario())
