"""Every field of a container definition, as its container finds it.

Few containers with many fields each; every field is a row of its own, asked of
`docker inspect` or from inside. Source of the fields: ECS API reference,
ContainerDefinition.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from foundation.clock import SystemClock
from scheduler.container import HealthStatus
from scheduler.decide.specs import Surroundings, container_specs
from scheduler.definition import (
    ContainerDefinition,
    ContainerHealthCheck,
    Device,
    DockerVolume,
    LinuxParameters,
    LogConfiguration,
    MountPoint,
    NetworkMode,
    PortMapping,
    Tmpfs,
    Ulimit,
    Volume,
    VolumeFrom,
)
from scheduler.drivers.docker import DockerRuntime
from scheduler.errors import CannotStart
from scheduler.model import (
    PAUSE,
    ContainerName,
    ContainerState,
    ContainerStatus,
    PortLease,
    RuntimeKind,
    Task,
    TaskDefinition,
    TaskId,
    TaskStatus,
)
from tests.support.engines import Engine
from tests.support.images import import_busybox

pytestmark = pytest.mark.needs("docker")

IMAGE = "alb-test/busybox:fields"
UID = "f1e1d5"
SLEEP = ("sh", "-c", 'trap "exit 0" TERM; sleep 1000 & wait')
HIDDEN = "correct horse"


@dataclass
class Fields:
    """Tasks of one engine, and what is asked of their containers."""

    engine: Engine
    runtime: DockerRuntime
    directory: Path
    started: list[ContainerName] = field(default_factory=list)

    async def start(self, definition: TaskDefinition) -> TaskId:
        task_id = TaskId(uuid.uuid4().hex)
        leases = tuple(
            PortLease("a", 23_456 + number, container.name, port, mapping.protocol)
            for container in definition.containers
            if definition.network_mode is not NetworkMode.AWSVPC
            for mapping in container.port_mappings
            for number, port in enumerate(mapping.container_ports)
        )
        task = Task(
            task_id, "shop", "", definition, "a", TaskStatus.PENDING, 0.0, leases=leases
        )
        around = Surroundings(UID, "http://127.0.0.1:80")
        for spec in container_specs(task, RuntimeKind.DOCKER, around):
            self.started.append(spec.name)
            await self.runtime.start(spec)
        return task_id

    def inspect(self, task_id: TaskId, container: str) -> Any:
        told = self.engine.docker("inspect", f"alb-{UID}-{task_id}-{container}")
        return json.loads(told)[0]

    def inside(self, task_id: TaskId, container: str, *command: str) -> str:
        name = f"alb-{UID}-{task_id}-{container}"
        return self.engine.docker("exec", name, *command)

    async def clear(self) -> None:
        for name in self.started:
            with suppress(subprocess.CalledProcessError):  # one that was not created
                self.engine.docker("rm", "--force", "--volumes", name)
        for task_id in {name.split("-")[2] for name in self.started}:
            await self.runtime.remove_volumes(TaskId(task_id))
        self.started.clear()


@pytest.fixture(scope="module")
def image(engine: Engine) -> Iterator[Engine]:
    import_busybox(engine, IMAGE, "HEALTHCHECK NONE", "CMD sleep 99")
    yield engine
    engine.docker("volume", "prune", "--force")


@pytest.fixture
async def fields(image: Engine, tmp_path: Path) -> AsyncIterator[Fields]:
    runtime = DockerRuntime(
        "a", image.endpoint, UID, clock=SystemClock(), directory=tmp_path
    )
    fields = Fields(image, runtime, tmp_path)
    yield fields
    await fields.clear()
    await runtime.close()


def container(name: str = "web", **changes: Any) -> ContainerDefinition:
    plain = ContainerDefinition(name, IMAGE, memory_mib=64, command=SLEEP)
    return replace(plain, **changes)


def told(of: Any, path: str) -> Any:
    for key in path.split("/"):
        of = of[key]
    return of


FULL = container(
    cpu=300,
    memory_mib=64,
    memory_reservation_mib=32,
    entry_point=("sh", "-c"),
    command=('trap "exit 0" TERM; sleep 1000 & wait',),
    working_directory="/bin",
    environment=(("MODE", "own"), ("EMPTY", "")),
    environment_files=("file://some.env",),
    secrets=(("PASSWORD", "file://secret"),),
    port_mappings=(PortMapping(8000, last_container_port=8001),),
    docker_labels=(("team", "blue"),),
    user="1000:1001",
    stop_timeout_s=7.0,
    health_check=ContainerHealthCheck(("CMD", "true"), 5.0, 2.0, 4, 1.0),
    hostname="shop-1",
    dns_servers=("10.9.9.9",),
    dns_search_domains=("a.test",),
    extra_hosts=(("db", "10.0.0.9"),),
    readonly_root_filesystem=True,
    mount_points=(
        MountPoint("scratch", "/scratch"),
        MountPoint("fixed", "/fixed", read_only=True),
    ),
    log_configuration=LogConfiguration("json-file", (("max-size", "1m"),)),
    docker_security_options=("no-new-privileges",),
    ulimits=(Ulimit("nofile", 100, 200),),
    interactive=True,
    system_controls=(("net.core.somaxconn", "77"),),
    linux_parameters=LinuxParameters(
        capabilities_add=("NET_ADMIN",),
        capabilities_drop=("CHOWN",),
        devices=(Device("/dev/null", "/dev/nothing", ("read",)),),
        init_process_enabled=True,
        shared_memory_mib=3,
        tmpfs=(Tmpfs("/quick", 2, ("noexec",)),),
        max_swap_mib=16,
        swappiness=10,
    ),
)

# fmt: off
INSPECTED = [
    ("Config/Image",                        IMAGE,                     "image"),
    ("HostConfig/CpuShares",                300,                       "cpu"),
    ("HostConfig/Memory",                   64 << 20,                  "memory"),
    ("HostConfig/MemoryReservation",        32 << 20,        "memoryReservation"),
    ("Config/Entrypoint",                   ["sh", "-c"],              "entryPoint"),
    ("Config/Cmd",                          [*FULL.command],           "command"),
    ("Config/Labels/team",                  "blue",                    "dockerLabels"),
    ("Config/Labels/com.amazonaws.ecs.container-name", "web",          "the agent's label"),
    ("Config/User",                         "1000:1001",               "user"),
    ("Config/StopTimeout",                  7,                         "stopTimeout"),
    ("Config/Healthcheck/Test",             ["CMD", "true"],           "healthCheck.command"),
    ("Config/Healthcheck/Interval",         5_000_000_000,             "interval"),
    ("Config/Healthcheck/Timeout",          2_000_000_000,             "timeout"),
    ("Config/Healthcheck/Retries",          4,                         "retries"),
    ("Config/Healthcheck/StartPeriod",      1_000_000_000,             "startPeriod"),
    ("Config/OpenStdin",                    True,                      "interactive"),
    ("HostConfig/ReadonlyRootfs",           True,         "readonlyRootFilesystem"),
    ("HostConfig/LogConfig/Type",           "json-file",               "logDriver"),
    ("HostConfig/LogConfig/Config",         {"max-size": "1m"},        "log options"),
    ("HostConfig/SecurityOpt",              ["no-new-privileges"], "dockerSecurityOptions"),
    ("HostConfig/CapAdd",                   ["NET_ADMIN"],         "capabilities.add"),
    ("HostConfig/CapDrop",                  ["CHOWN"],             "capabilities.drop"),
    ("HostConfig/Init",                     True,                 "initProcessEnabled"),
    ("HostConfig/MemorySwap",               80 << 20,                  "maxSwap"),
    ("HostConfig/MemorySwappiness",         10,                        "swappiness"),
]
INSIDE = [
    ("pwd",                                 "/bin",                    "workingDirectory"),
    ("echo $MODE-$EMPTY-$FROM_FILE",        "own--a b",        "environment, and its files"),
    ("echo $PASSWORD",                      HIDDEN,                    "secrets"),
    ("echo $PORT $PORT_8001",               "8000 8001",               "containerPortRange"),
    ("hostname",                            "shop-1",                  "hostname"),
    ("grep nameserver /etc/resolv.conf",    "nameserver 10.9.9.9",     "dnsServers"),
    ("grep search /etc/resolv.conf",        "search a.test",           "dnsSearchDomains"),
    ("grep -c '10.0.0.9.db' /etc/hosts",    "1",                       "extraHosts"),
    ("touch /x 2>&1 | grep -c Read-only",   "1",                  "readonlyRootFilesystem"),
    ("grep ' /fixed ' /proc/mounts|grep -c ro,", "1",                     "readOnly mounts"),
    ("grep -c ' /scratch ' /proc/mounts",   "1",                       "mountPoints"),
    ("ulimit -Sn; ulimit -Hn",              "100\n200",                "ulimits"),
    ("cat /proc/sys/net/core/somaxconn",    "77",                      "systemControls"),
    ("ls /dev/nothing",                     "/dev/nothing",            "devices"),
    ("cat /proc/1/comm",                    "docker-init",             "initProcessEnabled"),
    ("df -k /dev/shm | awk 'END{print $2}'", "3072",                   "sharedMemorySize"),
    ("df -k /quick | awk 'END{print $2}'",  "2048",                    "tmpfs.size"),
    ("grep ' /quick ' /proc/mounts|grep -c noexec", "1",               "tmpfs.mountOptions"),
    ("id -u; id -g",                        "1000\n1001",              "user"),
    ("grep NoNewPrivs /proc/1/status",      "NoNewPrivs:\t1",      "dockerSecurityOptions"),
]
# fmt: on


async def test_every_field_reaches_the_container(fields: Fields) -> None:
    (fields.directory / "some.env").write_text(
        "# not a variable\nMODE=file\nFROM_FILE=a b\nnothing\n"
    )
    (fields.directory / "secret").write_text(HIDDEN + "\n")
    volumes = (Volume("scratch"), Volume("fixed", str(fields.directory)))
    definition = TaskDefinition("shop", (FULL,), 3, volumes=volumes)

    task_id = await fields.start(definition)
    inspected = fields.inspect(task_id, "web")
    script = "; echo ---; ".join(f"( {command} )" for command, *_ in INSIDE)
    inside = fields.inside(task_id, "web", "sh", "-c", script).split("\n---\n")

    found = {row[2]: told(inspected, row[0]) for row in INSPECTED}
    assert {row[2]: row[1] for row in INSPECTED} == found
    seen = dict(zip([row[2] for row in INSIDE], inside, strict=True))
    assert {row[2]: row[1] for row in INSIDE} == seen
    ports = inspected["NetworkSettings"]["Ports"]
    assert {"8000/tcp": "23456", "8001/tcp": "23457"} == {
        port: bound[0]["HostPort"] for port, bound in ports.items()
    }


async def test_an_images_own_health_check_is_not_looked_at(fields: Fields) -> None:
    image = f"{IMAGE}-checked"
    import_busybox(
        fields.engine, image, "HEALTHCHECK --interval=1s CMD false", "CMD sleep 99"
    )

    task_id = await fields.start(TaskDefinition("shop", (container(image=image),)))

    assert "Health" not in fields.inspect(task_id, "web")["State"]


async def test_privileged_is_told(fields: Fields) -> None:
    wanted = container(privileged=True)

    with suppress(CannotStart):  # a machine that has not all capabilities itself
        await fields.start(TaskDefinition("shop", (wanted,)))

    told = fields.engine.docker("inspect", fields.started[0])
    assert json.loads(told)[0]["HostConfig"]["Privileged"]


async def test_what_a_terminal_shows_is_read_as_it_is(fields: Fields) -> None:
    wanted = container(pseudo_terminal=True, command=("sh", "-c", "tty; sleep 99"))
    await fields.start(TaskDefinition("shop", (wanted,)))
    (name,) = fields.started

    async with asyncio.timeout(10):
        while True:
            chunks = fields.runtime.logs(name, follow=False, tail=None)
            if read := b"".join([chunk async for chunk in chunks]):
                break

    assert b"/dev/pts/0\r\n" == read


async def test_volumes_links_and_a_database_are_shared_in_a_task(
    fields: Fields,
) -> None:
    fields.engine.docker("volume", "create", "there-already")
    volumes = (
        Volume("mine"),
        Volume("labelled", docker=DockerVolume(labels=(("a", "b"),))),
        Volume("kept", docker=DockerVolume(shared=True, autoprovision=True)),
        Volume("there-already", docker=DockerVolume(shared=True)),
    )
    mounts = tuple(MountPoint(each.name, f"/{each.name}") for each in volumes)
    database = container("db", mount_points=mounts)
    web = container(
        links=("db:database",), volumes_from=(VolumeFrom("db", read_only=True),)
    )
    definition = TaskDefinition("shop", (web, database), volumes=volumes)

    task_id = await fields.start(definition)

    for each in volumes:
        fields.inside(task_id, "db", "touch", f"/{each.name}/x")
        seen = fields.inside(task_id, "web", "ls", f"/{each.name}")
        assert "x" == seen, f"volumesFrom shows {each.name}"
    assert "1" == fields.inside(
        task_id, "web", "sh", "-c", "touch /mine/y 2>&1 | grep -c Read-only"
    )
    assert fields.inside(task_id, "web", "grep", "database", "/etc/hosts")
    labels = json.loads(
        fields.engine.docker("volume", "inspect", f"alb-{UID}-{task_id}-labelled")
    )[0]["Labels"]
    assert ("b", task_id) == (labels["a"], labels["alb.task-id"])
    await fields.clear()
    left = fields.engine.docker("volume", "ls", "--quiet").split()
    assert {"kept", "there-already"} == set(left) & {
        each.name
        if each.docker and each.docker.shared
        else f"alb-{UID}-{task_id}-{each.name}"
        for each in volumes
    }


async def test_a_task_of_awsvpc_has_one_network_and_one_address(
    fields: Fields,
) -> None:
    listens = container(
        command=("sh", "-c", "echo hello > /tmp/index.html; httpd -f -p 8080 -h /tmp"),
        port_mappings=(PortMapping(8080),),
        dns_servers=("10.9.9.9",),
    )
    definition = TaskDefinition(
        "shop",
        (listens, container("side")),
        network_mode=NetworkMode.AWSVPC,
        pid_mode="task",
        ipc_mode="task",
    )

    task_id = await fields.start(definition)

    address = fields.inspect(task_id, PAUSE)["NetworkSettings"]["IPAddress"]
    fetch = "until wget -qO- http://127.0.0.1:8080/index.html; do :; done"
    assert "hello" == fields.inside(task_id, "side", "sh", "-c", fetch)
    inside = fields.inside(task_id, "side", "ip", "-4", "address", "show", "eth0")
    assert f"inet {address}/" in inside
    assert "10.9.9.9" in fields.inside(task_id, "side", "cat", "/etc/resolv.conf")
    assert "pause" == fields.inside(task_id, "web", "cat", "/proc/1/comm")
    namespaces = {
        fields.inside(task_id, each, "readlink", "/proc/self/ns/ipc")
        for each in ("web", "side")
    }
    assert 1 == len(namespaces)
    (fast,) = [
        status.address
        for status in (await fields.runtime.status()).containers
        if status.name.endswith(PAUSE)
    ]
    assert address == fast


async def test_the_pause_program_collects_what_ended(fields: Fields) -> None:
    definition = TaskDefinition("shop", (container(),), pid_mode="task")
    task_id = await fields.start(definition)

    orphan = "(sleep 0.1 &) ; sleep 0.5; ps -o stat,comm | grep -c '^Z' || true"

    assert "0" == fields.inside(task_id, "web", "sh", "-c", orphan)


async def test_the_hosts_network_is_the_hosts(fields: Fields) -> None:
    wanted = TaskDefinition("shop", (container(),), network_mode=NetworkMode.HOST)
    alone = TaskDefinition("shop", (container(),), network_mode=NetworkMode.NONE)

    host, none = await fields.start(wanted), await fields.start(alone)

    assert "docker0" in fields.inside(host, "web", "ls", "/sys/class/net")
    assert "lo" == fields.inside(none, "web", "ls", "/sys/class/net")


async def test_a_health_check_is_seen(fields: Fields) -> None:
    check = ContainerHealthCheck(("CMD-SHELL", "test -e /tmp/well"), 1.0, 1.0, 1)
    definition = TaskDefinition("shop", (container(health_check=check),))

    async def finds(health: HealthStatus) -> None:
        while True:
            [seen] = (await fields.runtime.status()).containers
            if seen.health is health:
                return
            await asyncio.sleep(0.1)

    async with asyncio.timeout(30):
        task_id = await fields.start(definition)
        await finds(HealthStatus.UNHEALTHY)
        fields.inside(task_id, "web", "touch", "/tmp/well")  # noqa: S108 - its own
        await finds(HealthStatus.HEALTHY)


async def test_a_container_that_ended_is_started_again_in_place(
    fields: Fields,
) -> None:
    once = container(command=("sh", "-c", "date +%N >> /log; sleep 0.1"))
    definition = TaskDefinition("shop", (once,))
    task_id = await fields.start(definition)
    task = Task(task_id, "shop", "", definition, "a", TaskStatus.PENDING, 0.0)
    [spec] = container_specs(task, RuntimeKind.DOCKER, Surroundings(UID))

    async def ended() -> ContainerStatus:
        while True:
            [seen] = (await fields.runtime.status()).containers
            if seen.state is ContainerState.EXITED:
                return seen
            await asyncio.sleep(0.05)

    async with asyncio.timeout(30):
        before = await ended()
        await fields.runtime.restart(spec)
        after = await ended()

    assert before.runtime_id == after.runtime_id
    copied = fields.engine.docker("cp", f"{spec.name}:/log", str(fields.directory))
    assert "" == copied
    assert 2 == len((fields.directory / "log").read_text().splitlines())


# fmt: off
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"secrets": (("A", "file://gone"),)},
     "ResourceInitializationError: file://gone: No such file", "a secret that is not there"),
    ({"environment_files": ("file://gone",)},
     "ResourceInitializationError: file://gone: No such file", "a file that is not there"),
    ({"repository_credentials": "file://odd", "image": "127.0.0.1:1/none:1"},
     "ResourceInitializationError: file://odd: no JSON", "credentials that are none"),
    ({"user": "nobody-knows"},
     "CannotStartContainerError: .*user nobody-knows", "a user the image has not"),
    ({"mount_points": (MountPoint("absent", "/x"),)},
     "CannotCreateVolumeError: .*absent", "a shared volume that must be there"),
]
# fmt: on


@pytest.mark.parametrize(
    ("changes", "text"), [row[:2] for row in REFUSED], ids=[row[2] for row in REFUSED]
)
async def test_what_cannot_be_is_told_in_ecss_words(
    fields: Fields, changes: dict[str, Any], text: str
) -> None:
    (fields.directory / "odd").write_text("{}")
    absent = Volume("absent", docker=DockerVolume(shared=True))
    definition = TaskDefinition("shop", (container(**changes),), volumes=(absent,))

    with pytest.raises(CannotStart, match=text):
        await fields.start(definition)
