"""Run tasks as containers of one Docker Engine: a Runtime. Floor 3.

Translates and repeats; never chooses. Names and labels come from the spec, so
that any call may be made again by anyone: a create that answers 409 is a
container to adopt or somebody else's, a start that answers 304 has happened.
Short calls hold a thread of this engine's pool (`docker_calls`), long ones a
connection (`docker_streams`). Absent: restarts (the scheduler's decision).
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

from docker import APIClient

from foundation.clock import Clock
from scheduler.definition import ContainerDefinition
from scheduler.drivers import docker_config as config
from scheduler.drivers import docker_prepare as prepare
from scheduler.drivers.docker_calls import ASK_TIMEOUT_S, EngineCalls, EngineRefused
from scheduler.drivers.docker_exec import execute
from scheduler.drivers.docker_machine import Machine, look_at
from scheduler.drivers.docker_stats import CpuStreams
from scheduler.drivers.docker_streams import EngineStreams
from scheduler.drivers.docker_transport import transport_to
from scheduler.drivers.labels import CLUSTER_UID, same_container
from scheduler.errors import (
    CannotStart,
    ContainerError,
    HostNotReached,
    ImageNotFound,
    NameTaken,
    OutcomeUnknown,
    PortTaken,
)
from scheduler.instance import EndpointTls
from scheduler.model import (
    ContainerName,
    ContainerState,
    ContainerStatus,
    InstanceStatus,
    TaskId,
)
from scheduler.ports import (
    ContainerSpec,
    CpuSample,
    Execution,
    Pulled,
    StopOutcome,
)

CREATE_ATTEMPTS: Final = 20
CREATE_PAUSE_S: Final = 0.1
"""A name that is taken and not yet there is being created, or removed."""
GONE: Final = StopOutcome(exit_code=None, killed=False)


class DockerRuntime:
    """A container instance whose containers a Docker Engine runs."""

    def __init__(  # noqa: PLR0913 - those after the star have names
        self,
        name: str,
        endpoint: str,
        cluster_uid: str,
        *,
        clock: Clock,
        address: str = "",
        directory: Path | None = None,
        tls: EndpointTls | None = None,
    ) -> None:
        """`endpoint` is unix://PATH, tcp://HOST:PORT or ssh://USER@HOST; `address`
        empty: found; `tls` is for TCP.

        Files that definitions name lie in `directory`, on this machine.
        """
        self.name = name
        self._endpoint = endpoint
        self._cluster_uid = cluster_uid
        self._clock = clock
        self._address = address
        self._directory = (directory or Path.cwd()).absolute()
        self._machine: Machine | None = None
        self._transport = transport_to(endpoint, tls)
        self._calls = EngineCalls(name, endpoint, self._transport)
        self._streams = EngineStreams(name, endpoint, self._transport)
        self._cpu = CpuStreams(self._streams, clock)
        self._locks = WeakValueDictionary[ContainerName, asyncio.Lock]()
        self._ended: dict[str, ContainerStatus] = {}

    def __repr__(self) -> str:
        return f"<DockerRuntime {self.name} at {self._endpoint}>"

    async def start(self, spec: ContainerSpec) -> Pulled:
        """Create and start; one that is there with our labels is adopted.

        One that has ended stays ended: a task runs once, however often it is
        started. Pulls an image that is not there. Raises NameTaken, PortTaken
        (nothing is left then), ImageNotFound, CannotStart, HostNotReached,
        OutcomeUnknown.
        """
        async with self._locks.setdefault(spec.name, asyncio.Lock()):
            began, found, pulled = self._clock.unix_s(), *(await self._create(spec))
            ready = pulled or began
            if found is None or found["State"]["Status"] == "created":
                if found and (failed := config.failed_to_start(found)):
                    await self._refuse_start(spec, failed)
                await self._start(spec)
            elif found["State"]["Status"] != "running":
                return began, ready
            await self._cpu.follow(spec.name)
        return began, ready

    async def restart(self, spec: ContainerSpec) -> None:
        """Start a container that has ended once more; one that runs is left.

        Raises CannotStart, also when it is gone, HostNotReached, OutcomeUnknown.
        """
        async with self._locks.setdefault(spec.name, asyncio.Lock()):
            found = await self._find(spec.name)
            if found is None:
                detail = "CannotStartContainerError: it is gone"
                raise CannotStart(self.name, f"restart {spec.name}", detail)
            await self._start(spec)
            self._ended.pop(found["Id"], None)
            await self._cpu.follow(spec.name)

    async def stop(self, name: ContainerName, timeout_s: float) -> StopOutcome:
        """SIGTERM, wait, SIGKILL: the engine's stop, which knows STOPSIGNAL.

        Raises HostNotReached, OutcomeUnknown.
        """
        found = await self._find(name)
        if found is None:
            return GONE
        before = config.status_from_inspect(found)
        if before.state is not ContainerState.RUNNING:
            return StopOutcome(before.exit_code, killed=False)
        try:
            await self._streams.post(
                f"stop {name}",
                f"/containers/{found['Id']}/stop",
                {"t": math.ceil(timeout_s)},
                math.ceil(timeout_s) + 2 * ASK_TIMEOUT_S,
            )
        except EngineRefused as refused:
            if refused.status != config.NOT_FOUND:
                raise
        return await self._outcome(name)

    async def remove(self, name: ContainerName) -> None:
        found = await self._find(name)
        if found is None:
            return
        if found["State"]["Running"]:
            raise ContainerError(self.name, f"remove {name}", "it is running")
        await self._remove(found["Id"])

    async def resolve(self, container: ContainerDefinition) -> str:
        """Return what the image's tag means here, pulled if it is not here.

        Raises ImageNotFound, CannotStart, HostNotReached, OutcomeUnknown.
        """
        image = container.image
        found = await self._look_at_image(image)
        if found is None:
            await prepare.pull_image(
                self._calls, self._streams, container, self._directory
            )
            found = await self._look_at_image(image)
        if found is None:
            raise ImageNotFound(self.name, f"resolve {image}", "it is gone again")
        return config.by_digest(image, found)

    async def _look_at_image(self, image: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = await self._calls.ask(
                f"inspect image {image}",
                lambda client: client.inspect_image(image),  # type: ignore[no-untyped-call]
            )
        except EngineRefused as refused:
            if refused.status == config.NOT_FOUND:
                return None
            raise
        return found

    async def remove_volumes(self, task_id: TaskId) -> None:
        await prepare.remove_volumes(self._calls, self._cluster_uid, task_id)

    async def status(self) -> InstanceStatus:
        machine = await self._look_at_machine()
        listed = await self._calls.ask(
            "list containers",
            lambda client: client.containers(
                all=True, filters={"label": f"{CLUSTER_UID}={self._cluster_uid}"}
            ),
        )
        containers = [await self._status_of(each) for each in listed]
        present = {each["Id"] for each in listed}
        self._ended = {key: self._ended[key] for key in self._ended.keys() & present}
        await self._cpu.follow_only(
            each.name
            for each in containers
            if each and each.state is ContainerState.RUNNING
        )
        return InstanceStatus(
            connected=True,
            cpu=machine.cpu,
            memory_mib=machine.memory_mib,
            address=machine.address,
            containers=tuple(each for each in containers if each),
            observed_at_s=self._clock.now_s(),
            attributes=machine.attributes,
        )

    async def changes(self) -> AsyncIterator[ContainerStatus]:
        """Yield starts and ends as the engine tells them.

        Raises HostNotReached when the stream is lost; whoever reads it opens
        the next one and looks at `status`, for what happened in between.
        """
        filters = json.dumps(config.events_filter(self._cluster_uid))
        events = self._streams.json_lines("events", "/events", {"filters": filters})
        async with aclosing(events):
            async for status in self._read_events(events):
                yield status
        detail = f"{self._endpoint}: the engine closed the stream"
        raise HostNotReached(self.name, "events", detail)

    async def cpu(self) -> Mapping[ContainerName, CpuSample]:
        return self._cpu.samples()

    async def logs(
        self, name: ContainerName, *, follow: bool, tail: int | None
    ) -> AsyncIterator[bytes]:
        found = await self._find(name)
        if found is None:
            return
        # fmt: off
        parameters = {
            "stdout": 1, "stderr": 1, "follow": int(follow),
            "tail": "all" if tail is None else tail,
        }
        # fmt: on
        path = f"/containers/{found['Id']}/logs"
        framed = not found["Config"]["Tty"]
        output = self._streams.output(f"logs {name}", path, parameters, framed=framed)
        async with aclosing(output):
            async for chunk in output:
                yield chunk

    async def execute(
        self, name: ContainerName, command: Sequence[str], *, tty: bool
    ) -> Execution:
        """Run a command in the container. Raises CannotStart, HostNotReached, …"""
        found = await self._find(name)
        if found is None or not found["State"]["Running"]:
            raise CannotStart(self.name, f"exec in {name}", "it does not run")
        try:
            return await execute(
                self._calls, self._transport, found["Id"], command, tty=tty
            )
        except EngineRefused as refused:
            raise CannotStart(self.name, refused.operation, refused.detail) from refused

    async def close(self) -> None:
        await self._cpu.close()
        await self._streams.close()
        self._calls.close()
        await self._transport.close()

    async def _read_events(
        self, events: AsyncIterator[dict[str, Any]]
    ) -> AsyncIterator[ContainerStatus]:
        out_of_memory = set[str]()
        async for event in events:
            container = event["Actor"]["ID"]
            if event["Action"] == "oom":  # comes before the end that it causes
                out_of_memory.add(container)
                continue
            oom_killed = container in out_of_memory
            status = config.status_from_event(event, oom_killed=oom_killed)
            if status.state is ContainerState.EXITED:
                out_of_memory.discard(container)
                self._note_end(container, status)
            else:
                self._ended.pop(container, None)
                await self._cpu.follow(status.name)
            yield status

    def _note_end(self, key: str, status: ContainerStatus) -> None:
        """Remember an end: the engine's list may call it running a little longer."""
        self._ended[key] = status
        self._cpu.drop(status.name)

    async def _look_at_machine(self) -> Machine:
        if self._machine is None:
            self._machine = await look_at(self._calls, self._address)
        return self._machine

    # --- one container ----------------------------------------------------------

    async def _create(
        self, spec: ContainerSpec
    ) -> tuple[Mapping[str, Any] | None, float | None]:
        """Create the container. One that is there already is returned, if ours.

        Also when its image was there (unix seconds); None: it was not needed.
        """
        machine = await self._look_at_machine()
        body = await prepare.body_of(spec, machine, self._directory, self.name)
        await prepare.provide_volumes(self._calls, spec)
        operation = f"create {spec.name}"

        def create(client: APIClient) -> None:
            client.create_container_from_config(body, spec.name)  # type: ignore[no-untyped-call]

        pulled: float | None = None
        for _ in range(CREATE_ATTEMPTS):
            try:
                await self._calls.tell(operation, create)
            except EngineRefused as refused:
                if refused.status == config.CONFLICT:
                    with self._something_is_there(operation):
                        found = await self._inspect(spec.name)
                    if found:
                        return self._require_ours(spec, found), pulled
                    await asyncio.sleep(CREATE_PAUSE_S)
                elif refused.status == config.NOT_FOUND and pulled is None:
                    await prepare.provide_image(
                        self._calls, self._streams, spec, machine, self._directory
                    )
                    pulled = self._clock.unix_s()
                else:
                    detail = f"CannotCreateContainerError: {refused.detail}"
                    raise CannotStart(self.name, operation, detail) from refused
            else:
                return None, pulled
        raise OutcomeUnknown(self.name, operation, "its name is taken by nothing")

    def _require_ours(
        self, spec: ContainerSpec, found: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if not same_container(spec, found["Config"]["Labels"] or {}):
            detail = f"container {found['Id'][:12]} has the name and other labels"
            raise NameTaken(self.name, f"create {spec.name}", detail)
        return found

    async def _start(self, spec: ContainerSpec) -> None:
        operation = f"start {spec.name}"
        try:
            with self._something_is_there(operation):
                await self._calls.tell(
                    operation, lambda client: client.start(spec.name)
                )
        except EngineRefused as refused:
            await self._refuse_start(spec, refused.detail)

    @contextmanager
    def _something_is_there(self, operation: str) -> Iterator[None]:
        """Once a container exists, a host that is not reached is no clean failure."""
        try:
            yield
        except HostNotReached as failed:
            raise OutcomeUnknown(self.name, operation, failed.detail) from failed

    async def _refuse_start(self, spec: ContainerSpec, detail: str) -> None:
        """Raise why it did not start; a port that is taken needs another container."""
        operation = f"start {spec.name}"
        if config.PORT_TAKEN.search(detail):
            await self._remove(spec.name)
            raise PortTaken(self.name, operation, detail)
        detail = f"CannotStartContainerError: {detail}"
        raise CannotStart(self.name, operation, detail)

    async def _inspect(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = await self._calls.ask(
                f"inspect {name}", lambda client: client.inspect_container(name)
            )
        except EngineRefused as refused:
            if refused.status == config.NOT_FOUND:
                return None
            raise
        return found

    async def _find(self, name: ContainerName) -> Mapping[str, Any] | None:
        """Return our container; somebody else's of that name is none of ours."""
        found = await self._inspect(name)
        labels = found["Config"]["Labels"] or {} if found else {}
        return found if labels.get(CLUSTER_UID) == self._cluster_uid else None

    async def _outcome(self, name: ContainerName) -> StopOutcome:
        found = await self._inspect(name)
        if found is None:
            return GONE
        after = config.status_from_inspect(found)
        if after.state is ContainerState.RUNNING:
            raise OutcomeUnknown(self.name, f"stop {name}", "it runs on")
        self._note_end(found["Id"], after)
        killed = after.exit_code == config.KILLED_EXIT_CODE and not after.oom_killed
        return StopOutcome(after.exit_code, killed)

    async def _remove(self, name: str) -> None:
        try:
            await self._calls.tell(
                f"remove {name}", lambda client: client.remove_container(name, v=True)
            )
        except EngineRefused as refused:
            gone = refused.status == config.NOT_FOUND
            if not gone and "already in progress" not in refused.detail:
                raise

    async def _status_of(self, listed: Mapping[str, Any]) -> ContainerStatus | None:
        """Return its status; of one that does not run, with how it ended.

        None: it was removed meanwhile. An end is looked up once.
        """
        status, key = config.status_from_list(listed), listed["Id"]
        running, known = status.state is ContainerState.RUNNING, key in self._ended
        if running is known:  # to be looked up, or to be believed only after a look
            found = await self._inspect(key)
            if found is None:
                return None
            status = config.status_from_inspect(found)
            if status.state is ContainerState.EXITED:
                self._ended.setdefault(key, status)
            else:
                self._ended.pop(key, None)
        return self._ended.get(key, status)
