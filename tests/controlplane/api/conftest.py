"""A cluster in memory behind a real control API on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from autoscaler.actions import AlarmActions, Webhook
from autoscaler.app.autoscaler import Autoscaler
from autoscaler.decide.statistics import parse_statistic
from autoscaler.decide.utilization import cpu_metric
from autoscaler.model import Alarm, Comparison, CompositeAlarm
from autoscaler.policies import SuspendedState
from controlplane.alarm_commands import AlarmCommands
from controlplane.api.application import application
from controlplane.api.ports import (
    Document,
    LogsAsked,
    ProtectionChange,
    Question,
    Submission,
    TaskRun,
)
from controlplane.errors import (
    DefinitionNotFound,
    NoRollback,
    NotScalable,
    NotUnderWay,
    ServiceNotFound,
    TargetNotConnected,
    TaskNotFound,
)
from controlplane.events import EventLog
from controlplane.problems import ConfigInvalid, Problem
from controlplane.scaling_commands import suspended_document
from controlplane.weights import WeightChange
from foundation.clock import VirtualClock
from foundation.journal import CommitFailed, MemoryJournal
from scheduler.configuration import TimeoutAction
from scheduler.drivers.memory import MemoryExecution
from scheduler.instance import ContainerInstanceStatus
from scheduler.ports import Execution
from tests.support.scaling import NoCapacities

TOKEN = "t" * 43


class MemoryTasks:
    """One task, "abc", of family "web"; keeps what it was asked to run."""

    def __init__(self) -> None:
        self.ran: list[TaskRun] = []
        self.stopped: list[tuple[str, str]] = []
        self.executed: list[tuple[str, bool]] = []

    async def run(self, wanted: TaskRun) -> Document:
        if wanted.family != "web":
            raise DefinitionNotFound(wanted.family, ["web"])
        self.ran.append(wanted)
        return {"tasks": [{"taskArn": "x/abc"}] * wanted.count, "failures": []}

    async def stop(self, task: str, reason: str) -> Document:
        self.stopped.append((task, reason))
        return self.described(task)

    def described(self, task: str) -> Document:
        if not "abc".startswith(task):
            raise TaskNotFound(task, 0)
        return {"task": {"taskArn": "x/abc"}}

    async def execute(
        self, task: str, container: str, command: Sequence[str], *, tty: bool
    ) -> Execution:
        self.described(task)
        if container == "away":
            raise TargetNotConnected("it does not run")
        self.executed.append((container, tty))
        return MemoryExecution(command)

    def listed(self, family: str) -> Document:
        return {"tasks": [{"taskArn": "x/abc"}] if family in {"", "web"} else []}

    def definitions(self, prefix: str) -> Document:
        return {"taskDefinitions": [{"family": "web"}] if prefix in "web" else []}

    def definition(self, name: str) -> Document:
        return {"taskDefinition": {"family": name}}


class MemoryDeployments:
    """Of the cluster's service; what was said to a PAUSE is in `said`."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster
        self.said: list[tuple[TimeoutAction, str]] = []

    async def begin(self, service: str) -> Document:
        self._cluster.require(service)
        self._cluster.deployed.append(service)
        return {"serviceName": service, "deploymentId": "ecs-svc/2"}

    async def roll_back(self, service: str) -> Document:
        self._cluster.require(service)
        if not self._cluster.deployed:
            raise NoRollback("there is nothing to roll back to")
        self._cluster.deployed.pop()
        return {"serviceName": service, "deploymentId": "ecs-svc/1"}

    async def stop(self, service: str) -> Document:
        if not self._cluster.deployed:
            raise NotUnderWay("no deployment of web is under way")
        self._cluster.deployed.clear()
        return {"serviceName": service, "deploymentId": "ecs-svc/2"}

    async def go_on(
        self, service: str, action: TimeoutAction, hook_id: str
    ) -> Document:
        self.said.append((action, hook_id))
        return {"serviceName": service, "deploymentId": "ecs-svc/2"}

    def described(self, service: str) -> Document:
        self._cluster.require(service)
        return {"serviceDeployments": [{"status": "SUCCESSFUL"}], "failures": []}

    def revisions(self, service: str) -> Document:
        self._cluster.require(service)
        return {"serviceRevisions": [{"launchType": "EC2"}], "failures": []}


class MemoryInstances:
    """One instance, "a", of a cluster "demo"."""

    def __init__(self) -> None:
        self.status = ContainerInstanceStatus.ACTIVE

    def clusters(self, names: Sequence[str]) -> Document:
        return {"clusters": [{"clusterName": "demo"}], "failures": [*names]}

    def described(self, names: Sequence[str], status: str) -> Document:
        wanted = status in {"", self.status.value}
        told = {"containerInstanceArn": "x/a", "status": self.status.value}
        return {
            "containerInstances": [told] if wanted else [],
            "failures": [name for name in names if name != "a"],
        }

    async def update_state(
        self, names: Sequence[str], status: ContainerInstanceStatus
    ) -> Document:
        self.status = status
        return self.described(names, "")


class MemoryScaling:
    """One service that scales, "web"; what is suspended stays so."""

    def __init__(self) -> None:
        self.state = SuspendedState()

    def explained(self, service: str) -> Document:
        self._require(service)
        return {"serviceName": service, "decision": "desired count stays 2"}

    def activities(self, service: str, *, not_scaled: bool) -> Document:
        self._require(service)
        return {"scalingActivities": ["scaled", *(["not scaled"] * not_scaled)]}

    def suspended(self, service: str) -> SuspendedState:
        self._require(service)
        return self.state

    async def suspend(self, service: str, wanted: SuspendedState) -> Document:
        self.state = wanted
        return {"serviceName": service, "suspendedState": suspended_document(wanted)}

    def _require(self, service: str) -> None:
        if service == "api":
            raise NotScalable(service, "it has no autoScaling in the file")
        if service != "web":
            raise ServiceNotFound(service, ["web"])


class MemoryAlarms:
    """Two real alarms that nobody evaluates, behind the real commands."""

    def __init__(self) -> None:
        self.scaler = Autoscaler(
            clock=VirtualClock(),
            journal=MemoryJournal(),
            capacities=NoCapacities(),
            records={},
        )
        self.scaler.configure((), (HIGH,), (TROUBLE,))
        self.commands = AlarmCommands(self.scaler)


HIGH = Alarm(
    "cpu/high 1",
    cpu_metric("demo", "web"),
    parse_statistic("p99"),
    60,
    3,
    2,
    Comparison.GREATER,
    75.0,
    evaluate_low_samples=False,
    actions=AlarmActions(alarm=(Webhook("http://pager.test/"),)),
    description="hot",
)
TROUBLE = CompositeAlarm(
    "trouble", 'ALARM("cpu/high 1")', suppressor="cpu/high 1", wait_s=30.0
)


class MemoryCluster:
    """One service, "web"; a file with the word "bad" in it has a problem."""

    def __init__(self) -> None:
        self.events = EventLog()
        self.tasks = MemoryTasks()
        self.deployments = MemoryDeployments(self)
        self.instances = MemoryInstances()
        self.scaling = MemoryScaling()
        self.alarms = MemoryAlarms().commands
        self.applied: list[Submission] = []
        self.desired: Mapping[str, int] = {"web": 2}
        self.deployed: list[str] = []
        self.weighed: list[WeightChange] = []
        self.protected: list[ProtectionChange] = []
        self.is_down = False
        self.not_ready = ""
        self.log_lines = [b"web/1 one\n", b"web/2 two\n"]
        self.logs_asked: list[LogsAsked] = []
        self.follow_ended = asyncio.Event()
        self.disk_full = False

    def ready(self) -> tuple[bool, str]:
        return not self.not_ready, self.not_ready

    def state(self) -> Document:
        return {"cluster": "demo"}

    async def metrics(self) -> bytes:
        return b"# TYPE alb_up gauge\nalb_up 1.0\n"

    async def validate(self, submission: Submission) -> Document:
        if "bad" in submission.text:
            problem = Problem("listeners[0].port", "70000 is not a port", 4, 11)
            raise ConfigInvalid(submission.file, [problem])
        return {"warnings": []}

    async def plan(self, submission: Submission) -> Document:
        return {**await self.validate(submission), "plan": []}

    async def apply(self, submission: Submission) -> Document:
        planned = await self.plan(submission)
        if self.disk_full:
            raise CommitFailed("database or disk is full")
        self.applied.append(submission)
        return planned

    async def scale(self, service: str, desired: int) -> None:
        self.require(service)
        self.desired = {service: desired}

    async def weigh(self, change: WeightChange) -> Document:
        self.weighed.append(change)
        return {"weights": change.weights, "version": 2}

    async def protect(self, change: ProtectionChange) -> Document:
        self.protected.append(change)
        return {"protectedTasks": [], "failures": []}

    def down(self) -> None:
        self.is_down = True

    async def logs(self, asked: LogsAsked) -> AsyncGenerator[bytes, None]:
        self.logs_asked.append(asked)
        tail = asked.tail
        for line in self.log_lines[-tail:] if tail else self.log_lines:
            yield line
        if asked.follow:
            try:
                await asyncio.Event().wait()
            finally:
                self.follow_ended.set()

    def explain(self, question: Question) -> Document:
        headers = [list(pair) for pair in question.headers]
        return {
            "url": question.url,
            "method": question.method,
            "headers": headers,
            "sourceIp": question.source_ip,
            "sourcePort": question.source_port,
            "tls": list(question.tls),
        }

    def require(self, service: str) -> None:
        if service not in self.desired:
            raise ServiceNotFound(service, self.desired)


@pytest.fixture
async def cluster() -> MemoryCluster:
    return MemoryCluster()


Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(
    cluster: MemoryCluster,
    aiohttp_client: Callable[..., Awaitable[Client]],
) -> Client:
    return await aiohttp_client(application(cluster, TOKEN))


@pytest.fixture
def owner() -> Mapping[str, str]:
    """The headers of someone who can read the token."""
    return {"Authorization": f"Bearer {TOKEN}"}
