"""The logs of a service or of a task, line by line, each with its container and task.

Bounded: a reader that is slow slows the readings down, nothing is kept. Of a
container that was removed there is what was kept of it, as long as its task is told.
Who follows reads on in the tasks that come later, as long as the service is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import Final

from controlplane.api.ports import LogsAsked
from controlplane.errors import InvalidParameter, LogsNotFound
from controlplane.parts import Parts
from scheduler.decide.identity import container_name
from scheduler.drivers.outputs import MemoryOutputs
from scheduler.errors import ContainerError
from scheduler.model import ContainerName, Task, TaskStatus
from scheduler.ports import Outputs, Runtime

QUEUE_MAX: Final = 100
LINE_MAX: Final = 64 * 1024
"""Bytes; a longer line is cut into several."""
SHORT_ID: Final = 8
LOOK_S: Final = 0.5
"""How often who follows looks for tasks that came later."""

Later = Callable[[], Sequence[Task] | None]
"""The tasks that are there now; None: there will be no more."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the outputs of a cluster's containers are."""

    cluster_uid: str
    runtimes: Mapping[str, Runtime]
    ended: Outputs = field(default_factory=MemoryOutputs)
    """What containers that were removed wrote."""
    container: str = ""
    """Only of the containers of this name; empty: of all."""


def of(parts: Parts, asked: LogsAsked) -> AsyncGenerator[bytes, None]:
    """Yield what the tasks of a service write, or one task. Raises LogsNotFound.

    A name that is a service's means that; else it is how a task's id begins.
    """
    scheduler = parts.scheduler

    def of_service() -> Sequence[Task] | None:
        if asked.name not in scheduler.observe_services():
            return None
        return [task for task in scheduler.tasks() if task.service == asked.name]

    def of_task() -> Sequence[Task] | None:
        there = [task for task in scheduler.tasks() if task.id == found]
        return there if there and there[0].status is not TaskStatus.STOPPED else None

    tasks = of_service()
    tasks_now, found = of_service, ""
    if tasks is None:
        tasks = [one for one in scheduler.tasks() if one.id.startswith(asked.name)]
        if len(tasks) != 1:
            raise LogsNotFound(asked.name, len(tasks), scheduler.observe_services())
        tasks_now, found = of_task, tasks[0].id
    known = {each.name for task in tasks for each in task.task_definition.containers}
    if asked.container and tasks and asked.container not in known:
        message = f'"{asked.container}" is none of {", ".join(sorted(known))}'
        raise InvalidParameter("container", message)
    uid = parts.store.cluster_uid
    sources = Sources(uid, parts.runtimes, scheduler.outputs, asked.container)
    return lines_of(tasks, sources, asked.tail, tasks_now if asked.follow else None)


async def lines_of(
    tasks: Sequence[Task],
    sources: Sources,
    tail: int | None,
    later: Later | None = None,
) -> AsyncGenerator[bytes, None]:
    """Yield whole lines of all containers of `tasks`, as they come.

    `tail`: only so many of the last lines of each. `later`: follow, also what it
    returns; until all have ended and it returns None.
    """
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_MAX)

    async def copy(prefix: bytes, chunks: AsyncIterator[bytes]) -> None:
        try:
            async for line in whole_lines(chunks):
                await queue.put(prefix + line + b"\n")
        except ContainerError as error:
            await queue.put(prefix + str(error).encode() + b"\n")

    async def copy_all() -> None:
        async with asyncio.TaskGroup() as copies:
            async for prefix, chunks in _outputs(tasks, sources, tail, later):
                copies.create_task(copy(prefix, chunks))
        await queue.put(None)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(copy_all())
            while (line := await queue.get()) is not None:
                yield line
    except* GeneratorExit:
        pass  # the reader left; the group has ended the readings


async def _outputs(
    tasks: Sequence[Task], sources: Sources, tail: int | None, later: Later | None
) -> AsyncGenerator[tuple[bytes, AsyncIterator[bytes]], None]:
    """Yield the output of each container, with what its lines begin with."""
    if later is None:
        for task in tasks:
            for output in _of_task(task, sources, follow=False, tail=tail):
                yield output
        return
    known = set()
    there: Sequence[Task] | None = tasks
    while there is not None:
        for task in there:
            if task.id in known or task.status is TaskStatus.PENDING:
                continue  # it has no container yet
            known.add(task.id)
            for output in _of_task(task, sources, follow=True, tail=tail):
                yield output
        await asyncio.sleep(LOOK_S)
        tail = None
        there = later()


def _of_task(
    task: Task, sources: Sources, *, follow: bool, tail: int | None
) -> Iterator[tuple[bytes, AsyncIterator[bytes]]]:
    runtime = sources.runtimes.get(task.instance)
    for container in task.task_definition.containers:
        if sources.container not in {"", container.name}:
            continue
        name = container_name(sources.cluster_uid, task.id, container.name)
        prefix = f"{container.name}/{task.id[:SHORT_ID]} ".encode()
        if sources.ended.has(name):
            yield prefix, _last_lines(sources.ended, name, tail)
        elif runtime is not None:
            yield prefix, runtime.logs(name, follow=follow, tail=tail)


async def _last_lines(
    ended: Outputs, name: ContainerName, tail: int | None
) -> AsyncIterator[bytes]:
    lines = (await ended.read(name)).splitlines(keepends=True)
    yield b"".join(
        lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]
    )


async def whole_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield lines without their ends; what never ends is cut at LINE_MAX."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")
        while len(rest) >= LINE_MAX:
            yield rest[:LINE_MAX]
            rest = rest[LINE_MAX:]
    if rest:
        yield rest
