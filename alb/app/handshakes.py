"""The TLS handshakes of one listener in one worker. Floor 4.

    accepted --> TlsTransport shaking --> ClientConnection, as without TLS
                       |
                       +--> failed, or out of time: counted, and nobody else's affair

A handshake that goes on keeps the certificates it began with; the next one gets
the newest.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from alb.decide.certificates import DEFAULT, TlsFacts, choose
from alb.decide.tls_policies import POLICIES
from alb.drivers.client import ClientConnection
from alb.drivers.tls import TlsTransport, tls_over
from alb.drivers.tls_contexts import server_context
from alb.ports import Certificate, ListenerCertificates

if TYPE_CHECKING:
    from alb.app.door import Door

HANDSHAKE_S: Final = 10.0
HTTP_ON_TLS: Final = "HTTP_REQUEST"
"""OpenSSL's reason when what came is a request, not a handshake."""
_REUSED: Final = b"session-reused"

_log = logging.getLogger("alb.tls")


class ServerSession(ssl.SSLObject):
    """A handshake, with what the client asked for and was offered."""

    server_name = ""
    offered: tuple[int, ...] = DEFAULT


class Credentials:
    """A listener's certificates as OpenSSL takes them. Immutable."""

    def __init__(self, policy: str, certificates: Sequence[Certificate]) -> None:
        """Raises ssl.SSLError when OpenSSL does not take one of them."""
        self._policy = POLICIES[policy]
        self._certificates = certificates
        self._offers = [one.offer for one in certificates]
        self._contexts: dict[tuple[int, ...], ssl.SSLContext] = {}
        for position in range(len(certificates)):
            self._context((position,))
        self.context = self._context(DEFAULT)
        self.context.sslobject_class = ServerSession
        self.context.sni_callback = self._on_server_name

    def name_of(self, session: ServerSession) -> bytes:
        """Return the name of the certificate that `session` was begun with."""
        if session.session_reused:
            return _REUSED
        chosen = session.offered[0]
        cipher = session.cipher()
        if cipher is not None and "RSA" in cipher[0]:  # TLS 1.2 says so by its name
            chosen = session.offered[-1]
        return self._certificates[chosen].name.encode()

    def _on_server_name(
        self, session: ssl.SSLObject, server_name: str | None, _: ssl.SSLContext
    ) -> None:
        if isinstance(session, ServerSession) and server_name:
            session.server_name = server_name
            session.offered = choose(self._offers, server_name)
            if session.offered != DEFAULT:
                session.context = self._context(session.offered)

    def _context(self, positions: tuple[int, ...]) -> ssl.SSLContext:
        context = self._contexts.get(positions)
        if context is None:
            pems = [self._certificates[position].pem for position in positions]
            context = self._contexts[positions] = server_context(self._policy, pems)
        return context


class Handshakes:
    """A door's handshakes that go on, and what they are made with."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._credentials: Credentials | None = None
        self._of: tuple[str, str] = ("", "")
        """The policy and the digest that the credentials were made of."""
        self.going_on: dict[TlsTransport, Credentials] = {}

    def take(self, policy: str, served: ListenerCertificates) -> None:
        """Begin handshakes with these from now on; with the former if they are bad."""
        if self._of == (policy, served.digest):
            return
        try:
            self._credentials = Credentials(policy, served.certificates)
        except ssl.SSLError as problem:
            _log.error("%s: %s", served.listener, problem.reason)
            return
        self._of = (policy, served.digest)

    def accept(self) -> asyncio.Protocol:
        """Return the protocol of a connection that was accepted."""
        credentials = self._credentials
        if credentials is None:
            return _TurnedAway()
        client = ClientConnection(self._door)
        tls = tls_over(credentials.context, client, self, server_side=True)
        self.going_on[tls] = credentials
        return cast(asyncio.Protocol, tls)

    def sweep(self) -> None:
        """End the handshakes that had their time."""
        before_s = self._door.time_s() - HANDSHAKE_S
        for tls in [*self.going_on]:
            if tls.began_s < before_s:
                self.failed(tls, "TIMEOUT")
                tls.abort()

    def abort(self) -> None:
        for tls in [*self.going_on]:
            del self.going_on[tls]
            tls.abort()

    # --- drivers.tls.Handshakes ---------------------------------------------------

    def begun(self, tls: TlsTransport) -> None:
        tls.began_s = self._door.time_s()
        if self._door.rejects(tls.get_extra_info("socket").fileno()):
            del self.going_on[tls]
            tls.abort()

    def completed(self, tls: TlsTransport) -> None:
        credentials = self.going_on.pop(tls)
        session, client = tls.session, tls.inner
        assert isinstance(session, ServerSession)
        assert isinstance(client, ClientConnection)
        cipher = session.cipher()
        client.tls = TlsFacts(
            (session.version() or "-").encode(),
            (cipher[0] if cipher else "-").encode(),
            session.server_name.encode() or b"-",
            credentials.name_of(session),
            self._door.time_s() - tls.began_s,
        )

    def failed(self, tls: TlsTransport, reason: str) -> bytes:
        """Count it, unless nobody ever spoke."""
        if self.going_on.pop(tls, None) is None or not tls.heard:
            return b""
        self._door.not_secured(tls.get_extra_info("peername"))
        return self._door.no_tls_page() if reason == HTTP_ON_TLS else b""


class _TurnedAway(asyncio.Protocol):
    """A connection that there is no certificate for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()
