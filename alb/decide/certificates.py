"""Which certificate a client gets, by the name it asks for (SNI). Floor 1: pure.

A name that a certificate has comes before a wildcard; then one that has not
expired, then the longest key. A certificate of each type of key is chosen, as
the handshake settles which types the client can verify, elliptic curves first.
A client that names no host, or one that no certificate has, gets the default.

Source: ALB user guide, "SSL certificates for your Application Load Balancer"
(default certificate, certificate list, smart selection).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from alb.model import CertificateOffer

DEFAULT: Final = (0,)


class TlsFacts(NamedTuple):
    """What a handshake settled, as logs and headers tell it."""

    protocol: bytes
    """Such as ``TLSv1.3``."""
    cipher: bytes
    """OpenSSL's name."""
    server_name: bytes = b"-"
    certificate: bytes = b"-"
    """The chosen one, or ``session-reused``."""
    latency_s: float = 0.0


def choose(offers: Sequence[CertificateOffer], server_name: str) -> tuple[int, ...]:
    """Return the positions of the certificates to offer, one per type of key.

    `server_name` is empty where none was asked for. The first of `offers` is
    the default; elliptic curves stand first in what is returned.
    """
    name = server_name.lower().rstrip(".")
    best: dict[str, tuple[tuple[bool, bool, int], int]] = {}
    for position, offer in enumerate(offers):
        if not matches(offer.names, name):
            continue
        worth = (name in offer.names, not offer.expired, offer.key_bits)
        if offer.key_type not in best or best[offer.key_type][0] < worth:
            best[offer.key_type] = (worth, position)
    return tuple(best[key_type][1] for key_type in sorted(best)) or DEFAULT


def matches(names: Sequence[str], name: str) -> bool:
    """Whether a certificate of `names` is one for `name`.

    ``*`` stands for one whole label, the first: ``*.example.com`` is neither
    ``example.com`` nor ``a.b.example.com``.
    """
    if not name:
        return False
    label, dot, parent = name.partition(".")
    return name in names or (bool(label and dot) and f"*.{parent}" in names)
