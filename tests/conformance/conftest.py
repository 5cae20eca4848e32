"""Worlds: what a conformance test needs of a runtime to put it to the test."""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foundation.clock import SystemClock
from scheduler.definition import ContainerDefinition, PortMapping
from scheduler.drivers.docker import DockerRuntime
from scheduler.drivers.memory import MemoryHost
from scheduler.drivers.process import ProcessRuntime
from scheduler.instance import EndpointTls
from scheduler.model import (
    ContainerName,
    ContainerState,
    PortLease,
    TaskId,
)
from scheduler.ports import ContainerSpec, Runtime
from tests.support.engines import Engine
from tests.support.images import import_busybox
from tests.support.ways import certificates, relay, sshd

UID, OTHER_UID = "c0ffee", "facade"
SERVER = """
import http.server, os
address = ("127.0.0.1", int(os.environ["PORT"]))
http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@dataclasses.dataclass
class World:
    """A host and its runtime. `runtime` makes another object for the same host."""

    kind: str
    runtime: Callable[[str], Runtime]
    server: tuple[str, ...]
    image: str = ""
    has_network_of_its_own: bool = False
    made: list[Runtime] = dataclasses.field(default_factory=list)

    def connect(self, uid: str = UID) -> Runtime:
        runtime = self.runtime(uid)
        self.made.append(runtime)
        return runtime

    def spec(self, *command: str, **changes: Any) -> ContainerSpec:
        """A container of a task of its own that runs `command`."""
        task_id = TaskId(uuid.uuid4().hex)  # never used twice, by no other run either
        definition = ContainerDefinition(
            name="web", image=self.image, cpu=64, memory_mib=64, command=command
        )
        spec = ContainerSpec(
            name=ContainerName(f"alb-{UID}-{task_id}-web"),
            task_id=task_id,
            service="shop",
            cluster_uid=UID,
            definition=definition,
            environment=(),
            leases=(),
            spec_hash="hash",
        )
        return dataclasses.replace(spec, **changes)

    def script(self, text: str, **changes: Any) -> ContainerSpec:
        return self.spec("sh", "-c", text, **changes)

    def server_spec(self) -> ContainerSpec:
        """A container that answers HTTP on a leased port."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        listens_at = 8080 if self.has_network_of_its_own else port
        spec = self.spec(*self.server, environment=(("PORT", str(listens_at)),))
        return dataclasses.replace(
            spec,
            definition=dataclasses.replace(
                spec.definition, port_mappings=(PortMapping(8080),)
            ),
            leases=(PortLease("host-a", port, "web", 8080),),
        )

    async def clear(self) -> None:
        for uid in (UID, OTHER_UID):
            runtime = self.connect(uid)
            for container in (await runtime.status()).containers:
                if container.state is ContainerState.RUNNING:
                    await runtime.stop(container.name, 0)
                await runtime.remove(container.name)
        for runtime in self.made:
            await runtime.close()
        self.made.clear()


@pytest.fixture(
    params=[
        "process",
        pytest.param("docker", marks=pytest.mark.needs("docker")),
        pytest.param("docker-tcp", marks=pytest.mark.needs("docker")),
        pytest.param("docker-tls", marks=pytest.mark.needs("docker")),
        pytest.param("docker-ssh", marks=pytest.mark.needs("docker", "sshd")),
    ]
)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    match request.param:
        case "memory":
            world = _memory_world()
        case "process":
            world = _process_world(tmp_path)
        case "docker":
            world = request.getfixturevalue("docker_world")
        case way:
            world = request.getfixturevalue(way.replace("-", "_") + "_world")
    yield world
    await world.clear()


def _memory_world() -> World:
    host = MemoryHost("host-a", SystemClock(), start_s=0.0, stop_s=0.05)
    return World("memory", lambda _: host, server=())


def _process_world(directory: Path) -> World:
    def connect(uid: str) -> Runtime:
        return ProcessRuntime(
            "host-a",
            directory / "tasks",
            uid,
            clock=SystemClock(),
            working_directory=directory,
        )

    return World("process", connect, (sys.executable, "-c", SERVER))


IMAGE = "alb-conformance/busybox:1"
HTTPD = 'trap "exit 0" TERM; httpd -f -p $PORT -h /tmp & wait'


@pytest.fixture(scope="session")
def docker_world(engine: Engine) -> World:
    import_busybox(engine, IMAGE)

    def connect(uid: str) -> Runtime:
        return DockerRuntime("host-a", engine.endpoint, uid, clock=SystemClock())

    server = ("sh", "-c", HTTPD)
    return World("docker", connect, server, IMAGE, has_network_of_its_own=True)


def _remote_world(
    engine: Engine, endpoint: str, tls: EndpointTls | None = None
) -> World:
    """The same engine, reached another way."""
    import_busybox(engine, IMAGE)

    def connect(uid: str) -> Runtime:
        return DockerRuntime("host-a", endpoint, uid, clock=SystemClock(), tls=tls)

    server = ("sh", "-c", HTTPD)
    return World("docker", connect, server, IMAGE, has_network_of_its_own=True)


@pytest.fixture(scope="session")
def docker_tcp_world(engine: Engine) -> Iterator[World]:
    with relay(engine.endpoint.removeprefix("unix://")) as port:
        yield _remote_world(engine, f"tcp://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def docker_tls_world(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    files, context = certificates(tmp_path_factory.mktemp("tls"))
    with relay(engine.endpoint.removeprefix("unix://"), context) as port:
        yield _remote_world(engine, f"tcp://127.0.0.1:{port}", files)


@pytest.fixture(scope="session")
def docker_ssh_world(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with (
        sshd(tmp_path_factory.mktemp("ssh")) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PATH", f"{server.bin}:{os.environ['PATH']}")
        endpoint = server.endpoint(engine.endpoint.removeprefix("unix://"))
        yield _remote_world(engine, endpoint)


@pytest.fixture
def runtime(world: World) -> Runtime:
    return world.connect()
