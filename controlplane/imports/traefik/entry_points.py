"""Traefik's entry points: on which ports listeners stand, and what they speak. Pure.

Source: Traefik, "EntryPoints".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from controlplane.imports.given import Fields, Key, Losses, Place, Text
from controlplane.imports.quantities import flag, whole
from controlplane.imports.traefik.redirects import Redirect

USUAL: Final[Mapping[str, int]] = {
    "web": 80, "http": 80, "websecure": 443, "https": 443, "web-secure": 443,
}  # fmt: skip
"""Ports that names stand for by habit, where no file tells."""
GUESSED_FROM: Final = 8000
TLS_PORTS: Final = frozenset({443, 8443})
INTERNAL: Final = "traefik"
"""The entry point of Traefik's own API."""

_REASONS: Final = {
    "forwardedheaders": "X-Forwarded-For is appended to, as ALB does: "
    "routing.http.xff_header_processing.mode",
    "transport": "timeouts are attributes of the load balancer",
    "http2": "HTTP/2 is not built",
    "http3": "HTTP/3 is not built",
    "proxyprotocol": "the PROXY protocol is not spoken",
}


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """`redirect` answers everything before any router; `tls` None: nobody says."""

    name: str
    port: int
    tls: bool | None = None
    redirect: Redirect | None = None
    place: Place | None = None


def entry_points(
    static: Fields, published: Mapping[int, int], told: Mapping[str, int]
) -> dict[str, EntryPoint]:
    """Return those that a static configuration has, by name.

    `published` are host ports by container ports, `told` ports by name.
    """
    found: dict[str, EntryPoint] = {}
    sections = static.fields("entrypoints").keys
    inner_ports = {
        name: _port(Fields(key.value, Losses())) or USUAL.get(name, 0)
        for name, key in sections.items()
    }
    ports = {
        name: told.get(name) or published.get(port, port)
        for name, port in inner_ports.items()
    }
    for name, key in sections.items():
        if ports[name]:
            found[name] = _entry_point(key, ports, static.losses)
        else:
            static.losses.add(key, "has no address with a port")
    for name, port in told.items():
        found.setdefault(name, EntryPoint(name, port))
    return found


def _port(fields: Fields) -> int:
    address = fields.text("address")
    if address is None or address.text.endswith("/udp"):
        return 0
    number = re.search(r":(\d{1,5})(?:/tcp)?$", address.text)
    return whole(number[1]) or 0 if number else 0


def _entry_point(key: Key, ports: Mapping[str, int], losses: Losses) -> EntryPoint:
    fields = Fields(key.value, losses)
    fields.take("address")
    http = fields.fields("http")
    tls = http.peek("tls")
    is_tls = None
    if tls is not None:
        is_tls = flag(tls.text) is not False if isinstance(tls, Text) else True
        http.take("tls")
    redirect = _redirection(http.fields("redirections").fields("entrypoint"), ports)
    http.rest({"middlewares": "name them at the routers"}, "is not known here")
    fields.take("asdefault")
    fields.rest(_REASONS, "is not known in an entry point")
    return EntryPoint(key.name, ports[key.name], is_tls, redirect, key.place)


def _redirection(fields: Fields, ports: Mapping[str, int]) -> Redirect | None:
    to, scheme = fields.text("to"), fields.text("scheme")
    permanent = fields.text("permanent")
    fields.take("priority")  # it stands before every router
    fields.rest({}, "is not known in a redirection")
    if to is None:
        return None
    port = to.text.lstrip(":") if to.text.startswith(":") else ""
    port = port or str(ports.get(to.text.lower()) or USUAL.get(to.text.lower(), 443))
    protocol = scheme.text.upper() if scheme else "HTTPS"
    is_permanent = permanent is None or flag(permanent.text) is not False
    return Redirect(protocol if protocol == "HTTP" else "HTTPS", port, is_permanent)


def guessed(
    names: Iterable[str], known: Mapping[str, EntryPoint]
) -> dict[str, EntryPoint]:
    """Return entry points for names that routers use and no file tells of."""
    taken = {one.port for one in known.values()}
    found: dict[str, EntryPoint] = {}
    for name in names:
        if name in known or name in found:
            continue
        port = USUAL.get(name, GUESSED_FROM)
        while port in taken:
            port += 1
        taken.add(port)
        found[name] = EntryPoint(name, port)
    return found


def speaks_tls(entry: EntryPoint, routers_with_tls: list[bool]) -> bool:
    """Return whether its listener is HTTPS: ALB's ports speak one of the two."""
    if entry.tls is not None:
        return entry.tls
    if entry.redirect is not None:
        return entry.redirect.protocol == "HTTP"
    if entry.port in TLS_PORTS or "secure" in entry.name or entry.name == "https":
        return any(routers_with_tls) or not routers_with_tls
    return bool(routers_with_tls) and all(routers_with_tls)
