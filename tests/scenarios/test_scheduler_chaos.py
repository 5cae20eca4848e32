"""Everything at once, in random order: what must hold, holds; then all is well.

A seed is a story that repeats exactly. The cluster checks the promises at every
commit; in the end the world is healed and the service reaches its steady state.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from scheduler.app.scheduler import Scheduler
from scheduler.configuration import (
    Canary,
    CircuitBreaker,
    DeploymentAlarms,
    DeploymentConfiguration,
    Linear,
    Strategy,
)
from scheduler.drivers.memory import Fault
from scheduler.errors import NothingToRollBackTo
from scheduler.instance import ContainerInstanceStatus
from scheduler.model import Service
from tests.support.cluster import (
    PRODUCTION,
    Cluster,
    Crashed,
    Shape,
    shaped,
    shop,
    web,
)
from tests.support.examples import some
from tests.support.virtual import run

STORIES = 25
CHAPTERS = 25
BAKE_S = 6.0
LOST_AFTER_S = 4.0
ACTIVE, DRAINING = ContainerInstanceStatus.ACTIVE, ContainerInstanceStatus.DRAINING
FAULTS = [fault for fault in Fault if fault is not Fault.HANG]


class Story:
    """Does one random thing after the other to a cluster."""

    def __init__(self, seed: int, shape: Shape) -> None:
        self.shape = shape
        self.chance = random.Random(seed)  # noqa: S311 - a story repeats
        self.cluster = Cluster(hosts=3)
        self.cluster.lost_after_s = LOST_AFTER_S
        for instance in range(len(self.cluster.instances)):
            self.cluster.instances[instance] = replace(
                self.cluster.instances[instance], dynamic_port_range=(20_000, 20_199)
            )
        self.image = 1
        self.cluster.services = [shaped(web(), shape)]

    async def tell(self) -> None:
        chapters = CHAPTERS
        while chapters:
            self.cluster.restart()
            try:
                async with self.cluster.running() as scheduler:
                    while chapters:
                        chapters -= 1
                        await self.do_something(scheduler)
                        await asyncio.sleep(self.chance.expovariate(0.5))
            except* Crashed:
                pass
        await self.heal()

    async def do_something(self, scheduler: Scheduler) -> None:
        things: list[Callable[[], object]] = [
            self.kill_a_container,
            self.lose_or_find_a_host,
            self.cut_off_or_bring_back_a_host,
            self.drain_or_activate_a_host,
            self.break_the_next_starts,
            self.make_a_target_sick,
            self.silence_or_wake_the_load_balancer,
            self.crash_control_soon,
        ]
        chosen = self.chance.randrange(len(things) + 2)
        if chosen < len(things):
            done = things[chosen]()
            if inspect.isawaitable(done):
                await done
        elif chosen == len(things):
            desired = self.chance.randrange(6)
            await scheduler.set_desired("web", desired, None, "", "a whim")
            self.cluster.services = [
                replace(self.cluster.services[0], desired_count=desired)
            ]
        else:
            self.image += 1
            desired = self.cluster.services[0].desired_count
            self.cluster.services = [shaped(self.service(desired), self.shape)]
            await self.cluster.configure()

    def kill_a_container(self) -> None:
        for host in self.cluster.hosts.values():
            if names := host.running():
                host.die(self.chance.choice(names))
                return

    def lose_or_find_a_host(self) -> None:
        host = self.chance.choice(list(self.cluster.hosts.values()))
        host.reachable = not host.reachable

    def cut_off_or_bring_back_a_host(self) -> None:
        name = self.chance.choice(list(self.cluster.hosts))
        if self.cluster.hosts[name].reachable:
            self.cluster.cut_off(name)
        else:
            self.cluster.bring_back(name)

    async def drain_or_activate_a_host(self) -> None:
        number = self.chance.randrange(len(self.cluster.instances))
        one = self.cluster.instances[number]
        status = {ACTIVE: DRAINING, DRAINING: ACTIVE}[one.status]
        self.cluster.instances[number] = replace(one, status=status)
        await self.cluster.scheduler.update_instances_state([one.name], status)

    def break_the_next_starts(self) -> None:
        host = self.chance.choice(list(self.cluster.hosts.values()))
        host.faults.extend(self.chance.choices(FAULTS, k=3))

    def make_a_target_sick(self) -> None:
        targets = [(t.host, t.port) for t in self.cluster.balancer.targets.values()]
        sick = self.chance.choice(targets) if targets else None
        self.cluster.sick = lambda host, port: (host, port) == sick

    def silence_or_wake_the_load_balancer(self) -> None:
        self.cluster.balancer.silent = not self.cluster.balancer.silent

    def crash_control_soon(self) -> None:
        half = self.chance.randrange(1, 8) / 2
        self.cluster.journal.crash_at = self.cluster.journal.commits + half

    def mend(self) -> None:
        for name, host in self.cluster.hosts.items():
            self.cluster.bring_back(name)
            host.faults.clear()
            host.missing.clear()
        self.cluster.balancer.silent = False
        self.cluster.sick = lambda _host, _port: False
        self.cluster.in_alarm.clear()
        self.cluster.instances = [
            replace(one, status=ACTIVE) for one in self.cluster.instances
        ]
        self.cluster.restart()

    async def heal(self) -> None:
        self.mend()
        desired = self.cluster.services[0].desired_count
        async with self.cluster.running() as scheduler:
            await self.try_again(scheduler)
            await self.cluster.until(lambda: self.cluster.steady(desired), 200)
            live = [task for task in scheduler.tasks() if task.is_live]
            images = {task.task_definition.containers[0].image for task in live}
            assert images <= {f"web:{self.image}"}
            assert len(self.cluster.balancer.targets) == desired
            left = sum(len(host.containers) for host in self.cluster.hosts.values())
            assert left == desired * CONTAINERS[self.shape]
            await asyncio.sleep(BAKE_S)
            commits = self.cluster.journal.commits
            await asyncio.sleep(20)
            assert commits == self.cluster.journal.commits, "an unchanged world"

    async def try_again(self, scheduler: Scheduler) -> None:
        """What a person has to do, where the scheduler gave up."""

    def service(self, desired: int) -> Service:
        return web(f"web:{self.image}", desired)


class GuardedStory(Story):
    """Deployments that may fail are rolled back, by alarms, breaker and people."""

    def service(self, desired: int) -> Service:
        breaker = CircuitBreaker(enable=True, rollback=self.chance.random() < 0.7)
        alarms = DeploymentAlarms(("errors",), enable=True, rollback=True)
        config = DeploymentConfiguration(
            circuit_breaker=breaker, alarms=alarms, bake_time_in_minutes=BAKE_S / 60
        )
        return replace(super().service(desired), deployment=config)

    async def do_something(self, scheduler: Scheduler) -> None:
        match self.chance.randrange(6):
            case 0:
                for host in self.cluster.hosts.values():
                    host.missing.symmetric_difference_update({f"web:{self.image + 1}"})
            case 1:
                self.cluster.in_alarm.symmetric_difference_update({"errors"})
            case 2:
                with suppress(NothingToRollBackTo, KeyError):
                    await scheduler.roll_back("web")
            case _:
                await super().do_something(scheduler)

    async def try_again(self, scheduler: Scheduler) -> None:
        await scheduler.force_deployment("web")
        await self.cluster.until(lambda: not self.cluster.view().reached, 10)


class TakeoverStory(GuardedStory):
    """The same, and each deployment takes over in another way."""

    def __init__(self, seed: int, shape: Shape) -> None:
        super().__init__(seed, shape)
        self.cluster.services = [self.service(2)]

    def service(self, desired: int) -> Service:
        config = replace(
            super().service(desired).deployment,
            strategy=self.chance.choice(list(Strategy)),
            linear=Linear(30.0, BAKE_S / 60),
            canary=Canary(10.0, BAKE_S / 60),
        )
        return shop(f"web:{self.image}", desired, config)

    async def try_again(self, scheduler: Scheduler) -> None:
        await super().try_again(scheduler)
        await self.cluster.until(lambda: not self.cluster.view().deploying, 400)

    async def heal(self) -> None:
        await super().heal()
        weights, _ = self.cluster.balancer.weights[PRODUCTION]
        targets = self.cluster.balancer.targets.values()
        assert {group for group, percent in weights.items() if percent} >= {
            target.group for target in targets
        }


@pytest.mark.parametrize("seed", some(range(STORIES)))
def test_whoever_takes_over_from_whom_it_ends_well(seed: int) -> None:
    run(TakeoverStory(2000 + seed, Shape.PLAIN).tell())


@pytest.mark.parametrize("seed", some(range(STORIES)))
def test_whatever_happens_to_deployments_they_can_be_brought_to_an_end(
    seed: int,
) -> None:
    run(GuardedStory(1000 + seed, Shape.PLAIN).tell())


CONTAINERS = {Shape.PLAIN: 1, Shape.SEVERAL: 3, Shape.NETWORK: 2}


@pytest.mark.parametrize("shape", Shape, ids=[shape.name for shape in Shape])
@pytest.mark.parametrize("seed", some(range(STORIES)))
def test_whatever_happens_the_promises_hold_and_it_ends_well(
    seed: int, shape: Shape
) -> None:
    run(Story(seed, shape).tell())
