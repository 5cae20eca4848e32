"""An engine that does not answer as it should, and what only an engine has."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io
import json
import os
import signal
import tarfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from docker import APIClient

from foundation.clock import SystemClock
from scheduler.definition import ContainerDefinition
from scheduler.drivers.docker import DockerRuntime
from scheduler.errors import (
    CannotStart,
    HostNotReached,
    ImageNotFound,
    OutcomeUnknown,
)
from scheduler.model import ContainerName, ContainerState, PortLease, TaskId
from scheduler.ports import ContainerSpec
from tests.support.engines import Engine, engines_apart
from tests.support.images import import_busybox

IMAGE = "alb-test/busybox:docker"
UID = "decade"
DEADLINE_S = 20.0
SLEEP = 'trap "exit 0" TERM; sleep 1000 & wait'


def spec(text: str = SLEEP, image: str = IMAGE, **changes: Any) -> ContainerSpec:
    task_id = TaskId(uuid.uuid4().hex)
    definition = ContainerDefinition("web", image, command=("sh", "-c", text))
    return ContainerSpec(
        name=ContainerName(f"alb-{UID}-{task_id}-web"),
        task_id=task_id,
        service="shop",
        cluster_uid=UID,
        definition=dataclasses.replace(definition, **changes),
        environment=(),
        leases=(),
    )


def connect(endpoint: str, address: str = "") -> DockerRuntime:
    clock = SystemClock()
    return DockerRuntime("host-a", endpoint, UID, clock=clock, address=address)


@pytest.fixture
async def runtime(engine: Engine) -> AsyncIterator[DockerRuntime]:
    import_busybox(engine, IMAGE)
    runtime = connect(engine.endpoint)
    yield runtime
    for container in (await runtime.status()).containers:
        await runtime.stop(container.name, 0)
        await runtime.remove(container.name)
    await runtime.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110 - the engine decides when
            await asyncio.sleep(0.05)


# --- an engine that is not there, or does not answer ------------------------------


@asynccontextmanager
async def connected(endpoint: str) -> AsyncIterator[DockerRuntime]:
    runtime = connect(endpoint)
    yield runtime
    await runtime.close()


@pytest.mark.parametrize(
    "endpoint", ["unix:///no/such/socket", "tcp://127.0.0.1:1"], ids=["unix", "tcp"]
)
async def test_no_engine_is_a_host_that_was_not_reached(endpoint: str) -> None:
    async with connected(endpoint) as runtime:
        for operation in (
            runtime.status(),
            runtime.start(spec()),
            runtime.stop(spec().name, 1),
            runtime.remove(spec().name),
            anext(runtime.changes()),
        ):
            with pytest.raises(HostNotReached, match="host-a"):
                await operation
        assert {} == await runtime.cpu()


async def test_a_silent_engine_costs_a_deadline(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.drivers.docker_calls.ASK_TIMEOUT_S", 0.2)
    monkeypatch.setattr("scheduler.drivers.docker_streams.ASK_TIMEOUT_S", 0.2)
    monkeypatch.setattr("scheduler.drivers.docker_calls.TELL_TIMEOUT_S", 1)
    path = str(short_path / "s")
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_unix_server(
        lambda _, writer: held.append(writer), path
    )

    async with silent, connected(f"unix://{path}") as runtime, asyncio.timeout(5):
        with pytest.raises(HostNotReached, match=r"within 0\.2 s"):
            await runtime.status()
        with pytest.raises(HostNotReached):
            await anext(runtime.changes())
        for writer in held:
            writer.close()


@asynccontextmanager
async def stand_in(path: Path, start: Any) -> AsyncIterator[DockerRuntime]:
    """An engine that creates anything; `start` gives the status of its start."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        route = request.path.removeprefix("/v1.41")
        if route.endswith("/start"):
            return web.Response(status=await start(request))
        return web.json_response(
            {
                "/version": {"ApiVersion": "1.41"},
                "/info": {
                    "NCPU": 2,
                    "MemTotal": 1 << 30,
                    "OSType": "linux",
                    "Architecture": "aarch64",
                },
                "/networks/bridge": {"IPAM": {"Config": []}},
                "/containers/json": [],
            }.get(route, {"Id": "1", "Warnings": []}),
            status=201 if route.endswith("/create") else 200,
        )

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    async with connected(f"unix://{path}") as runtime:
        yield runtime
    await runner.cleanup()


async def test_a_start_without_an_answer_is_an_unknown_outcome(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.drivers.docker_calls.TELL_TIMEOUT_S", 0.3)

    async def silent(_: web.BaseRequest) -> int:
        await asyncio.sleep(1)
        return 204

    async with stand_in(short_path / "s", silent) as runtime:
        with pytest.raises(OutcomeUnknown, match=r"start .* no answer within"):
            await runtime.start(spec())


async def test_a_start_whose_connection_breaks_is_an_unknown_outcome(
    short_path: Path,
) -> None:
    async def breaking(request: web.BaseRequest) -> int:
        assert request.transport
        request.transport.abort()
        return 204

    async with stand_in(short_path / "s", breaking) as runtime:
        with pytest.raises(OutcomeUnknown):
            await runtime.start(spec())


async def test_an_engine_that_goes_after_the_create_leaves_an_unknown_outcome(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: web.BaseRequest) -> int:
        raise AssertionError("it was not reached")

    async with stand_in(short_path / "s", never) as runtime:
        await runtime.status()
        create: Any = APIClient.create_container_from_config

        def create_and_go(client: APIClient, *args: Any) -> Any:
            try:
                return create(client, *args)
            finally:
                (short_path / "s").rename(short_path / "gone")

        monkeypatch.setattr(APIClient, "create_container_from_config", create_and_go)
        with pytest.raises(OutcomeUnknown, match="No such file"):
            await runtime.start(spec())
        (short_path / "gone").rename(short_path / "s")


async def test_started_already_is_started(short_path: Path) -> None:
    async def already(_: web.BaseRequest) -> int:
        return 304

    async with stand_in(short_path / "s", already) as runtime:
        await runtime.start(spec())


# --- what only an engine has ------------------------------------------------------


@pytest.mark.needs("docker")
async def test_a_port_is_published_on_the_instances_address_only(
    runtime: DockerRuntime, engine: Engine
) -> None:
    text = 'trap "exit 0" TERM; httpd -f -p 8080 -h /tmp & wait'
    leased = dataclasses.replace(
        spec(text), leases=(PortLease("host-a", 20_777, "web", 8080),)
    )
    await runtime.start(leased)

    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection(engine.address, 20_777)
        except OSError:
            return False
        writer.close()
        return True

    await until(answers)
    assert engine.address == (await runtime.status()).address
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", 20_777)


@pytest.mark.needs("docker")
async def test_the_host_has_a_name(runtime: DockerRuntime, engine: Engine) -> None:
    looking = spec("cat /etc/hosts")
    await runtime.start(looking)

    said = b"".join(
        [c async for c in runtime.logs(looking.name, follow=True, tail=None)]
    )

    assert f"{engine.address}\thost.docker.internal" in said.decode()


@pytest.mark.needs("docker")
async def test_out_of_memory_is_told(runtime: DockerRuntime) -> None:
    hungry = dataclasses.replace(
        spec("sleep 0.3; exec tail /dev/zero"), memory_limit_mib=8
    )
    await runtime.start(hungry)

    async with asyncio.timeout(DEADLINE_S):
        async for change in runtime.changes():
            if change.state is ContainerState.EXITED:
                break

    assert (137, True) == (change.exit_code, change.oom_killed)
    (container,) = (await runtime.status()).containers
    assert (137, True) == (container.exit_code, container.oom_killed)


@pytest.mark.needs("docker")
async def test_cpu_streams_end_with_their_containers(runtime: DockerRuntime) -> None:
    short = spec("sleep 2; exit 0")
    await runtime.start(short)

    async def sampled() -> bool:
        return short.name in await runtime.cpu()

    async def ended() -> bool:  # nobody looks: the stream itself tells
        return not await sampled()

    await until(sampled)
    await until(ended)


# --- images -----------------------------------------------------------------------


class Registry:
    """A registry with one image, as the distribution protocol wants it told."""

    def __init__(self) -> None:
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tree:
            tree.add("/bin/busybox", "bin/busybox")
            for applet in ("sh", "sleep", "echo"):
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tree.addfile(link)
        self.blobs: dict[str, bytes] = {}
        root = self.keep(layer.getvalue())
        settings = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [root]},
        }
        kind = "application/vnd.docker."
        self.manifest = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.described(
                f"{kind}container.image.v1+json",
                self.keep(json.dumps(settings).encode()),
            ),
            "layers": [self.described(f"{kind}image.rootfs.diff.tar", root)],
        }

    media_type = "application/vnd.docker.distribution.manifest.v2+json"

    def keep(self, blob: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        self.blobs[digest] = blob
        return digest

    def described(self, kind: str, digest: str) -> dict[str, object]:
        return {"mediaType": kind, "digest": digest, "size": len(self.blobs[digest])}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/v2/":
            return web.Response()
        if request.path.startswith("/v2/there/manifests/"):
            body = json.dumps(self.manifest).encode()
            return web.Response(body=body, content_type=self.media_type)
        if blob := self.blobs.get(request.path.rpartition("/")[2]):
            return web.Response(body=blob)
        unknown = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}
        return web.json_response(unknown, status=404)


@pytest.fixture
async def registry() -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(Registry()))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"{host}:{port}"
    await runner.cleanup()


@pytest.mark.needs("docker")
async def test_an_image_that_is_not_there_is_pulled(
    runtime: DockerRuntime, registry: str
) -> None:
    pulled = spec(image=f"{registry}/there:1")

    await runtime.start(pulled)

    (container,) = (await runtime.status()).containers
    assert ContainerState.RUNNING is container.state


@pytest.mark.needs("docker")
async def test_a_tag_is_resolved_to_its_digest_and_runs_by_it(
    runtime: DockerRuntime, registry: str
) -> None:
    digest = await runtime.resolve(spec(image=f"{registry}/there:1").definition)

    assert digest.startswith(f"{registry}/there@sha256:")
    await runtime.start(spec(image=digest))
    (container,) = (await runtime.status()).containers
    assert ContainerState.RUNNING is container.state


@pytest.mark.needs("docker")
async def test_an_image_that_only_another_engine_has_is_told(
    runtime: DockerRuntime,
) -> None:
    elsewhere = f"sha256:{'0' * 64}"
    with pytest.raises(ImageNotFound, match="no registry knows it"):
        await runtime.start(spec(image=elsewhere))


@pytest.mark.needs("docker")
async def test_an_image_that_does_not_exist_is_told(
    runtime: DockerRuntime, registry: str
) -> None:
    with pytest.raises(ImageNotFound, match=r"CannotPullContainerError: .*unknown"):
        await runtime.start(spec(image=f"{registry}/absent:1"))

    assert () == (await runtime.status()).containers


@pytest.mark.needs("docker")
async def test_a_registry_that_cannot_be_asked_says_nothing_about_the_image(
    runtime: DockerRuntime,
) -> None:
    with pytest.raises(CannotStart, match=r"CannotPullContainerError: .*refused"):
        await runtime.start(spec(image="127.0.0.1:1/any:1"))


# --- an engine that freezes, dies and comes back ------------------------------------


@pytest.fixture
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    directory = tmp_path_factory.mktemp("e")
    with engines_apart(1, directory, ["--live-restore"]) as (engine,):
        import_busybox(engine, IMAGE)
        yield engine


@pytest.mark.needs("engines")
async def test_a_frozen_engine_is_not_reached_and_then_it_is(
    apart: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.drivers.docker_calls.ASK_TIMEOUT_S", 0.3)
    monkeypatch.setattr("scheduler.drivers.docker_calls.TELL_TIMEOUT_S", 1.0)
    runtime = connect(apart.endpoint, apart.address)
    await runtime.status()
    frozen = spec()

    os.kill(apart.pid, signal.SIGSTOP)
    with pytest.raises(OutcomeUnknown):
        await runtime.start(frozen)
    for _ in range(10):  # more than there are threads
        with pytest.raises(HostNotReached):
            await runtime.status()
    os.kill(apart.pid, signal.SIGCONT)
    monkeypatch.setattr("scheduler.drivers.docker_calls.ASK_TIMEOUT_S", DEADLINE_S)
    monkeypatch.setattr("scheduler.drivers.docker_calls.TELL_TIMEOUT_S", DEADLINE_S)

    await runtime.start(frozen)
    (container,) = (await runtime.status()).containers
    assert (frozen.name, ContainerState.RUNNING) == (container.name, container.state)
    await runtime.stop(frozen.name, 0)
    await runtime.close()


@pytest.mark.needs("engines")
async def test_containers_and_their_samples_survive_the_engine(apart: Engine) -> None:
    runtime = connect(apart.tcp_endpoint, apart.address)
    survivor = spec()
    await runtime.start(survivor)
    changes = runtime.changes()
    listening = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.2)

    await asyncio.to_thread(apart.stop)
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(HostNotReached):
            await listening
    with pytest.raises(HostNotReached):
        await runtime.status()
    await asyncio.to_thread(apart.start)

    (container,) = (await runtime.status()).containers
    assert ContainerState.RUNNING is container.state

    async def sampled() -> bool:
        return survivor.name in await runtime.cpu()

    await until(sampled)
    await runtime.stop(survivor.name, 0)
    await runtime.close()
