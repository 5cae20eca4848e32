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


def x_forwarded_for(existing: bytes | None, peer: bytes) -> bytes:
    """Return the header value to send: what came, then the TCP peer's address.

    `existing` is what came, occurrences joined by ``, ``; `peer` without port or
    brackets. What a client claims stays in front, where nobody must trust it.
    """
    return b"%b, %b" % (existing, peer) if existing else peer
