"""What every runtime promises, whatever runs the containers.

One suite over all implementations of `scheduler.ports.Runtime`: a scheduler must
not be able to tell them apart.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from scheduler.errors import CannotStart, ContainerError, NameTaken, PortTaken
from scheduler.model import (
    ContainerName,
    ContainerState,
    ContainerStatus,
    TaskId,
)
from scheduler.ports import CpuSample, Runtime

if TYPE_CHECKING:
    from tests.conformance.conftest import World

UID, OTHER_UID = "c0ffee", "facade"
DEADLINE_S = 10.0
NOBODY = ContainerName(f"alb-{UID}-{'0' * 32}-web")

POLITE = 'trap "echo bye; exit 3" TERM; echo ready; sleep 1000 & wait'
STUBBORN = 'trap "" TERM; echo ready; while :; do sleep 1; done'
BURN = 'trap "exit 0" TERM; echo ready; while :; do :; done'


async def read(runtime: Runtime, name: ContainerName) -> str:
    chunks = [chunk async for chunk in runtime.logs(name, follow=False, tail=None)]
    return b"".join(chunks).decode()


async def until_said(runtime: Runtime, name: ContainerName, word: str) -> None:
    text = ""
    output = runtime.logs(name, follow=True, tail=None)
    assert isinstance(output, AsyncGenerator), "it must be closed here, not some day"
    async with asyncio.timeout(DEADLINE_S):
        async with aclosing(output):
            async for chunk in output:
                text += chunk.decode()
                if word in text:
                    return
    raise AssertionError(f"it ended having said only {text!r}")


async def look(runtime: Runtime, name: ContainerName) -> ContainerStatus | None:
    containers = (await runtime.status()).containers
    return next((each for each in containers if each.name == name), None)


async def until_ended(runtime: Runtime, name: ContainerName) -> ContainerStatus:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            status = await look(runtime, name)
            assert status, "it disappeared"
            if status.state is ContainerState.EXITED:
                return status
            await asyncio.sleep(0.02)


async def until_sampled(
    runtime: Runtime, name: ContainerName, wanted: Callable[[CpuSample], bool]
) -> CpuSample:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            sample = (await runtime.cpu()).get(name)
            if sample and wanted(sample):
                return sample
            await asyncio.sleep(0.05)


# --- start ----------------------------------------------------------------------


async def test_a_started_container_is_listed_with_its_labels(
    world: World, runtime: Runtime
) -> None:
    spec = world.script(POLITE)

    await runtime.start(spec)

    status = await look(runtime, spec.name)
    assert status
    assert (ContainerState.RUNNING, spec.task_id) == (status.state, status.task_id)
    assert (UID, "hash", "shop") == (
        status.labels["alb.cluster-uid"],
        status.labels["alb.spec-hash"],
        status.labels["alb.service"],
    )


async def test_starting_again_changes_nothing(world: World, runtime: Runtime) -> None:
    spec = world.script(POLITE)

    await runtime.start(spec)
    await until_said(runtime, spec.name, "ready")
    await runtime.start(spec)

    await runtime.stop(spec.name, 5)
    assert "ready\nbye\n" == await read(runtime, spec.name)


async def test_starts_at_the_same_time_run_it_once(world: World) -> None:
    spec = world.script(POLITE)
    here, there = world.connect(), world.connect()

    async with asyncio.TaskGroup() as group:
        for runtime in (here, there, here, there):
            group.create_task(runtime.start(spec))

    await until_said(here, spec.name, "ready")
    await here.stop(spec.name, 5)
    assert "ready\nbye\n" == await read(here, spec.name)


async def test_a_container_that_ended_is_not_run_again(
    world: World, runtime: Runtime
) -> None:
    spec = world.script("echo once")
    await runtime.start(spec)
    await until_ended(runtime, spec.name)

    await runtime.start(spec)

    assert "once\n" == await read(runtime, spec.name)
    status = await look(runtime, spec.name)
    assert status
    assert status.state is ContainerState.EXITED


async def test_a_server_answers_on_its_leased_port(
    world: World, runtime: Runtime
) -> None:
    spec = world.server_spec()

    await runtime.start(spec)

    address = (await runtime.status()).address
    assert (await ask(address, spec.leases[0].host_port)).startswith(b"HTTP/1.")


async def ask(address: str, port: int) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection(address, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
            if line:
                return line


async def test_a_taken_port_is_told_and_nothing_is_left(
    world: World, runtime: Runtime
) -> None:
    spec = world.server_spec()
    address = (await runtime.status()).address
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), address, spec.leases[0].host_port
    )

    async with server:
        with pytest.raises(PortTaken):
            await runtime.start(spec)

    assert await look(runtime, spec.name) is None


async def test_a_command_that_does_not_exist_is_told(
    world: World, runtime: Runtime
) -> None:
    spec = world.spec("/no/such/command")

    for _ in range(2):  # the second time from what was recorded
        with pytest.raises(CannotStart, match=r"[Nn]o such file"):
            await runtime.start(spec)

    status = await look(runtime, spec.name)
    assert status
    assert (ContainerState.EXITED, 127) == (status.state, status.exit_code)
    await runtime.remove(spec.name)
    assert await look(runtime, spec.name) is None


async def test_its_environment_and_directory_are_as_told(
    world: World, runtime: Runtime
) -> None:
    spec = world.script(
        'echo "$COLOUR in $(pwd)"', environment=(("COLOUR", "blue $HOME"),)
    )
    definition = dataclasses.replace(spec.definition, working_directory="/tmp")  # noqa: S108

    await runtime.start(dataclasses.replace(spec, definition=definition))
    await until_ended(runtime, spec.name)

    assert "blue $HOME in /tmp\n" == await read(runtime, spec.name)


async def test_the_entry_point_comes_before_the_command(
    world: World, runtime: Runtime
) -> None:
    spec = world.spec("-c", 'echo "$0 $1"', "a b", "c")
    definition = dataclasses.replace(spec.definition, entry_point=("sh",))

    await runtime.start(dataclasses.replace(spec, definition=definition))
    await until_ended(runtime, spec.name)

    assert "a b c\n" == await read(runtime, spec.name)


# --- whose it is ----------------------------------------------------------------


async def test_a_name_with_other_labels_is_taken(
    world: World, runtime: Runtime
) -> None:
    spec = world.script(POLITE)
    await runtime.start(spec)

    with pytest.raises(NameTaken):
        await runtime.start(dataclasses.replace(spec, spec_hash="another"))
    with pytest.raises(NameTaken):
        await runtime.start(dataclasses.replace(spec, task_id=TaskId("f" * 32)))


async def test_containers_of_another_cluster_are_not_seen_nor_touched(
    world: World, runtime: Runtime
) -> None:
    spec = world.script(POLITE, cluster_uid=OTHER_UID)
    other = world.connect(OTHER_UID)
    await other.start(spec)

    assert await look(runtime, spec.name) is None
    assert (await runtime.stop(spec.name, 0)).exit_code is None
    await runtime.remove(spec.name)
    with pytest.raises(NameTaken):
        await runtime.start(dataclasses.replace(spec, cluster_uid=UID))

    status = await look(other, spec.name)
    assert status
    assert status.state is ContainerState.RUNNING


async def test_a_new_runtime_object_adopts_what_runs(
    world: World, runtime: Runtime
) -> None:
    spec = world.script(POLITE)
    await runtime.start(spec)
    await until_said(runtime, spec.name, "ready")
    await runtime.close()

    successor = world.connect()
    status = await look(successor, spec.name)
    assert status
    assert status.state is ContainerState.RUNNING
    await successor.start(spec)
    assert 3 == (await successor.stop(spec.name, 5)).exit_code


# --- stop and remove ------------------------------------------------------------


async def test_stop_asks_with_sigterm_and_waits(world: World, runtime: Runtime) -> None:
    spec = world.script(POLITE)
    await runtime.start(spec)
    await until_said(runtime, spec.name, "ready")

    outcome = await runtime.stop(spec.name, DEADLINE_S)

    assert (3, False) == (outcome.exit_code, outcome.killed)
    status = await look(runtime, spec.name)
    assert status
    assert (ContainerState.EXITED, 3) == (status.state, status.exit_code)


async def test_one_that_ignores_sigterm_is_killed_after_the_timeout(
    world: World, runtime: Runtime
) -> None:
    spec = world.script(STUBBORN)
    await runtime.start(spec)
    await until_said(runtime, spec.name, "ready")

    began_s = time.monotonic()
    outcome = await runtime.stop(spec.name, 1)

    assert (137, True) == (outcome.exit_code, outcome.killed)
    assert 1.0 <= time.monotonic() - began_s < 4.0


async def test_stopping_again_or_what_is_gone_is_done(
    world: World, runtime: Runtime
) -> None:
    spec = world.script(STUBBORN)
    await runtime.start(spec)
    await until_said(runtime, spec.name, "ready")

    await runtime.stop(spec.name, 0)
    again = await runtime.stop(spec.name, 5)
    gone = await runtime.stop(NOBODY, 5)

    assert (137, False) == (again.exit_code, again.killed)
    assert (None, False) == (gone.exit_code, gone.killed)


async def test_removing_again_or_what_is_gone_is_done(
    world: World, runtime: Runtime
) -> None:
    spec = world.script("exit 0")
    await runtime.start(spec)
    await until_ended(runtime, spec.name)

    for _ in range(2):
        await runtime.remove(spec.name)
        assert await look(runtime, spec.name) is None
    await runtime.remove(NOBODY)


async def test_what_runs_is_not_removed(world: World, runtime: Runtime) -> None:
    spec = world.script(POLITE)
    await runtime.start(spec)

    with pytest.raises(ContainerError):
        await runtime.remove(spec.name)

    status = await look(runtime, spec.name)
    assert status
    assert status.state is ContainerState.RUNNING


# --- what happens by itself -----------------------------------------------------


async def test_the_exit_code_is_reported(world: World, runtime: Runtime) -> None:
    spec = world.script("exit 7")

    await runtime.start(spec)

    assert 7 == (await until_ended(runtime, spec.name)).exit_code


async def test_an_end_is_heard_within_two_seconds(
    world: World, runtime: Runtime
) -> None:
    spec = world.script("sleep 0.5; exit 9")
    heard: asyncio.Queue[ContainerStatus] = asyncio.Queue()

    async def listen() -> None:
        async for status in runtime.changes():
            heard.put_nowait(status)

    async with asyncio.TaskGroup() as group:
        listener = group.create_task(listen())
        await asyncio.sleep(0.1)
        await runtime.start(spec)
        seen: list[ContainerStatus] = []
        async with asyncio.timeout(0.5 + 2.0):
            while not seen or seen[-1].state is not ContainerState.EXITED:
                seen.append(await heard.get())
        listener.cancel()

    assert {(spec.name, spec.task_id)} == {(each.name, each.task_id) for each in seen}
    states = [each.state for each in seen]
    assert [ContainerState.RUNNING, ContainerState.EXITED] == states
    assert 9 == seen[-1].exit_code


async def test_an_end_of_an_adopted_container_is_heard(
    world: World, runtime: Runtime
) -> None:
    spec = world.script("sleep 1; exit 9")
    await runtime.start(spec)
    await runtime.close()

    heard = []
    async with asyncio.timeout(DEADLINE_S):
        async for status in world.connect().changes():
            heard.append((status.name, status.state, status.exit_code))
            if status.state is ContainerState.EXITED:
                break

    assert (spec.name, ContainerState.EXITED, 9) == heard[-1]


# --- logs and cpu ---------------------------------------------------------------


async def test_output_comes_back_in_order_also_after_the_end(
    world: World, runtime: Runtime
) -> None:
    spec = world.script("for i in 1 2 3; do echo $i; sleep 0.1; echo e$i >&2; done")
    await runtime.start(spec)

    followed = b""
    async with asyncio.timeout(DEADLINE_S):
        async for chunk in runtime.logs(spec.name, follow=True, tail=None):
            followed += chunk

    await until_ended(runtime, spec.name)
    whole = "1\ne1\n2\ne2\n3\ne3\n"
    assert whole == followed.decode() or sorted(whole) == sorted(followed.decode())
    assert sorted(whole) == sorted(await read(runtime, spec.name))


async def test_tail_gives_the_last_lines(world: World, runtime: Runtime) -> None:
    spec = world.script("for i in 1 2 3 4 5; do echo line $i; done")
    await runtime.start(spec)
    await until_ended(runtime, spec.name)

    chunks = [each async for each in runtime.logs(spec.name, follow=False, tail=2)]

    assert b"line 4\nline 5\n" == b"".join(chunks)


async def test_a_container_that_is_not_there_has_said_nothing(
    world: World, runtime: Runtime
) -> None:
    assert "" == await read(runtime, NOBODY)


async def test_cpu_grows_while_a_task_burns_and_ends_with_it(
    world: World, runtime: Runtime
) -> None:
    burning, idle = world.script(BURN), world.script(POLITE)
    for spec in (burning, idle):
        await runtime.start(spec)

    first = await until_sampled(runtime, burning.name, lambda _: True)
    second = await until_sampled(
        runtime, burning.name, lambda sample: sample.at_s >= first.at_s + 1.0
    )
    still = await until_sampled(runtime, idle.name, lambda _: True)
    await runtime.stop(burning.name, 5)

    share = (second.cpu_ns - first.cpu_ns) / 1e9 / (second.at_s - first.at_s)
    assert 0.2 < share < 1.2  # of one core; the machine may be busy with others
    assert still.cpu_ns < 500_000_000
    assert burning.name not in await runtime.cpu()
    assert idle.name in await runtime.cpu()


# --- the host -------------------------------------------------------------------


async def test_the_host_tells_what_it_has(world: World, runtime: Runtime) -> None:
    status = await runtime.status()

    assert status.connected
    assert status.cpu >= 1024
    assert status.cpu % 1024 == 0
    assert status.memory_mib > 100
    assert status.address
    assert {"ecs.os-type", "ecs.os-family", "ecs.cpu-architecture"} == {
        *status.attributes
    }
