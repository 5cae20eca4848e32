"""One keep-alive connection, and the pool that opens another when all are busy.

Drivers: they translate. A connection carries one request at a time and tells its
pool how it ended; nothing is ever sent twice. Idle connections are used in turn,
so that all workers behind a port see traffic, and not after IDLE_MAX_S, so that
the server's own idle timeout is not met by a request. Absent: pipelining.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ssl import SSLContext, SSLError
from typing import Final, cast

import httptools

from controlplane.load.outcome import (
    CLOSED_EARLY,
    CONNECT_FAILED,
    MALFORMED,
    REFUSED,
    RESET,
    TLS_FAILED,
    classify,
)

IDLE_MAX_S: Final = 15.0
_FINAL_STATUS_MIN: Final = 200

Spawn = Callable[[asyncio.Future[None]], object]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where connections go: an address that needs no more resolving."""

    address: str
    port: int
    tls: SSLContext | None = None
    server_name: str | None = None
    """Of the certificate, where TLS is spoken."""


class Request:
    """One request of the run. `intended_s` is `time.monotonic`'s."""

    __slots__ = ("connection", "head", "id", "intended_s", "number", "over")

    def __init__(
        self, number: int, intended_s: float, own_id: bytes | None, head: bytes
    ) -> None:
        self.number = number
        self.intended_s = intended_s
        self.id = own_id
        self.head = head
        self.connection: Connection | None = None
        self.over = False


Ended = Callable[[Request, str | None], None]
"""Told once for each request: its class of failure, or None for a success."""


class Pool:
    """The connections to one origin and the requests that wait for one."""

    def __init__(
        self,
        origin: Origin,
        limit: int,
        ended: Ended,
        group: asyncio.TaskGroup,
    ) -> None:
        self._origin = origin
        self._limit = limit
        self._ended = ended
        self._group = group
        self._connecting = 0
        self._closed = False
        self._idle: deque[Connection] = deque()
        self._waiting: deque[Request] = deque()
        self.connections: set[Connection] = set()
        self.opened = 0
        self.peak = 0

    def submit(self, request: Request) -> None:
        """Send `request` now, or when a connection is free or a new one is open."""
        while self._idle:
            connection = self._idle.popleft()
            if connection.usable():
                connection.send(request)
                return
            connection.abort()
        self._waiting.append(request)
        self._grow()

    def _grow(self) -> None:
        """Open connections until each waiting request has one coming, or the limit
        is reached; past that requests wait, and their latency counts."""
        room = self._limit - len(self.connections) - self._connecting
        for _ in range(min(room, len(self._waiting) - self._connecting)):
            self._connecting += 1
            self._group.create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(
                lambda: Connection(self),
                self._origin.address,
                self._origin.port,
                ssl=self._origin.tls,
                server_hostname=self._origin.server_name,
            )
        except OSError as error:
            self._connecting -= 1
            self._fail_oldest(_connect_failure(error))
            self._grow()

    def _fail_oldest(self, reason: str) -> None:
        request = self._next()
        if request is not None:
            self.end(request, reason)

    def _next(self) -> Request | None:
        while self._waiting:
            request = self._waiting.popleft()
            if not request.over:
                return request
        return None

    def connected(self, connection: Connection) -> None:
        """A connection was opened."""
        self._connecting -= 1
        self.connections.add(connection)
        self.opened += 1
        self.peak = max(self.peak, len(self.connections))
        if self._closed:
            connection.abort()
        else:
            self.free(connection)

    def free(self, connection: Connection) -> None:
        """A connection can carry the next request."""
        request = self._next()
        if request is None:
            self._idle.append(connection)
        else:
            connection.send(request)

    def closed(self, connection: Connection) -> None:
        """A connection cannot carry requests any more."""
        self.connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._grow()

    def end(self, request: Request, failure: str | None) -> None:
        """Say how `request` ended, if nobody has."""
        if not request.over:
            request.over = True
            self._ended(request, failure)

    def close(self) -> None:
        """Close what is open, and what is still being opened once it is."""
        self._closed = True
        self._waiting.clear()
        for connection in tuple(self.connections):
            connection.abort()


def _connect_failure(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    if isinstance(error, ConnectionResetError):
        return RESET
    return TLS_FAILED if isinstance(error, SSLError) else CONNECT_FAILED


class Connection(asyncio.Protocol):
    """A socket, and at most one request on it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._request: Request | None = None
        self._free_since_s = 0.0
        self._closing = False
        self._forget_response()

    def _forget_response(self) -> None:
        self._echoed: bytes | None = None
        self._framed = False
        self._head_read = False

    def usable(self) -> bool:
        """Whether nothing was seen that speaks against another request."""
        fresh = time.monotonic() - self._free_since_s < IDLE_MAX_S
        return fresh and not self._closing

    def send(self, request: Request) -> None:
        assert self._transport is not None, "not connected"
        assert self._request is None, "busy"
        self._request = request
        request.connection = self
        self._transport.write(request.head)

    def abort(self) -> None:
        """Close without a farewell; a request on it must have ended before."""
        self._closing = True
        self._request = None
        if self._transport is not None:
            self._transport.abort()

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by inheritance, only in kind.
        self._transport = cast("asyncio.Transport", transport)
        self._free_since_s = time.monotonic()
        self._pool.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._request is None:  # nobody asked: whatever it is, trust it no more
            self._leave()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end(MALFORMED)
            self._leave()

    def eof_received(self) -> None:
        self._leave()

    def connection_lost(self, error: Exception | None) -> None:
        if self._request is not None:
            self._end(self._failure_at_close(error))
        self._closing = True
        self._pool.closed(self)

    # What the parser tells.

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if lower == b"x-request-id":
            self._echoed = value
        elif lower in {b"content-length", b"transfer-encoding"}:
            self._framed = True

    def on_headers_complete(self) -> None:
        self._head_read = True

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < _FINAL_STATUS_MIN:  # 100, 103: the answer follows
            self._forget_response()
            return
        if self._request is None:
            self._leave()
            return
        self._end(classify(status, self._echoed, self._request.id))
        if self._closing or not self._parser.should_keep_alive():
            self._leave()
            return
        self._forget_response()
        self._free_since_s = time.monotonic()
        self._pool.free(self)

    def _failure_at_close(self, error: Exception | None) -> str | None:
        """A response without a length ends here; any other is cut short."""
        assert self._request is not None
        if self._head_read and not self._framed and error is None:
            status = self._parser.get_status_code()
            return classify(status, self._echoed, self._request.id)
        return RESET if isinstance(error, OSError) else CLOSED_EARLY

    def _end(self, failure: str | None) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.connection = None
            self._pool.end(request, failure)

    def _leave(self) -> None:
        """Close, and be used no more from this moment on."""
        self._closing = True
        if self._request is None:
            self._pool.closed(self)
        if self._transport is not None:
            self._transport.close()
