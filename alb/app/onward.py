"""The head that a target is sent: the client's, and what is ours to say. Floor 4.

Absent: which target gets it.
"""

from __future__ import annotations

from typing import Final

from alb.decide.certificates import TlsFacts
from alb.decide.forwarded import forwarded_line, peer_address
from alb.decide.head import without
from alb.decide.request import RequestHead
from alb.decide.trace import trace_id
from alb.drivers.client import ClientConnection
from alb.model import TLS_HEADER_NAMES, Listener

HOSTS_REMEMBERED: Final = 1024
_WITH_LENGTH: Final = frozenset({b"POST", b"PUT", b"PATCH"})
"""Methods that are sent with a length of 0 when they have no body."""
_OWN_PORTS: Final = frozenset({80, 443})


class Onward:
    """Writes the heads of one listener's requests."""

    def __init__(self, unique: bytes) -> None:
        """`unique`: twelve hexadecimal digits that no other worker has."""
        self._unique = unique
        self._traces = 0
        self._hosts: dict[bytes, bytes] = {}

    def take(self, listener: Listener) -> None:
        """Write as this listener wants it from the next head on."""
        self._listener = listener
        self._port = b"%d" % listener.port
        self._tail = (
            b"\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Port: %b\r\nX-Amzn-Trace-Id: "
            % (listener.protocol.lower().encode(), self._port)
        )
        self._hosts.clear()
        self._tells_tls = listener.attributes.tls_headers
        names = listener.tls_header_names
        self._tls_names = [name.encode() for name in names]
        self._tls_claims = frozenset(
            name.lower().encode() for name in (*TLS_HEADER_NAMES, *names)
        )

    def tick(self, unix_s: int) -> None:
        """Set the clock that traces begin with."""
        self._unix_s = unix_s
        self._trace_start = b"Root=1-%08x-%b" % (unix_s, self._unique)

    def head(self, client: ClientConnection, head: RequestHead) -> bytes:
        """Return the head to send: the client's, with what is ours to say."""
        self._traces += 1
        if head.trace_id is None:
            trace = self._trace_start + b"%012x" % self._traces
        else:
            unique = self._unique + b"%012x" % self._traces
            trace = trace_id(head.trace_id, self._unix_s, unique)
        head.trace = trace
        framing = b""
        if head.chunked:
            framing = b"\r\nTransfer-Encoding: chunked"
        elif head.content_length or head.method in _WITH_LENGTH:
            framing = b"\r\nContent-Length: %d" % head.content_length
        if head.upgrade:
            framing += b"\r\nConnection: upgrade\r\nUpgrade: " + head.upgrade
        passed_on = head.passed_on
        if self._tells_tls:  # nobody else may
            passed_on = without(passed_on, self._tls_claims) + client.tls_lines
        return b"%b %b HTTP/1.1\r\nHost: %b%b%b%b%b%b\r\n\r\n" % (
            head.method,
            head.target,
            self._hosts.get(head.host_field) or self._host_for(head),
            passed_on,
            client.forwarded
            if head.forwarded_for is None
            else self.forwarded(client, head.forwarded_for),
            self._tail,
            trace,
            framing,
        )

    def forwarded(self, client: ClientConnection, existing: bytes | None) -> bytes:
        attributes = self._listener.attributes
        peer = peer_address(
            client.peer_ip, client.peer_port, with_port=attributes.xff_client_port
        )
        return forwarded_line(existing, peer, attributes.xff_header_processing)

    def tls_lines(self, tls: TlsFacts) -> bytes:
        """Return the header lines that tell of it, each behind its CRLF."""
        version, cipher = self._tls_names
        return b"\r\n%b: %b\r\n%b: %b" % (version, tls.protocol, cipher, tls.cipher)

    def _host_for(self, head: RequestHead) -> bytes:
        """Return the Host to send: lower case, with the port unless it is 80 or 443,
        or as it came, where that is wanted.

        A request of HTTP/1.0 without Host gets the address it came to.
        """
        host = head.host or self._listener.addresses[0].encode()
        own = self._listener.port in _OWN_PORTS
        sent = head.host_field.lower()
        if sent and self._listener.attributes.preserve_host_header:
            sent = head.host_field
        elif own:
            sent = host
        elif sent in (b"", host):
            sent = host + b":" + self._port
        if len(self._hosts) >= HOSTS_REMEMBERED:
            self._hosts.clear()
        self._hosts[head.host_field] = sent
        return sent
