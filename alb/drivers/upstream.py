"""A connection to one target: idle in a pool, or busy with one exchange. Floor 3.

Translates bytes to response heads, body pieces and ends; chooses nothing. What
arrives while nobody waits for it discards the connection: it can never be
taken for the answer to somebody's next request.

    HEAD --> COUNTED | CHUNKED | UNTIL_CLOSE --> IDLE      101: HEAD --> TUNNEL
"""

from __future__ import annotations

import asyncio
import select
from typing import Final, Protocol, cast

from alb.decide.chunked import ChunkDecoder, ChunksMalformed
from alb.decide.response import HEAD_MAX, ResponseHead, has_body, scan_response
from alb.errors import Failure, Malformed

WRITE_BUFFER_HIGH: Final = 64 * 1024
INTERIM_MAX: Final = 16
"""Interim (1xx) responses borne for one request."""

_SWITCHING: Final = 101
_FINAL: Final = 200


class Exchange(Protocol):
    """The request this connection is busy with."""

    method: bytes
    wants_upgrade: bool

    def on_head(self, head: ResponseHead, body: bytes, *, more: bool) -> None:
        """The final head and the first body bytes; `more`: `on_end` comes later."""

    def on_body(self, data: bytes) -> None: ...

    def on_end(self) -> None:
        """The response is whole. `reusable` says whether the connection lives on."""

    def on_switched(self, head: ResponseHead, data: bytes) -> None:
        """101: from now on both sides are bytes."""

    def on_tunnel(self, data: bytes) -> None: ...

    def on_tunnel_end(self) -> None: ...

    def on_target_lost(self, failure: Failure) -> None: ...

    def on_target_full(self) -> None: ...

    def on_target_ready(self) -> None: ...


class Pool(Protocol):
    """Where the connection waits between exchanges."""

    def give_back(self, connection: UpstreamConnection, now_s: float) -> None:
        """Keep it for the next exchange, if it and the target are still wanted."""

    def lose(self, connection: UpstreamConnection) -> None:
        """It has ended, or is being ended."""


_IDLE: Final = 0
_HEAD: Final = 1
_COUNTED: Final = 2
_CHUNKED: Final = 3
_UNTIL_CLOSE: Final = 4
_TUNNEL: Final = 5
"""Phases. Plain numbers, as each piece that arrives asks for them several times."""


class UpstreamConnection(asyncio.Protocol):
    """One connection of a pool. `active_at` is the owner's coarse clock."""

    __slots__ = (
        "_buffer",
        "_decoder",
        "_interim",
        "_left",
        "_paused",
        "_phase",
        "exchange",
        "idle_since",
        "pool",
        "reusable",
        "transport",
    )

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.exchange: Exchange | None = None
        self.reusable = True
        self.idle_since = 0.0
        self._phase = _IDLE
        self._buffer = b""
        self._left = 0
        self._interim = 0
        self._paused = False
        self._decoder: ChunkDecoder | None = None

    # --- what the owner does with it ----------------------------------------------

    def begin(self, exchange: Exchange, head: bytes) -> None:
        """Send a request's head and take its response. The connection was idle."""
        self.exchange = exchange
        self._phase = _HEAD
        self._interim = 0
        self.transport.write(head)

    def discard(self) -> None:
        """End the connection now; whoever was busy with it hears nothing."""
        self.exchange = None
        self.reusable = False
        self._phase = _IDLE
        self.pool.lose(self)
        if self.transport is not None:
            self.transport.abort()

    @property
    def is_silent(self) -> bool:
        """Whether not a byte of an answer has come."""
        return self._phase == _HEAD and not self._buffer and not self._interim

    def pause_reading(self) -> None:
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    def has_ended(self) -> bool:
        """Whether the target has hung up, asked of the kernel: no byte is read."""
        if self.transport.is_closing():
            return True
        sock = self.transport.get_extra_info("socket")
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN | getattr(select, "POLLRDHUP", 0))
        return bool(poll.poll(0))

    # --- asyncio.Protocol ---------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_HIGH)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        phase = self._phase
        if exchange is None:
            self.discard()  # bytes nobody asked for
        elif phase == _HEAD:
            seen = self._buffer
            if not seen:
                self._read_head(exchange, data)
            elif b"\n" in data or len(seen) + len(data) > HEAD_MAX:
                self._read_head(exchange, seen + data)
            else:
                self._buffer = seen + data  # no line has ended: it is not whole
        elif phase == _COUNTED:
            self._read_counted(exchange, data)
        elif phase == _CHUNKED:
            self._read_chunked(exchange, data)
        elif phase == _UNTIL_CLOSE:
            exchange.on_body(data)
        else:
            exchange.on_tunnel(data)

    def eof_received(self) -> bool:
        if self.exchange is None:
            self.discard()  # out of the pool at once: nobody may write to it
        elif self._phase == _TUNNEL:
            self.exchange.on_tunnel_end()
            return True
        else:
            self.transport.abort()  # it has said its last: what it did not read is lost
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        exchange, phase = self.exchange, self._phase
        self.reusable = False
        self.pool.lose(self)
        if exchange is None:
            return
        if phase == _UNTIL_CLOSE and exc is None:
            self._end(exchange)
            return
        self.exchange = None
        started = phase != _HEAD
        exchange.on_target_lost(
            Failure.RESPONSE_TRUNCATED if started else Failure.TARGET_CLOSED
        )

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.on_target_full()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.on_target_ready()

    # --- reading a response -------------------------------------------------------

    def _read_head(self, exchange: Exchange, data: bytes) -> None:
        try:
            found = scan_response(data)
        except Malformed:
            self._fail(exchange)
            return
        if found is None:
            self._buffer = data
            return
        self._buffer = b""
        head, end = found
        if head.status < _FINAL:
            self._read_interim(exchange, head, data[end:])
            return
        if not head.keep_alive:
            self.reusable = False
        if not has_body(head, exchange.method):
            self._end_with(exchange, head, b"", excess=end != len(data))
        elif head.chunked:
            self._begin_chunked(exchange, head, data[end:])
        elif head.content_length is None:
            self.reusable = False
            self._phase = _UNTIL_CLOSE
            exchange.on_head(head, data[end:], more=True)
        else:
            self._begin_counted(exchange, head, data, end)

    def _begin_counted(
        self, exchange: Exchange, head: ResponseHead, data: bytes, end: int
    ) -> None:
        assert head.content_length is not None
        left = head.content_length - (len(data) - end)
        if left <= 0:
            whole = data[end : end + head.content_length]
            self._end_with(exchange, head, whole, excess=left < 0)
            return
        self._left = left
        self._phase = _COUNTED
        exchange.on_head(head, data[end:], more=True)

    def _end_with(
        self, exchange: Exchange, head: ResponseHead, body: bytes, *, excess: bool
    ) -> None:
        """The whole response is here, as most are: one call, one write."""
        if excess:
            self.reusable = False
        self._phase = _IDLE
        exchange.on_head(head, body, more=False)
        self._end(exchange)

    def _read_interim(
        self, exchange: Exchange, head: ResponseHead, rest: bytes
    ) -> None:
        self._interim += 1
        if head.status == _SWITCHING and exchange.wants_upgrade:
            self.reusable = False
            self._phase = _TUNNEL
            exchange.on_switched(head, rest)
        elif head.status == _SWITCHING or self._interim > INTERIM_MAX:
            self._fail(exchange)
        elif rest:
            self._read_head(exchange, rest)

    def _read_counted(self, exchange: Exchange, data: bytes) -> None:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            exchange.on_body(data)
            return
        if left < 0:
            self.reusable = False
            data = data[: self._left]
        exchange.on_body(data)
        self._end(exchange)

    def _begin_chunked(
        self, exchange: Exchange, head: ResponseHead, data: bytes
    ) -> None:
        decoder = ChunkDecoder()
        try:
            body = decoder.feed(data)
        except ChunksMalformed:
            self._fail(exchange)
            return
        self._phase = _CHUNKED
        self._decoder = decoder
        exchange.on_head(head, body, more=True)
        if decoder.ended:
            self._end_chunked(exchange, decoder)

    def _read_chunked(self, exchange: Exchange, data: bytes) -> None:
        decoder = self._decoder
        assert decoder is not None
        try:
            body = decoder.feed(data)
        except ChunksMalformed:
            self._fail(exchange)
            return
        if body:
            exchange.on_body(body)
        if decoder.ended:
            self._end_chunked(exchange, decoder)

    def _end_chunked(self, exchange: Exchange, decoder: ChunkDecoder) -> None:
        self._decoder = None
        if decoder.rest:
            self.reusable = False
        if self.exchange is exchange:  # it may have given up inside on_body
            self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        if self.exchange is not exchange:
            return
        self.exchange = None
        self._phase = _IDLE
        exchange.on_end()

    def _fail(self, exchange: Exchange) -> None:
        self.discard()
        exchange.on_target_lost(Failure.RESPONSE_MALFORMED)
