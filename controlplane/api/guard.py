"""Decide whether a request may speak to control at all. Pure.

Three attackers are meant: a web page that posts to our address (CSRF), a name
that a page re-points to loopback (DNS rebinding), and another user of the
machine. So over TCP the Host must be the very address the connection came to,
an Origin must be ours, a browser must not call it cross-site, and a change
needs the token, which only the owner of the state directory can read. Any
address but loopback needs the token for everything. The Unix socket's mode 0600
is its guard. Absent: TLS and users.

Source: OWASP cheat sheets, "Cross-Site Request Forgery Prevention" and
"REST Security"; Fetch Metadata Request Headers (W3C).
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass
from typing import Final

HTTP_PORT: Final = 80
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
METHODS: Final = SAFE_METHODS | {"POST"}
OWN_SITES: Final = frozenset({"same-origin", "none"})
"""`same-site` is not ours: another port of localhost is the same site."""

HOST: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+)|(?P<name>localhost))"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII | re.IGNORECASE,
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Door:
    """Where the connection came in: the local address of its socket."""

    address: Address
    port: int

    @classmethod
    def at(cls, host: str, port: int) -> Door:
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return cls(mapped or address, port)


UNIX_SOCKET: Final = None
"""The door that its file mode guards."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a request's head that decide. Headers as often as they came."""

    method: str
    target: str
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    fetch_sites: tuple[str, ...] = ()
    authorizations: tuple[str, ...] = ()
    content_type: str = ""
    upgrade: str = ""
    """What the connection is to become: through a WebSocket changes can come."""


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    code: str
    message: str


def refuse(asked: Asked, door: Door | None, token: str) -> Refusal | None:
    """Return why `asked` is refused, or None. `door` None is the Unix socket."""
    if asked.method not in METHODS:
        return Refusal(405, "MethodNotAllowed", f"{asked.method} is not used here")
    if door is not UNIX_SOCKET:
        refusal = _refuse_over_tcp(asked, door, token)
        if refusal:
            return refusal
    if asked.method == "POST" and not _is_json(asked.content_type):
        return Refusal(
            415, "UnsupportedMediaType", "a change needs Content-Type: application/json"
        )
    return None


def _refuse_over_tcp(asked: Asked, door: Door, token: str) -> Refusal | None:
    if not asked.target.startswith("/"):
        return _forbidden("the request target must be a path")
    if len(asked.hosts) != 1 or not names_door(asked.hosts[0], door):
        return _forbidden("the Host is not this control address")
    if any(not _is_own_origin(origin, door) for origin in asked.origins):
        return _forbidden("the Origin is foreign")
    if any(site not in OWN_SITES for site in asked.fetch_sites):
        return _forbidden("cross-site requests are refused")
    changes = asked.method not in SAFE_METHODS or asked.upgrade
    needs_token = changes or not door.address.is_loopback
    if needs_token and not _bears(asked.authorizations, token):
        return Refusal(
            401,
            "UnrecognizedClientException",
            "send the token of the state directory: Authorization: Bearer TOKEN",
        )
    return None


def names_door(host: str, door: Door) -> bool:
    """Return whether a Host is the literal address of `door`, or localhost there."""
    match = HOST.fullmatch(host)
    if match is None or int(match["port"] or HTTP_PORT) != door.port:
        return False
    if match["name"]:
        return door.address.is_loopback
    try:
        return ipaddress.ip_address(match["v6"] or match["v4"]) == door.address
    except ValueError:
        return False


def _is_own_origin(origin: str, door: Door) -> bool:
    scheme, separator, host = origin.partition("://")
    return scheme == "http" and bool(separator) and names_door(host, door)


def _bears(authorizations: tuple[str, ...], token: str) -> bool:
    """Compare in constant time; exactly one header, exactly our token."""
    if len(authorizations) != 1 or not token:
        return False
    scheme, _, given = authorizations[0].partition(" ")
    same = hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())
    return scheme.lower() == "bearer" and same


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _forbidden(message: str) -> Refusal:
    return Refusal(403, "AccessDeniedException", message)
