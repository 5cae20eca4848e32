"""A container instance and a load balancer in memory, hostile on request. Floor 3.

    host = MemoryHost("a", clock)
    host.faults.append(Fault.LOST_AFTER)    # the next start happens, its answer is lost
    host.die(name)                          # a container exits
    host.reachable = False                  # the host is gone, its containers run on
    host.freeze()                           # its engine hangs, its containers run on

They implement `scheduler.ports` truthfully: what takes time waits on the event
loop, so under a loop with virtual time hours pass in milliseconds. Both keep a
journal of what happened, for those who want to know whether promises were kept.
"""

from __future__ import annotations

import asyncio
import enum
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from foundation.clock import Clock
from scheduler.container import HealthStatus
from scheduler.definition import ContainerDefinition
from scheduler.drivers.host import own_attributes
from scheduler.errors import (
    CannotStart,
    HostNotReached,
    ImageNotFound,
    OutcomeUnknown,
    PortTaken,
)
from scheduler.model import (
    ContainerName,
    ContainerState,
    ContainerStatus,
    InstanceStatus,
    TaskId,
)
from scheduler.ports import (
    STDERR,
    STDOUT,
    ContainerSpec,
    CpuSample,
    Execution,
    OutputChunk,
    Pulled,
    RuleView,
    StopOutcome,
    TargetView,
)

KILLED = 137
"""The exit code of a process that got SIGKILL."""
FOREVER_S = 1e9


class Fault(enum.Enum):
    """What happens to one start."""

    NONE = "it succeeds"
    NOT_REACHED = "nothing is sent"
    LOST_BEFORE = "it is sent, has no effect, and nobody answers"
    LOST_AFTER = "it takes effect, and nobody answers"
    HANG = "it never ends"
    NO_IMAGE = "the image does not exist"
    PORT_TAKEN = "a stranger has the port"
    REFUSED = "the runtime refuses"


@dataclass(slots=True)
class MemoryContainer:
    spec: ContainerSpec
    state: ContainerState = ContainerState.RUNNING
    exit_code: int | None = None
    health: HealthStatus | None = None


class MemoryExecution:
    """Writes its command, then what it is given; ends with its input, with status 3."""

    def __init__(self, command: Sequence[str]) -> None:
        self._chunks: asyncio.Queue[OutputChunk | None] = asyncio.Queue()
        self._chunks.put_nowait((STDERR, " ".join(command).encode()))

    async def output(self) -> AsyncIterator[OutputChunk]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    async def write(self, chunk: bytes) -> None:
        self._chunks.put_nowait((STDOUT, chunk))

    async def end_input(self) -> None:
        self._chunks.put_nowait(None)

    async def resize(self, columns: int, rows: int) -> None:
        self._chunks.put_nowait((STDOUT, f"{columns}x{rows}".encode()))

    async def exit_code(self) -> int:
        return 3

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(slots=True)
class MemoryHost:
    """One container instance: implements `scheduler.ports.Runtime`."""

    name: str
    clock: Clock
    cpu_units: int = 4096
    memory_mib: int = 8192
    address: str = "127.0.0.1"
    attributes: Mapping[str, str] = field(
        default_factory=lambda: own_attributes("Linux", "x86_64")
    )
    start_s: float = 0.5
    stop_s: float = 0.2
    """How long a container takes to end after SIGTERM."""
    dies_after_s: float | None = None
    """How long each container lives; None: until it is stopped."""
    health: HealthStatus | None = None
    """What the health check of each new container says; None: it has none."""
    reachable: bool = True
    faults: deque[Fault] = field(default_factory=deque)
    """One for each start to come; then none."""
    missing: set[str] = field(default_factory=set)
    """Images that do not exist."""
    status_s: float = 0.0
    resolve_s: float = 0.1
    """How long it takes to tell what a tag means."""
    digests: dict[str, str] = field(default_factory=dict)
    """What tags mean here now; one that is not in it means itself."""
    containers: dict[ContainerName, MemoryContainer] = field(default_factory=dict)
    created: Counter[ContainerName] = field(default_factory=Counter)
    log: list[tuple[float, str, ContainerName]] = field(default_factory=list)
    """(when, start | stop | remove | exit, container): effects, in order."""
    ends_at_once: dict[str, int] = field(default_factory=dict)
    """Containers that have done their work as soon as they run, and exit codes."""
    used_units: float = 0.0
    """What each running container uses of the CPU."""
    _listening: list[asyncio.Queue[ContainerStatus]] = field(default_factory=list)
    _thawed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._thawed.set()

    def freeze(self) -> None:
        """Answer nothing any more; what runs goes on."""
        self._thawed.clear()

    def thaw(self, *, late: bool = True) -> None:
        """Answer again; `late`: also what was asked meanwhile, which else is lost."""
        if not late:
            self._thawed = asyncio.Event()
        self._thawed.set()

    async def start(self, spec: ContainerSpec) -> Pulled:
        await self._reach("start")
        fault = self.faults.popleft() if self.faults else Fault.NONE
        began = self.clock.unix_s()
        if fault is Fault.NOT_REACHED:
            raise HostNotReached(self.name, "start", "connection refused")
        await asyncio.sleep(FOREVER_S if fault is Fault.HANG else self.start_s)
        self._refuse(fault)
        if spec.definition.image in self.missing:
            raise ImageNotFound(self.name, "start", "manifest unknown")
        if fault is Fault.LOST_BEFORE:
            raise OutcomeUnknown(self.name, "start", "no answer")
        if spec.name not in self.containers:
            self._create(spec)
        if fault is Fault.LOST_AFTER:
            raise OutcomeUnknown(self.name, "start", "no answer")
        return began, began

    async def restart(self, spec: ContainerSpec) -> None:
        await self._reach("restart")
        fault = self.faults.popleft() if self.faults else Fault.NONE
        if fault is Fault.NOT_REACHED:
            raise HostNotReached(self.name, "restart", "connection refused")
        await asyncio.sleep(self.start_s)
        self._refuse(fault)
        container = self.containers.get(spec.name)
        if container is None:
            raise CannotStart(self.name, "restart", "it is gone")
        if fault is not Fault.LOST_BEFORE and container.state is ContainerState.EXITED:
            container.state, container.exit_code = ContainerState.RUNNING, None
            self._note("restart", spec.name)
        if fault in {Fault.LOST_BEFORE, Fault.LOST_AFTER}:
            raise OutcomeUnknown(self.name, "restart", "no answer")

    def _refuse(self, fault: Fault) -> None:
        if fault is Fault.NO_IMAGE:
            raise ImageNotFound(self.name, "start", "manifest unknown")
        if fault is Fault.PORT_TAKEN:
            raise PortTaken(self.name, "start", "address already in use")
        if fault is Fault.REFUSED:
            raise CannotStart(self.name, "start", "refused")

    def _create(self, spec: ContainerSpec) -> None:
        for lease in spec.leases:
            if self.serves(lease.host_port):
                raise PortTaken(self.name, "start", f"{lease.host_port} is in use")
        checked = spec.definition.health_check is not None
        health = HealthStatus.UNKNOWN if checked else self.health
        self.containers[spec.name] = MemoryContainer(spec, health=health)
        self.created[spec.name] += 1
        self._note("start", spec.name)
        if spec.definition.name in self.ends_at_once:
            self.die(spec.name, self.ends_at_once[spec.definition.name])
        if self.dies_after_s is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(self.dies_after_s, self.die, spec.name, 1)

    async def stop(self, name: ContainerName, timeout_s: float) -> StopOutcome:
        await self._reach("stop")
        container = self.containers.get(name)
        if container is None or container.state is ContainerState.EXITED:
            return StopOutcome(container.exit_code if container else None, killed=False)
        self._note("stop", name)
        await asyncio.sleep(min(self.stop_s, timeout_s))
        killed = self.stop_s > timeout_s
        self.die(name, KILLED if killed else 0)
        return StopOutcome(container.exit_code, killed)

    async def remove(self, name: ContainerName) -> None:
        await self._reach("remove")
        if self.containers.pop(name, None) is not None:
            self._note("remove", name)

    async def resolve(self, container: ContainerDefinition) -> str:
        await self._reach("resolve")
        await asyncio.sleep(self.resolve_s)
        if container.image in self.missing:
            raise ImageNotFound(self.name, "resolve", "manifest unknown")
        return self.digests.get(container.image, container.image)

    async def remove_volumes(self, task_id: TaskId) -> None:
        await self._reach("remove volumes")

    async def status(self) -> InstanceStatus:
        await self._reach("status")
        await asyncio.sleep(self.status_s)
        return InstanceStatus(
            connected=True,
            cpu=self.cpu_units,
            memory_mib=self.memory_mib,
            address=self.address,
            containers=tuple(map(self._status_of, self.containers.values())),
            observed_at_s=self.clock.now_s(),
            attributes=self.attributes,
        )

    async def changes(self) -> AsyncIterator[ContainerStatus]:
        await self._reach("changes")
        queue: asyncio.Queue[ContainerStatus] = asyncio.Queue()
        self._listening.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listening.remove(queue)

    async def cpu(self) -> Mapping[ContainerName, CpuSample]:
        await self._reach("cpu")
        now = self.clock.now_s()
        used_ns = int(self.used_units / 1024 * now * 1e9)
        return {name: CpuSample(used_ns, now) for name in self.running()}

    async def logs(
        self, name: ContainerName, *, follow: bool, tail: int | None
    ) -> AsyncIterator[bytes]:
        await self._reach("logs")
        for at, what, who in self.log:
            if who == name:
                yield f"{at:.1f} {what}\n".encode()

    async def execute(
        self, name: ContainerName, command: Sequence[str], *, tty: bool
    ) -> Execution:
        await self._reach("exec")
        if name not in self.running():
            raise CannotStart(self.name, f"exec in {name}", "it does not run")
        return MemoryExecution(command)

    async def close(self) -> None:
        """Nothing is held."""

    def running(self) -> list[ContainerName]:
        """Return the names of the containers that run."""
        return [
            name
            for name, container in self.containers.items()
            if container.state is ContainerState.RUNNING
        ]

    def serves(self, port: int) -> bool:
        """Tell whether a running container answers on the port."""
        return any(
            lease.host_port == port
            for name in self.running()
            for lease in self.containers[name].spec.leases
        )

    def serves_task(self, address: str, port: int) -> bool:
        """Tell whether a task with an address of its own answers on its port."""
        pauses = [self.containers[name] for name in self.running()]
        for pause in pauses:
            if pause.spec.is_pause() and self._address_of(pause) == address:
                return any(
                    port in mapping.container_ports
                    for each in pauses
                    if each.spec.task_id == pause.spec.task_id
                    for mapping in each.spec.definition.port_mappings
                )
        return False

    def die(self, name: ContainerName, exit_code: int = KILLED) -> None:
        """Let the container exit, if it still runs."""
        container = self.containers.get(name)
        if container is None or container.state is ContainerState.EXITED:
            return
        container.state, container.exit_code = ContainerState.EXITED, exit_code
        self._note("exit", name)

    def find(self, name: ContainerName, health: HealthStatus) -> None:
        """Let the container's health check find this, if it still runs."""
        self.containers[name].health = health
        self._note(health.value, name)

    def _note(self, what: str, name: ContainerName) -> None:
        self.log.append((self.clock.now_s(), what, name))
        if name in self.containers and self.reachable:
            for queue in self._listening:
                queue.put_nowait(self._status_of(self.containers[name]))

    async def _reach(self, operation: str) -> None:
        await self._thawed.wait()
        if not self.reachable:
            raise HostNotReached(self.name, operation, "no route to host")

    def _address_of(self, container: MemoryContainer) -> str:
        """Return the address of a task with a network of its own."""
        if not container.spec.is_pause():
            return ""
        number = list(self.created).index(container.spec.name) + 1
        return f"{self.address}.{number}"

    def _status_of(self, container: MemoryContainer) -> ContainerStatus:
        return ContainerStatus(
            name=container.spec.name,
            task_id=container.spec.task_id,
            state=container.state,
            exit_code=container.exit_code,
            health=container.health,
            address=self._address_of(container),
        )


@dataclass(slots=True)
class MemoryTarget:
    group: str
    host: str
    port: int
    since_s: float
    draining_since_s: float | None = None


@dataclass(slots=True)
class MemoryLoadBalancer:
    """Implements `scheduler.ports.LoadBalancer`, with probes that take time."""

    clock: Clock
    probe: Callable[[str, int], bool]
    """Whether (host, port) answers as it should."""
    healthy_after_s: float = 2.0
    acknowledged_after_s: float = 0.1
    in_flight_s: float = 1.0
    """How long the last requests of a deregistered target take."""
    silent: bool = False
    """Nothing is acknowledged or probed any more."""
    targets: dict[str, MemoryTarget] = field(default_factory=dict)
    weights: dict[str, tuple[dict[str, float], float]] = field(default_factory=dict)
    """By rule: what was set, and when."""
    log: list[tuple[float, str, str]] = field(default_factory=list)

    def register(self, target_id: str, group: str, host: str, port: int) -> None:
        if target_id not in self.targets:
            now = self.clock.now_s()
            self.targets[target_id] = MemoryTarget(group, host, port, now)
            self._note("register", target_id)

    def deregister(self, target_id: str) -> None:
        target = self.targets.get(target_id)
        if target is not None and target.draining_since_s is None:
            target.draining_since_s = self.clock.now_s()
            self._note("deregister", target_id)

    def forget(self, target_id: str) -> None:
        if self.targets.pop(target_id, None) is not None:
            self._note("forget", target_id)

    def observe(self) -> Mapping[str, TargetView]:
        return {name: self._view(target) for name, target in self.targets.items()}

    def inherited(self) -> Mapping[str, TargetView]:
        return {}

    def set_weights(self, rule: str, weights: Mapping[str, float]) -> None:
        if weights:
            self.weights[rule] = (dict(weights), self.clock.now_s())
        else:
            self.weights.pop(rule, None)
        self._note("weigh", rule)

    def observe_weights(self) -> Mapping[str, RuleView]:
        now_s = self.clock.now_s()
        return {
            rule: RuleView(
                weights,
                not self.silent and now_s - since_s >= self.acknowledged_after_s,
            )
            for rule, (weights, since_s) in self.weights.items()
        }

    def _view(self, target: MemoryTarget) -> TargetView:
        known_s = -1.0 if self.silent else self.clock.now_s() - target.since_s
        answers = self.probe(target.host, target.port)
        probed = known_s >= self.healthy_after_s
        draining_s = -1.0
        if target.draining_since_s is not None and not self.silent:
            draining_s = self.clock.now_s() - target.draining_since_s
        in_flight = target.draining_since_s is None or draining_s < self.in_flight_s
        return TargetView(
            healthy=probed and answers and target.draining_since_s is None,
            unhealthy=probed and not answers and target.draining_since_s is None,
            reason="Health checks failed" if probed and not answers else "",
            eligible_everywhere=target.draining_since_s is None and known_s >= 0,
            removed_everywhere=draining_s >= self.acknowledged_after_s,
            in_flight=int(in_flight),
            drained=draining_s >= max(self.acknowledged_after_s, self.in_flight_s),
        )

    def _note(self, what: str, target_id: str) -> None:
        self.log.append((self.clock.now_s(), what, target_id))
