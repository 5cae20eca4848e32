"""What even the runtime in memory promises: the scheduler's scenarios rest on it.

These are the promises that need no command to run. A scenario that passes over
the memory host means something only as long as it keeps them as the real ones do.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import pytest

from scheduler.errors import PortTaken
from scheduler.model import ContainerName, ContainerState, ContainerStatus, PortLease
from scheduler.ports import Runtime

if TYPE_CHECKING:
    from tests.conformance.conftest import World

pytestmark = pytest.mark.parametrize(
    "world",
    [
        "memory",
        "process",
        pytest.param("docker", marks=pytest.mark.needs("docker")),
        pytest.param("docker-tcp", marks=pytest.mark.needs("docker")),
        pytest.param("docker-tls", marks=pytest.mark.needs("docker")),
        pytest.param("docker-ssh", marks=pytest.mark.needs("docker", "sshd")),
    ],
    indirect=True,
)

DEADLINE_S = 10.0
NOBODY = ContainerName(f"alb-c0ffee-{'0' * 32}-web")
SLEEP = 'trap "exit 0" TERM; sleep 1000 & wait'


async def states(runtime: Runtime) -> dict[ContainerName, ContainerState]:
    return {each.name: each.state for each in (await runtime.status()).containers}


async def test_one_start_or_many_make_one_container(
    world: World, runtime: Runtime
) -> None:
    spec = world.script(SLEEP)

    for _ in range(2):
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(runtime.start(spec))

    assert {spec.name: ContainerState.RUNNING} == await states(runtime)


async def test_stopped_is_ended_and_stays_so(world: World, runtime: Runtime) -> None:
    spec = world.script(SLEEP)
    await runtime.start(spec)

    outcome = await runtime.stop(spec.name, DEADLINE_S)
    again = await runtime.stop(spec.name, DEADLINE_S)
    await runtime.start(spec)

    assert not outcome.killed
    assert (outcome.exit_code, False) == (again.exit_code, again.killed)
    assert {spec.name: ContainerState.EXITED} == await states(runtime)


async def test_what_is_gone_is_stopped_and_removed(
    world: World, runtime: Runtime
) -> None:
    spec = world.script(SLEEP)
    await runtime.start(spec)
    await runtime.stop(spec.name, 0)

    for name in (spec.name, spec.name, NOBODY):
        await runtime.remove(name)
        outcome = await runtime.stop(name, DEADLINE_S)
        assert (None, False) == (outcome.exit_code, outcome.killed)

    assert {} == await states(runtime)


async def test_a_start_and_an_end_are_heard(world: World, runtime: Runtime) -> None:
    spec = world.script(SLEEP)
    heard: list[ContainerStatus] = []

    async def listen() -> None:
        async for status in runtime.changes():
            heard.append(status)
            if status.state is ContainerState.EXITED:
                return

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        group.create_task(listen())
        await asyncio.sleep(0.2)
        await runtime.start(spec)
        await runtime.stop(spec.name, 0)

    assert heard[-1].state is ContainerState.EXITED
    assert {(spec.name, spec.task_id)} == {(each.name, each.task_id) for each in heard}


async def test_only_what_runs_uses_cpu(world: World, runtime: Runtime) -> None:
    spec = world.script(SLEEP)
    await runtime.start(spec)

    async with asyncio.timeout(DEADLINE_S):
        while spec.name not in await runtime.cpu():  # noqa: ASYNC110 - the kernel's pace
            await asyncio.sleep(0.05)
    await runtime.stop(spec.name, DEADLINE_S)

    assert {} == await runtime.cpu()


async def test_a_port_has_one_listener(world: World, runtime: Runtime) -> None:
    first = world.server_spec()
    taken = first.leases[0].host_port
    second = dataclasses.replace(
        world.script(SLEEP), leases=(PortLease("host-a", taken, "web", 8080),)
    )
    await runtime.start(first)
    if world.kind == "process":  # nobody publishes for it: it listens when it does
        await listening((await runtime.status()).address, taken)

    with pytest.raises(PortTaken):
        await runtime.start(second)

    assert {first.name: ContainerState.RUNNING} == await states(runtime)


async def listening(address: str, port: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(address, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return
