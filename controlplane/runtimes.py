"""Runtimes for the instances of a file, and for a file that names none.

A file without container instances means this machine: the engine that the
docker CLI would use, if it answers, else local processes, if every container
has a command. That is chosen once, written down, and never flipped: tasks that
run in one cannot be found in the other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, assert_never

from controlplane.errors import ControlError
from foundation.clock import Clock
from scheduler.drivers.process import ProcessRuntime
from scheduler.errors import ContainerError
from scheduler.instance import EndpointTls
from scheduler.model import ContainerInstance, RuntimeKind, Service
from scheduler.ports import Runtime

DEFAULT_ENDPOINT: Final = "unix:///var/run/docker.sock"
DEFAULT_NAME: Final = "local"
STATUS_S: Final = 5.0
"""How long an engine may take to tell its gateway."""
ANSWER_S: Final = 5.0
"""How long an engine may take to answer that it is there."""


class NoRuntime(ControlError):
    """No engine answers, and not every container can run as a process."""

    def __init__(self, why: str, containers: Iterable[str]) -> None:
        super().__init__(why)
        self.why = why
        self.containers = tuple(containers)

    def __str__(self) -> str:
        listed = ", ".join(self.containers)
        return f"{self.why}; then every container needs a command: {listed} has none"


class InstanceMoved(ControlError):
    """Instances keep their names and are other hosts: their tasks would be lost."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.names = tuple(names)

    def __str__(self) -> str:
        named = ", ".join(f"containerInstances[{name}]" for name in self.names)
        return (
            f"{named}: runtime, endpoint, tls and address cannot change while"
            " tasks run there; give the new host another name, and its tasks move"
        )


Host = tuple[RuntimeKind, str, str, EndpointTls | None]


class Runtimes(dict[str, Runtime]):
    """The runtimes by instance name. Grows as files that are applied name more.

    A corrected host has its runtime under the same name; what was there is kept until
    the file is in force (`settle`) or refused (`take_back`). Whoever gets a runtime
    back from here closes it, once nobody uses it.
    """

    def __init__(self, tasks: Path, cluster_uid: str, clock: Clock) -> None:
        super().__init__()
        self._tasks = tasks
        self._cluster_uid = cluster_uid
        self._clock = clock
        self._hosts: dict[str, Host] = {}
        self._former: dict[str, tuple[Host, Runtime]] = {}

    def moved(self, instances: Iterable[ContainerInstance]) -> tuple[str, ...]:
        """Return the names of those that were other hosts before."""
        return tuple(
            instance.name
            for instance in instances
            if self._hosts.get(instance.name, _host(instance)) != _host(instance)
        )

    def open(
        self, instances: Sequence[ContainerInstance], directory: Path
    ) -> tuple[str, ...]:
        """Make a runtime for each host that has none yet; return the names."""
        new = [one for one in instances if self._hosts.get(one.name) != _host(one)]
        for instance in new:
            name = instance.name
            if name in self:
                self._former[name] = (self._hosts[name], self[name])
            self[name] = self._make(instance, directory)
            self._hosts[name] = _host(instance)
        return tuple(instance.name for instance in new)

    def take_back(self, names: Iterable[str]) -> list[Runtime]:
        """Undo the `open` of a file that was refused; nothing runs in these."""
        refused = []
        for name in names:
            refused.append(self.pop(name))
            del self._hosts[name]
            if name in self._former:
                self._hosts[name], self[name] = self._former.pop(name)
        return refused

    def settle(self) -> list[Runtime]:
        """Give up what instances were before they were corrected."""
        former = [runtime for _, runtime in self._former.values()]
        self._former.clear()
        return former

    async def address_of(self, name: str) -> str:
        """Return where the host's tasks are reached; empty when it does not answer."""
        try:
            async with asyncio.timeout(STATUS_S):
                return (await self[name].status()).address
        except (TimeoutError, ContainerError):
            return ""

    def _make(self, instance: ContainerInstance, directory: Path) -> Runtime:
        match instance.runtime:
            case RuntimeKind.DOCKER:
                return _docker(
                    _beside(instance, directory),
                    instance.endpoint,
                    self._cluster_uid,
                    self._clock,
                    directory,
                )
            case RuntimeKind.PROCESS:
                return ProcessRuntime(
                    instance.name,
                    self._tasks / instance.name,
                    self._cluster_uid,
                    clock=self._clock,
                    address=instance.address,
                    working_directory=directory,
                )
            case _:
                assert_never(instance.runtime)

    async def close(self) -> None:
        for runtime in self.values():
            await runtime.close()


def _docker(
    instance: ContainerInstance,
    endpoint: str,
    cluster_uid: str,
    clock: Clock,
    directory: Path | None = None,
) -> Runtime:
    """Import the engine's client where one is used: a third of a restart's time."""
    from scheduler.drivers.docker import DockerRuntime  # noqa: PLC0415

    return DockerRuntime(
        instance.name,
        endpoint or DEFAULT_ENDPOINT,
        cluster_uid,
        clock=clock,
        address=instance.address,
        directory=directory,
        tls=instance.tls,
    )


def _beside(instance: ContainerInstance, directory: Path) -> ContainerInstance:
    """Return an instance whose files are named by absolute paths."""
    tls = instance.tls
    if tls is None:
        return instance
    names = {"ca": tls.ca, "cert": tls.cert, "key": tls.key}
    paths = {
        name: str(directory / path) if path else "" for name, path in names.items()
    }
    return replace(instance, tls=EndpointTls(**paths))


def _host(instance: ContainerInstance) -> Host:
    return instance.runtime, instance.endpoint, instance.address, instance.tls


async def choose_default(
    endpoint: str, services: Iterable[Service], clock: Clock
) -> tuple[ContainerInstance, str]:
    """Return this machine as an instance, and why as that. Raises NoRuntime."""
    why = await why_not(endpoint, clock)
    if not why:
        engine = ContainerInstance(DEFAULT_NAME, RuntimeKind.DOCKER, endpoint)
        return engine, f"tasks run as containers of the engine at {endpoint}"
    reason = f"tasks run as local processes: no engine answers at {endpoint} ({why})"
    require_commands(services, reason)
    return ContainerInstance(DEFAULT_NAME, RuntimeKind.PROCESS), reason


def require_commands(
    services: Iterable[Service], why: str = "tasks of this cluster run as processes"
) -> None:
    """Raise NoRuntime when a container has nothing to run but its image."""
    lacking = sorted(set(without_command(services)))
    if lacking:
        raise NoRuntime(why, lacking)


async def why_not(endpoint: str, clock: Clock) -> str:
    """Return why no engine can be used at `endpoint`; empty when one answers."""
    if _is_missing(endpoint):
        return "no such socket"
    engine = ContainerInstance(DEFAULT_NAME, RuntimeKind.DOCKER)
    runtime = _docker(engine, endpoint, "none", clock)
    try:
        async with asyncio.timeout(ANSWER_S):
            status = await runtime.status()
    except TimeoutError:
        return f"no answer within {ANSWER_S:g} s"
    except ContainerError as error:
        return error.detail
    finally:
        await runtime.close()
    return "" if status.connected else status.detail


def _is_missing(endpoint: str) -> bool:
    scheme, _, path = endpoint.partition("://")
    return scheme == "unix" and not Path(path).exists()


def without_command(services: Iterable[Service]) -> Iterator[str]:
    """Yield the containers that only an image can run."""
    for service in services:
        for container in service.task_definition.containers:
            if not container.entry_point + container.command:
                yield container.name


def engine_endpoint(environment: Mapping[str, str], home: Path) -> str:
    """Return the endpoint the docker CLI would use.

    DOCKER_HOST, then DOCKER_CONTEXT or the configured current context, then
    the default socket. Source: docker CLI reference, "Environment variables"
    and "docker context".
    """
    if host := environment.get("DOCKER_HOST"):
        return host
    config = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
    current = _json(config / "config.json").get("currentContext")
    context = environment.get("DOCKER_CONTEXT") or current
    if not isinstance(context, str) or context == "default":
        return DEFAULT_ENDPOINT
    digest = hashlib.sha256(context.encode()).hexdigest()
    meta = _json(config / "contexts" / "meta" / digest / "meta.json")
    endpoints = meta.get("Endpoints")
    docker = endpoints.get("docker") if isinstance(endpoints, dict) else None
    host = docker.get("Host") if isinstance(docker, dict) else None
    return host or DEFAULT_ENDPOINT


def _json(path: Path) -> Mapping[str, object]:
    """Return the object in a file; one that is not there or not JSON is empty."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
