"""What the request says about where it came from: X-Forwarded-For.

Floor 1: pure, over bytes. X-Forwarded-Proto and -Port need no decision: they are
overwritten with the listener's.

Source: ALB user guide, "HTTP headers and Application Load Balancers".
"""

from __future__ import annotations

from typing import Final

FORWARDED_FOR_MAX: Final = 30
"""Addresses a request may bring along; with more it is answered 463."""


def has_too_many_addresses(existing: bytes) -> bool:
    """Whether X-Forwarded-For, its occurrences joined by commas, calls for 463.

    Empty elements count: a list is as long as its commas say.
    """
    return existing.count(b",") >= FORWARDED_FOR_MAX


def peer_address(ip: str, port: int, *, with_port: bool) -> bytes:
    """Return the TCP peer as it stands in the header: an IPv6 one in brackets
    where its port follows."""
    if not with_port:
        return ip.encode()
    return (f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}").encode()


def forwarded_line(existing: bytes | None, peer: bytes, mode: str) -> bytes:
    """Return the header line to send behind its CRLF, or nothing.

    `existing` is what came, occurrences joined by ``, ``; `peer` as it stands in
    the header; `mode` is ``append``, ``preserve`` or ``remove``. What a client
    claims stays in front, where nobody must trust it.
    """
    if mode == "append":
        value = b"%b, %b" % (existing, peer) if existing else peer
    elif mode == "preserve" and existing is not None:
        value = existing
    else:
        return b""
    return b"\r\nX-Forwarded-For: " + value
