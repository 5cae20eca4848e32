"""Where a redirect action sends the client.

Floor 1: pure, over bytes. A template's keywords are read once, each only in the
parts where ALB knows it; elsewhere it is text like any other:

    protocol  #{protocol}
    host      #{host}
    port      #{port}
    path      #{host} #{port} #{path}              (path without its leading slash)
    query     #{protocol} #{host} #{port} #{path} #{query}

The port is always written, also a protocol's own, as ALB does
(``https://example.com:443/``); an empty query leaves its question mark out.

What a request brings in is not encoded again, but no octet outside visible
ASCII passes: it becomes ``%XX``. So nothing a client sends can end the header.

Source: ALB user guide, "Redirect actions".
"""

from __future__ import annotations

import re
from typing import Final

from alb.decide.fixed import Answer, page_answer
from alb.model import Redirect

LOCATION_MAX_BYTES: Final = 8192
"""A longer Location is answered 507."""

_KEYWORDS: Final = ("protocol", "host", "port", "path", "query")
_KNOWN_IN: Final = {
    "protocol": ("protocol",),
    "host": ("host",),
    "port": ("port",),
    "path": ("host", "port", "path"),
    "query": _KEYWORDS,
}
_UNSAFE: Final = re.compile(rb"[^\x21-\x7e]")

Template = tuple[bytes | int, ...]
"""Text, and positions in `_KEYWORDS` of what is put between."""


class CompiledRedirect:
    """One redirect action, ready to be asked where to."""

    __slots__ = ("_path", "_query", "_start", "status")

    def __init__(self, action: Redirect) -> None:
        self.status = action.status_code
        self._start: Template = (
            *_template(action.protocol.lower(), "protocol"),
            b"://",
            *_template(action.host, "host"),
            b":",
            *_template(action.port, "port"),
        )
        self._path = _template(action.path, "path")
        self._query = _template(action.query, "query")

    def location(
        self, protocol: bytes, host: bytes, port: bytes, path: bytes, query: bytes
    ) -> bytes | None:
        """Return the Location for a request of these parts, or None for 507.

        `protocol` is ``http`` or ``https``, `host` as rules see it (IPv6 in its
        brackets), `port` the listener's, `path` and `query` raw.
        """
        facts = (protocol, host, port, path.removeprefix(b"/"), query)
        location = _filled(self._start, facts) + _filled(self._path, facts)
        asked = _filled(self._query, facts)
        if asked:
            location += b"?" + asked
        location = _UNSAFE.sub(_escaped, location)
        return location if len(location) <= LOCATION_MAX_BYTES else None

    def answer(self, location: bytes) -> Answer:
        """Return the response that carries `location`."""
        return page_answer(self.status, location)


def _template(text: str, part: str) -> Template:
    known = "|".join(_KNOWN_IN[part])
    pieces = re.split(r"#\{(" + known + r")\}", text)
    return tuple(
        _KEYWORDS.index(piece) if at % 2 else piece.encode()
        for at, piece in enumerate(pieces)
        if piece
    )


def _filled(template: Template, facts: tuple[bytes, ...]) -> bytes:
    return b"".join(
        facts[piece] if isinstance(piece, int) else piece for piece in template
    )


def _escaped(octet: re.Match[bytes]) -> bytes:
    return b"%%%02X" % octet[0][0]
