"""Latencies in a fixed number of log-linear buckets, so that hours fit in 20 KiB.

Pure. A value is kept to within 1/128 (below 1 %): every power of two is divided
into 128 equal buckets, as in HdrHistogram. Percentiles are by nearest rank and
never below the true one; the maximum is exact. Absent: means, which mislead.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Final

_BITS: Final = 7
_SUB_BUCKETS: Final = 1 << _BITS
_OCTAVES: Final = 26
"""The last bucket begins beyond 2 hours in microseconds."""
_BUCKETS: Final = _SUB_BUCKETS * (_OCTAVES + 2)
_MICROSECONDS: Final = 1_000_000


class Histogram:
    """Counts of durations, in seconds from the outside, in microseconds within."""

    __slots__ = ("_counts", "count", "max_s")

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _BUCKETS))
        self.count = 0
        self.max_s = 0.0

    def record(self, duration_s: float) -> None:
        """Count one duration. Below zero counts as zero."""
        value = int(duration_s * _MICROSECONDS)
        if value < _SUB_BUCKETS:
            bucket = max(value, 0)
        else:
            octave = value.bit_length() - _BITS - 1
            bucket = octave * _SUB_BUCKETS + (value >> octave)
            bucket = min(bucket, _BUCKETS - 1)
        self._counts[bucket] += 1
        self.count += 1
        self.max_s = max(self.max_s, duration_s)

    def percentiles(self, percents: Sequence[float]) -> tuple[float, ...]:
        """Return the durations in seconds below which `percents` (ascending) of
        the counts lie: the upper edge of the bucket of the nearest rank. An empty
        histogram has only zeros."""
        if not self.count:
            return (0.0,) * len(percents)
        ranks = [max(1, math.ceil(self.count * p / 100)) for p in percents]
        found: list[float] = []
        below = 0
        for bucket, count in enumerate(self._counts):
            if not count:
                continue
            below += count
            while len(found) < len(ranks) and ranks[len(found)] <= below:
                found.append(min(_upper_edge_s(bucket), self.max_s))
            if len(found) == len(ranks):
                break
        return tuple(found)


def _upper_edge_s(bucket: int) -> float:
    octave = max(0, bucket // _SUB_BUCKETS - 1)
    return ((bucket - octave * _SUB_BUCKETS + 1) << octave) / _MICROSECONDS
