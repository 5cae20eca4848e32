"""What the rest of the balancer knows of a request's head. Floor 1.

Made by `decide.head`, which says what may stand in it; read by everybody.
"""

from __future__ import annotations


class RequestHead:
    """One request's head.

    What most requests do not have stands on the class: making one of these is
    a tenth of what reading it costs.
    """

    method: bytes
    version: int
    """0 or 1: the minor version of HTTP/1."""
    target: bytes
    """In origin form, raw: what is sent on."""
    path: bytes
    query: bytes = b""
    host: bytes = b""
    """Lower-case name without port: what rules match on."""
    host_field: bytes = b""
    """The Host value as sent (or the absolute target's authority)."""
    content_length: int = 0
    chunked: bool = False
    has_body: bool = False
    keep_alive: bool
    close_after: bool = False
    """Served, and then both connections end (AWS's Ambiguous tier)."""
    expects_continue: bool = False
    upgrade: bytes = b""
    """The protocol asked for; the connection becomes a tunnel if granted."""
    is_odd: bool = False
    """Something below is set: most requests are asked no further."""
    classification: str = ""
    """AWS's tier of what is served though it is not compliant."""
    reason: str = ""
    """AWS's classification reason."""
    odd_names: bool = False
    """A header's name has more than letters, digits and dashes."""
    dropped_headers: bool = False
    """Headers that nobody may send were left out."""
    is_disputed: bool = False
    """Servers read the path in ways for which there are different rules."""
    forwarded_for: bytes | None = None
    trace_id: bytes | None = None
    trace: bytes = b"-"
    """The X-Amzn-Trace-Id that was sent on."""
    block: bytes
    """All header lines as received, each behind its CRLF."""
    passed_on: bytes
    """The lines that are sent on unchanged, each behind its CRLF."""
    size: int

    def __init__(self, method: bytes, target: bytes, version: int) -> None:
        self.method = method
        self.target = self.path = target
        self.version = version
        self.keep_alive = version == 1

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Return (lower-case name, value) of every header, as it was received."""
        split = (line.partition(b":") for line in self.block.split(b"\r\n")[1:])
        return [(name.lower(), value.strip(b" \t")) for name, _, value in split]
