"""What runs where, in ECS's words. Floor 0: values only.

    cluster -> container instances
            -> services -> deployments -> tasks -> containers

Desired: TaskDefinition, Service. Recorded (durable, ours): Task, Deployment.
Observed (the runtime's): ContainerStatus, InstanceStatus. Absent: Docker, time.

CPU is in ECS units (1024 = one core), memory in MiB, durations in seconds.
Source: ECS API reference.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

from scheduler.configuration import AdvancedConfiguration, DeploymentConfiguration
from scheduler.container import HealthStatus, TaskContainer
from scheduler.definition import ContainerDefinition, NetworkMode, Volume
from scheduler.instance import (
    ContainerInstanceStatus,
    EndpointTls,
    InstanceRecord,
    PortRecord,
)
from scheduler.takeover import Shares, Takeover

TaskId = NewType("TaskId", str)
"""32 hex digits as ECS makes them; never used twice."""

ContainerName = NewType("ContainerName", str)
"""``alb-CLUSTERUID-TASKID-CONTAINER``: what the runtime knows a container by."""

CPU_UNITS_PER_CORE = 1024
ECU_PER_CORE = CPU_UNITS_PER_CORE
"""What a core counts where nobody says that it is faster or slower."""
DYNAMIC_PORTS = (20_000, 29_999)
"""Where an instance's ports are leased from, unless it says otherwise."""
ZONE_ATTRIBUTE = "ecs.availability-zone"
PAUSE = "internal.pause"
"""The container that holds what those of a task share; no other can be named so."""

# --- desired --------------------------------------------------------------------


class ConstraintType(enum.Enum):
    DISTINCT_INSTANCE = "distinctInstance"
    """No two tasks of a group on one instance."""
    MEMBER_OF = "memberOf"
    """Only on instances that `expression` selects."""


@dataclass(frozen=True, slots=True)
class PlacementConstraint:
    """Binding, unlike a strategy. `expression` is in the cluster query language."""

    type: ConstraintType
    expression: str = ""


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A family's revision. `cpu` and `memory_mib` of the task are hard quotas."""

    family: str
    containers: tuple[ContainerDefinition, ...]
    revision: int = 0
    """0 until registered."""
    cpu: int | None = None
    memory_mib: int | None = None
    placement_constraints: tuple[PlacementConstraint, ...] = ()
    """`memberOf` only."""
    network_mode: NetworkMode = NetworkMode.BRIDGE
    pid_mode: str = ""
    """``host`` or ``task``; empty: each container its own."""
    ipc_mode: str = ""
    """``host``, ``task`` or ``none``; empty: as the engine has it."""
    volumes: tuple[Volume, ...] = ()

    @property
    def needs_pause(self) -> bool:
        """Whether its containers share a network or another namespace."""
        shared = "task" in {self.pid_mode, self.ipc_mode}
        return shared or self.network_mode is NetworkMode.AWSVPC

    @property
    def name(self) -> str:
        return f"{self.family}:{self.revision}"

    @property
    def reserved_cpu(self) -> int:
        return self.cpu or sum(container.cpu for container in self.containers)

    @property
    def reserved_memory_mib(self) -> int:
        return self.memory_mib or sum(
            container.memory_reservation_mib or container.memory_mib or 0
            for container in self.containers
        )


class RuntimeKind(enum.Enum):
    DOCKER = "docker"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class ContainerInstance:
    """A host that runs tasks, as the cluster file names it.

    `address` is where its tasks are published and reached; empty: the driver
    finds it (the bridge gateway's of a local Linux engine, else 127.0.0.1).
    """

    name: str
    runtime: RuntimeKind
    endpoint: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    cpu: int | None = None
    """CPU units to hand out; None: all the host has."""
    memory_mib: int | None = None
    dynamic_port_range: tuple[int, int] = DYNAMIC_PORTS
    """First and last port, inclusive."""
    tls: EndpointTls | None = None
    """Of a tcp:// endpoint; None: it is not encrypted."""
    status: ContainerInstanceStatus = ContainerInstanceStatus.ACTIVE
    ecu_per_core: int = ECU_PER_CORE
    """CPU units that one of its cores does: more of a faster one."""

    @property
    def zone(self) -> str:
        return self.attributes.get(ZONE_ATTRIBUTE, "")


class StrategyType(enum.Enum):
    SPREAD = "spread"
    BINPACK = "binpack"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class PlacementStrategy:
    """Of spread `field` is ``attribute:NAME`` or ``instanceId``, of binpack ``cpu``
    or ``memory``; random has none."""

    type: StrategyType
    field: str = ""


@dataclass(frozen=True, slots=True)
class ServiceLoadBalancer:
    """Which container port of a task is a target of which group."""

    target_group: str
    container_name: str
    container_port: int
    deregistration_delay_s: float = 300.0
    """The group's; how long a stopping task waits for its last requests."""
    advanced: AdvancedConfiguration | None = None


class SchedulingStrategy(enum.Enum):
    REPLICA = "REPLICA"
    """As many tasks as are desired."""
    DAEMON = "DAEMON"
    """One task on each instance that takes tasks."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as the file (or a command) wants it.

    Of a DAEMON the desired count follows from the instances there are.
    """

    name: str
    task_definition: TaskDefinition
    desired_count: int
    load_balancers: tuple[ServiceLoadBalancer, ...] = ()
    deployment: DeploymentConfiguration = field(default_factory=DeploymentConfiguration)
    placement_strategy: tuple[PlacementStrategy, ...] = ()
    health_check_grace_period_s: float = 0.0
    placement_constraints: tuple[PlacementConstraint, ...] = ()
    availability_zone_rebalancing: bool = False
    scheduling_strategy: SchedulingStrategy = SchedulingStrategy.REPLICA
    enable_execute_command: bool = False
    """Whether commands may be run in the tasks that it starts from now on."""

    @property
    def is_daemon(self) -> bool:
        return self.scheduling_strategy is SchedulingStrategy.DAEMON


# --- recorded -------------------------------------------------------------------


class TaskStatus(enum.Enum):
    """lastStatus of ECS."""

    PROVISIONING = "PROVISIONING"
    """Its containers' common network or namespaces are being made."""
    PENDING = "PENDING"
    ACTIVATING = "ACTIVATING"
    RUNNING = "RUNNING"
    DEACTIVATING = "DEACTIVATING"
    STOPPING = "STOPPING"
    DEPROVISIONING = "DEPROVISIONING"
    """What its containers had in common is being removed."""
    STOPPED = "STOPPED"


class StopCode(enum.Enum):
    TASK_FAILED_TO_START = "TaskFailedToStart"
    ESSENTIAL_CONTAINER_EXITED = "EssentialContainerExited"
    USER_INITIATED = "UserInitiated"
    SERVICE_SCHEDULER_INITIATED = "ServiceSchedulerInitiated"
    INFRASTRUCTURE_HEALTH = "InfrastructureHealth"
    """Its host was lost."""


@dataclass(frozen=True, slots=True)
class PortLease:
    """A host port of one instance, held by a task until its container is gone."""

    instance: str
    host_port: int
    container_name: str
    container_port: int
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class Task:
    """Our record of one task; committed before anything is done about it."""

    id: TaskId
    service: str
    deployment_id: str
    task_definition: TaskDefinition
    instance: str
    status: TaskStatus
    created_at_unix_s: float
    address: str = ""
    """Where its ports are published: the instance's address when it was placed."""
    leases: tuple[PortLease, ...] = ()
    images: tuple[tuple[str, str], ...] = ()
    """(container, image by digest), where that was resolved."""
    load_balancers: tuple[ServiceLoadBalancer, ...] = ()
    """The service's when the task was made: what its targets are."""
    started_at_unix_s: float | None = None
    healthy_at_unix_s: float | None = None
    """When it was healthy first."""
    unhealthy_at_unix_s: float | None = None
    """When it failed its health checks first."""
    stopping_at_unix_s: float | None = None
    stopped_at_unix_s: float | None = None
    stop_code: StopCode | None = None
    stopped_reason: str = ""
    containers: tuple[TaskContainer, ...] = ()
    """Those of which something was seen."""
    started_by: str = ""
    """Who ran a task that is of no service; of one that is, its deployment."""
    pull_started_at_unix_s: float | None = None
    pull_stopped_at_unix_s: float | None = None
    execution_stopped_at_unix_s: float | None = None
    """When the first essential container had ended, else all."""
    protected_until_unix_s: float | None = None
    """Scale-in protection: neither scale-in nor a deployment stops it before."""
    enable_execute_command: bool = False
    ecu_per_core: int = ECU_PER_CORE
    """Its instance's, when it was placed."""

    @property
    def group(self) -> str:
        """The task group: its service, or of a task that was run, its family."""
        if self.service:
            return f"service:{self.service}"
        return f"family:{self.task_definition.family}"

    def is_protected(self, now_unix_s: float) -> bool:
        until = self.protected_until_unix_s
        return until is not None and now_unix_s < until

    @property
    def is_tombstone(self) -> bool:
        """Its host was lost: it leaves the counts, and is stopped when that is back."""
        return self.stop_code is StopCode.INFRASTRUCTURE_HEALTH

    @property
    def is_live(self) -> bool:
        """Up to RUNNING: counts against maximumPercent."""
        return self.status in LIVE


STARTING = frozenset({TaskStatus.PROVISIONING, TaskStatus.PENDING})
"""Its containers are being started; nothing of it is registered."""
LIVE = STARTING | {TaskStatus.ACTIVATING, TaskStatus.RUNNING}


class RolloutState(enum.Enum):
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One roll-out of one task definition revision; the newest is PRIMARY.

    A roll-back makes an earlier one PRIMARY again, with the tasks it still has.
    """

    id: str
    """``ecs-svc/<19 digits>``."""
    service: str
    task_definition: TaskDefinition
    created_at_unix_s: float
    rollout_state: RolloutState = RolloutState.IN_PROGRESS
    rollout_state_reason: str = ""
    failed_tasks: int = 0
    """Tasks that failed since one was healthy; see `decide.breaker`."""
    failed_rounds: int = 0
    """Rounds of tasks, one after the other, that failed; see `decide.backoff`."""
    failed_at_unix_s: float = 0.0
    """When the latest of them failed."""
    load_balancers: tuple[ServiceLoadBalancer, ...] | None = None
    """What its tasks are targets of; None: the service's (of an older version)."""
    images: tuple[tuple[str, str], ...] | None = None
    """(container, image by digest): what its tasks run; None: not asked yet."""
    updated_at_unix_s: float = 0.0
    finished_at_unix_s: float | None = None
    """When it was COMPLETED or FAILED."""
    baking_since_unix_s: float | None = None
    """When its tasks were first as wished: from then on only alarms are watched."""
    alarms_ignored: bool | None = None
    """An alarm was in ALARM before it began; None: nobody has looked yet."""
    failure: str = ""
    """Why it FAILED, in a few words."""
    rolls_back: str = ""
    """The deployment that it took over from again."""
    rolled_back_to: str = ""
    """The deployment that took over again when this one had failed."""
    inactive: bool = False
    """Neither PRIMARY nor with tasks: kept to be told, and to be rolled back to."""
    takeover: Takeover | None = None
    """None: a rolling one."""


class ServiceStatus(enum.Enum):
    ACTIVE = "ACTIVE"
    DRAINING = "DRAINING"


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A service as it is kept: its desired count may be a command's, not the file's."""

    service: Service
    deployment_id: str
    """Of the PRIMARY deployment."""
    created_at_unix_s: float
    version: int = 1
    """Grows with each change of the desired count."""
    status: ServiceStatus = ServiceStatus.ACTIVE
    activity_ids: tuple[str, ...] = ()
    """Scaling activities that took effect, newest last, bounded."""
    steady: bool = False
    """The steady state was reached and reported."""
    steady_told_unix_s: float = 0.0
    """When it was reported last."""
    rebalancing: bool = False
    """A task more than desired was started to make its zones even."""
    production: Shares = ()
    """Whose tasks the production rules' requests reach; empty: no rule is ours."""
    test_id: str = ""
    """Of the deployment that the test rules' requests reach."""


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """A line of a service's events, in ECS's words."""

    unix_s: float
    service: str
    message: str


Record = (
    ServiceRecord
    | TaskDefinition
    | Task
    | Deployment
    | PortRecord
    | ServiceEvent
    | InstanceRecord
)


# --- observed -------------------------------------------------------------------


class ContainerState(enum.Enum):
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """One of our containers, as its runtime sees it."""

    name: ContainerName
    task_id: TaskId
    state: ContainerState
    exit_code: int | None = None
    oom_killed: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    """Its own in the engine's network; empty: none, or not known."""
    health: HealthStatus | None = None
    """None: its definition has no health check; an image's own does not count."""
    runtime_id: str = ""
    """What the engine calls it."""


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """What a runtime last said of its host."""

    connected: bool
    cpu: int
    memory_mib: int
    address: str
    containers: tuple[ContainerStatus, ...] = ()
    observed_at_s: float = 0.0
    detail: str = ""
    """Why it is not connected, for a person."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the host says of itself: ``ecs.os-type``, ``ecs.cpu-architecture``."""
    silent_since_unix_s: float | None = None
    """Since when it has not answered; None: it has."""
