"""One minute of a series: its seconds folded, and as few bytes as they need.

Floor 2. A second with one sample is a number; with several, a distribution. A
minute of single samples takes 9 bytes a second, less where zlib finds more.

    {second: sample or distribution} --> Minute --> the same seconds again
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from autoscaler.decide.statistics import (
    Distribution,
    Values,
    bucket,
    compact,
    merge,
    middle,
)

MINUTE_S: Final = 60
EXACT_MAX: Final = 16
"""Different values of one second, or minute, that are packed as they are."""

Samples = float | list[float] | Distribution
"""Of one second: one, a few, or what was folded before."""

_SET: Final = struct.Struct("<Bi4d")
"""Second, how many values (-1: not known), count, sum, minimum, maximum."""
_PLAIN: Final = b"p"
_SQUEEZED: Final = b"z"


@dataclass(frozen=True, slots=True)
class Minute:
    """The samples of one minute. Never empty.

    `seconds` are packed; empty when only the minute is left. `values` are
    packed too: empty when they follow from the seconds, or are not known.
    """

    sample_count: float
    total: float
    minimum: float
    maximum: float
    seconds: bytes
    values: bytes

    @property
    def size(self) -> int:
        return len(self.seconds) + len(self.values)

    def distribution(self) -> Distribution:
        values = self._values()
        count, total = self.sample_count, self.total
        return Distribution(count, total, self.minimum, self.maximum, values)

    def _values(self) -> Values | None:
        if self.values:
            return _unpacked_values(self.values)
        whole = folded(unpack(self.seconds).values()) if self.seconds else None
        return whole.values if whole else None

    def without_seconds(self) -> Minute:
        """Return what is left of it after three hours."""
        if not self.seconds:
            return self
        values = self._values()
        return Minute(
            self.sample_count,
            self.total,
            self.minimum,
            self.maximum,
            b"",
            _packed_values(values) if values else b"",
        )


def pack(seconds: Mapping[int, Samples]) -> Minute:
    """Return the minute of at least one second, 0 to 59."""
    singles = {
        second: samples
        for second, samples in seconds.items()
        if isinstance(samples, float)
    }
    if len(singles) == len(seconds):
        found = [*singles.values()]
        packed = _squeezed(
            struct.pack(f"<B{len(found)}B{len(found)}d", 0, *singles, *found)
        )
        return Minute(
            len(found), sum(found), min(found), max(found), packed, values=b""
        )
    folded_seconds = {
        second: distribution_of(samples) for second, samples in seconds.items()
    }
    whole = merge(folded_seconds.values())
    assert whole is not None
    return Minute(
        whole.sample_count,
        whole.total,
        whole.minimum,
        whole.maximum,
        _squeezed(_packed_sets(folded_seconds)),
        _packed_values(whole.values) if whole.values else b"",
    )


def unpack(packed: bytes) -> dict[int, Samples]:
    """Return the seconds that were packed."""
    raw = _whole(packed)
    if raw[:1] == b"\0":
        count = (len(raw) - 1) // 9
        offsets = raw[1 : 1 + count]
        samples: tuple[float, ...] = struct.unpack_from(f"<{count}d", raw, 1 + count)
        return {**dict(zip(offsets, samples, strict=True))}
    return {**dict(_sets(raw))}


def distribution_of(samples: Samples) -> Distribution:
    if isinstance(samples, float):
        return Distribution(1, samples, samples, samples, ((samples, 1.0),))
    return Distribution.of(samples) if isinstance(samples, list) else samples


def folded(seconds: Iterable[Samples]) -> Distribution | None:
    """Return what several seconds are together."""
    singles: list[float] = []
    others: list[Distribution] = []
    for samples in seconds:
        if isinstance(samples, float):
            singles.append(samples)
        elif isinstance(samples, list):
            singles.extend(samples)
        else:
            others.append(samples)
    if singles:
        others.append(Distribution.of(singles))
    return merge(others)


# --- bytes ----------------------------------------------------------------------


def _squeezed(raw: bytes) -> bytes:
    smaller = zlib.compress(raw, 1)
    return _SQUEEZED + smaller if len(smaller) < len(raw) else _PLAIN + raw


def _whole(packed: bytes) -> bytes:
    squeezed = packed[:1] == _SQUEEZED
    return zlib.decompress(packed[1:]) if squeezed else packed[1:]


def _packed_sets(seconds: Mapping[int, Distribution]) -> bytes:
    pieces = [b"\1"]
    for second, one in seconds.items():
        values = one.values and compact(one.values, EXACT_MAX)
        count = -1 if values is None else len(values)
        figures = (one.sample_count, one.total, one.minimum, one.maximum)
        pieces.append(_SET.pack(second, count, *figures))
        if values:
            pieces.append(_columns(values))
    return b"".join(pieces)


def _sets(raw: bytes) -> Iterator[tuple[int, Distribution]]:
    place = 1
    while place < len(raw):
        second, count, samples, total, least, most = _SET.unpack_from(raw, place)
        place += _SET.size
        values = None
        if count >= 0:
            values = _from_columns(raw, place, count)
            place += _width(count) * count
        yield second, Distribution(samples, total, least, most, values)


def _packed_values(values: Values) -> bytes:
    """Return them packed, nothing where there are too many buckets."""
    kept = compact(values, EXACT_MAX)
    if not kept:
        return b""
    return _squeezed(struct.pack("<i", len(kept)) + _columns(kept))


def _unpacked_values(packed: bytes) -> Values:
    raw = _whole(packed)
    return _from_columns(raw, 4, struct.unpack_from("<i", raw)[0])


def _columns(values: Values) -> bytes:
    """A column of values and one of counts: like stands by like, for zlib.

    Few values are exact; many are buckets, each told by how far it is from the
    one before.
    """
    counts = [count for _, count in values]
    if len(values) <= EXACT_MAX:
        exact = [value for value, _ in values]
        return struct.pack(f"<{2 * len(values)}d", *exact, *counts)
    buckets = [bucket(value) for value, _ in values]
    steps = [after - before for before, after in pairwise([0, *buckets])]
    return struct.pack(f"<{len(steps)}i{len(counts)}d", *steps, *counts)


def _from_columns(raw: bytes, place: int, count: int) -> Values:
    if count <= EXACT_MAX:
        exact = struct.unpack_from(f"<{2 * count}d", raw, place)
        return tuple(zip(exact[:count], exact[count:], strict=True))
    flat = struct.unpack_from(f"<{count}i{count}d", raw, place)
    values = map(middle, accumulate(flat[:count]))
    return tuple(zip(values, flat[count:], strict=True))


def _width(count: int) -> int:
    return 16 if count <= EXACT_MAX else 12
