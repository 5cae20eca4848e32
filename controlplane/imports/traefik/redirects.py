"""Redirects of Traefik, as ALB's: protocol, host, port, path and query. Pure.

An expression over whole URLs has no counterpart, but most do something simple.
Whether one does is found out by trying it on probes: URLs whose path is a word
that nobody writes. If the word comes out again unchanged, behind a constant
beginning, the redirect is ALB's with that beginning.

Source: Traefik, "RedirectRegex", "RedirectScheme"; ELBv2 API reference,
RedirectActionConfig.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import re2

from foundation.regex import flaw_of

PROBES: Final = ("qzq7", "qzq7/xyx/8-8.yzy")
"""Paths without their slash: one word, and several."""
PROBED_QUERY: Final = "zqz=1"
DEFAULT_PORTS: Final = {"HTTP": "80", "HTTPS": "443"}

_GROUP = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect; `by_regex` has to be asked per host that it is for."""

    protocol: str = ""
    port: str = ""
    permanent: bool = False
    by_regex: tuple[str, str] | None = None

    def action(self, protocol: str, host: str | None) -> dict[str, object] | None:
        """Return ALB's action for requests to `host`; None: it does not redirect."""
        if self.by_regex is None:
            if self.protocol == protocol:
                return None  # it is there already
            port = self.port or DEFAULT_PORTS[self.protocol]
            return self._with({"protocol": self.protocol, "port": port})
        parts = _tried(self.by_regex, protocol.lower(), host or "host.invalid")
        return self._with(parts) if parts else None

    def _with(self, parts: dict[str, str]) -> dict[str, object]:
        status = "HTTP_301" if self.permanent else "HTTP_302"
        return {"type": "redirect", **parts, "statusCode": status}


def read_scheme(scheme: str, port: str, *, permanent: bool) -> Redirect | None:
    protocol = scheme.strip().upper()
    if protocol not in DEFAULT_PORTS:
        return None
    return Redirect(protocol, port.strip(), permanent)


def read_regex(regex: str, replacement: str, *, permanent: bool) -> Redirect | str:
    """Return the redirect, or what is wrong with its expression."""
    if flaw := flaw_of(regex):
        return f"{flaw.message} (character {flaw.at})"
    return Redirect(permanent=permanent, by_regex=(regex, replacement))


def _tried(by_regex: tuple[str, str], scheme: str, host: str) -> dict[str, str] | None:
    """Return the parts of ALB's redirect, the same for every probe; else None."""
    first, *others = [
        _probed(by_regex, f"{scheme}://{host}/{path}?{PROBED_QUERY}", path)
        for path in PROBES
    ]
    return first if all(other == first for other in others) else None


def _probed(by_regex: tuple[str, str], url: str, path: str) -> dict[str, str] | None:
    regex, replacement = by_regex
    expression: Any = re2.compile(regex)
    match = expression.search(url)
    if match is None:
        return None
    result = url[: match.start()] + _expanded(replacement, match) + url[match.end() :]
    parts = urlsplit(result)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    before, word, after = parts.path.partition(path)
    query = "#{query}" if parts.query == PROBED_QUERY else parts.query
    if (word and after) or path in query or "zqz" in query or parts.fragment:
        return None
    try:
        port = str(parts.port or DEFAULT_PORTS[parts.scheme.upper()])
    except ValueError:
        return None
    return {
        "protocol": parts.scheme.upper(),
        "host": parts.hostname,
        "port": port,
        "path": f"{before or '/'}#{{path}}" if word else parts.path or "/",
        "query": query,
    }


def _expanded(replacement: str, match: Any) -> str:
    """Put groups into a template of Go's; one that is not there is empty."""

    def group(place: re.Match[str]) -> str:
        name = place[1] or place[2]
        try:
            return match.group(int(name) if name.isdigit() else name) or ""
        except (IndexError, KeyError):
            return ""

    return _GROUP.sub(group, replacement)
