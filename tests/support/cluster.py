"""A whole cluster in memory and in virtual time, for the scheduler's scenarios.

    cluster = Cluster(hosts=2)
    async with cluster.running():
        await cluster.until(lambda: cluster.steady(1), within_s=30)

What must hold at every moment is checked at every commit: nothing has to be
asserted by the scenario for that.
"""

from __future__ import annotations

import asyncio
import enum
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from foundation.journal import Change, MemoryJournal
from scheduler.app.scheduler import Scheduler
from scheduler.configuration import (
    AdvancedConfiguration,
    DeploymentConfiguration,
    Strategy,
)
from scheduler.decide.identity import target_ids
from scheduler.decide.rollout import limits
from scheduler.decide.takeover import groups_of, is_under_way
from scheduler.definition import (
    Condition,
    ContainerDefinition,
    Dependency,
    NetworkMode,
    PortMapping,
    RestartPolicy,
)
from scheduler.drivers.memory import MemoryHost, MemoryLoadBalancer
from scheduler.drivers.memory_hooks import MemoryHooks
from scheduler.instance import LOST_AFTER_S
from scheduler.model import (
    ZONE_ATTRIBUTE,
    ContainerInstance,
    ContainerName,
    Deployment,
    RuntimeKind,
    Service,
    ServiceLoadBalancer,
    ServiceRecord,
    ServiceStatus,
    StopCode,
    Task,
    TaskDefinition,
    TaskStatus,
)
from scheduler.ports import ContainerSpec, Pulled, StopOutcome
from scheduler.told import ServiceView
from tests.support.virtual import LoopClock

UID = "c1"
BY_US = {StopCode.SERVICE_SCHEDULER_INITIATED, StopCode.INFRASTRUCTURE_HEALTH}
DELAY_S = 10.0


def web(
    image: str = "web:1", desired: int = 1, percents: tuple[int, int] = (100, 200)
) -> Service:
    """The service that scenarios run."""
    container = ContainerDefinition(
        name="web",
        image=image,
        cpu=256,
        memory_mib=128,
        port_mappings=(PortMapping(8080),),
        stop_timeout_s=5.0,
    )
    return Service(
        name="web",
        task_definition=TaskDefinition("web", (container,)),
        desired_count=desired,
        load_balancers=(ServiceLoadBalancer("web", "web", 8080, DELAY_S),),
        deployment=DeploymentConfiguration(*percents),
    )


PRODUCTION, TEST = "8080/10", "8081/default"


def shop(
    image: str = "web:1",
    desired: int = 3,
    config: DeploymentConfiguration = DeploymentConfiguration(  # noqa: B008 - frozen
        strategy=Strategy.BLUE_GREEN
    ),
) -> Service:
    """The same service, with two target groups to take over between."""
    pair = AdvancedConfiguration("green", PRODUCTION, TEST, DELAY_S)
    balancer = ServiceLoadBalancer("blue", "web", 8080, DELAY_S, pair)
    service = web(image, desired)
    return replace(service, load_balancers=(balancer,), deployment=config)


class Shape(enum.Enum):
    """What the tasks of the service are made of."""

    PLAIN = "one container"
    SEVERAL = "one that prepares, one beside, one that restarts"
    NETWORK = "a network of their own"


def shaped(service: Service, shape: Shape) -> Service:
    """Return the service with tasks of that shape."""
    if shape is Shape.PLAIN:
        return service
    [main] = service.task_definition.containers
    if shape is Shape.SEVERAL:
        ready = Dependency("prepare", Condition.SUCCESS)
        beside = Dependency("beside", Condition.START)
        main = replace(main, depends_on=(ready, beside))
        lone = replace(main, depends_on=(), port_mappings=())
        policy = RestartPolicy((), 5.0)
        others = (
            replace(lone, name="beside", essential=False, restart_policy=policy),
            replace(lone, name="prepare", essential=False),
        )
        definition = replace(service.task_definition, containers=(main, *others))
    else:
        definition = replace(service.task_definition, network_mode=NetworkMode.AWSVPC)
    return replace(service, task_definition=definition)


class Crashed(Exception):
    """Control died here."""


class Calls:
    """Counts what control asks of hosts and of the journal; it dies at one of them."""

    def __init__(self) -> None:
        self.count = 0
        self.crash_at: float = math.inf
        """n: just after the n-th call took effect; n - 0.5: just before it."""

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        self.count += 1
        mine = self.count
        if mine - 0.5 == self.crash_at:
            raise Crashed
        try:
            yield
        finally:
            if mine == self.crash_at:
                raise Crashed


@dataclass(slots=True)
class CrashingHost(MemoryHost):
    """A host whose caller dies before or after a call that changes something."""

    calls: Calls = field(default_factory=Calls)

    async def start(self, spec: ContainerSpec) -> Pulled:
        async with self.calls.one():
            return await MemoryHost.start(self, spec)

    async def stop(self, name: ContainerName, timeout_s: float) -> StopOutcome:
        async with self.calls.one():
            return await MemoryHost.stop(self, name, timeout_s)

    async def remove(self, name: ContainerName) -> None:
        async with self.calls.one():
            await MemoryHost.remove(self, name)


class CrashingJournal(MemoryJournal):
    """A journal whose process dies before or after its n-th commit."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self._calls = calls
        self.commits = 0
        self.crash_at: float = math.inf
        """n: just after the n-th commit; n - 0.5: just before it."""
        self.watchers: list[Callable[[], None]] = []

    async def commit(self, batch: Sequence[Change]) -> None:
        self.commits += 1
        await asyncio.sleep(0.001)
        if self.commits - 0.5 == self.crash_at:
            raise Crashed
        async with self._calls.one():
            await super().commit(batch)
        for watcher in self.watchers:
            watcher()
        if self.commits == self.crash_at:
            raise Crashed

    def tasks(self) -> list[Task]:
        return [task for task in self.of("task").values() if isinstance(task, Task)]


class Cluster:
    """Hosts a, b, …, each in a zone of its own, in front of them a load balancer."""

    def __init__(self, hosts: int = 2) -> None:
        self.clock = LoopClock()
        self.calls = Calls()
        names = "abcdefgh"[:hosts]
        self.hosts: dict[str, MemoryHost] = {
            name: CrashingHost(
                name,
                self.clock,
                address=f"10.0.0.{index}",
                ends_at_once={"prepare": 0},
                calls=self.calls,
            )
            for index, name in enumerate(names, 1)
        }
        self.balancer = MemoryLoadBalancer(self.clock, self.answers)
        self.hooks = MemoryHooks()
        self.journal = CrashingJournal(self.calls)
        self.journal.watchers.append(self.check)
        self.instances = [
            ContainerInstance(
                name,
                RuntimeKind.DOCKER,
                attributes={ZONE_ATTRIBUTE: name},
                dynamic_port_range=(20_000, 20_009),
            )
            for name in names
        ]
        self.services = [web()]
        self.lost_after_s = LOST_AFTER_S
        self.cut: set[str] = set()
        """Hosts to which no connection leads, neither ours nor a request's."""
        self.sick: Callable[[str, int], bool] = lambda _host, _port: False
        """Targets that answer their probes with an error."""
        self.scheduler = self.new_scheduler()
        self.in_alarm: set[str] = set()
        """Alarms that are in ALARM."""
        self.alarms: Callable[[], Collection[str]] = lambda: self.in_alarm
        self.closing = False
        """Everything is to stop: no task has to stay healthy."""
        self._before: dict[str, Task] = {}
        self._shares: dict[str, float] = {}
        self._released: dict[tuple[str, int], float] = {}

    def restart(self) -> None:
        """Begin control's next life: it knows the journal and nothing else."""
        self.balancer.targets.clear()
        self.balancer.weights.clear()
        self._shares = {}  # the last commit was perhaps not looked at
        self.journal.crash_at = self.calls.crash_at = math.inf
        self.scheduler = self.new_scheduler()

    def new_scheduler(self) -> Scheduler:
        chance = random.Random(self.journal.commits)  # noqa: S311 - it repeats
        return Scheduler(
            clock=self.clock,
            cluster_uid=UID,
            journal=self.journal,
            balancer=self.balancer,
            runtimes=self.hosts,
            records={kind: dict(of) for kind, of in self.journal.records.items()},
            draw=chance.random,
            front_door="http://127.0.0.1:8080",
            in_alarm=lambda: self.alarms(),  # noqa: PLW0108 - it may be another later
            hooks=self.hooks,
            version="1.2.3",
        )

    def cut_off(self, name: str) -> None:
        """Let nothing reach the host, on which everything goes on."""
        self.hosts[name].reachable = False
        self.cut.add(name)

    def bring_back(self, name: str) -> None:
        self.hosts[name].reachable = True
        self.hosts[name].thaw()
        self.cut.discard(name)

    def answers(self, address: str, port: int) -> bool:
        if self.sick(address, port):
            return False
        for host in self.hosts.values():
            if host.address == address:
                return host.name not in self.cut and host.serves(port)
            if address.startswith(f"{host.address}."):
                return host.name not in self.cut and host.serves_task(address, port)
        raise AssertionError(f"no host has {address}")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Scheduler]:
        """Run the scheduler, configured as this cluster is; stop it as SIGTERM does."""
        async with asyncio.TaskGroup() as group:
            life = group.create_task(self.scheduler.run())
            await self.configure()
            yield self.scheduler
            life.cancel()
        self.check_logs()

    async def configure(self) -> None:
        """Have the scheduler run this cluster as it is now."""
        await self.scheduler.configure(
            self.instances, self.services, lost_after_s=self.lost_after_s
        )

    def view(self, service: str = "web") -> ServiceView:
        return self.scheduler.observe_services()[service]

    def messages(self, service: str = "web") -> list[str]:
        return [event.message for event in self.view(service).events]

    def containers(self) -> list[ContainerName]:
        """Return the names of all containers that run, on all hosts."""
        return [name for host in self.hosts.values() for name in host.running()]

    def steady(self, tasks: int) -> bool:
        """Tell whether the service has that many tasks, healthy, and nothing else."""
        found = self.scheduler.observe_services().get("web")
        return (
            found is not None
            and found.reached
            and found.desired == found.healthy == tasks
            and tasks == len({name.split("-")[2] for name in self.containers()})
        )

    async def until(self, condition: Callable[[], bool], within_s: float) -> None:
        """Let virtual time pass until the condition holds."""
        for _ in range(int(within_s * 10)):
            if condition():
                return
            await asyncio.sleep(0.1)
        state = [(task.id[:6], task.status.value) for task in self.journal.tasks()]
        raise AssertionError(f"not within {within_s} s: {state}, {self.containers()}")

    # --- what holds at every commit -----------------------------------------------

    def check(self) -> None:
        before, self._before = self._before, self._live()
        record = self.journal.of("service").get("web")
        if not isinstance(record, ServiceRecord):
            return
        stays = record.status is ServiceStatus.ACTIVE and not self.closing
        desired = record.service.desired_count if stays else 0
        lower, upper = limits(desired, record.service.deployment)
        primary = self.journal.of("deployment")[record.deployment_id]
        assert isinstance(primary, Deployment)
        if not is_under_way(primary):  # else two sides have these limits
            if len(self._before) > len(before):
                assert len(self._before) <= upper, "more than maximumPercent"
            if not record.production:
                self._check_healthy(before, lower)
        self._check_production(record, before, lower)
        self._check_ports(before)

    def _live(self) -> dict[str, Task]:
        return {task.id: task for task in self.journal.tasks() if task.is_live}

    def _check_healthy(self, before: dict[str, Task], lower: int) -> None:
        healthy = {name for name, task in before.items() if self._is_healthy(task)}
        stopped = {
            task.id
            for task in self.journal.tasks()
            if task.id in healthy and task.stop_code in BY_US
        }
        left = len(healthy - stopped)
        assert left >= min(len(healthy), lower) or not stopped, "minimumHealthyPercent"

    def _check_production(
        self, record: ServiceRecord, before: dict[str, Task], lower: int
    ) -> None:
        """Who gets more requests is healthy; who gets any is not stopped."""
        former, self._shares = self._shares, self._shares_of(record)
        desired = record.service.desired_count
        if not former or not desired or self.closing:
            return
        assert sum(self._shares.values()) == pytest.approx(100)
        healthy = [task for task in before.values() if self._is_healthy(task)]
        for group, percent in self._shares.items():
            mine = {
                one.id
                for one in healthy
                if group in {item.target_group for item in one.load_balancers}
            }
            if percent > former.get(group, 0.0) and former.get(group, 0.0) < 50:
                assert len(mine) >= max(1, lower), "requests for who does not serve"
            left = len(mine & self._before.keys())
            assert left >= min(len(mine), lower), "who gets requests is stopped"

    def _shares_of(self, record: ServiceRecord) -> dict[str, float]:
        """Return the percent that the production rule is to give each group."""
        found: dict[str, float] = {}
        for deployment_id, percent in record.production:
            deployment = self.journal.of("deployment")[deployment_id]
            assert isinstance(deployment, Deployment)
            for group in groups_of(deployment):
                found[group] = found.get(group, 0.0) + percent
        return found

    def _is_healthy(self, task: Task) -> bool:
        views = self.balancer.observe()
        names = target_ids(task)
        return task.status is TaskStatus.RUNNING and all(
            name in views and views[name].healthy for name in names
        )

    def _check_ports(self, before: dict[str, Task]) -> None:
        now = self.clock.unix_s()
        holders: Counter[tuple[str, int]] = Counter()
        for task in self.journal.tasks():
            for lease in task.leases:
                port = (lease.instance, lease.host_port)
                if task.status is TaskStatus.STOPPED:
                    assert task.stopped_at_unix_s is not None
                    self._released[port] = max(
                        self._released.get(port, 0.0), task.stopped_at_unix_s
                    )
                else:
                    holders[port] += 1
        assert all(count == 1 for count in holders.values()), "a port is leased twice"
        for task in self._before.values():
            for lease in task.leases if task.id not in before else ():
                port = (lease.instance, lease.host_port)
                rested_s = now - self._released.get(port, 0.0)
                assert rested_s >= DELAY_S + 60, "a port was reused too early"

    # --- what holds of all that happened ------------------------------------------

    def check_logs(self) -> None:
        """No container twice; SIGTERM only after its targets were drained."""
        for host in self.hosts.values():
            assert all(count == 1 for count in host.created.values()), "two containers"
            for at, what, name in host.log:
                if what == "stop":
                    self._check_drained(at, name.split("-")[2])

    def _check_drained(self, at: float, task_id: str) -> None:
        last: dict[str, str] = {}
        first_s: dict[str, float] = {}
        for when, what, target_id in self.balancer.log:
            if target_id.startswith(task_id) and when <= at:
                last[target_id] = what
                if what == "deregister":  # again, by a control that knows of none
                    first_s.setdefault(target_id, when)
        lost = {task.id for task in self.journal.tasks() if task.is_tombstone}
        patience_s = 0.0 if task_id in lost else self.balancer.in_flight_s
        for target_id, what in last.items():
            since_s = at - first_s.get(target_id, at)
            drained = what != "register" and since_s >= patience_s
            assert drained or what == "forget", "SIGTERM before drained"
