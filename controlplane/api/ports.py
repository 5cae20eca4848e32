"""What the API needs of the cluster behind it: documents out, commands in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from autoscaler.model import ExtendedStatistic, Metric, Statistic
from autoscaler.policies import SuspendedState
from controlplane.api.samples import Datum
from controlplane.events import EventLog
from controlplane.weights import WeightChange
from scheduler.configuration import TimeoutAction
from scheduler.decide.overrides import ContainerOverride
from scheduler.instance import ContainerInstanceStatus
from scheduler.model import PlacementConstraint, PlacementStrategy
from scheduler.ports import Execution

Document = Mapping[str, object]
"""JSON, lowerCamelCase: built where the facts are, sent here."""


LOOPBACK: Final = "127.0.0.1"
EPHEMERAL_PORT: Final = 49152
"""A client's port where none is named: the first of those that are nobody's."""
USUAL_TLS: Final = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
"""What OpenSSL's clients and servers settle on if both may."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A cluster file as the caller read it, with its variables."""

    file: str
    text: str
    variables: Mapping[str, str]
    directory: str = ""
    """Absolute; where relative paths begin. Empty: the file's."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request of which the caller wants to know the way."""

    url: str
    method: str
    headers: Sequence[tuple[str, str]]
    source_ip: str = LOOPBACK
    source_port: int = EPHEMERAL_PORT
    tls: tuple[str, str] = USUAL_TLS
    """Version and cipher suite, where the listener is HTTPS."""


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A call of RunTask: tasks of a family as the file defines it."""

    family: str
    count: int = 1
    overrides: Sequence[ContainerOverride] = ()
    started_by: str = ""
    strategy: tuple[PlacementStrategy, ...] = ()
    constraints: tuple[PlacementConstraint, ...] = ()
    enable_execute_command: bool = False


@dataclass(frozen=True, slots=True)
class LogsAsked:
    """Whose output is wanted: of a service, or of a task by how its id begins."""

    name: str
    container: str = ""
    """Empty: of all containers."""
    follow: bool = False
    tail: int | None = None
    """Only so many of the last lines of each container; None: all."""


class Tasks(Protocol):
    """Answers are in ECS's shapes. Everything may raise a ControlError."""

    async def run(self, wanted: TaskRun) -> Document:
        """Return {tasks, failures}."""
        ...

    async def execute(
        self, task: str, container: str, command: Sequence[str], *, tty: bool
    ) -> Execution:
        """Start a command in a task's container; empty: its only one."""
        ...

    async def stop(self, task: str, reason: str) -> Document: ...

    def described(self, task: str) -> Document: ...

    def listed(self, family: str) -> Document: ...

    def definitions(self, prefix: str) -> Document: ...

    def definition(self, name: str) -> Document: ...


class Deployments(Protocol):
    """Commands return {serviceName, deploymentId}; all may raise a ControlError."""

    async def begin(self, service: str) -> Document: ...

    async def roll_back(self, service: str) -> Document:
        """Go back to what was completed before."""
        ...

    async def stop(self, service: str) -> Document:
        """Give up the one under way, without going back."""
        ...

    async def go_on(
        self, service: str, action: TimeoutAction, hook_id: str
    ) -> Document:
        """Say how one goes on that a PAUSE holds; no `hook_id`: that any does."""
        ...

    def described(self, service: str) -> Document:
        """Return {serviceDeployments, failures}, as DescribeServiceDeployments."""
        ...

    def revisions(self, service: str) -> Document:
        """Return {serviceRevisions, failures}, as DescribeServiceRevisions."""
        ...


class Instances(Protocol):
    """Answers are in ECS's shapes. Everything may raise a ControlError."""

    def clusters(self, names: Sequence[str]) -> Document:
        """Return {clusters, failures}; no names are the one there is."""
        ...

    def described(self, names: Sequence[str], status: str) -> Document:
        """Return {containerInstances, failures}; no names are all, as no status."""
        ...

    async def update_state(
        self, names: Sequence[str], status: ContainerInstanceStatus
    ) -> Document:
        """Return {containerInstances, failures}."""
        ...


class Scaling(Protocol):
    """Everything may raise ServiceNotFound and NotScalable."""

    def explained(self, service: str) -> Document: ...

    def activities(self, service: str, *, not_scaled: bool) -> Document:
        """Return {scalingActivities}, oldest first."""
        ...

    def suspended(self, service: str) -> SuspendedState: ...

    async def suspend(self, service: str, wanted: SuspendedState) -> Document:
        """Return {serviceName, suspendedState}."""
        ...


@dataclass(frozen=True, slots=True)
class StateWish:
    """The state that a person gives an alarm until it is evaluated next."""

    state: str
    reason: str
    reason_data: str = ""
    """JSON."""


class Alarms(Protocol):
    """Answers are in CloudWatch's shapes. Everything may raise a ControlError."""

    def listed(self, prefix: str, state: str) -> Document:
        """Return {MetricAlarms, CompositeAlarms}; an empty `state`: any."""
        ...

    def described(self, alarm: str) -> Document:
        """Return one of them, with its recent datapoints."""
        ...

    def history(self, alarm: str) -> Document:
        """Return {AlarmHistoryItems}, newest first."""
        ...

    async def set_state(self, alarm: str, wish: StateWish) -> None: ...

    async def enable(self, alarm: str, *, enabled: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class ProtectionChange:
    """Tasks to protect from scale-in for some minutes; None: not any more."""

    tasks: tuple[str, ...]
    expires_in_minutes: int | None


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """Which metrics are asked for; empty is any, and so is a value of None."""

    namespace: str = ""
    name: str = ""
    dimensions: tuple[tuple[str, str | None], ...] = ()

    def matches(self, metric: Metric) -> bool:
        has = dict(metric.dimensions)
        return (
            self.namespace in {"", metric.namespace}
            and self.name in {"", metric.name}
            and all(
                name in has and value in {None, has[name]}
                for name, value in self.dimensions
            )
        )


@dataclass(frozen=True, slots=True)
class MetricQuestion:
    """Statistics of one metric by period; times are unix seconds."""

    metric: Metric
    start_s: float
    end_s: float
    period_s: int
    statistics: tuple[Statistic | ExtendedStatistic, ...]


class Metrics(Protocol):
    """Answers are in CloudWatch's shapes. Everything may raise a ControlError."""

    def now_unix_s(self) -> float: ...

    def put(self, data: Sequence[Datum]) -> None:
        """Record all of `data`, or raise and record nothing."""
        ...

    async def listed(self, wanted: MetricFilter) -> Document: ...

    async def statistics(self, question: MetricQuestion) -> Document: ...

    def discovered(self) -> Sequence[Document]:
        """Return the ports of running tasks, as Prometheus's http_sd has targets."""
        ...


class Cluster(Protocol):
    """Everything may raise `controlplane.errors.ControlError`."""

    @property
    def events(self) -> EventLog: ...

    @property
    def tasks(self) -> Tasks: ...

    @property
    def deployments(self) -> Deployments: ...

    @property
    def instances(self) -> Instances: ...

    @property
    def scaling(self) -> Scaling: ...

    @property
    def alarms(self) -> Alarms: ...

    def ready(self) -> tuple[bool, str]:
        """Return whether the node serves what was decided, else why not."""
        ...

    def state(self) -> Document: ...

    async def metrics(self) -> bytes:
        """Return the Prometheus exposition, rendered off the loop."""
        ...

    async def validate(self, submission: Submission) -> Document:
        """Raises ConfigInvalid."""
        ...

    async def plan(self, submission: Submission) -> Document: ...

    async def apply(self, submission: Submission) -> Document: ...

    async def scale(self, service: str, desired: int) -> None: ...

    async def weigh(self, change: WeightChange) -> Document:
        """Return {listener, rule, weights, version}."""
        ...

    async def protect(self, change: ProtectionChange) -> Document:
        """Return {protectedTasks, failures}, as UpdateTaskProtection does."""
        ...

    def down(self) -> None:
        """Begin to stop everything; returns at once, the process ends when done."""
        ...

    def logs(self, asked: LogsAsked) -> AsyncGenerator[bytes, None]:
        """Yield whole lines, each with its task's name before it."""
        ...

    def explain(self, question: Question) -> Document: ...
