"""A command beside a container's own, whatever runs the container."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from scheduler.errors import CannotStart, ContainerError
from scheduler.ports import STDERR, STDOUT, Execution, Runtime
from tests.conformance.test_runtime import (
    DEADLINE_S,
    NOBODY,
    POLITE,
    until_said,
)

if TYPE_CHECKING:
    from scheduler.model import ContainerName
    from tests.conformance.conftest import World


async def started(runtime: Runtime, world: World) -> ContainerName:
    """A container that runs and has a variable of its own."""
    spec = world.script(POLITE, environment=(("COLOUR", "blue"),))
    await runtime.start(spec)
    await until_said(runtime, spec.name, "ready")
    return spec.name


async def outcome(execution: Execution) -> tuple[int, dict[int, str]]:
    """Read a command to its end; return its status, and what it wrote where."""
    written: dict[int, str] = {}
    async with asyncio.timeout(DEADLINE_S):
        async for kind, chunk in execution.output():
            written[kind] = written.get(kind, "") + chunk.decode()
        code = await execution.exit_code()
    await execution.close()
    return code, written


async def test_it_has_the_tasks_variables_two_outputs_and_a_status(
    world: World,
) -> None:
    runtime = world.connect()
    name = await started(runtime, world)
    script = 'echo "$COLOUR"; echo trouble >&2; exit 7'

    execution = await runtime.execute(name, ["sh", "-c", script], tty=False)

    assert (7, {STDOUT: "blue\n", STDERR: "trouble\n"}) == await outcome(execution)


async def test_it_reads_what_it_is_given(world: World) -> None:
    runtime = world.connect()
    name = await started(runtime, world)
    script = 'read line; echo "got $line"'

    execution = await runtime.execute(name, ["sh", "-c", script], tty=False)
    await execution.write(b"hello\n")

    assert (0, {STDOUT: "got hello\n"}) == await outcome(execution)


async def test_it_has_a_terminal_of_the_size_that_it_is_told(world: World) -> None:
    runtime = world.connect()
    name = await started(runtime, world)
    script = "read go; test -t 0 && stty size"

    execution = await runtime.execute(name, ["sh", "-c", script], tty=True)
    await execution.resize(100, 30)
    await execution.write(b"go\n")
    code, written = await outcome(execution)

    assert (0, [STDOUT]) == (code, [*written])
    assert "30 100" in written[STDOUT]


async def test_what_does_not_run_has_no_commands(world: World) -> None:
    runtime = world.connect()
    name = await started(runtime, world)
    await runtime.stop(name, 5)

    for gone in (name, NOBODY):
        with pytest.raises(CannotStart, match="it does not run"):
            await runtime.execute(gone, ["sh"], tty=False)


async def test_a_command_that_is_not_there_says_so(world: World) -> None:
    runtime = world.connect()
    name = await started(runtime, world)

    try:
        execution = await runtime.execute(name, ["no-such-command"], tty=False)
    except ContainerError as refused:
        why = str(refused)
    else:  # an engine tells it as the shell does
        code, written = await outcome(execution)
        assert code in {126, 127}
        why = written.get(STDOUT, "") + written.get(STDERR, "")
    assert "no-such-command" in why


async def test_it_is_let_go_of_while_it_runs_and_the_container_runs_on(
    world: World,
) -> None:
    runtime = world.connect()
    name = await started(runtime, world)

    execution = await runtime.execute(name, ["cat"], tty=False)
    await execution.close()

    statuses = (await runtime.status()).containers
    assert ["running"] == [one.state.value for one in statuses if one.name == name]
