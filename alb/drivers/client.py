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
import enum
import select
from typing import Final, Protocol, cast

from alb.decide.chunked import ChunkDecoder, ChunksMalformed
from alb.decide.head import RequestHead, scan_request
from alb.errors import Failure, Refused

READ_AHEAD_MAX: Final = 64 * 1024
"""Bytes kept of requests whose turn has not come."""
WRITE_BUFFER_HIGH: Final = 64 * 1024
LINGER_S: Final = 2.0
LINGER_MAX: Final = 1024 * 1024
"""What is read and dropped after the last response, so that it is not lost to
a reset (RFC 9112 9.6)."""
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

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
        """Called by the sweep: end what has had its time."""
        if self._state == _State.HEAD:
            self._check_head(now_s)
        elif self._state == _State.LINGER:
            if now_s - self.active_at > LINGER_S:
                self.transport.abort()
        elif self.exchange is not None:
            self._note_progress(now_s)
            if self._reading_paused and self._has_hung_up():
                self.transport.abort()
            else:
                self.exchange.check(now_s)

    def _check_head(self, now_s: float) -> None:
        door = self._door
        if self._head_since:
            if now_s - self._head_since > door.head_timeout_s:
                self._refuse(408, "HeadTimeout")
        elif door.draining or now_s - self.active_at > door.idle_timeout_s:
            self.transport.close()

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
        events = poll.poll(0)
        gone = select.POLLHUP | select.POLLERR
        if self._state == _State.WAIT:
            gone = _HANGUP
        return any(event & gone for _, event in events)

    # --- what aiohttp's server runtime calls ---------------------------------------

    def close(self) -> None:
        """Accept no further request on this connection."""
        if self._state == _State.HEAD and not self._buffer:
            self.transport.close()

    async def shutdown(self, _within_s: float | None = None) -> None:
        """End now."""
        self.transport.abort()
