"""One command in a container of a Docker Engine, as ``docker exec`` does it. Floor 3.

The engine takes over the connection of the request that starts the command; then it
is the command's terminal, or its input one way and frames of its outputs the other.
aiohttp does not hand on such a connection, so these few lines speak HTTP themselves.

Source: Engine API, ExecCreate, ExecStart, ExecInspect, ExecResize.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from docker import APIClient

from scheduler.drivers.docker_calls import ASK_TIMEOUT_S, EngineCalls
from scheduler.drivers.docker_streams import FRAME_HEAD_BYTES
from scheduler.drivers.docker_transport import Transport
from scheduler.errors import CannotStart, ContainerError, HostNotReached
from scheduler.ports import STDOUT, OutputChunk

READ_BYTES: Final = 64 << 10
HEAD_BYTES_MAX: Final = 16 << 10
TAKEN_OVER: Final = (b"101", b"200")
END_S: Final = 5.0
"""How long the engine may take to tell how a command ended whose output has."""
LOOK_S: Final = 0.05
ENDLESS: Final = "the end of its input cannot be told to an engine over TLS"


class DockerExecution:
    """Implements `ports.Execution`."""

    def __init__(
        self,
        calls: EngineCalls,
        name: str,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        *,
        tty: bool,
    ) -> None:
        """`name` is what the engine calls the execution."""
        self._calls = calls
        self._name = name
        self._reader, self._writer = streams
        self._tty = tty
        self._fed = False
        """It was given input."""

    async def output(self) -> AsyncIterator[OutputChunk]:
        try:
            while chunk := await self._chunk():
                yield chunk
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # how it ended is asked for apart

    async def _chunk(self) -> OutputChunk | None:
        if self._tty:
            chunk = await self._reader.read(READ_BYTES)
            return (STDOUT, chunk) if chunk else None
        head = await self._reader.readexactly(FRAME_HEAD_BYTES)
        length = int.from_bytes(head[4:], "big")
        return head[0], await self._reader.readexactly(length)

    async def write(self, chunk: bytes) -> None:
        if not self._writer.is_closing():
            self._fed = True
            with contextlib.suppress(ConnectionError):  # the command has ended
                self._writer.write(chunk)
                await self._writer.drain()

    async def end_input(self) -> None:
        """A command that was given nothing is left to wait for more over TLS."""
        if self._writer.is_closing():
            return
        if self._writer.can_write_eof():
            self._writer.write_eof()
        elif self._fed:
            raise ContainerError(self._calls.host, f"exec {self._name}", ENDLESS)

    async def resize(self, columns: int, rows: int) -> None:
        await self._ask("resize", lambda c: c.exec_resize(self._name, rows, columns))

    async def exit_code(self) -> int:
        """Return how the command ended. Raises HostNotReached when nobody tells."""
        async with asyncio.timeout(END_S):
            while True:
                told = await self._ask("inspect", lambda c: c.exec_inspect(self._name))
                if not told["Running"] and told["ExitCode"] is not None:
                    return int(told["ExitCode"])
                await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """Let go of the command. One that reads its input then sees its end."""
        self._writer.close()

    async def _ask(self, what: str, question: Callable[[APIClient], Any]) -> Any:
        return await self._calls.ask(f"exec {what} {self._name}", question)


async def execute(
    calls: EngineCalls,
    transport: Transport,
    container: str,
    command: Sequence[str],
    *,
    tty: bool,
) -> DockerExecution:
    """Start a command in a container that runs.

    Raises HostNotReached, CannotStart, EngineRefused.
    """

    def create(client: APIClient) -> str:
        made = client.exec_create(
            container, list(command), stdin=True, stdout=True, stderr=True, tty=tty
        )
        return str(made["Id"])

    name = await calls.tell(f"exec in {container}", create)
    operation = f"exec in {container}"
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            streams = await _taken_over(calls, transport, name, operation, tty=tty)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as failed:
        detail = f"{calls.endpoint}: {str(failed) or type(failed).__name__}"
        raise HostNotReached(calls.host, operation, detail) from failed
    return DockerExecution(calls, name, streams, tty=tty)


async def _taken_over(
    calls: EngineCalls, transport: Transport, name: str, operation: str, *, tty: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Start the execution; return the connection that is the command's now."""
    reader, writer = await _connected(transport)
    body = json.dumps({"Detach": False, "Tty": tty}).encode()
    head = (
        f"POST /exec/{name}/start HTTP/1.1",
        "Host: engine",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: Upgrade",
        "Upgrade: tcp",
    )
    writer.write("\r\n".join((*head, "", "")).encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    if answer.split(b" ", 2)[1] not in TAKEN_OVER:
        told = (await reader.read(HEAD_BYTES_MAX)).decode("utf-8", "replace")
        writer.close()
        raise CannotStart(calls.host, operation, told.strip())
    return reader, writer


async def _connected(
    transport: Transport,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(transport.url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    return await asyncio.open_connection(
        parts.hostname, parts.port, ssl=transport.context
    )
