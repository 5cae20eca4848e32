"""What control says to a node, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from alb.app.balancer import Balancer, DecidesNoMore
from alb.drivers.link import content_of, report_of
from alb.model import (
    FixedResponse,
    HealthState,
    Listener,
    LoadBalancer,
    Rule,
    RuleBlock,
    TargetGroup,
    TargetHealth,
    TargetId,
    TargetObservation,
    Version,
)
from alb.ports import (
    Acknowledged,
    Bound,
    Drained,
    FromWorker,
    HealthChange,
    HealthReport,
    Manifest,
    Message,
    Section,
    Stop,
    Superseded,
    Telemetry,
    Welcome,
    WorkerExited,
    WorkerStarted,
    WorkerState,
)

T = TargetId("t")
CONFIG = LoadBalancer(
    "lb", listeners=(Listener(80, FixedResponse(200)),), groups=(TargetGroup("web"),)
)
HEALTHY = HealthChange({"t": TargetHealth(HealthState.HEALTHY)})
NOTHING = Manifest(Version(), ())


class Node:
    """A node's side of the link, in memory."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.says: asyncio.Queue[Message | ConnectionError] = asyncio.Queue()
        self.closed = False

    def send(self, message: Message) -> None:
        self.said.append(message)

    async def receive(self) -> Message:
        message = await self.says.get()
        if isinstance(message, ConnectionError):
            raise message
        return message

    def close(self) -> None:
        self.closed = True

    def manifests(self) -> list[Manifest]:
        return [one for one in self.said if isinstance(one, Manifest)]

    def sections(self) -> list[str]:
        return [one.digest for one in self.said if isinstance(one, Section)]


def welcome(*workers: int, epoch: int = 0) -> Welcome:
    states = tuple(WorkerState(n, 1, 10 + n, Version(epoch, 9)) for n in workers)
    return Welcome(NOTHING, states, HealthReport({}), ())


class Desk:
    """A balancer and its node; `hear` lets it take in what the node says."""

    def __init__(self, balancer: Balancer, node: Node) -> None:
        self.balancer = balancer
        self.node = node
        self.changes = 0
        balancer.on_change(self._changed)

    def _changed(self) -> None:
        self.changes += 1

    async def hear(self, *messages: Message) -> None:
        for message in messages:
            self.node.says.put_nowait(message)
        async with asyncio.timeout(5):
            while not self.node.says.empty():  # noqa: ASYNC110 - its own pace
                await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def published(self, count: int) -> Version:
        """The version of the newest manifest, once there are so many."""
        async with asyncio.timeout(5):
            while len(self.node.manifests()) < count:  # noqa: ASYNC110 - its own pace
                await asyncio.sleep(0.005)
        return self.node.manifests()[-1].version

    def saw(self) -> TargetObservation:
        return self.balancer.observe()[T]


Sit = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def sit() -> AsyncIterator[Sit]:
    """Start balancers, with the given workers, that end with the test."""
    async with asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[None]] = []

        async def start(*workers: int, epoch: int = 1, held: object = None) -> Desk:
            node = Node()
            balancer = Balancer(node, welcome(*workers), epoch)
            if held:
                balancer.hold()
            balancer.configure(CONFIG)
            running.append(tasks.create_task(balancer.run()))
            return Desk(balancer, node)

        yield start
        for one in running:
            one.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await one


def acked(slot: int, version: Version) -> FromWorker:
    return FromWorker(slot, 1, Acknowledged(version))


async def test_what_changed_is_sent_once_and_named_each_time(sit: Sit) -> None:
    desk = await sit(0)
    await desk.published(1)
    desk.balancer.register(T, "web", "h", 1)
    version = await desk.published(2)

    first, second = desk.node.manifests()
    sent = desk.node.sections()
    assert version == Version(1, 2)
    assert first.digests[0] == second.digests[0], "the listener is the same"
    assert len(sent) == len(set(sent)) == 3, "and is not sent again"
    assert set(second.digests) <= set(sent)


async def test_one_rule_of_a_thousand_is_sent_without_the_others(sit: Sit) -> None:
    rules = tuple(Rule(number, (), FixedResponse(200)) for number in range(1, 1001))
    front = Listener(80, FixedResponse(200), rules)
    desk = await sit()
    desk.balancer.configure(LoadBalancer("lb", listeners=(front,)))
    await desk.published(1)
    before = len(desk.node.sections())

    changed = (*rules[:500], Rule(501, (), FixedResponse(503)), *rules[501:])
    front = replace(front, rules=changed)
    desk.balancer.configure(LoadBalancer("lb", listeners=(front,)))
    await desk.published(2)

    (sent,) = [one for one in desk.node.said if isinstance(one, Section)][before:]
    content = content_of(sent)
    assert isinstance(content, RuleBlock)
    assert len(content.rules) < 100


async def test_changes_in_a_burst_are_one_version(sit: Sit) -> None:
    desk = await sit(0)
    for number in range(500):
        desk.balancer.register(TargetId(f"t{number}"), "web", "h", number)
    await desk.published(1)
    await asyncio.sleep(0.12)
    assert len(desk.node.manifests()) == 1


async def test_a_target_is_eligible_once_healthy_and_known_to_all(sit: Sit) -> None:
    desk = await sit(0, 1)
    desk.balancer.register(T, "web", "h", 1)
    version = await desk.published(1)
    await desk.hear(HEALTHY, acked(0, version))
    assert not desk.saw().eligible_everywhere
    await desk.hear(acked(1, version))
    assert desk.saw().eligible_everywhere
    await desk.hear(HealthChange({}, ("t",)))
    assert not desk.saw().eligible_everywhere
    assert desk.changes == 4


async def test_a_target_is_drained_once_all_say_so_after_its_removal(sit: Sit) -> None:
    desk = await sit(0, 1)
    desk.balancer.register(T, "web", "h", 1)
    first = await desk.published(1)
    await desk.hear(acked(0, first), acked(1, first))
    desk.balancer.deregister(T)
    assert desk.saw().health.state is HealthState.DRAINING
    assert not desk.saw().removed_everywhere
    removed = await desk.published(2)

    await desk.hear(acked(0, removed), FromWorker(0, 1, Drained("t", 1)))
    assert not desk.saw().removed_everywhere
    await desk.hear(acked(1, removed))
    assert desk.saw().removed_everywhere
    assert not desk.saw().drained
    await desk.hear(FromWorker(1, 1, Drained("t", 2)))
    assert desk.saw().drained
    assert desk.saw().cut == 3


async def test_the_exit_of_a_worker_says_all_that_it_owed(sit: Sit) -> None:
    desk = await sit(0, 1)
    desk.balancer.register(T, "web", "h", 1)
    first = await desk.published(1)
    await desk.hear(acked(0, first), acked(1, first))
    desk.balancer.deregister(T)
    removed = await desk.published(2)
    await desk.hear(acked(0, removed), FromWorker(0, 1, Drained("t", 0)))

    await desk.hear(WorkerExited(1, 1, "killed by SIGKILL"))

    assert desk.saw().drained
    assert desk.balancer.statistics().worker_exits == 1


async def test_an_earlier_drain_says_nothing_about_a_later_one(sit: Sit) -> None:
    """Deregistered, registered again while it drained, deregistered again."""
    desk = await sit(0)
    desk.balancer.register(T, "web", "h", 1)
    await desk.hear(acked(0, await desk.published(1)))
    desk.balancer.deregister(T)
    await desk.hear(acked(0, await desk.published(2)))
    await desk.hear(FromWorker(0, 1, Drained("t", 0)))
    assert desk.saw().drained

    desk.balancer.register(T, "web", "h", 1)
    await desk.hear(acked(0, await desk.published(3)))
    assert not desk.saw().drained
    desk.balancer.deregister(T)
    await desk.hear(acked(0, await desk.published(4)))

    assert desk.saw().removed_everywhere
    assert not desk.saw().drained
    await desk.hear(FromWorker(0, 1, Drained("t", 0)))
    assert desk.saw().drained


async def test_one_that_holds_publishes_nothing_until_it_knows(sit: Sit) -> None:
    desk = await sit(0, held=True)
    await asyncio.sleep(0.12)
    assert desk.node.said == []
    assert "listed" in desk.balancer.ready()[1]
    desk.balancer.release()
    await desk.published(1)


async def test_it_is_ready_once_all_serve_and_says_what_is_missing(sit: Sit) -> None:
    desk = await sit()
    assert "not published" in desk.balancer.ready()[1]
    version = await desk.published(1)
    assert "no worker" in desk.balancer.ready()[1]
    await desk.hear(WorkerStarted(WorkerState(0, 1, 5)))
    assert "not every worker" in desk.balancer.ready()[1]
    await desk.hear(acked(0, version), Bound("::1", 80, "in use"))
    assert desk.balancer.ready() == (False, "::1:80: in use")
    await desk.hear(Bound("::1", 80))
    assert desk.balancer.ready() == (True, "")
    assert desk.balancer.bound() == (Bound("::1", 80),)


async def test_addresses_of_listeners_that_are_gone_are_no_problem(sit: Sit) -> None:
    desk = await sit(0)
    await desk.published(1)
    await desk.hear(Bound("127.0.0.1", 80, "in use"))
    desk.balancer.configure(LoadBalancer("lb"))
    await desk.published(2)
    assert desk.balancer.bound() == ()


async def test_telemetry_is_taken_without_waking_anybody(sit: Sit) -> None:
    desk = await sit(0)
    desk.balancer.register(T, "web", "h", 1)
    report = Telemetry({}, {}, {}, {"t": 3}, 4)
    await desk.hear(FromWorker(0, 1, report_of(report)), NOTHING)
    assert desk.changes == 0
    assert desk.saw().in_flight == 3
    assert desk.balancer.statistics().totals.connections == 4


async def test_a_forgotten_target_is_not_observed_any_more(sit: Sit) -> None:
    desk = await sit(0)
    desk.balancer.register(T, "web", "h", 1)
    await desk.published(1)
    desk.balancer.forget(T)
    await desk.published(2)
    assert T not in desk.balancer.observe()


@pytest.mark.parametrize(
    ("last", "raised"),
    [(Superseded(9), DecidesNoMore), (ConnectionError("gone"), ConnectionError)],
    ids=["another control decides", "the node is lost"],
)
async def test_it_ends_with_its_node(
    last: Message | ConnectionError, raised: type[Exception]
) -> None:
    node = Node()
    balancer = Balancer(node, welcome(0), 1)
    node.says.put_nowait(last)
    with pytest.raises(ExceptionGroup) as ended:
        await balancer.run()
    assert ended.value.subgroup(raised) is not None
    assert node.closed


def test_stopping_is_said_to_the_node() -> None:
    node = Node()
    Balancer.stop_node(Balancer(node, welcome(), 1), 2.5)
    assert node.said == [Stop(2.5)]
