"""TLS over a connection: to the loop a protocol, to ours a transport. Floor 3.

    loop <-- bytes of records --> TlsTransport <-- plain bytes --> ClientConnection
                                       |
                              OpenSSL, in memory

The loop's own TLS tells nobody of a handshake that failed, keeps reading after
`close`, and cannot end one direction. Here a close is a close, the end of one
direction is a close_notify and a FIN, and back-pressure is the socket's: what is
written is encrypted at once and waits where everything waits that was written.
Absent: any deadline; whoever hears of handshakes has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any, Final, Protocol, cast

RECORD_MAX: Final = 16 * 1024
UNASKED_MAX: Final = 256 * 1024
"""Bytes that wait to be sent when the peer makes us say yet more: it never reads."""

_SHAKING: Final = 0
_OPEN: Final = 1
_ENDED: Final = 2


class Handshakes(Protocol):
    """Who hears how handshakes go."""

    def begun(self, tls: TlsTransport) -> None:
        """Connected; it may be aborted now."""

    def completed(self, tls: TlsTransport) -> None:
        """Told before the inner protocol's `connection_made`."""

    def failed(self, tls: TlsTransport, reason: str) -> bytes:
        """`reason` is OpenSSL's word, or empty: the connection ended.

        Returns what to say, in plain, to who does not speak TLS.
        """


class TlsTransport(asyncio.Transport):
    """One connection. `inner` is connected once the handshake is complete."""

    def __init__(
        self,
        session: ssl.SSLObject,
        ciphertext: tuple[ssl.MemoryBIO, ssl.MemoryBIO],
        inner: asyncio.Protocol,
        handshakes: Handshakes,
    ) -> None:
        """`ciphertext` is what `session` reads and what it writes."""
        super().__init__()
        self.session = session
        self.inner = inner
        self.heard = False
        """Whether the peer sent anything at all."""
        self.began_s = 0.0
        """For whoever hears of handshakes."""
        self._incoming, self._outgoing = ciphertext
        self._handshakes = handshakes
        self._under = cast(asyncio.Transport, None)
        self._state = _SHAKING
        self._held: list[bytes] = []
        """Decrypted, and not yet handed on."""
        self._reading = self._paused = self._read_soon = False
        self._peer_ended = self._half_open = False
        self._connected = False
        """Whether `inner` knows of the connection."""
        self._problem: Exception | None = None

    # --- to the loop: a protocol --------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._under = cast(asyncio.Transport, transport)
        self._handshakes.begun(self)
        if self._state == _SHAKING:
            self._shake()

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        if self._state == _SHAKING:
            self.heard = True
            self._shake()
        if self._state == _OPEN:
            self._read()

    def eof_received(self) -> bool:
        if self._state == _SHAKING:
            self._fail("")
        if self._state == _OPEN:
            self._read()
        if self._state != _OPEN:
            return False
        if not self._peer_ended:
            self._end_abruptly()
        return self._half_open

    def connection_lost(self, exc: Exception | None) -> None:
        state, self._state = self._state, _ENDED
        if state == _SHAKING:
            self._handshakes.failed(self, "")
        elif self._connected:
            self.inner.connection_lost(exc or self._problem)
        self._held.clear()
        self.session = cast(ssl.SSLObject, None)  # tens of kilobytes, in a cycle
        self.inner = cast(asyncio.Protocol, None)

    def pause_writing(self) -> None:
        if self._state == _OPEN:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        if self._state == _OPEN:
            self.inner.resume_writing()

    # --- the handshake ------------------------------------------------------------

    def _shake(self) -> None:
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as problem:
            self._flush()  # the alert that says so
            self._fail(problem.reason or "SSL")
        else:
            self._flush()
            self._state = _OPEN
            self._connected = True
            self._handshakes.completed(self)
            self.inner.connection_made(self)

    def _fail(self, reason: str) -> None:
        self._state = _ENDED
        plain = self._handshakes.failed(self, reason)
        if plain:
            self._under.write(plain)
        self._under.close()

    # --- reading ------------------------------------------------------------------

    def _read(self) -> None:
        """Hand on what can be decrypted, until told to pause."""
        if self._reading:
            return
        self._reading = True
        while self._may_read():
            data = self._held.pop(0) if self._held else self._decrypted()
            if data is None:
                break
            self.inner.data_received(data)
        self._reading = False
        if self._state == _OPEN:
            self._answer()

    def _may_read(self) -> bool:
        return self._state == _OPEN and not self._paused and not self._peer_ended

    def _decrypted(self) -> bytes | None:
        """Return the next piece, or None: more must arrive, or nothing will."""
        try:
            data = self.session.read(RECORD_MAX)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLError as problem:
            self._problem = problem
            self._flush()
            self.abort()
            return None
        if not data:
            self._end_reading()
            return None
        return data

    def _end_reading(self) -> None:
        """The peer said that it sends no more."""
        self._peer_ended = True
        self._half_open = bool(self.inner.eof_received())
        if not self._half_open:
            self.close()

    def _end_abruptly(self) -> None:
        """The peer hung up and did not say that it was done.

        Who asks us can lose nothing by that: requests say where they end. What a
        target sends until it ends may be cut off, so that is no proper end.
        """
        self._peer_ended = True
        if self.session.server_side:
            self._half_open = bool(self.inner.eof_received())
        else:
            self._problem = ConnectionAbortedError("ended without close_notify")

    def _answer(self) -> None:
        """Send what reading made OpenSSL say: tickets, new keys."""
        if self._outgoing.pending:
            if self._under.get_write_buffer_size() > UNASKED_MAX:
                self.abort()
                return
            self._flush()

    def pause_reading(self) -> None:
        self._paused = True
        self._under.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        if not self._under.is_closing():
            self._under.resume_reading()
        if not self._read_soon and not self._reading:
            self._read_soon = True
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        self._read_soon = False
        if self._state == _OPEN:
            self._read()

    def is_reading(self) -> bool:
        return not self._paused and not self.is_closing()

    # --- writing ------------------------------------------------------------------

    def write(self, data: Any) -> None:
        if self._state != _OPEN or not data:
            return
        try:
            sent = self.session.write(data)
            while sent < len(data):
                sent += self.session.write(data[sent:])
        except ssl.SSLError as problem:
            self._problem = problem
            self.abort()
            return
        self._under.write(self._outgoing.read())

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say that no more is sent; what the peer sends is still read."""
        if self._state == _OPEN:
            self._hold_back()
            self._say_the_end()
            self._under.write_eof()

    def _hold_back(self) -> None:
        """Decrypt what waits: OpenSSL drops what it meets while it says the end."""
        while not self._peer_ended:
            try:
                data = self.session.read(RECORD_MAX)
            except ssl.SSLError:
                return
            if not data:
                return
            self._held.append(data)

    def _say_the_end(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # it waits for the peer's: we do not
            self.session.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._under.write(self._outgoing.read())

    def close(self) -> None:
        """Send what is written and the end, read no more."""
        if self._state == _OPEN:
            self._state = _ENDED
            self._say_the_end()
        if self._under is not None:
            self._under.close()

    def abort(self) -> None:
        """End at once, in whatever state; nobody hears of a handshake cut short."""
        self._state = _ENDED
        if self._under is not None:
            self._under.abort()

    def is_closing(self) -> bool:
        return self._state == _ENDED or self._under.is_closing()

    # --- what is the socket's -----------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._under.get_extra_info(name, default)

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        self._under.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._under.get_write_buffer_size()


def tls_over(
    context: ssl.SSLContext,
    inner: asyncio.Protocol,
    handshakes: Handshakes,
    *,
    server_side: bool,
) -> TlsTransport:
    """Return TLS for a connection that is being made."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_side)
    return TlsTransport(session, (incoming, outgoing), inner, handshakes)
