"""Run tasks as processes of this machine: a Runtime without an engine. Floor 3.

One small shim per task (`shim.py`) keeps it while control comes and goes; this
file starts shims, signals tasks and hears their end. The directory says all there
is to know, so a new control adopts what it finds. Images, volumes, users and
network modes do not exist here: `image` is not looked at, the others are refused.

    start -> directory by rename -> shim -> run.json -> exec
    stop  -> SIGTERM to the task, wait for its shim, SIGKILL
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from foundation.clock import Clock
from foundation.surroundings import inherited
from scheduler.decide.processes import OWN_NETWORK, beyond_a_process
from scheduler.definition import ContainerDefinition, NetworkMode
from scheduler.drivers import port_claims, shim
from scheduler.drivers import process_records as records
from scheduler.drivers.feed import Feeds
from scheduler.drivers.host import own_attributes
from scheduler.drivers.labels import CLUSTER_UID, labels_of, same_container
from scheduler.drivers.process_exec import execute
from scheduler.drivers.process_logs import FOLLOW_INTERVAL_S, LogReader
from scheduler.drivers.process_records import Record, Running
from scheduler.drivers.process_table import MARK, read_table, usage
from scheduler.drivers.process_watch import ExitWatch
from scheduler.drivers.secrets import environment_of
from scheduler.errors import (
    CannotStart,
    ContainerError,
    NameTaken,
    OutcomeUnknown,
    PortTaken,
)
from scheduler.model import (
    CPU_UNITS_PER_CORE,
    ContainerName,
    ContainerStatus,
    InstanceStatus,
    PortLease,
    TaskId,
)
from scheduler.ports import (
    ContainerSpec,
    CpuSample,
    Execution,
    Pulled,
    StopOutcome,
)

P = ParamSpec("P")
T = TypeVar("T")

THREADS: Final = 8
LAUNCH_TIMEOUT_S: Final = 10.0
KILL_TIMEOUT_S: Final = 5.0
BEGIN_ATTEMPTS: Final = 200
BEGIN_PAUSE_S: Final = 0.01
GONE: Final = StopOutcome(exit_code=None, killed=False)


class ProcessRuntime:
    """A container instance whose containers are processes beside us."""

    def __init__(  # noqa: PLR0913 - the three after the star have names
        self,
        name: str,
        directory: Path,
        cluster_uid: str,
        *,
        clock: Clock,
        address: str = "127.0.0.1",
        working_directory: Path | None = None,
    ) -> None:
        """`directory` holds the containers; commands run in `working_directory`."""
        self.name = name
        self.address = address or "127.0.0.1"
        self._root = directory.absolute()
        self._cluster_uid = cluster_uid
        self._clock = clock
        self._working_directory = (working_directory or Path.cwd()).absolute()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"alb-{name}")
        self._locks = WeakValueDictionary[ContainerName, asyncio.Lock]()
        self._running: dict[ContainerName, Running] = {}
        self._used_ns: dict[ContainerName, int] = {}
        self._watch = ExitWatch(self._shim_ended)
        self._feeds = Feeds(name)

    def __repr__(self) -> str:
        return f"<ProcessRuntime {self.name}: {len(self._running)} running>"

    async def start(self, spec: ContainerSpec) -> Pulled:
        """Create and start; one that is there with our labels is adopted.

        One that has ended stays ended: a task runs once, however often it is
        started. Raises NameTaken, PortTaken, CannotStart (also again, from the
        record, for a command that could not be run), OutcomeUnknown.
        """
        began = self._clock.unix_s()
        async with self._lock(spec.name):
            record = await self._call(self._launch, spec)
            self._follow(record)
            if record.running and record.ended:  # already; its shim is ours to reap
                self._watch.add(record.name, record.running.shim)
            self._feeds.publish(record.status)
        return began, began

    async def restart(self, spec: ContainerSpec) -> None:
        """Raise CannotStart: what restarts in place is refused before it starts."""
        detail = "a process is not restarted in place"
        raise CannotStart(self.name, f"restart {spec.name}", detail)

    async def stop(self, name: ContainerName, timeout_s: float) -> StopOutcome:
        async with self._lock(name):  # a start under way comes to its end first
            record = await self._call(self._find, name)
        if record is None or record.running is None:
            return GONE
        if record.ended:
            return StopOutcome(record.ended.exit_code, killed=False)
        ended = self._watch.add(name, record.running.shim)
        record.running.task.signal(signal.SIGTERM)
        killed = not await _wait(ended, timeout_s)
        if killed:
            record.running.task.signal(signal.SIGKILL)
            if not await _wait(ended, KILL_TIMEOUT_S):
                record.running.shim.signal(signal.SIGKILL)
                await _wait(ended, KILL_TIMEOUT_S)
        return await self._outcome(name, killed=killed)

    async def remove(self, name: ContainerName) -> None:
        async with self._lock(name):
            record = await self._call(self._find, name)
            if record is None:
                return
            if record.running and not record.ended:
                raise ContainerError(self.name, f"remove {name}", "it is running")
            await self._call(records.remove, record)

    async def resolve(self, container: ContainerDefinition) -> str:
        return container.image

    async def remove_volumes(self, task_id: TaskId) -> None:
        """A process has its host's files."""

    async def status(self) -> InstanceStatus:
        found = await self._call(self._list)
        for record in found:
            self._follow(record)
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return InstanceStatus(
            connected=True,
            cpu=(os.cpu_count() or 1) * CPU_UNITS_PER_CORE,
            memory_mib=memory_bytes >> 20,
            address=self.address,
            containers=tuple(record.status for record in found),
            observed_at_s=self._clock.now_s(),
            attributes=own_attributes(platform.system(), platform.machine()),
        )

    async def changes(self) -> AsyncIterator[ContainerStatus]:
        with self._feeds.open() as feed:
            await self.status()  # those of an earlier control are watched, too
            while True:
                for status in await feed.take():
                    yield status

    async def cpu(self) -> Mapping[ContainerName, CpuSample]:
        samples = await self._call(self._measure, dict(self._running))
        return {name: samples[name] for name in samples if name in self._running}

    async def logs(
        self, name: ContainerName, *, follow: bool, tail: int | None
    ) -> AsyncIterator[bytes]:
        record = await self._call(self._find, name)
        if record is None:
            return
        reader = LogReader(record.directory)
        try:
            if text := await self._call(reader.open, tail):
                yield text
            while follow:
                last = await self._call(reader.ended)
                if chunk := await self._call(reader.more):
                    yield chunk
                elif last:
                    return
                else:
                    await asyncio.sleep(FOLLOW_INTERVAL_S)
        finally:
            reader.close()

    async def execute(
        self, name: ContainerName, command: Sequence[str], *, tty: bool
    ) -> Execution:
        """Run a command as the task's own runs. Raises CannotStart."""
        record = await self._call(self._find, name)
        if record is None or record.running is None or record.ended:
            raise CannotStart(self.name, f"exec in {name}", "it does not run")
        environment, directory = await self._call(records.surroundings, record)
        return await execute(self.name, command, environment, directory, tty=tty)

    async def close(self) -> None:
        self._watch.close()
        self._running.clear()
        self._feeds.close("the runtime was closed")
        self._threads.shutdown(wait=False, cancel_futures=True)

    # --- on the loop ------------------------------------------------------------

    def _lock(self, name: ContainerName) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _call(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        assert not kwargs
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *args)

    def _follow(self, record: Record) -> None:
        if record.running and not record.ended and record.name not in self._running:
            self._running[record.name] = record.running
            self._watch.add(record.name, record.running.shim)

    def _shim_ended(self, name: ContainerName) -> None:
        """Tell everybody how the container ended, once its record is settled."""
        self._running.pop(name, None)
        self._used_ns.pop(name, None)
        loop = asyncio.get_running_loop()
        found = loop.run_in_executor(self._threads, self._find, name)
        found.add_done_callback(self._publish)

    def _publish(self, found: asyncio.Future[Record | None]) -> None:
        if not found.cancelled() and (record := found.result()):
            self._feeds.publish(record.status)

    async def _outcome(self, name: ContainerName, *, killed: bool) -> StopOutcome:
        record = await self._call(self._find, name)
        if record is None:
            return GONE
        if record.ended is None:
            raise OutcomeUnknown(self.name, f"stop {name}", "it survives SIGKILL")
        code = record.ended.exit_code
        return StopOutcome(code, killed and code == records.KILLED_EXIT_CODE)

    # --- on a thread ------------------------------------------------------------

    def _find(self, name: ContainerName) -> Record | None:
        """Return our container; somebody else's of that name is none of ours."""
        record = records.read_settled(self._root, name)
        ours = record and record.labels.get(CLUSTER_UID) == self._cluster_uid
        return record if ours else None

    def _list(self) -> list[Record]:
        return [
            record
            for record in records.list_settled(self._root)
            if record.labels.get(CLUSTER_UID) == self._cluster_uid
        ]

    def _measure(
        self, running: Mapping[ContainerName, Running]
    ) -> dict[ContainerName, CpuSample]:
        table, now_s = read_table(), self._clock.now_s()
        samples = {}
        for name, run in running.items():
            used = usage(table, run.shim.pid, run.task.pid)
            if used is None:
                continue
            # what a child used is missing between its end and its parent's wait
            cpu_ns = max(used[0], self._used_ns.get(name, 0))
            self._used_ns[name] = cpu_ns
            samples[name] = CpuSample(cpu_ns, now_s, used[1])
        return samples

    def _launch(self, spec: ContainerSpec) -> Record:
        operation = f"start {spec.name}"
        record = records.read_settled(self._root, spec.name)
        if record is None:
            self._require_possible(spec)
        if record is None or not record.has_begun:
            record = self._begin(spec, record)
        self._require_ours(spec, record)
        if record.ended and record.ended.error:
            detail = f"CannotStartContainerError: {record.ended.error}"
            raise CannotStart(self.name, operation, detail)
        return record

    def _begin(self, spec: ContainerSpec, record: Record | None) -> Record:
        """Start a shim, which inherits what keeps the ports ours."""
        with contextlib.ExitStack() as stack:
            try:
                held = [
                    stack.enter_context(self._claimed(spec.name, lease))
                    for lease in spec.leases
                ]
            except PortTaken:
                now = record and records.read_settled(self._root, spec.name)
                if now and now.has_begun:
                    return now  # by somebody else, and so is what holds the port
                raise
            if record is None:
                records.create(self._root, spec.name, self._shim_spec(spec))
                record = records.read(self._root, spec.name)
                assert record, "it was just created, and only we remove"
            self._require_ours(spec, record)
            self._run_shim(record, [claim.fileno() for claim in held if claim])
        return self._require_begun(record)

    def _claimed(
        self, name: ContainerName, lease: PortLease
    ) -> contextlib.AbstractContextManager[socket.socket | None]:
        where = f"{self.address}:{lease.host_port}"
        try:
            held = port_claims.claim(self.address, lease)
        except OSError:
            detail = f"{where} is another task's of this machine"
            raise PortTaken(self.name, f"start {name}", detail) from None
        if not _is_free(self.address, lease):
            with held:
                detail = f"{where} is in use"
                raise PortTaken(self.name, f"start {name}", detail)
        return held

    def _require_ours(self, spec: ContainerSpec, record: Record) -> None:
        if not same_container(spec, record.labels):
            detail = "another container has the name"
            raise NameTaken(self.name, f"start {spec.name}", detail)

    def _require_begun(self, record: Record) -> Record:
        """Return what a shim wrote: ours has, another's (of a race) soon will."""
        for _ in range(BEGIN_ATTEMPTS):
            found = records.read_settled(self._root, record.name)
            if found and found.has_begun:
                return found
            time.sleep(BEGIN_PAUSE_S)
        detail = "its shim wrote nothing down"
        raise OutcomeUnknown(self.name, f"start {record.name}", detail)

    def _require_possible(self, spec: ContainerSpec) -> None:
        operation = f"start {spec.name}"
        if not spec.definition.entry_point + spec.definition.command:
            detail = "a process needs a command; there is no image to take it from"
            raise CannotStart(self.name, operation, detail)
        lacks = [f"{field}: {why}" for field, why in beyond_a_process(spec.definition)]
        if spec.network_mode in {NetworkMode.AWSVPC, NetworkMode.NONE}:
            lacks.append(f"networkMode: {OWN_NETWORK}")
        if lacks:
            detail = f"CannotCreateContainerError: {'; '.join(lacks)}"
            raise CannotStart(self.name, operation, detail)

    def _shim_spec(self, spec: ContainerSpec) -> dict[str, object]:
        definition = spec.definition
        told = environment_of(spec, self._working_directory, self.name)
        mark = {MARK: spec.name}
        return {
            "labels": labels_of(spec),
            "argv": [*definition.entry_point, *definition.command],
            "environment": inherited() | told | mark,
            "cwd": str(self._working_directory / definition.working_directory),
        }

    def _run_shim(self, record: Record, held: Sequence[int]) -> None:
        """Start a shim and wait until it says that the command runs, or not.

        It closes the descriptors `held` when its task has ended.
        """
        operation = f"start {record.name}"
        with open(record.directory / "shim.err", "ab") as errors:
            process = subprocess.Popen(  # noqa: S603
                [
                    *(sys.executable, "-I", "-S", shim.__file__),
                    *(str(record.directory), *map(str, held)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd="/",
                env={},
                start_new_session=True,
                pass_fds=held,
            )
        process.returncode = 0  # disowned: ExitWatch hears its end and waits for it
        assert process.stdout
        with process.stdout as answer:
            poll = select.poll()
            poll.register(answer, select.POLLIN)
            if not poll.poll(LAUNCH_TIMEOUT_S * 1000):
                raise OutcomeUnknown(self.name, operation, "its shim does not answer")
            word = answer.read().decode()
        if word in {shim.STARTED, shim.TAKEN}:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, 0)
        if not word:
            detail = (record.directory / "shim.err").read_text(errors="replace")
            raise CannotStart(self.name, operation, f"its shim failed: {detail[-500:]}")


def _is_free(address: str, lease: PortLease) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if lease.protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, lease.host_port))
        except OSError:
            return False
        return True


async def _wait(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
