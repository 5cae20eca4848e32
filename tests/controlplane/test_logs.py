"""Logs come line by line, each with the task it is from."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace

import pytest

from controlplane.logs import LINE_MAX, Sources, lines_of, whole_lines
from foundation.clock import VirtualClock
from scheduler.decide.identity import container_name
from scheduler.definition import ContainerDefinition
from scheduler.drivers.memory import MemoryHost
from scheduler.drivers.outputs import MemoryOutputs
from scheduler.errors import HostNotReached
from scheduler.model import ContainerName, Task, TaskDefinition, TaskId, TaskStatus


async def chunked(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([], []),
        ([b"one\ntwo\n"], [b"one", b"two"]),
        ([b"on", b"e\r\nt", b"wo"], [b"one", b"two"]),
        ([b"\n\n"], [b"", b""]),
        ([b"x" * LINE_MAX, b"y"], [b"x" * LINE_MAX, b"y"]),
    ],
)
async def test_lines_are_whole_and_bounded(
    chunks: list[bytes], lines: list[bytes]
) -> None:
    assert lines == [line async for line in whole_lines(chunked(chunks))]


UID = "uid"
DEFINITION = TaskDefinition("web", (ContainerDefinition("web"),))


def task(task_id: str) -> Task:
    return Task(
        TaskId(task_id * 32), "web", "d", DEFINITION, "a", TaskStatus.RUNNING, 0.0
    )


class TalkingHost(MemoryHost):
    """A host whose containers have written something; followed, they go on."""

    def __init__(
        self, outputs: Mapping[str, list[bytes]], *, ends: bool = False
    ) -> None:
        super().__init__("a", VirtualClock())
        self.ends = ends
        self.outputs = {
            container_name(UID, TaskId(k * 32), "web"): v for k, v in outputs.items()
        }
        self.open = 0

    async def logs(
        self, name: ContainerName, *, follow: bool, tail: int | None
    ) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            for chunk in self.outputs[name][-tail:] if tail else self.outputs[name]:
                yield chunk
            if follow and not self.ends:
                await asyncio.Event().wait()
            if name.endswith("3-web"):
                raise HostNotReached("a", "logs", "gone")
        finally:
            self.open -= 1


async def test_each_line_names_its_container_and_task() -> None:
    host = TalkingHost({"1": [b"one\n"], "2": [b"two\n", b"more\n"]})
    tasks = [task("1"), task("2")]

    lines = lines_of(tasks, Sources(UID, {"a": host}), None)

    assert [
        b"web/11111111 one\n",
        b"web/22222222 more\n",
        b"web/22222222 two\n",
    ] == sorted([line async for line in lines])


async def test_a_host_that_is_gone_says_so_and_ends_nothing_else() -> None:
    host = TalkingHost({"1": [b"one\n"], "3": [b"three\n"]})
    tasks = [task("1"), task("3")]

    lines = lines_of(tasks, Sources(UID, {"a": host}), None)
    read = sorted([line async for line in lines])

    assert [b"web/11111111 one\n", b"web/33333333 logs on a: gone\n"] == read[:2]


@pytest.mark.parametrize(
    ("tail", "read"),
    [(None, [b"boom", b"no database"]), (1, [b"no database"]), (0, [])],
)
async def test_a_task_that_is_gone_has_its_last_lines(
    tail: int | None, read: list[bytes]
) -> None:
    ended = MemoryOutputs()
    name = container_name(UID, TaskId("4" * 32), "web")
    await ended.keep("4" * 32, name, b"boom\nno database")
    lines = lines_of([task("4")], Sources(UID, {}, ended), tail, lambda: None)

    expected = [b"web/44444444 " + line + b"\n" for line in read]
    assert expected == [line async for line in lines]


async def test_one_container_may_be_read_alone() -> None:
    two = TaskDefinition("web", (ContainerDefinition("web"), ContainerDefinition("db")))
    both = replace(task("4"), task_definition=two)
    ended = MemoryOutputs()
    for one in ("web", "db"):
        name = container_name(UID, both.id, one)
        await ended.keep(both.id, name, f"{one}\n".encode())

    lines = lines_of([both], Sources(UID, {}, ended, "db"), None)

    assert [b"db/44444444 db\n"] == [line async for line in lines]


async def test_no_task_has_no_logs() -> None:
    assert [] == [
        one async for one in lines_of([], Sources(UID, {}), None, lambda: None)
    ]


async def test_who_stops_following_leaves_nothing_open() -> None:
    host = TalkingHost({"1": [b"one\n"], "2": [b"two\n"]})
    tasks = [task("1"), task("2")]
    lines = lines_of(tasks, Sources(UID, {"a": host}), None, lambda: tasks)

    async with asyncio.timeout(5.0), aclosing(lines):
        await anext(lines)
        await anext(lines)
        assert 2 == host.open

    assert 0 == host.open


async def test_who_follows_reads_tasks_that_come_later_until_the_service_is_gone() -> (
    None
):
    host = TalkingHost({"1": [b"one\n"], "2": [b"two\n"]}, ends=True)
    first, second = task("1"), task("2")
    starting = replace(second, status=TaskStatus.PENDING)
    looks = [[first, starting], [first, second], [second], None]
    lines = lines_of(
        [first, starting], Sources(UID, {"a": host}), None, lambda: looks.pop(0)
    )

    async with asyncio.timeout(5.0):
        read = [line async for line in lines]

    assert [b"web/11111111 one\n", b"web/22222222 two\n"] == read
