"""Clients that stay: some ask now and then on one connection, some echo through a
WebSocket. Each comes again when its worker leaves, as clients do.

What a client may not see: an answer that is none, a request that was sent on a fresh
connection and not answered, an echo of other octets.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Final

ASK_EVERY_S: Final = 2.0
ECHO_EVERY_S: Final = 1.0
ANSWER_WITHIN_S: Final = 10.0
_GET: Final = b"GET /rule-%d/asked HTTP/1.1\r\nHost: a\r\n\r\n"
_UPGRADE: Final = (
    b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
    b"Upgrade: websocket\r\n\r\n"
)
_BODY: Final = 65

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Visitors:
    """What those clients saw, together."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answered = 0
        self.echoed = 0
        self.reconnected = 0
        """Connections that ended between two requests, or with a worker's time."""
        self.failed: list[str] = []

    async def keep_asking(self, count: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                tasks.create_task(self._ask(number))

    async def keep_echoing(self, count: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                tasks.create_task(self._echo(number))

    async def _connect(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def _ask(self, number: int) -> None:
        while True:
            reader, writer = await self._connect()
            with contextlib.closing(writer):
                await self._ask_on(reader, writer, number)
            self.reconnected += 1

    async def _ask_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        """Ask until the connection ends; that it does before an answer is a failure
        of the first request alone: behind others, the end was on its way."""
        for asked in itertools.count():
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    writer.write(_GET % number)
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(_BODY)
            except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as end:
                partial = getattr(end, "partial", b"")
                if not asked or partial or isinstance(end, TimeoutError):
                    self.failed.append(f"request {asked} on a connection: {end!r}")
                return
            if not head.startswith(b"HTTP/1.1 200 "):
                self.failed.append(head[:60].decode("latin-1"))
            self.answered += 1
            if b"\r\nConnection: close" in head:
                return
            await asyncio.sleep(ASK_EVERY_S)

    async def _echo(self, number: int) -> None:
        while True:
            reader, writer = await self._connect()
            with contextlib.closing(writer):
                if await self._upgrade(reader, writer):
                    await self._echo_on(reader, writer, number)
            self.reconnected += 1

    async def _upgrade(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        writer.write(_UPGRADE)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as end:
            self.failed.append(f"an upgrade: {end!r}")
            return False
        if not head.startswith(b"HTTP/1.1 101 "):
            self.failed.append(head[:60].decode("latin-1"))
            return False
        return True

    async def _echo_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        for said in itertools.count():
            words = b"%d says %d\n" % (number, said)
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    writer.write(words)
                    heard = await reader.readexactly(len(words))
            except (asyncio.IncompleteReadError, ConnectionError):
                return  # its worker's time was up
            except TimeoutError:
                self.failed.append(f"no echo of {words!r} in {ANSWER_WITHIN_S:.0f} s")
                return
            if heard != words:
                self.failed.append(f"{heard!r} is not the echo of {words!r}")
            self.echoed += 1
            await asyncio.sleep(ECHO_EVERY_S)
