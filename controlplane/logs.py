"""The logs of a service: its tasks' outputs, line by line, each with its task.

Bounded: a reader that is slow slows the readings down, nothing is kept. Of a
task that stopped there are the last lines, as the scheduler remembers them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from scheduler.decide.identity import container_name
from scheduler.errors import ContainerError
from scheduler.model import ContainerName, Task
from scheduler.ports import Runtime

QUEUE_MAX: Final = 100
LINE_MAX: Final = 64 * 1024
"""Bytes; a longer line is cut into several."""
SHORT_ID: Final = 8


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the outputs of a cluster's containers are."""

    cluster_uid: str
    runtimes: Mapping[str, Runtime]
    ended: Mapping[ContainerName, bytes] = field(default_factory=dict)
    """What containers that were removed wrote last."""


async def lines_of(
    tasks: Sequence[Task], sources: Sources, *, follow: bool, tail: int | None
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
                for prefix, chunks in _outputs(tasks, sources, follow=follow, tail=tail)
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
    tasks: Sequence[Task], sources: Sources, *, follow: bool, tail: int | None
) -> list[tuple[bytes, AsyncIterator[bytes]]]:
    found = []
    for task in tasks:
        runtime = sources.runtimes.get(task.instance)
        for container in task.task_definition.containers:
            name = container_name(sources.cluster_uid, task.id, container.name)
            prefix = f"{container.name}/{task.id[:SHORT_ID]} ".encode()
            if name in sources.ended:
                found.append((prefix, _last_lines(sources.ended[name], tail)))
            elif runtime is not None:
                found.append((prefix, runtime.logs(name, follow=follow, tail=tail)))
    return found


async def _last_lines(output: bytes, tail: int | None) -> AsyncIterator[bytes]:
    lines = output.splitlines(keepends=True)
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
