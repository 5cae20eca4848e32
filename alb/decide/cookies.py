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
_LINES: Final = re.compile(rb"\r\n(?i:cookie):([^\r]*)")


class CookieName:
    """One cookie's name, compiled."""

    __slots__ = ("_in_request", "_in_response", "_marker", "name")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self._marker = name + b"="
        exactly = re.escape(name)
        self._in_request = re.compile(rb"(?:\A|;)[ \t]*" + exactly + rb"=([^;]*)")
        self._in_response = re.compile(
            rb"\r\n(?i:set-cookie):[ \t]*" + exactly + rb"[ \t]*="
        )

    def values(self, block: bytes) -> list[bytes]:
        """Return the first few values in the Cookie lines of a request's `block`."""
        found: list[bytes] = []
        if self._marker not in block:
            return found
        for line in _LINES.findall(block):
            for value in self._in_request.findall(line):
                found.append(value.strip(b" \t"))
                if len(found) == TRIED_MAX:
                    return found
        return found

    def is_set_in(self, block: bytes) -> bool:
        """Whether a response's `block` sets this cookie, or takes it away."""
        return self._in_response.search(block) is not None


def set_cookie(name: bytes, value: bytes, expires: bytes) -> bytes:
    """Return the line, behind its CRLF. `expires` is an HTTP date."""
    return b"\r\nSet-Cookie: %b=%b; Expires=%b; Path=/" % (name, value, expires)


def set_cookie_pair(name: bytes, value: bytes, expires: bytes) -> bytes:
    """Return the cookie and its twin, which browsers send to other origins too."""
    return b"%b%b; SameSite=None; Secure" % (
        set_cookie(name, value, expires),
        set_cookie(name + b"CORS", value, expires),
    )
