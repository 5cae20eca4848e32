"""A whole cluster for tests: `alb up -d` on an engine or with processes, and `alb`.

with live_cluster(Setting.of(directory, engine)) as cluster:
    await cluster.alb("scale", "web=3")
    await cluster.steady(3)

The file that runs is `cluster.file`, a document that tests change and apply.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from controlplane.demo.image import ensure_image
from controlplane.state_dir import StateDir
from scheduler.drivers.labels import CLUSTER_UID, TASK_ID
from tests.support.engines import Engine
from tests.support.evidence import RATE, Load, under_load
from tests.support.node import free_port

DEADLINE_S: Final = 30.0
COMMAND_S: Final = 60.0
LOOK_S: Final = 0.05
WORKERS: Final = 2
RELEASES: Final = ("one", "two", "three")
MILLISECONDS: Final = "10"
"""How long a request takes in a task: one serves 100 a second, two at a time never."""
CPU_MILLISECONDS: Final = "1"

TASK: Final = """
import os, signal
from controlplane.demo import task
polite = task.Task.catch_sigterm
def abrupt(self):
    polite(self)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
task.Task.catch_sigterm = abrupt
reading = task.Request.__init__
def closing(self, head):
    reading(self, head)
    self.close = self.close or b"close" in self.target
task.Request.__init__ = closing
task.main()
"""
"""The demo's task, but SIGTERM ends it at once: a request that it still has is
lost, so whoever sends SIGTERM must have drained it before. And it closes the
connection after a request that says so, so that the next one needs another."""
PATHS: Final = ("/", "/?close")
SLOW_PATHS: Final = ("/?ms=150", "/?ms=150&close")
SLOW_RATE: Final = 14

Document = dict[str, Any]


def release_image(release: str) -> str:
    return f"alb-live/task:{release}"


def make_images(engine: Engine) -> None:
    """Have an image of the demo's task per release; it tells its release."""
    first = release_image("base")
    ensure_image(engine.endpoint, first, None)
    for release in RELEASES:
        made = engine.docker("create", first)
        engine.docker(
            *("commit", "--change", f"ENV DEMO_SERVICE={release}"),
            *(made, release_image(release)),
        )
        engine.docker("rm", made)


def copy_images(one: Engine, other: Engine) -> None:
    """Have the same images, of the same ids, as one engine has: no registry tells."""
    names = [release_image(release) for release in RELEASES]
    saving = subprocess.Popen(
        ["docker", "--host", one.endpoint, "save", *names], stdout=subprocess.PIPE
    )
    with saving:
        subprocess.run(
            ["docker", "--host", other.endpoint, "load", "--quiet"],
            stdin=saving.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    assert 0 == saving.returncode


@dataclass(frozen=True, slots=True)
class Host:
    """What runs the tasks: local processes, or an engine's containers."""

    directory: Path
    engine: Engine | None = None
    endpoint: str = ""
    others: tuple[Engine, ...] = ()
    """More engines, each a host and a zone of its own."""

    @property
    def engines(self) -> tuple[Engine, ...]:
        return (self.engine, *self.others) if self.engine else self.others

    @property
    def instances(self) -> list[Document]:
        if not self.others:
            return [self.instance]
        return [
            {
                "name": name,
                "endpoint": engine.tcp_endpoint,
                "attributes": {"ecs.availability-zone": name},
            }
            for name, engine in zip("abcdef", self.engines, strict=False)
        ]

    @property
    def witness_address(self) -> str:
        """Where tasks find this machine."""
        if self.engine is None:
            return "127.0.0.1"
        return self.engine.front or self.engine.gateway()

    @property
    def instance(self) -> Document:
        if self.engine is None:
            return {"name": "here", "runtime": "process"}
        endpoint = self.endpoint or self.engine.endpoint
        return {"name": "here", "runtime": "docker", "endpoint": endpoint}

    def prepare(self) -> None:
        if self.engine is not None:
            make_images(self.engine)
        for other in self.others:
            copy_images(self.engines[0], other)

    @property
    def mark(self) -> str:
        """An argument that only the processes of this cluster's tasks have."""
        return f"task of {self.directory}"

    def container(self, release: str) -> Document:
        """The part of a container definition that makes it this release."""
        if self.engine is not None:
            image = release_image(release)
            return {"image": image, "command": ["python", "-c", TASK]}
        python = [sys.executable, "-c", TASK, self.mark]
        return {"command": ["/usr/bin/env", f"DEMO_SERVICE={release}", *python]}


def cluster_file(host: Host, listener: int, witness: str, desired: int) -> Document:
    """A service of one container behind one listener."""
    environment = {
        "DEMO_MS": MILLISECONDS,
        "DEMO_CPU_MS": CPU_MILLISECONDS,
        "ALB_WITNESS": witness,
    }
    container = {
        "name": "web",
        "cpu": 64,
        "memory": 64,
        "environment": [{"name": n, "value": v} for n, v in environment.items()],
        "portMappings": [{"containerPort": 8080}],
        "stopTimeout": 10,
    }
    return {
        "cluster": "live",
        "containerInstances": host.instances,
        "taskDefinitions": [
            {
                "family": "web",
                "containerDefinitions": [container | host.container("one")],
            }
        ],
        "targetGroups": [
            {
                "name": "web",
                "healthCheckPath": "/healthz",
                "healthCheckIntervalSeconds": 1,
                "healthyThresholdCount": 2,
                "unhealthyThresholdCount": 2,
                "attributes": {"deregistration_delay.timeout_seconds": "5"},
            }
        ],
        "listeners": [listener_to(listener)],
        "services": [
            {
                "serviceName": "web",
                "taskDefinition": "web",
                "desiredCount": desired,
                "loadBalancers": [{"targetGroup": "web"}],
            }
        ],
    }


def listener_to(port: int) -> Document:
    forward = {"type": "forward", "targetGroup": "web"}
    return {"port": port, "protocol": "HTTP", "defaultActions": [forward]}


@dataclass
class Watched:
    """What `/v1/state` said of the service, look after look.

    What a new control says before it was ready for the first time is left out:
    it does not know yet what the node knows.
    """

    healthy: list[int] = field(default_factory=list)
    live: list[int] = field(default_factory=list)
    """Running and pending."""

    def note(self, state: Document) -> None:
        (service,) = state["services"]
        self.healthy.append(service["healthyCount"])
        self.live.append(service["runningCount"] + service["pendingCount"])


@dataclass
class LiveCluster:
    """A running cluster. Tests may kill anything in it; `end` ends the rest."""

    host: Host
    port: int
    witness: tuple[str, int]
    file: Document

    # --- commands -----------------------------------------------------------------

    @property
    def state_dir(self) -> StateDir:
        return StateDir(self.host.directory / ".alb")

    @property
    def file_path(self) -> Path:
        return self.host.directory / "alb.yaml"

    def command(self, *words: str) -> tuple[str, ...]:
        alb = (sys.executable, "-m", "controlplane.cli")
        return (*alb, "-f", str(self.file_path), *words)

    async def alb(self, *words: str) -> str:
        """Run `alb`; fail with what it said unless it succeeds."""
        status, told = await self.try_alb(*words)
        assert 0 == status, f"alb {' '.join(words)}: {told}"
        return told

    async def try_alb(self, *words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *self.command(*words),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(COMMAND_S):
            told, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, told.decode()

    async def apply(self) -> None:
        self.write_file()
        await self.alb("apply")

    async def scale(self, count: int) -> None:
        await self.alb("scale", f"web={count}")

    def write_file(self) -> None:
        self.file_path.write_text(json.dumps(self.file))  # JSON is YAML

    def release(self, name: str) -> None:
        """Have the file want another release of the task."""
        (definition,) = self.file["taskDefinitions"]
        definition["containerDefinitions"][0] |= self.host.container(name)

    # --- what is there ------------------------------------------------------------

    async def status(self, path: str) -> int:
        """The status with which control answers; 0 when it does not."""
        try:
            async with self._asking(path) as answer:
                return answer.status
        except (aiohttp.ClientError, OSError):
            return 0

    async def document(self, path: str) -> Document:
        """What control answers, in JSON."""
        async with self._asking(path) as answer:
            document: Document = await answer.json()
            return document

    async def state(self) -> Document:
        """What control says; empty while it is away."""
        try:
            async with self._asking("/v1/state") as answer:
                state: Document = await answer.json()
                return state
        except (aiohttp.ClientError, OSError):
            return {}

    @contextlib.asynccontextmanager
    async def _asking(self, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        connector = aiohttp.UnixConnector(str(self.state_dir.control_socket))
        timeout = aiohttp.ClientTimeout(DEADLINE_S)
        async with (
            aiohttp.ClientSession("http://control", connector=connector) as session,
            session.get(path, timeout=timeout) as answer,
        ):
            yield answer

    async def until(
        self, what: str, is_so: Callable[[Document], bool], within_s: float = DEADLINE_S
    ) -> Document:
        """Look at the state until it is so; fail with the last one seen."""
        state: Document = {}
        try:
            async with asyncio.timeout(within_s):
                while not (state and is_so(state)):
                    await asyncio.sleep(LOOK_S)
                    state = await self.state() or state
        except TimeoutError:
            raise AssertionError(
                f"not within {within_s} s: {what}\n{_brief(state)}"
            ) from None
        return state

    async def steady(self, count: int, within_s: float = DEADLINE_S) -> dict[str, str]:
        """Wait until exactly `count` tasks serve and nothing moves any more.

        Returns {task id: its container}, or the pid of its process.
        """

        def is_so(state: Document) -> bool:
            (service,) = state["services"]
            return (
                service["desiredCount"] == service["healthyCount"] == count
                and service["steady"]
                and len(service["deployments"]) == 1
                and len(serving(state)) == count
                and all(task["lastStatus"] == "RUNNING" for task in live(state))
                and state["node"]["ready"]
            )

        state = await self.until(f"{count} tasks serve", is_so, within_s)
        containers = await asyncio.to_thread(self.containers)
        assert sorted(containers) == sorted(serving(state))
        return containers

    def containers(self) -> dict[str, str]:
        """Return {task id: its running container}; assert that none has two."""
        pairs = [*(self._of_processes() if self.host.engine is None else self._ps())]
        found = dict(pairs)
        assert len(found) == len(pairs), f"a task with two containers: {pairs}"
        return found

    def _ps(self) -> Iterator[tuple[str, str]]:
        for engine in self.host.engines:
            yield from self.containers_on(engine)

    def containers_on(self, engine: Engine) -> Iterator[tuple[str, str]]:
        """Yield (task id, container) of what runs there, whoever can reach it."""
        uid = f"label={CLUSTER_UID}={self.uid}"
        row = f'{{{{.Label "{TASK_ID}"}}}} {{{{.ID}}}}'
        told = engine.docker("ps", "--filter", uid, "--format", row)
        for line in told.splitlines():
            task, _, container = line.partition(" ")
            yield task, container

    def _of_processes(self) -> Iterator[tuple[str, str]]:
        """Every process that has our mark is one task's, and none else's."""
        running = set(self.marked_pids())
        for run in self.state_dir.tasks.glob("*/*/run.json"):
            pid = str(json.loads(run.read_text())["task"]["pid"])
            spec = json.loads((run.parent / "spec.json").read_text())
            if pid in running:
                running.remove(pid)
                yield spec["labels"][TASK_ID], pid
        assert not running, f"processes of no task: {running}"

    def marked_pids(self) -> Iterator[str]:
        mark = os.fsencode(self.host.mark)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                words = path.read_bytes().split(b"\0")
                if mark in words and not words[0].endswith(b"env"):
                    yield path.parent.name

    @property
    def uid(self) -> str:
        return self._uid

    async def learn(self) -> None:
        self._uid = str((await self.state())["uid"])

    _uid = ""

    async def get(self, path: str = "/", port: int = 0) -> tuple[int, str]:
        """Ask the front door, on a connection of its own."""
        url = f"http://127.0.0.1:{port or self.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def release_seen(self) -> str:
        """Which release answers this time."""
        status, text = await self.get()
        assert 200 == status, text
        return str(json.loads(text)["service"])

    # --- the node's processes -----------------------------------------------------

    @property
    def keeper_pid(self) -> int:
        return int((self.state_dir.path / "keeper.pid").read_text())

    def keeper_log(self) -> str:
        return (self.state_dir.path / "log" / "keeper.log").read_text()

    @property
    def control_pid(self) -> int:
        return int(json.loads(self.state_dir.control_address.read_text())["pid"])

    def children(self) -> dict[str, list[int]]:
        """Return the keeper's children by the module they run."""
        keeper = self.keeper_pid
        told = Path(f"/proc/{keeper}/task/{keeper}/children").read_text()
        found: dict[str, list[int]] = {}
        for pid in map(int, told.split()):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"-m" in words:
                    module = words[words.index(b"-m") + 1].decode()
                    found.setdefault(module, []).append(pid)
        return {module: sorted(pids) for module, pids in found.items()}

    async def kill_control(self) -> None:
        """Kill control, and wait until the keeper's next one answers."""
        killed = self.control_pid
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(DEADLINE_S):
            while self.control_pid == killed or await self.status("/healthz") != 200:  # noqa: ASYNC110 - another process answers
                await asyncio.sleep(LOOK_S)

    async def kill_task(self, task_id: str) -> None:
        """Kill a task's only container, as by `docker kill`, or its process."""
        container = self.containers()[task_id]
        if self.host.engine is None:
            os.kill(int(container), signal.SIGKILL)
        else:
            await asyncio.to_thread(self.host.engine.docker, "kill", container)

    # --- load ---------------------------------------------------------------------

    def load(
        self, rate: float = RATE, paths: Sequence[str] = PATHS
    ) -> contextlib.AbstractAsyncContextManager[Load]:
        """Send requests at this rate; half of them end a connection to a task."""
        front = f"http://127.0.0.1:{self.port}"
        return under_load([front + path for path in paths], self.witness, rate)

    def slow_load(self) -> contextlib.AbstractAsyncContextManager[Load]:
        """Fewer requests, each of which a task has for long: a third of the time
        for three tasks, so that whoever goes usually has one."""
        return self.load(SLOW_RATE, SLOW_PATHS)

    async def counted(self, name: str, count: int) -> None:
        """Wait until the load balancer has told of so many failures of this kind."""
        await self.until(
            f"{count} failures {name} are counted",
            lambda state: state["loadBalancer"]["failures"].get(name, 0) == count,
        )

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[Watched]:
        """Note every 50 ms how many tasks are healthy, and how many there are."""
        watched = Watched()

        async def watch() -> None:
            ready: set[int] = set()
            while True:
                if state := await self.state():
                    if state["node"]["ready"]:
                        ready.add(state["control"]["pid"])
                    if state["control"]["pid"] in ready:
                        watched.note(state)
                await asyncio.sleep(LOOK_S)

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            yield watched
            watching.cancel()


def live(state: Document) -> list[Document]:
    """The tasks that have not stopped."""
    return [one for one in state["tasks"] if one["lastStatus"] != "STOPPED"]


def serving(state: Document) -> list[str]:
    """The ids of the tasks that run and whose targets are healthy."""
    return [
        one["taskId"]
        for one in live(state)
        if one["lastStatus"] == "RUNNING" and one["health"] == "healthy"
    ]


def _brief(state: Mapping[str, Any]) -> str:
    kept = ("services", "tasks", "targetGroups", "node", "containerInstances")
    return json.dumps({name: state.get(name) for name in kept}, indent=1)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][0] != "Z"


async def ends(pid: int, within_s: float = DEADLINE_S) -> float:
    """Wait until a process has ended; return when that was."""
    async with asyncio.timeout(within_s):
        while alive(pid):  # noqa: ASYNC110 - not our child
            await asyncio.sleep(0.01)
    return time.monotonic()


def _free_udp_port(address: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def live_cluster(host: Host, desired: int) -> Iterator[LiveCluster]:
    """Run `alb up -d`; in the end `alb down`, unless the test did it."""
    host.prepare()
    address = host.witness_address
    witness = (address, _free_udp_port(address))
    port = free_port()
    file = cluster_file(host, port, f"{witness[0]}:{witness[1]}", desired)
    cluster = LiveCluster(host, port, witness, file)
    cluster.write_file()
    try:
        _run(cluster.command("up", "-d", "--workers", str(WORKERS)))
        asyncio.run(cluster.learn())
        yield cluster
    finally:
        if cluster.state_dir.path.exists():
            _run(cluster.command("down", "--wait", "60"))


def _run(command: tuple[str, ...]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=2 * COMMAND_S
    )
    assert 0 == done.returncode, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
