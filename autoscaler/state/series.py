"""Time series of the last three hours, one statistic set per second.

Floor 2: mutable, synchronous. Each series is a ring of fixed size, so nothing
that is measured can grow memory; only metrics that somebody watches have one.

Absent on purpose: persistence. A restart begins with empty series, and
`since_s` tells what was never looked at from what was looked at and missing.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from autoscaler.decide.statistics import Distribution
from autoscaler.model import Metric

SPAN_S: Final = 3 * 60 * 60


class Series:
    """Samples by unix second; a second's samples are folded into one set."""

    def __init__(self, since_s: int, span_s: int = SPAN_S) -> None:
        self.since_s = since_s
        """The first second wholly observed."""
        self._span_s = span_s
        self._second = array("q", [-1]) * span_s
        self._count = array("q", [0]) * span_s
        self._total = array("d", [0.0]) * span_s
        self._minimum = array("d", [0.0]) * span_s
        self._maximum = array("d", [0.0]) * span_s

    def __repr__(self) -> str:
        used = sum(second >= 0 for second in self._second)
        return f"<Series: {used} of {self._span_s} seconds since {self.since_s}>"

    def record(self, second: int, value: float) -> None:
        """Add a sample. One older than what its slot holds is too late: dropped."""
        slot = second % self._span_s
        if second < self._second[slot]:
            return
        if second > self._second[slot]:
            self._second[slot] = second
            self._count[slot] = 0
            self._total[slot] = 0.0
            self._minimum[slot] = self._maximum[slot] = value
        self._count[slot] += 1
        self._total[slot] += value
        self._minimum[slot] = min(value, self._minimum[slot])
        self._maximum[slot] = max(value, self._maximum[slot])

    def window(self, start: int, end: int) -> Distribution | None:
        """Return the samples of [start, end), or None when there are none."""
        return self.totals(start, end)

    def totals(self, start: int, end: int) -> Distribution | None:
        """Return `window` without values: enough where `needs_values` is False."""
        start = max(start, end - self._span_s)
        slots = [
            second % self._span_s
            for second in range(start, end)
            if self._second[second % self._span_s] == second
        ]
        if not slots:
            return None
        return Distribution(
            sum(self._count[slot] for slot in slots),
            sum(self._total[slot] for slot in slots),
            min(self._minimum[slot] for slot in slots),
            max(self._maximum[slot] for slot in slots),
        )


@dataclass(frozen=True, slots=True)
class SeriesStatistics:
    """What the table holds and what it turned away."""

    metrics: int
    samples: int
    unwatched: int


class SeriesTable:
    """The series of every watched metric."""

    def __init__(self) -> None:
        self._series: dict[Metric, Series] = {}
        self._samples = 0
        self._unwatched = 0

    def watch(self, metrics: Iterable[Metric], now_s: int) -> None:
        """Keep series for `metrics` and no others; new ones begin at `now_s`."""
        wanted = set(metrics)
        for metric in self._series.keys() - wanted:
            del self._series[metric]
        for metric in wanted - self._series.keys():
            self._series[metric] = Series(now_s)

    def record(self, metric: Metric, second: int, value: float) -> None:
        """Add a sample; of a metric nobody watches it is only counted."""
        series = self._series.get(metric)
        if series is None:
            self._unwatched += 1
            return
        self._samples += 1
        series.record(second, value)

    def view(self) -> Mapping[Metric, Series]:
        return self._series

    def statistics(self) -> SeriesStatistics:
        return SeriesStatistics(len(self._series), self._samples, self._unwatched)
