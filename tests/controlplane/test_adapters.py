"""The parts meet: what one says is what the other hears."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from alb.app.balancer import Balancer
from alb.model import (
    NO_VERSION,
    Forward,
    HealthReason,
    HealthState,
    Listener,
    LoadBalancer,
    TargetGroup,
    TargetHealth,
    TargetId,
    TargetObservation,
    WeightedGroup,
)
from alb.ports import (
    Acknowledged,
    FromWorker,
    HealthReport,
    Manifest,
    Message,
    Welcome,
    WorkerStarted,
    WorkerState,
)
from autoscaler.model import Capacity, Comparison, CompositeAlarm
from controlplane.adapters import Capacities, FrontDoor, in_alarm, view
from foundation.clock import VirtualClock
from foundation.journal import MemoryJournal
from scheduler.app.scheduler import Scheduler
from scheduler.decide.identity import target_ids
from scheduler.definition import ContainerDefinition
from scheduler.drivers.memory import MemoryHost
from scheduler.model import (
    ContainerInstance,
    Deployment,
    RuntimeKind,
    Service,
    ServiceRecord,
    ServiceStatus,
    Task,
    TaskDefinition,
)
from scheduler.told import ServiceView
from tests.support.scaling import TARGET, World, busy, out
from tests.support.tasks import NOW, task


class SilentNode:
    """A node that never says anything; what it was sent is `sent`."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        self.sent.append(message)

    async def receive(self) -> Message:
        raise ConnectionError

    def close(self) -> None:
        pass


NOTHING_THERE = Welcome(Manifest(NO_VERSION, ()), (), HealthReport({}), ())


# fmt: off
SEEN = [
    (HealthState.HEALTHY,     True,  False),
    (HealthState.UNHEALTHY,   False, True),
    (HealthState.INITIAL,     False, False),
    (HealthState.DRAINING,    False, False),
    (HealthState.UNUSED,      False, False),
    (HealthState.UNAVAILABLE, False, False),
]
# fmt: on


@pytest.mark.parametrize(("state", "healthy", "unhealthy"), SEEN)
def test_only_a_judged_target_is_healthy_or_unhealthy(
    state: HealthState,
    healthy: bool,  # noqa: FBT001
    unhealthy: bool,  # noqa: FBT001
) -> None:
    reason = "Health checks failed with these codes: [502]"
    health = TargetHealth(state, HealthReason.RESPONSE_CODE_MISMATCH, reason)
    seen = TargetObservation(
        "web",
        health,
        eligible_everywhere=False,
        removed_everywhere=True,
        in_flight=3,
        drained=False,
    )

    heard = view(seen)

    assert (healthy, unhealthy, reason) == (
        heard.healthy,
        heard.unhealthy,
        heard.reason,
    )
    assert (False, True, 3, False) == (
        heard.eligible_everywhere,
        heard.removed_everywhere,
        heard.in_flight,
        heard.drained,
    )


def test_registrations_reach_the_load_balancer_and_are_seen() -> None:
    door = FrontDoor(Balancer(SilentNode(), NOTHING_THERE, 1))

    door.register("t/web/80/web", "web", "127.0.0.1", 20000)
    assert ["t/web/80/web"] == list(door.observe())
    assert not door.observe()["t/web/80/web"].healthy

    door.deregister("t/web/80/web")
    door.deregister("t/web/80/web")
    assert ["t/web/80/web"] == list(door.observe())

    door.forget("t/web/80/web")
    door.forget("t/web/80/web")
    assert {} == door.observe()


def split(blue: int, green: int) -> LoadBalancer:
    groups = (WeightedGroup("blue", blue), WeightedGroup("green", green))
    return LoadBalancer("front", listeners=(Listener(80, Forward(groups)),))


def weights_in(balancer: LoadBalancer | None) -> list[int]:
    assert balancer is not None
    [listener] = balancer.listeners
    assert isinstance(listener.default_action, Forward)
    return [one.weight for one in listener.default_action.groups]


async def test_shares_are_kept_whatever_the_file_becomes_and_told_when_served() -> None:
    node = TellingNode()
    balancer = Balancer(node, replace(NOTHING_THERE, workers=(WORKER,)), 2)
    door = FrontDoor(balancer)
    shares = {"blue": 0.0, "green": 100.0}
    door.set_weights("80/default", shares)
    assert door.runs is None
    assert not door.observe_weights()["80/default"].served_everywhere
    door.configure(split(3, 1))
    assert [0, 4] == weights_in(door.runs)

    async def hear(message: Message) -> None:
        node.says.put_nowait(message)
        await node.says.join()

    async with asyncio.TaskGroup() as group:
        listening = group.create_task(balancer.run())
        balancer.publish_now()
        assert not door.observe_weights()["80/default"].served_everywhere
        await hear(FromWorker(0, 1, Acknowledged(balancer.statistics().version)))
        assert door.observe_weights()["80/default"].served_everywhere
        assert shares == door.observe_weights()["80/default"].weights
        balancer.register(TargetId(NAME), "blue", "10.0.0.1", 20_000)
        balancer.publish_now()
        assert door.observe_weights()["80/default"].served_everywhere, "that is older"

        door.configure(split(9, 1))
        assert [0, 10] == weights_in(door.runs)
        assert not door.observe_weights()["80/default"].served_everywhere
        listening.cancel()

    door.set_weights("80/default", {})
    assert [9, 1] == weights_in(door.runs)
    assert {} == door.observe_weights()


NAME = "t/web/8080/blue"
WORKER = WorkerState(0, 1, 100)
SERVES, SICK = TargetHealth(HealthState.HEALTHY), TargetHealth(HealthState.UNHEALTHY)


class TellingNode(SilentNode):
    """A node that says what it is told to say, and whose control may wait for that."""

    def __init__(self) -> None:
        super().__init__()
        self.says = asyncio.Queue[Message]()

    async def receive(self) -> Message:
        message = await self.says.get()
        self.says.task_done()
        return message


def adopted(balancer: Balancer, record: Task) -> Scheduler:
    """A scheduler of the next life: it has the records, and has not looked yet."""
    web = Service("web", record.task_definition, 1)
    clock = VirtualClock()
    return Scheduler(
        clock=clock,
        cluster_uid="c",
        journal=MemoryJournal(),
        balancer=FrontDoor(balancer),
        runtimes={},
        records={
            "service": {"web": ServiceRecord(web, record.deployment_id, NOW)},
            "deployment": {
                record.deployment_id: Deployment(
                    record.deployment_id, "web", record.task_definition, NOW
                )
            },
            "task": {record.id: record},
        },
        draw=lambda: 0.5,
        front_door="",
    )


async def test_what_serves_is_never_told_unhealthy_because_control_restarted() -> None:
    node = TellingNode()
    health = HealthReport({NAME: SERVES})
    welcome = replace(NOTHING_THERE, workers=(WORKER,), health=health)
    balancer = Balancer(node, welcome, 2)
    scheduler = adopted(balancer, task())

    def healthy() -> int:
        return scheduler.observe_services()["web"].healthy

    async def hear(message: Message) -> None:
        node.says.put_nowait(message)
        await node.says.join()

    assert [NAME] == list(target_ids(task()))
    assert healthy() == 1, "before anything was registered"
    balancer.hold()
    balancer.configure(LoadBalancer("front", groups=(TargetGroup("blue"),)))
    balancer.register(TargetId(NAME), "blue", "10.0.0.1", 20_000)
    assert healthy() == 1, "before anything was published"
    balancer.release()
    balancer.publish_now()
    assert healthy() == 1, "before it was acknowledged"
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(balancer.run())
        version = balancer.statistics().version
        await hear(FromWorker(0, 1, Acknowledged(version)))
        assert healthy() == 1
        await hear(WorkerStarted(WorkerState(1, 2, 101)))
        assert healthy() == 0, "from now on what workers say counts, as ever"
        listening.cancel()


async def test_a_target_that_fell_ill_or_drains_is_not_inherited() -> None:
    welcome = replace(NOTHING_THERE, health=HealthReport({NAME: SICK}))
    assert {} == FrontDoor(Balancer(SilentNode(), welcome, 2)).inherited()

    welcome = replace(NOTHING_THERE, health=HealthReport({NAME: SERVES}))
    door = FrontDoor(Balancer(SilentNode(), welcome, 2))
    door.register(NAME, "blue", "10.0.0.1", 20_000)
    door.deregister(NAME)
    assert {} == door.inherited()


async def test_the_autoscaler_sets_what_the_scheduler_keeps() -> None:
    clock = VirtualClock()
    scheduler = Scheduler(
        clock=clock,
        cluster_uid="c",
        journal=MemoryJournal(),
        balancer=FrontDoor(Balancer(SilentNode(), NOTHING_THERE, 1)),
        runtimes={"a": MemoryHost("a", clock)},
        records={},
        draw=lambda: 0.5,
        front_door="",
    )
    web = TaskDefinition("web", (ContainerDefinition("web", command=("x",)),))
    host = ContainerInstance("a", RuntimeKind.PROCESS)
    await scheduler.configure([host], [Service("web", web, 2)])
    capacities = Capacities(scheduler)
    before = capacities.observe()["web"]

    async def set_to(desired: int, if_version: int, activity: str) -> bool:
        return await capacities.set_desired("web", desired, if_version, activity, "r")

    assert await set_to(5, before.version, "a1")
    assert await set_to(5, before.version, "a1"), "once per activity"
    assert not await set_to(7, before.version, "a2"), "the version has moved on"
    after: Mapping[str, Capacity] = capacities.observe()
    assert 5 == after["web"].desired

    await scheduler.configure([host], [])
    assert {} == capacities.observe(), "a service that drains is not scaled"


async def test_what_a_takeover_has_besides_does_not_count_as_capacity() -> None:
    """Blue and green are whole and healthy: the service has what it wants, once."""
    both = ServiceView(
        service=Service("web", TaskDefinition("web", ()), 4),
        status=ServiceStatus.ACTIVE,
        desired=4,
        running=8,
        pending=0,
        healthy=8,
        deploying=True,
        reached=False,
        fulfilled=True,
        serving=4,
        version=1,
        deployments=(),
        history=(),
        events=(),
    )
    told = cast("Scheduler", SimpleNamespace(observe_services=lambda: {"web": both}))
    found = Capacities(told).observe()["web"]
    assert (4, True, True) == (found.healthy, found.reached, found.deploying)


async def test_a_deployment_may_watch_alarms_of_every_kind() -> None:
    """Of a policy, at top level, and composite: those in ALARM are told by name."""
    world = World(replace(TARGET, policies=(out(),)))
    calm = replace(out().alarm, name="calm", comparison=Comparison.LESS)
    hot = replace(out().alarm, name="hot")
    world.alarms = (calm, hot)
    world.composites = (CompositeAlarm("both", "ALARM(hot) AND ALARM(web-out)"),)
    world.start()

    await world.pass_s(12, busy)

    assert in_alarm(world.autoscaler.alarms()) == {"web-out", "hot", "both"}
