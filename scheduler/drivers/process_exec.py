"""One more command beside a task that is a process: in its environment. Floor 3.

It has the task's variables and directory, and is in a session of its own; with a
terminal, the kernel's. It ends with whoever asked for it, as ``docker exec`` does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from scheduler.errors import CannotStart
from scheduler.ports import STDERR, STDOUT, OutputChunk

READ_BYTES: Final = 64 << 10
WAITING_MAX: Final = 16


class ProcessExecution:
    """Implements `ports.Execution`. `terminal` is our end of a terminal, or None."""

    def __init__(
        self, process: asyncio.subprocess.Process, terminal: int | None
    ) -> None:
        self._process = process
        self._terminal = terminal

    async def output(self) -> AsyncIterator[OutputChunk]:
        if self._terminal is not None:
            while chunk := await asyncio.to_thread(_read, self._terminal):
                yield STDOUT, chunk
            return
        chunks: asyncio.Queue[OutputChunk | None] = asyncio.Queue(WAITING_MAX)

        async def copy(kind: int, stream: asyncio.StreamReader | None) -> None:
            assert stream is not None, "it was asked to be a pipe"
            while chunk := await stream.read(READ_BYTES):
                await chunks.put((kind, chunk))
            await chunks.put(None)

        async with asyncio.TaskGroup() as group:
            group.create_task(copy(STDOUT, self._process.stdout))
            group.create_task(copy(STDERR, self._process.stderr))
            left = 2
            while left:
                chunk_or_end = await chunks.get()
                if chunk_or_end is None:
                    left -= 1
                else:
                    yield chunk_or_end

    async def write(self, chunk: bytes) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            if self._terminal is not None:
                await asyncio.to_thread(_write, self._terminal, chunk)
            elif self._process.stdin is not None:
                self._process.stdin.write(chunk)
                await self._process.stdin.drain()

    async def end_input(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def resize(self, columns: int, rows: int) -> None:
        if self._terminal is not None:
            size = struct.pack("HHHH", rows, columns, 0, 0)
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    async def exit_code(self) -> int:
        """Return its status; of one that a signal ended, as shells count it."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    async def close(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None


async def execute(
    host: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: str,
    *,
    tty: bool,
) -> ProcessExecution:
    """Start a command. Raises CannotStart."""
    ours, theirs = pty.openpty() if tty else (None, None)
    pipe = asyncio.subprocess.PIPE if theirs is None else theirs
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
        )
    except OSError as failed:
        if ours is not None:
            os.close(ours)
        detail = f"{command[0]}: {failed.strerror}"
        raise CannotStart(host, "exec", detail) from failed
    finally:
        if theirs is not None:
            os.close(theirs)
    return ProcessExecution(process, ours)


def _read(terminal: int) -> bytes:
    """Return what is there; nothing once nobody has the other end any more."""
    try:
        return os.read(terminal, READ_BYTES)
    except OSError:  # EIO: the last process of the terminal has ended
        return b""


def _write(terminal: int, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(terminal, chunk) :]
