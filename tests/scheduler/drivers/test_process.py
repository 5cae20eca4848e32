"""What only the process runtime can promise: nothing outlives its container."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from foundation.clock import SystemClock
from scheduler.definition import ContainerDefinition
from scheduler.drivers import process_records as records
from scheduler.drivers import shim
from scheduler.drivers.process import ProcessRuntime
from scheduler.drivers.process_table import Identity, marked, parse_ps_time_ns
from scheduler.errors import CannotStart, PortTaken
from scheduler.model import (
    ContainerName,
    ContainerState,
    ContainerStatus,
    PortLease,
    TaskId,
)
from scheduler.ports import ContainerSpec

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
DEADLINE_S = 10.0
TASK_ID = TaskId(uuid.uuid4().hex)  # a name is never used twice, not even by tests
NAME = ContainerName(f"alb-c0ffee-{TASK_ID}-web")
FAMILY = "sleep 1000 & setsid sleep 1001 & echo ready; wait"
"""A task with a child, and one that left its session."""


def spec(text: str, name: ContainerName = NAME, **changes: Any) -> ContainerSpec:
    definition = ContainerDefinition(name="web", command=("sh", "-c", text))
    return ContainerSpec(
        name=name,
        task_id=TASK_ID,
        service="shop",
        cluster_uid="c0ffee",
        definition=dataclasses.replace(definition, **changes),
        environment=(),
        leases=(),
    )


def connect(directory: Path) -> ProcessRuntime:
    return ProcessRuntime(
        "host-a",
        directory / "tasks",
        "c0ffee",
        clock=SystemClock(),
        working_directory=directory,
    )


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[ProcessRuntime]:
    runtime = connect(tmp_path)
    yield runtime
    await runtime.close()
    undertaker = connect(tmp_path)
    for container in (await undertaker.status()).containers:
        await undertaker.stop(container.name, 0)
        await undertaker.remove(container.name)
    await undertaker.close()
    assert [] == list(tmp_path.glob("tasks/*"))  # noqa: ASYNC240


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - the kernel sends no event for it
            await asyncio.sleep(0.01)


def record(directory: Path) -> records.Record:
    found = records.read(directory / "tasks", NAME)
    assert found
    return found


def running(directory: Path) -> records.Running:
    found = record(directory).running
    assert found
    return found


async def status(runtime: ProcessRuntime) -> ContainerStatus:
    (container,) = (await runtime.status()).containers
    return container


# --- nothing outlives the container ---------------------------------------------


@linux
async def test_stop_ends_every_descendant(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    await runtime.start(spec(FAMILY))
    await until(lambda: len(marked(NAME)) == 3)

    await runtime.stop(NAME, DEADLINE_S)

    assert [] == marked(NAME)


@linux
async def test_the_end_of_the_task_ends_what_it_left_behind(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    await runtime.start(spec("sleep 1000 & setsid sleep 1001 & exit 4"))

    await until(lambda: record(tmp_path).ended is not None)

    assert [] == marked(NAME)
    assert 4 == (await status(runtime)).exit_code


@linux
async def test_a_killed_shim_takes_the_whole_task_with_it(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    await runtime.start(spec(FAMILY))
    await until(lambda: len(marked(NAME)) == 3)

    heard = asyncio.ensure_future(anext(runtime.changes()))
    await asyncio.sleep(0.1)
    running(tmp_path).shim.signal(signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        change = await heard

    assert (ContainerState.EXITED, 137) == (change.state, change.exit_code)
    assert [] == marked(NAME)


@linux
async def test_a_shim_killed_while_nobody_looked_is_found_later(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    await runtime.start(spec(FAMILY))
    await until(lambda: len(marked(NAME)) == 3)
    await runtime.close()
    shim = running(tmp_path).shim
    os.kill(shim.pid, signal.SIGKILL)
    await until(lambda: not shim.alive)

    successor = connect(tmp_path)
    ended = await status(successor)
    await successor.close()

    assert (ContainerState.EXITED, 137) == (ended.state, ended.exit_code)
    assert [] == marked(NAME)


@linux
async def test_a_frozen_shim_does_not_save_its_task(
    runtime: ProcessRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.drivers.process.KILL_TIMEOUT_S", 0.3)
    await runtime.start(spec(FAMILY))
    await until(lambda: len(marked(NAME)) == 3)
    running(tmp_path).shim.signal(signal.SIGSTOP)

    outcome = await runtime.stop(NAME, 0.1)

    assert (137, True) == (outcome.exit_code, outcome.killed)
    assert [] == marked(NAME)


@linux
async def test_no_zombie_is_left(runtime: ProcessRuntime, tmp_path: Path) -> None:
    await runtime.start(spec("exit 0"))
    shim_pid = running(tmp_path).shim.pid

    await until(lambda: not Path(f"/proc/{shim_pid}").exists())


@linux
async def test_no_zombie_is_left_of_a_task_that_ended_before_we_looked(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    await runtime.start(spec("exit 0"))
    shim_pid = running(tmp_path).shim.pid
    await until(lambda: record(tmp_path).ended is not None)

    await runtime.start(spec("exit 0"))

    await until(lambda: not Path(f"/proc/{shim_pid}").exists())


async def test_tasks_outlive_the_control_that_started_them(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    control = (
        "import asyncio, os, pathlib, pickle, sys\n"
        "from foundation.clock import SystemClock\n"
        "from scheduler.drivers.process import ProcessRuntime\n"
        "async def main():\n"
        "    directory, spec = pickle.load(sys.stdin.buffer)\n"
        "    runtime = ProcessRuntime(\n"
        "        'host-a', directory / 'tasks', 'c0ffee', clock=SystemClock())\n"
        "    await runtime.start(spec)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    polite = spec('trap "exit 5" TERM; echo ready; sleep 1000 & wait')
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", control],
        input=pickle.dumps((tmp_path, polite)),
        check=False,
        cwd=Path(shim.__file__).parents[2],
    )

    assert -signal.SIGKILL == ended.returncode
    await until((tmp_path / "tasks" / NAME / "log").exists)
    assert ContainerState.RUNNING is (await status(runtime)).state
    assert 5 == (await runtime.stop(NAME, DEADLINE_S)).exit_code


async def test_a_second_shim_leaves_at_once(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    await runtime.start(spec("echo once; sleep 1000"))
    directory = tmp_path / "tasks" / NAME
    await until((directory / "log").exists)
    written = (directory / "run.json").rename(directory / "aside.json")

    said = await asyncio.to_thread(
        subprocess.check_output,
        [sys.executable, "-I", "-S", shim.__file__, str(directory)],
    )
    written.rename(directory / "run.json")

    assert shim.TAKEN == said.decode()
    assert "once\n" == (directory / "log").read_text()


# --- identity -------------------------------------------------------------------


@contextmanager
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as bystander:
        yield bystander
        bystander.kill()


def test_a_recycled_pid_is_never_signalled() -> None:
    with sleeper() as bystander:
        former = Identity(bystander.pid, "another-boot/12345")

        former.signal(signal.SIGKILL)

        assert not former.alive
        assert bystander.poll() is None
        assert Identity(bystander.pid, shim.start_time(bystander.pid)).alive


@linux
async def test_a_record_of_an_earlier_boot_has_ended_and_kills_nobody(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    with sleeper() as bystander:
        labels = {"alb.cluster-uid": "c0ffee", "alb.task-id": "1"}
        records.create(tmp_path / "tasks", NAME, {"labels": labels})
        stale = {"pid": bystander.pid, "started": "another-boot/12345"}
        shim.write_json(
            str(tmp_path / "tasks" / NAME), "run.json", {"shim": stale, "task": stale}
        )

        assert ContainerState.EXITED is (await status(runtime)).state
        assert 137 == (await runtime.stop(NAME, 1)).exit_code
        assert bystander.poll() is None


# --- what a task gets -----------------------------------------------------------


@linux
async def test_a_task_inherits_nothing_of_ours(
    runtime: ProcessRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "ours")
    ours = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(ours, True)  # noqa: FBT003 - os
    looking = (
        "import os, sys; print(len(os.listdir('/proc/self/fd')) - 1);"
        "print(*os.environ.items(), open('/proc/self/status').read(), sep='\\n')"
    )
    command = ("python3", "-E", "-S", "-c", looking)

    await runtime.start(spec("", command=command))
    await until(lambda: record(tmp_path).ended is not None)
    os.close(ours)

    said = (tmp_path / "tasks" / NAME / "log").read_text()
    assert 3 == int(said.split()[0])
    assert "SECRET" not in said
    masks = dict(re.findall(r"(Sig\w+):\s+(\w+)", said))
    pipe_and_size = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1  # Python's own
    known = (1 << 31) - 1  # above, glibc's posix_spawn ignores two: under make they are
    assert 0 == int(masks["SigBlk"], 16)
    assert 0 == int(masks["SigIgn"], 16) & known & ~pipe_and_size


async def test_output_is_bounded_and_the_newest_is_kept(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    text = "head -c 40000000 /dev/zero | tr '\\0' x; echo; echo the end"
    await runtime.start(spec(text))
    await until(lambda: record(tmp_path).ended is not None)

    chunks = [each async for each in runtime.logs(NAME, follow=False, tail=1)]

    assert b"the end\n" == b"".join(chunks)
    directory = tmp_path / "tasks" / NAME
    size = sum((directory / name).stat().st_size for name in ("log", "log.1"))
    assert size <= 2 * shim.LOG_BYTES_MAX


async def test_a_reader_goes_on_across_a_rotation(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    text = (
        "echo first; sleep 0.5; head -c 9000000 /dev/zero | tr '\\0' x;"
        "sleep 0.5; echo last"
    )
    await runtime.start(spec(text))

    read = b""
    async with asyncio.timeout(DEADLINE_S):
        async for chunk in runtime.logs(NAME, follow=True, tail=None):
            read += chunk

    assert 9_000_000 + len("first\nlast\n") == len(read)
    assert (b"first\n", b"last\n") == (read[:6], read[-5:])


# fmt: off
REFUSED = [
    ({"command": ()},               "needs a command",   "no image has a default"),
    ({"user": "nobody"},            "user: a process runs as the user that runs alb",     "it would not be honoured"),
    ({"command": ("no-such-cmd",)}, "No such file|Permission denied", "not found on PATH"),
    ({"command": ("/etc/passwd",)}, "Permission denied", "not executable"),
    ({"working_directory": "/no"},  "No such file.*/no", "no such directory"),
    ({"command": ("a\0b",)},        "null character",    "not an argument at all"),
]
# fmt: on


@pytest.mark.parametrize(
    ("changes", "message"),
    [row[:2] for row in REFUSED],
    ids=[row[2] for row in REFUSED],
)
async def test_what_cannot_start_says_why(
    runtime: ProcessRuntime, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CannotStart, match=message):
        await runtime.start(spec("", **changes))


@linux
async def test_cpu_of_children_counts_also_after_their_end(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    text = f"sh -c '{burn}'; (setsid sh -c '{burn}' &) ; echo half; sleep 1000"
    await runtime.start(spec(text))

    async with asyncio.timeout(DEADLINE_S):
        before, cpu_ns = -1, 0
        while cpu_ns < 100_000_000:
            sample = (await runtime.cpu())[NAME]
            before, cpu_ns = cpu_ns, sample.cpu_ns
            assert cpu_ns >= before
            await asyncio.sleep(0.05)
        assert (await runtime.cpu())[NAME].memory_bytes > 0


# --- how fast -------------------------------------------------------------------


async def test_an_end_is_heard_at_once(runtime: ProcessRuntime, tmp_path: Path) -> None:
    await runtime.start(spec("sleep 1000"))
    changes = runtime.changes()
    heard = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.1)

    began_s = time.monotonic()
    running(tmp_path).task.signal(signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        await heard

    assert time.monotonic() - began_s < 0.5  # 20 ms on an idle machine


def test_without_pidfds_the_end_is_heard_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)

    async def main() -> None:
        runtime = connect(tmp_path)
        await runtime.start(spec("sleep 0.3; exit 6"))
        async with asyncio.timeout(DEADLINE_S):
            async for change in runtime.changes():
                if change.state is ContainerState.EXITED:
                    assert 6 == change.exit_code
                    break
        await runtime.start(spec("sleep 1000", ContainerName(f"{NAME}2")))
        assert (await runtime.stop(ContainerName(f"{NAME}2"), 5)).exit_code == 143
        await runtime.close()

    asyncio.run(main())


# fmt: off
TIMES = [
    ("00:00:01",    1.0,      "Linux"),
    ("0:01.50",     1.5,      "macOS, hundredths"),
    ("12:34.00",    754.0,    "macOS, minutes"),
    ("1-02:03:04",  93_784.0, "more than a day"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "seconds"), [row[:2] for row in TIMES], ids=[row[2] for row in TIMES]
)
def test_cpu_time_of_ps_is_read(text: str, seconds: float) -> None:
    assert seconds * 1e9 == parse_ps_time_ns(text)


# --- ports ----------------------------------------------------------------------


def listening_later(port: int, uid: str) -> ContainerSpec:
    """A task that has a port and has not bound it yet."""
    name = ContainerName(f"alb-{uid}-{TASK_ID}-web")
    made = spec("exec sleep 1000", name)
    leases = (PortLease("host-a", port, "web", 8080),)
    return dataclasses.replace(made, cluster_uid=uid, leases=leases)


@linux
async def test_two_clusters_that_start_at_the_same_moment_share_no_port(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    other = ProcessRuntime("b", tmp_path / "b", "facade", clock=SystemClock())
    ours, theirs = listening_later(port, "c0ffee"), listening_later(port, "facade")

    outcomes = await asyncio.gather(
        runtime.start(ours), other.start(theirs), return_exceptions=True
    )
    [refused] = [each for each in outcomes if isinstance(each, BaseException)]
    assert isinstance(refused, PortTaken)
    assert f"127.0.0.1:{port} is another task's of this machine" in str(refused)

    first = (runtime, ours), (other, theirs)
    for host, mine in first if outcomes[1] is refused else reversed(first):
        await host.start(mine)  # again, or at once after the end of the other's
        await host.stop(mine.name, 0)
        await host.remove(mine.name)
    await other.close()


@linux
async def test_what_keeps_its_port_is_not_the_tasks_own(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    """Else whoever leaves its container would keep the port, too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    await runtime.start(listening_later(port, "c0ffee"))

    pid = running(tmp_path).task.pid
    opened = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: ASYNC240
    assert [] == [each for each in opened if each.startswith("socket:")]
