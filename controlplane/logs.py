"""The logs of a service: its tasks' outputs, line by line, each with its task.

Bounded: a reader that is slow slows the readings down, nothing is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Final

from scheduler.decide.identity import container_name
from scheduler.errors import ContainerError
from scheduler.model import Task
from scheduler.ports import Runtime

QUEUE_MAX: Final = 100
LINE_MAX: Final = 64 * 1024
"""Bytes; a longer line is cut into several."""
SHORT_ID: Final = 8


async def lines_of(
    tasks: Sequence[Task],
    runtimes: Mapping[str, Runtime],
    cluster_uid: str,
    *,
    follow: bool,
    tail: int | None,
) -> AsyncGenerator[bytes, None]:
    """Yield whole lines of all containers of `tasks`, as they come."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_MAX)

    async def copy(prefix: bytes, chunks: AsyncIterator[bytes]) -> None:
        try:
            async for line in whole_lines(chunks):
                await queue.put(prefix + line + b"\n")
        except ContainerError as error:
            await queue.put(prefix + str(error).encode() + b"\n")

    try:
        async with asyncio.TaskGroup() as group:
            copies = [
                group.create_task(copy(prefix, chunks))
                for prefix, chunks in _outputs(
                    tasks, runtimes, cluster_uid, follow=follow, tail=tail
                )
            ]
            group.create_task(_end_after(copies, queue))
            while (line := await queue.get()) is not None:
                yield line
    except* GeneratorExit:
        pass  # the reader left; the group has ended the readings


async def _end_after(
    copies: Sequence[asyncio.Task[None]], queue: asyncio.Queue[bytes | None]
) -> None:
    if copies:
        await asyncio.wait(copies)
    await queue.put(None)


def _outputs(
    tasks: Sequence[Task],
    runtimes: Mapping[str, Runtime],
    cluster_uid: str,
    *,
    follow: bool,
    tail: int | None,
) -> list[tuple[bytes, AsyncIterator[bytes]]]:
    found = []
    for task in tasks:
        runtime = runtimes.get(task.instance)
        if runtime is None:
            continue
        for container in task.task_definition.containers:
            name = container_name(cluster_uid, task.id, container.name)
            prefix = f"{container.name}/{task.id[:SHORT_ID]} ".encode()
            found.append((prefix, runtime.logs(name, follow=follow, tail=tail)))
    return found


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
