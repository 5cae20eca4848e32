"""Find cookies in requests and responses, and write ours. Floor 1: pure.

Only lines that speak of cookies are read, and of those only the values asked
for. A name is matched exactly; a value ends at the next semicolon and is not
decoded in any way: what was put between quotes or percent-encoded on its way is
another value.

Source: RFC 6265 4.1, 4.2; ALB user guide, "Sticky sessions" (a lifetime of seven
days by Expires; a second cookie with SameSite=None for requests across origins).
"""

from __future__ import annotations

import re
from typing import Final

LIFETIME_S: Final = 7 * 86_400
"""How long a browser keeps a cookie of ours; what is in it may end earlier."""
TRIED_MAX: Final = 4
"""Values of one name that are looked at: a browser may have one for every path."""
_LINE: Final = b"\r\ncookie:"
_SPACE: Final = b" \t"
_SEMICOLON: Final = 0x3B


class CookieName:
    """One cookie's name, compiled."""

    __slots__ = ("_in_response", "_marker", "name")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self._marker = name + b"="
        self._in_response = re.compile(
            rb"\r\n(?i:set-cookie):[ \t]*" + re.escape(name) + rb"[ \t]*="
        )

    def values(self, block: bytes) -> list[bytes]:
        """Return the first few values in the Cookie lines of a request's `block`."""
        found: list[bytes] = []
        marker = self._marker
        first = seen = 0
        at = block.find(marker)
        while at >= 0 and len(found) < TRIED_MAX:
            begins = at + len(marker)
            line = block.rfind(b"\r\n", seen, at)
            if line >= 0:
                first = line + len(_LINE)
                if block[line:first].lower() != _LINE:
                    first = 0  # no line of cookies
            if first and _begins_a_cookie(block, first, at):
                found.append(block[begins : _end_of(block, begins)].strip(_SPACE))
            seen = at
            at = block.find(marker, begins)
        return found

    def is_set_in(self, block: bytes) -> bool:
        """Whether a response's `block` sets this cookie, or takes it away."""
        return self._in_response.search(block) is not None


def _begins_a_cookie(block: bytes, first: int, at: int) -> bool:
    """Whether a name at `at` is one: at `first`, or behind a semicolon."""
    before = at - 1
    while before >= first and block[before] in _SPACE:
        before -= 1
    return before < first or block[before] == _SEMICOLON


def _end_of(block: bytes, begins: int) -> int:
    """Return where the value ends that begins there."""
    line = block.find(b"\r", begins)
    if line < 0:
        line = len(block)
    semicolon = block.find(b";", begins, line)
    return line if semicolon < 0 else semicolon


def set_cookie(name: bytes, value: bytes, expires: bytes) -> bytes:
    """Return the line, behind its CRLF. `expires` is an HTTP date."""
    return b"\r\nSet-Cookie: %b=%b; Expires=%b; Path=/" % (name, value, expires)


def set_cookie_pair(name: bytes, value: bytes, expires: bytes) -> bytes:
    """Return the cookie and its twin, which browsers send to other origins too."""
    return b"%b%b; SameSite=None; Secure" % (
        set_cookie(name, value, expires),
        set_cookie(name + b"CORS", value, expires),
    )
