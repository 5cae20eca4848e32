"""What takes long at one Docker Engine: its streams and its slow answers. Floor 3.

Events, stats, logs, pulls and the wait of a stop go through aiohttp on the same
socket as the short calls: they hold a connection and no thread. A stream has a
deadline for its head and none for its body; silence there is no news.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from scheduler.drivers.docker_calls import ASK_TIMEOUT_S, EngineRefused
from scheduler.drivers.docker_transport import Transport, tls_problem
from scheduler.errors import HostNotReached, OutcomeUnknown

LINE_BYTES_MAX: Final = 1 << 20
OK_UNTIL: Final = 400
NO_LIMIT: Final = aiohttp.ClientTimeout()
FRAME_HEAD_BYTES: Final = 8
"""Stream type, three zeros, big-endian length (Engine API, ContainerAttach)."""

Parameters = Mapping[str, str | int]


class EngineStreams:
    """The engine at `endpoint`, over connections of their own."""

    def __init__(self, host: str, endpoint: str, transport: Transport) -> None:
        self._host = host
        self._endpoint = endpoint
        self._transport = transport
        self._session: aiohttp.ClientSession | None = None

    async def json_lines(
        self, operation: str, path: str, parameters: Parameters
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the objects of a stream. Raises HostNotReached when it is lost."""
        async with self._get(operation, path, parameters) as response:
            async for line in response.content:
                yield json.loads(line)

    async def output(
        self, operation: str, path: str, parameters: Parameters, *, framed: bool = True
    ) -> AsyncGenerator[bytes, None]:
        """Yield the payload of a container's output, both streams as they come.

        Of a container with a terminal there is one stream, and it is not framed.
        """
        async with self._get(operation, path, parameters) as response:
            content = response.content
            if not framed:
                async for chunk in content.iter_any():
                    yield chunk
                return
            while head := await content.read(FRAME_HEAD_BYTES):
                if len(head) < FRAME_HEAD_BYTES:
                    head += await content.readexactly(FRAME_HEAD_BYTES - len(head))
                left = int.from_bytes(head[4:], "big")
                while left:
                    chunk = await content.read(left)
                    if not chunk:
                        return
                    left -= len(chunk)
                    yield chunk

    async def post(
        self,
        operation: str,
        path: str,
        parameters: Parameters,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Make a change that may take `timeout_s`; return the answer's last line.

        Raises HostNotReached, OutcomeUnknown, EngineRefused.
        """
        await self._transport.ready(self._host, operation)
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._connected().post(
                    path, params=parameters, headers=headers, timeout=NO_LIMIT
                ) as response,
            ):
                await self._require_success(operation, response)
                last = b""
                async for line in response.content:
                    last = line.strip() or last
                return last
        except aiohttp.ClientConnectorError as failed:
            raise self._not_reached(operation, failed) from failed
        except TimeoutError as late:
            detail = f"no answer within {timeout_s:g} s"
            raise OutcomeUnknown(self._host, operation, detail) from late
        except aiohttp.ClientError as failed:
            if tls_problem(failed):
                raise self._not_reached(operation, failed) from failed
            detail = str(failed) or type(failed).__name__
            raise OutcomeUnknown(self._host, operation, detail) from failed

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    @asynccontextmanager
    async def _get(
        self, operation: str, path: str, parameters: Parameters
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        await self._transport.ready(self._host, operation)
        request = self._connected().get(path, params=parameters, timeout=NO_LIMIT)
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                response = await request
            async with response:
                await self._require_success(operation, response)
                yield response
        except (
            aiohttp.ClientError,
            asyncio.IncompleteReadError,
            TimeoutError,
        ) as failed:
            raise self._not_reached(operation, failed) from failed

    async def _require_success(
        self, operation: str, response: aiohttp.ClientResponse
    ) -> None:
        if response.status >= OK_UNTIL:
            text = (await response.content.read(LINE_BYTES_MAX)).decode()
            detail = json.loads(text).get("message", text) if text[:1] == "{" else text
            raise EngineRefused(self._host, operation, detail, response.status)

    def _not_reached(self, operation: str, failed: Exception) -> HostNotReached:
        problem = tls_problem(failed) or str(failed) or type(failed).__name__
        detail = f"{self._endpoint}: {problem}"
        return HostNotReached(self._host, operation, detail)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            parts = urlsplit(self._transport.url)
            context = self._transport.context
            connector: aiohttp.BaseConnector = aiohttp.TCPConnector(
                limit=0, ssl=True if context is None else context
            )
            base = f"{'http' if context is None else 'https'}://{parts.netloc}"
            if parts.scheme == "unix":
                connector = aiohttp.UnixConnector(parts.path, limit=0)
                base = "http://engine"
            self._session = aiohttp.ClientSession(
                base, connector=connector, read_bufsize=LINE_BYTES_MAX
            )
        return self._session
