"""Requests that have something in common, to the same target: consistent hashing.

Floor 1: pure. What requests have in common is a header, a cookie, the client's
address or path and query; it puts them into one of SLOTS, and every target
bids for every slot. The highest bid wins (rendezvous hashing), so that

* a target that leaves loses its own slots, to all others alike;
* a target that comes takes its share of slots, evenly from all others;
* no other slot moves; and whoever cannot be reached is stood in for by the next
  highest bid, in every worker the same.

A bid is made when its slot is first asked for, and remembered until targets
change. Absent: bounds on load; hot keys stay with their target.

Source: D. Thaler, C. Ravishankar, "Using name-based mappings to increase hit
rates" (1998); the mixing function is C. Wellons's lowbias32.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Final

from alb.decide.choosers import Candidate, Chooser
from alb.decide.cookies import CookieName
from alb.decide.request import RequestHead
from alb.model import TargetId

SLOTS: Final = 1 << 16
NO_SLOT: Final = -1
"""The request lacks what would be hashed."""
_32_BITS: Final = 0xFFFFFFFF


class HashKey:
    """What of a request is hashed: `Algorithm.hash_on`, read once."""

    def __init__(self, hash_on: str) -> None:
        self._kind, _, name = hash_on.partition(":")
        self._header = name.lower().encode()
        self._cookie = CookieName(name.encode())

    def slot(self, head: RequestHead, peer_ip: str) -> int:
        """Return the request's slot; NO_SLOT if it has no such header or cookie."""
        found: bytes | None
        if self._kind == "source-ip":
            found = peer_ip.encode()
        elif self._kind == "path-and-query":
            found = head.path + b"?" + head.query
        else:
            found = self._value(head)
        return NO_SLOT if not found else zlib.crc32(found) & (SLOTS - 1)

    def _value(self, head: RequestHead) -> bytes | None:
        if self._kind == "cookie":
            values = self._cookie.values(head.block)
            return values[0] if values else None
        for name, value in head.pairs():
            if name == self._header:
                return value
        return None


class Rendezvous(Chooser):
    """The highest bidder for a slot. Requests without one go to the draw of others:
    `otherwise` chooses for them."""

    def __init__(self, otherwise: Chooser) -> None:
        self._otherwise = otherwise
        self._eligible: Sequence[Candidate] = ()
        self._seeds: list[tuple[int, int]] = []
        self._won: dict[int, int] = {}

    def choose(
        self,
        eligible: Sequence[Candidate],
        skip: Collection[TargetId],
        now_s: float,
        slot: int,
    ) -> int:
        if slot == NO_SLOT:
            return self._otherwise.choose(eligible, skip, now_s, slot)
        if eligible is not self._eligible:
            self._eligible = eligible
            self._seeds = [seeds_of(candidate.id) for candidate in eligible]
            self._won.clear()
        at = self._won.get(slot, -1)
        if at < 0 and eligible:
            at = self._winner(slot, ())
            self._won[slot] = at
        if at >= 0 and skip and eligible[at].id in skip:
            return self._winner(slot, skip)
        return at

    def _winner(self, slot: int, skip: Collection[TargetId]) -> int:
        best, highest = -1, -1
        for at, (seed, other_seed) in enumerate(self._seeds):
            bid = mixed(mixed(slot ^ seed) ^ other_seed)
            if bid > highest and self._eligible[at].id not in skip:
                best, highest = at, bid
        return best


def seeds_of(target: TargetId) -> tuple[int, int]:
    """Return two numbers of 32 bits that are this target's in every process."""
    digest = blake2b(target.encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:], "big")


def mixed(value: int) -> int:
    """Return 32 bits of which each hangs on each of `value`'s 32."""
    value ^= value >> 16
    value = value * 0x7FEB352D & _32_BITS
    value ^= value >> 15
    value = value * 0x846CA68B & _32_BITS
    return value ^ value >> 16
