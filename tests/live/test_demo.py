"""`alb demo` on this machine, to its end, interrupted and killed: nothing is left."""

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from controlplane.demo.image import TAG
from tests.support.engines import Engine

LAST_LINE = re.compile(
    r"demo: tasks 1 -> [3-9] -> 1, [1-9]\d{3,} requests, 0 failed, \d+ s, "
    r"runtime (docker|process)"
)
WHOLE_S = 120.0
END_S = 40.0


@pytest.fixture
def temporary(short_path: Path) -> Iterator[Path]:
    """The demo's whole world of files: its state goes where TMPDIR says."""
    yield short_path
    for pid in processes_of(short_path):  # of a test that failed
        os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def demo(
    temporary: Path, *options: str, **environ: str
) -> AsyncIterator[Process]:
    """Run `alb demo --headless`; whatever the test does, it ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "controlplane.cli", "demo", "--headless", *options),
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, "TMPDIR": str(temporary), **environ},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said(process: Process, within_s: float) -> list[str]:
    """Everything that it says until it ends."""
    async with asyncio.timeout(within_s):
        told, _ = await process.communicate()
    return told.decode().splitlines()


async def until_said(process: Process, words: str) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(END_S):
        async for line in process.stdout:
            if words in line.decode():
                return
    pytest.fail(f"it ended before it said {words!r}")


def processes_of(temporary: Path) -> Mapping[int, str]:
    """The processes that name the demo's directory, or live in it."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            told = (directory / "cmdline").read_bytes()
            told += (directory / "environ").read_bytes()
            told += os.fsencode((directory / "cwd").readlink())
        except OSError:  # gone meanwhile, or a zombie
            continue
        if os.fsencode(temporary) in told:
            found[int(directory.name)] = told.decode("utf-8", "replace")
    return found


def assert_nothing_left(temporary: Path) -> None:
    assert {} == processes_of(temporary)
    assert [] == list(temporary.iterdir())


@pytest.mark.alone
@pytest.mark.timeout(WHOLE_S + END_S)
async def test_tasks_follow_the_load_and_nothing_is_left(temporary: Path) -> None:
    async with demo(temporary, "--runtime", "process") as process:
        lines = await said(process, WHOLE_S)

    shown = "\n".join(lines)
    assert 0 == process.returncode, shown
    match = LAST_LINE.fullmatch(lines[-1])
    assert match, shown
    assert "process" == match[1]
    assert_nothing_left(temporary)


@pytest.mark.timeout(WHOLE_S)
async def test_a_signal_ends_it_and_three_at_once_have_a_port_each(
    temporary: Path,
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(interrupted(temporary, signal.SIGINT))
        group.create_task(interrupted(temporary, signal.SIGHUP))
        group.create_task(interrupted(temporary, signal.SIGTERM, "at once"))
    assert_nothing_left(temporary)


async def interrupted(
    temporary: Path, number: signal.Signals, how: str = "orderly"
) -> None:
    async with demo(temporary, "--runtime", "process") as process:
        await until_said(process, "req/s")
        process.send_signal(number)
        await until_said(process, "stopping (Ctrl-C again stops at once)")
        if how == "at once" and process.returncode is None:
            process.send_signal(number)  # it may meet the last of an orderly end
        lines = await said(process, END_S)
    assert 130 == process.returncode, lines
    assert "alb: interrupted; nothing was left running" in lines


async def test_a_taken_port_is_its_owners_and_a_signal_at_the_start_is_obeyed(
    temporary: Path,
) -> None:
    first_words = "not available: 127.0.0.1:8080"
    with socket.socket() as owner:
        owner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            owner.bind(("127.0.0.1", 8080))
            owner.listen()
        except OSError:  # somebody else has it, and may let go of it meanwhile
            first_words = "tasks run as"
        async with demo(temporary, "--runtime", "process") as process:
            await until_said(process, first_words)
            process.send_signal(signal.SIGINT)
            await said(process, END_S)

    assert 130 == process.returncode
    assert_nothing_left(temporary)


async def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    options = "--runtime", "process", "--state-dir", str(tmp_path)
    async with demo(tmp_path, *options) as process:
        lines = await said(process, END_S)

    assert 1 == process.returncode
    assert f"alb: {tmp_path} is not empty, and the demo begins anew" in lines
    assert ["mine"] == os.listdir(tmp_path)


@pytest.mark.needs("docker")
@pytest.mark.alone
@pytest.mark.timeout(WHOLE_S + END_S)
async def test_containers_follow_the_load_and_only_the_image_is_left(
    temporary: Path, engine: Engine
) -> None:
    images = set(
        engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    )
    async with demo(temporary, DOCKER_HOST=engine.endpoint) as process:
        lines = await said(process, WHOLE_S)

    shown = "\n".join(lines)
    assert 0 == process.returncode, shown
    match = LAST_LINE.fullmatch(lines[-1])
    assert match, shown
    assert "docker" == match[1]
    assert_nothing_left(temporary)
    asked = "ps", "--all", "--quiet", "--filter", "label=alb.cluster-uid"
    assert "" == engine.docker(*asked)
    now = set(engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split())
    assert now - images <= {TAG}


@pytest.mark.needs("docker")
async def test_no_container_is_left_after_a_signal(
    temporary: Path, engine: Engine
) -> None:
    async with demo(temporary, DOCKER_HOST=engine.endpoint) as process:
        await until_said(process, "req/s")
        process.send_signal(signal.SIGTERM)
        await said(process, END_S)

    assert 130 == process.returncode
    assert_nothing_left(temporary)
    asked = "ps", "--all", "--quiet", "--filter", "label=alb.cluster-uid"
    assert "" == engine.docker(*asked)
