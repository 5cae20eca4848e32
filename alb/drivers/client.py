"""A connection from a client: heads in, responses out, in order. Floor 3.

    HEAD --> BODY --> WAIT --> HEAD            one exchange at a time
              \\----> WAIT --> TUNNEL           after a 101
    any ----> LINGER --> CLOSED                answered, and ending

Reads requests one by one (pipelined ones wait their turn, at most 64 KiB of
them), hands each to the front door, and writes what comes back. Chooses
nothing but when a client has had its time.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from typing import Final, Protocol, cast

from alb.decide.certificates import TlsFacts
from alb.decide.chunked import ChunkDecoder, ChunksMalformed
from alb.decide.desync import scan
from alb.decide.request import RequestHead
from alb.errors import Failure, Refused
from alb.state.counters import ListenerCounters

READ_AHEAD_MAX: Final = 64 * 1024
"""Bytes kept of requests whose turn has not come."""
WRITE_BUFFER_HIGH: Final = 64 * 1024
LINGER_S: Final = 2.0
LINGER_MAX: Final = 1024 * 1024
"""What is read and dropped after the last response, so that it is not lost to
a reset (RFC 9112 9.6)."""
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

NOWHERE: Final = ListenerCounters()
_RESET: Final = struct.pack("ii", 1, 0)
_HANGUP: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class Exchange(Protocol):
    """The request this connection is busy with."""

    def send_body(self, data: bytes) -> None:
        """Body bytes, without the client's framing."""

    def end_body(self) -> None: ...

    def send_tunnel(self, data: bytes) -> None: ...

    def end_tunnel(self) -> None: ...

    def fail(self, failure: Failure) -> None: ...

    def on_client_full(self) -> None: ...

    def on_client_ready(self) -> None: ...

    def check(self, now_s: float) -> None:
        """Look whether time is up; called by the sweep."""


class FrontDoor(Protocol):
    """What every connection of a listener shares."""

    now_s: float
    """A coarse clock: as of the last sweep."""
    idle_timeout_s: float
    head_timeout_s: float
    keep_alive_s: float
    desync_mode: int
    draining: bool
    drain_idle_s: float
    """While draining: how long a connection may wait for one more request."""

    def opened(self, client: ClientConnection) -> None: ...

    def closed(self, client: ClientConnection) -> None: ...

    def begin(self, client: ClientConnection, head: RequestHead) -> Exchange | None:
        """Start on a request; None when it was answered at once."""

    def refuse(self, client: ClientConnection, status: int, reason: str) -> bytes:
        """Count a refusal; return the response that says so."""


_HEAD: Final = 0
_BODY: Final = 1
_WAIT: Final = 2
_TUNNEL: Final = 3
_LINGER: Final = 4
_CLOSED: Final = 5
"""States. Plain numbers: each byte that arrives asks for them several times."""


class ClientConnection(asyncio.Protocol):
    """One client's connection."""

    __slots__ = (
        "_body_left",
        "_buffer",
        "_decoder",
        "_door",
        "_head_since",
        "_lingered",
        "_lingering_since",
        "_reading",
        "_stalled_at",
        "_state",
        "active_at",
        "born_at",
        "counters",
        "exchange",
        "file",
        "forwarded",
        "number",
        "peer",
        "peer_ip",
        "peer_port",
        "reading_paused",
        "tls",
        "tls_lines",
        "transport",
        "writing_paused",
    )

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.number = 0
        """Which of the door's connections it is, from 1; the door says."""
        self.peer_ip = ""
        self.peer_port = 0
        self.file = 0
        """Its number: the lowest that was free, so it tells how many are open."""
        self.peer = b""
        self.forwarded = b""
        """The X-Forwarded-For line of requests that bring none along; the door's."""
        self.counters = NOWHERE
        """Where its requests and bytes are counted; the door says."""
        self.tls: TlsFacts | None = None
        """None: the connection is plain."""
        self.tls_lines = b""
        """The header lines that tell targets of it; the door's."""
        self.exchange: Exchange | None = None
        self.born_at = self.active_at = door.now_s
        self.writing_paused = False
        self._state = _HEAD
        self._buffer = b""
        self._head_since = 0.0
        self._body_left = 0
        self._decoder: ChunkDecoder | None = None
        self._reading = False
        self.reading_paused = False
        self._lingered = 0
        self._lingering_since = 0.0
        self._stalled_at = -1

    # --- asyncio.Protocol ---------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_HIGH)
        peer = transport.get_extra_info("peername")
        self.peer_ip = peer[0] if peer else "0.0.0.0"  # noqa: S104 - nobody binds it
        if "%" in self.peer_ip:  # the zone of a link-local address is our own matter
            self.peer_ip = self.peer_ip.partition("%")[0]
        self.peer_port = peer[1] if peer else 0
        self.peer = self.peer_ip.encode()
        self.file = transport.get_extra_info("socket").fileno()
        self._door.opened(self)

    def data_received(self, data: bytes) -> None:
        self.active_at = self._door.now_s
        state = self._state
        if state == _HEAD:
            seen, self._buffer = self._buffer, self._buffer + data
            if not seen or b"\n" in data or len(self._buffer) > READ_AHEAD_MAX:
                self._read_requests()  # else no line has ended: it is not whole
        elif state == _BODY:
            self._read_body(data)
        elif state == _TUNNEL and self.exchange is not None:
            self.exchange.send_tunnel(data)
        elif state == _WAIT:
            self._buffer += data
            if len(self._buffer) > READ_AHEAD_MAX:
                self.pause_reading()
        elif state == _LINGER:
            self._drop(data)

    def _drop(self, data: bytes) -> None:
        self._lingered += len(data)
        if self._lingered > LINGER_MAX:
            self.transport.abort()

    def eof_received(self) -> bool:
        if self._state == _TUNNEL and self.exchange is not None:
            self.exchange.end_tunnel()
            return True
        if self.exchange is None:
            self.finish()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        inside = self._state == _BODY
        self._state = _CLOSED
        self._buffer = b""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.fail(Failure.CLIENT_CUT if inside else Failure.CLIENT_GONE)
        self._door.closed(self)

    def pause_writing(self) -> None:
        self.writing_paused = True
        if self.exchange is not None:
            self.exchange.on_client_full()

    def resume_writing(self) -> None:
        self.writing_paused = False
        self.active_at = self._door.now_s
        if self.exchange is not None:
            self.exchange.on_client_ready()
        elif self._state == _HEAD:
            self.resume_reading()
            self._read_requests()

    # --- reading requests ---------------------------------------------------------

    def _read_requests(self) -> None:
        """Take the requests in the buffer, as far as they can be taken now."""
        if self._reading:
            return  # an answer made at once: the loop below goes on by itself
        self._reading = True
        while self._buffer and self._state == _HEAD and not self.writing_paused:
            try:
                found = scan(self._buffer, self._door.desync_mode)
            except Refused as refused:
                self._refuse(refused.status, refused.reason)
                break
            if found is None:
                self._head_since = self._head_since or self._door.now_s
                break
            head, end = found
            self._head_since = 0.0
            self._buffer = self._buffer[end:]
            if head.has_body:
                self._begin_with_body(head)
            else:
                self._state = _WAIT
                exchange = self._door.begin(self, head)
                if self._state == _WAIT:
                    self.exchange = exchange
        self._reading = False
        if len(self._buffer) > READ_AHEAD_MAX:
            self.pause_reading()

    def _begin_with_body(self, head: RequestHead) -> None:
        rest, self._buffer = self._buffer, b""
        self._state = _BODY
        self._body_left = head.content_length
        self._decoder = ChunkDecoder() if head.chunked else None
        if head.expects_continue:
            self.transport.write(CONTINUE)
        exchange = self._door.begin(self, head)
        if self._state == _BODY:
            self.exchange = exchange
            self._read_body(rest)

    def _read_body(self, data: bytes) -> None:
        exchange = self.exchange
        if self._decoder is not None:
            self._read_chunks(exchange, self._decoder, data)
            return
        left = self._body_left - len(data)
        if left > 0:
            self._body_left = left
            if data and exchange is not None:
                exchange.send_body(data)
            return
        rest = data[self._body_left :]
        if exchange is not None:
            exchange.send_body(data[: self._body_left] if rest else data)
        self._end_body(exchange, rest)

    def _read_chunks(
        self, exchange: Exchange | None, decoder: ChunkDecoder, data: bytes
    ) -> None:
        try:
            body = decoder.feed(data)
        except ChunksMalformed:
            if exchange is not None:
                exchange.fail(Failure.CLIENT_MALFORMED)
            return
        if body and exchange is not None:
            exchange.send_body(body)
        if decoder.ended:
            self._decoder = None
            self._end_body(exchange, decoder.rest)

    def _end_body(self, exchange: Exchange | None, rest: bytes) -> None:
        if self._state != _BODY:
            return
        self._state = _WAIT
        self._buffer = rest
        if exchange is not None:
            exchange.end_body()

    def pause_reading(self) -> None:
        if not self.reading_paused and not self.transport.is_closing():
            self.reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.reading_paused and not self.transport.is_closing():
            self.reading_paused = False
            self.transport.resume_reading()

    # --- answering ----------------------------------------------------------------

    @property
    def body_is_whole(self) -> bool:
        return self._state != _BODY

    def may_keep_alive(self, head: RequestHead) -> bool:
        """Whether another request may follow this one on the connection."""
        door = self._door
        return (
            head.keep_alive
            and not head.close_after
            and not door.draining
            and self._state == _WAIT
            and door.now_s - self.born_at < door.keep_alive_s
        )

    def end_exchange(self, *, keep_alive: bool) -> None:
        """The response is written whole: read the next request, or end."""
        self.exchange = None
        if self._state == _WAIT and keep_alive and not self.transport.is_closing():
            self._state = _HEAD
            self.resume_reading()
            if self._buffer:
                self._read_requests()
        elif self._state == _WAIT and not self._buffer:
            self.finish()
        else:
            self.linger()

    def finish(self) -> None:
        """Send what is written, and end: nothing more is read."""
        self.exchange = None
        if self._state != _CLOSED:
            self._state = _LINGER
            self._lingering_since = self._door.now_s
            self.transport.close()

    def linger(self) -> None:
        """Send what is written, drop what still comes, and end."""
        self.exchange = None
        if self._state == _CLOSED:
            return
        self._state = _LINGER
        self._buffer = b""
        self._lingering_since = self._door.now_s
        self.resume_reading()
        if not self.transport.is_closing():
            self.transport.write_eof()

    def break_off(self) -> None:
        """End so that a response cut short cannot be taken for a whole one.

        A reset, not a FIN: for a response that lasts until its connection ends,
        a FIN would be its proper end. What was written still goes out.
        """
        self.exchange = None
        transport = self.transport
        if not transport.is_closing():
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()

    def switch(self) -> bytes:
        """Become a tunnel; return what the client sent ahead."""
        self._state = _TUNNEL
        ahead, self._buffer = self._buffer, b""
        self.resume_reading()
        return ahead

    def _refuse(self, status: int, reason: str) -> None:
        self.transport.write(self._door.refuse(self, status, reason))
        self.linger()

    # --- time and hang-ups --------------------------------------------------------

    def check(self, now_s: float) -> None:
        """Called by the sweep: end what has had its time."""
        if self._state == _HEAD:
            self._check_head(now_s)
        elif self._state == _LINGER:
            self._check_linger(now_s)
        elif self.exchange is not None:
            self._note_progress(now_s)
            if self.reading_paused and self._has_hung_up():
                self.transport.abort()
            else:
                self.exchange.check(now_s)

    def _check_head(self, now_s: float) -> None:
        door = self._door
        if self._head_since:
            if now_s - self._head_since > door.head_timeout_s:
                self._refuse(408, "HeadTimeout")
        else:
            idle_s = door.drain_idle_s if door.draining else door.idle_timeout_s
            if now_s - self.active_at > idle_s:
                self.finish()

    def _check_linger(self, now_s: float) -> None:
        """A slow reader gets all that was written, one who stopped does not."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self._stalled_at:
            self._lingering_since = now_s
        self._stalled_at = unsent
        within_s = self._door.idle_timeout_s if unsent else LINGER_S
        if now_s - self._lingering_since > within_s:
            self.transport.abort()

    def _note_progress(self, now_s: float) -> None:
        """A client that reads slowly is not idle."""
        if self.writing_paused:
            unsent = self.transport.get_write_buffer_size()
            if unsent != self._stalled_at:
                self.active_at = now_s
            self._stalled_at = unsent

    def _has_hung_up(self) -> bool:
        """The loop tells neither FIN nor reset while reading is paused: ask."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), _HANGUP)
        gone = select.POLLHUP | select.POLLERR
        if self._state == _WAIT:
            gone = _HANGUP
        return any(event & gone for _, event in poll.poll(0))

    def close(self) -> None:
        """Accept no further request on this connection."""
        if self._state == _HEAD and not self._buffer:
            self.finish()
