"""The parts meet: what one says is what the other hears."""

from collections.abc import Mapping

import pytest

from alb.app.balancer import Balancer
from alb.model import (
    NO_VERSION,
    HealthReason,
    HealthState,
    TargetHealth,
    TargetObservation,
)
from alb.ports import HealthReport, Manifest, Message, Welcome
from autoscaler.model import Capacity
from controlplane.adapters import Capacities, FrontDoor, view
from foundation.clock import VirtualClock
from foundation.journal import MemoryJournal
from scheduler.app.scheduler import Scheduler
from scheduler.drivers.memory import MemoryHost
from scheduler.model import (
    ContainerDefinition,
    ContainerInstance,
    RuntimeKind,
    Service,
    TaskDefinition,
)


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
