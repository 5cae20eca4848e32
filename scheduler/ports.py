"""What the scheduler needs of the world. Floor 0.

Two worlds: the runtimes that run containers, and the load balancer in front of
them. Both have in-memory implementations in `drivers/memory.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from scheduler.configuration import LifecycleHook
from scheduler.definition import ContainerDefinition, NetworkMode, Volume
from scheduler.model import (
    PAUSE,
    ContainerName,
    ContainerStatus,
    InstanceStatus,
    PortLease,
    TaskId,
)


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """All a runtime needs to create one container; equal specs are equal bytes."""

    name: ContainerName
    task_id: TaskId
    service: str
    cluster_uid: str
    definition: ContainerDefinition
    environment: tuple[tuple[str, str], ...]
    """The definition's, and PORT, ALB_URL and the like."""
    leases: tuple[PortLease, ...]
    cpu_quota: int | None = None
    """Its part of the task's hard quota, 1024 a core of its host; None: shares only."""
    memory_limit_mib: int | None = None
    """Its own hard limit, or its part of the task's; None: none."""
    task_definition: str = ""
    """``FAMILY:REVISION``."""
    network_mode: NetworkMode = NetworkMode.BRIDGE
    pid_mode: str = ""
    ipc_mode: str = ""
    volumes: tuple[Volume, ...] = ()
    """Those of the task that it mounts."""
    spec_hash: str = ""

    def sibling(self, container: str) -> ContainerName:
        """Return what another container of the task is known by."""
        return ContainerName(self.name.removesuffix(self.definition.name) + container)

    def is_pause(self) -> bool:
        """Tell whether it only holds the namespaces that the others share."""
        return self.definition.name == PAUSE


@dataclass(frozen=True, slots=True)
class StopOutcome:
    """How a container ended. `killed` when SIGTERM was not enough."""

    exit_code: int | None
    killed: bool


STDOUT: Final = 1
STDERR: Final = 2
OutputChunk = tuple[int, bytes]
"""STDOUT or STDERR, and what came there; of a terminal all is STDOUT."""


class Execution(Protocol):
    """A command that runs beside a container's own. Close it."""

    def output(self) -> AsyncIterator[OutputChunk]:
        """Yield what it writes, until it writes no more."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Give it input; what it does not take any more is dropped."""
        ...

    async def end_input(self) -> None:
        """Tell it that no more comes. Raises ContainerError where it cannot be told."""
        ...

    async def resize(self, columns: int, rows: int) -> None:
        """Tell its terminal's size; without one it is nothing."""
        ...

    async def exit_code(self) -> int:
        """Wait for its end and return its status. Raises ContainerError."""
        ...

    async def close(self) -> None: ...


Pulled = tuple[float, float]
"""From when to when (unix seconds) an image was looked for, and pulled if needed."""


@dataclass(frozen=True, slots=True)
class CpuSample:
    """CPU nanoseconds used since the container started, and when it was read."""

    cpu_ns: int
    at_s: float
    memory_bytes: int = 0


class Runtime(Protocol):
    """One container instance. Every call has a deadline and may be repeated.

    Raises the leaves of `scheduler.errors.ContainerError`: HostNotReached
    (nothing was sent), OutcomeUnknown (sent, not answered), ImageNotFound, …
    """

    async def start(self, spec: ContainerSpec) -> Pulled:
        """Create and start; a container of that name with our labels is adopted."""
        ...

    async def restart(self, spec: ContainerSpec) -> None:
        """Start a container that has ended once more; one that runs is left."""
        ...

    async def stop(self, name: ContainerName, timeout_s: float) -> StopOutcome:
        """SIGTERM, wait `timeout_s`, SIGKILL; returns when ended. Gone is ended."""
        ...

    async def remove(self, name: ContainerName) -> None:
        """Remove an ended container; one that is not there is removed."""
        ...

    async def resolve(self, container: ContainerDefinition) -> str:
        """Return its image by the digest, or by its id where it is in no registry.

        Pulls one that is not there. As it is where there are no images.
        """
        ...

    async def remove_volumes(self, task_id: TaskId) -> None:
        """Remove the volumes that were the task's alone; none is none."""
        ...

    async def status(self) -> InstanceStatus:
        """Return the host's resources and all containers of this cluster."""
        ...

    def changes(self) -> AsyncIterator[ContainerStatus]:
        """Yield state changes as they happen; raises when the stream is lost."""
        ...

    async def cpu(self) -> Mapping[ContainerName, CpuSample]:
        """Return the newest sample of each running container; waits for nothing."""
        ...

    async def execute(
        self, name: ContainerName, command: Sequence[str], *, tty: bool
    ) -> Execution:
        """Start a command in a container that runs; with a terminal if `tty`.

        Raises CannotStart, also when it does not run.
        """
        ...

    def logs(
        self, name: ContainerName, *, follow: bool, tail: int | None
    ) -> AsyncIterator[bytes]:
        """Yield the container's output, stdout and stderr, oldest first."""
        ...

    async def close(self) -> None:
        """Release connections. Containers go on running."""
        ...


@dataclass(frozen=True, slots=True)
class OutputStatistics:
    """What is kept of outputs, and what could not be."""

    containers: int
    kept_bytes: int
    dropped_bytes: int


class Outputs(Protocol):
    """Keeps what containers wrote when they are removed; a key is a task's id."""

    async def keep(self, key: str, name: ContainerName, output: bytes) -> None:
        """Keep the newest of it, as far as there is room. Never raises."""
        ...

    def has(self, name: ContainerName) -> bool: ...

    async def read(self, name: ContainerName) -> bytes:
        """Return what is kept of a container; empty when nothing is."""
        ...

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget what is kept of all other keys."""
        ...

    def statistics(self) -> OutputStatistics: ...


@dataclass(frozen=True, slots=True)
class TargetView:
    """What the scheduler sees of one registration in one group."""

    healthy: bool
    unhealthy: bool
    """Probed and found unhealthy (neither initial nor healthy)."""
    reason: str
    """Text for events, such as ``Health checks failed with these codes: [502]``."""
    eligible_everywhere: bool
    removed_everywhere: bool
    in_flight: int
    drained: bool
    unused: bool = False
    """No listener sends its group anything: it is not probed."""


class Hooks(Protocol):
    """Where lifecycle hooks are asked."""

    async def call(self, hook: LifecycleHook, payload: str) -> str:
        """Return what it answers. Raises HookFailed."""
        ...


@dataclass(frozen=True, slots=True)
class RuleView:
    """How a rule shares out its requests, as the scheduler has asked for."""

    weights: Mapping[str, float]
    """Percent by target group, of what the rule gives to these groups."""
    served_everywhere: bool
    """Every worker does so."""


class LoadBalancer(Protocol):
    """The port to the load balancer. All calls are idempotent and return at once."""

    def register(self, target_id: str, group: str, host: str, port: int) -> None: ...

    def deregister(self, target_id: str) -> None: ...

    def forget(self, target_id: str) -> None:
        """Drop a deregistered target from the configuration (after `drained`)."""
        ...

    def set_weights(self, rule: str, weights: Mapping[str, float]) -> None:
        """Share what a rule gives to these groups out among them, in percent.

        Together they keep what they have beside the rule's other groups. Rules are
        named by place, ``PORT/PRIORITY`` or ``PORT/default``. No weights: as the
        rule is without us. What was set before other calls is never served later.
        """
        ...

    def observe_weights(self) -> Mapping[str, RuleView]:
        """What was set, by rule; nothing after a restart."""
        ...

    def observe(self) -> Mapping[str, TargetView]:
        """Every registration by id; one that was forgotten is absent."""
        ...

    def inherited(self) -> Mapping[str, TargetView]:
        """What an earlier life was told of targets, while it is the newest there is.

        To be told, not to decide by: a target that is in it serves, registered or not
        yet, and whether every worker has it is not known to this life.
        """
        ...
