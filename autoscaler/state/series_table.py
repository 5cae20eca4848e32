"""The series of every metric that is fed or asked for. Floor 2.

    record, add, restore --> one series for each metric --> view, changed

There are at most so many of them, and each goes when nobody has fed it for as long as
it is kept: what strangers send cannot take memory without end.

Absent: what is in a series (`series`), disks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from autoscaler.decide.statistics import Distribution
from autoscaler.model import Metric
from autoscaler.state.packing import MINUTE_S, Minute
from autoscaler.state.series import SPAN_S, Lives, Series

SERIES_MAX: Final = 2000


@dataclass(frozen=True, slots=True)
class SeriesStatistics:
    """What the table holds and what it turned away."""

    metrics: int = 0
    samples: int = 0
    too_many: int = 0
    """Samples of metrics beyond SERIES_MAX."""
    too_old: int = 0
    size: int = 0
    """Bytes that are packed."""


Changed = tuple[Metric, str, dict[int, Minute]]
"""A metric, its unit, and the minutes that grew."""


class SeriesTable:
    """The series of every metric that is measured or watched."""

    def __init__(self, series_max: int = SERIES_MAX) -> None:
        self.lives: Lives = []
        self._series: dict[Metric, Series] = {}
        self._watched: frozenset[Metric] = frozenset()
        self._series_max = series_max
        self._now_s = 0
        self._samples = 0
        self._too_many = 0
        self._too_old = 0

    def watch(self, spans_s: Mapping[Metric, int], now_s: int) -> None:
        """Have a series for each of these, that reaches back so far.

        New ones begin at `now_s`; they take a place even where none is left.
        """
        self._watched = frozenset(spans_s)
        for metric, span_s in spans_s.items():
            series = self._series.get(metric) or self._made(metric, now_s)
            series.keep_s = max(span_s, SPAN_S)
        for metric in self._series.keys() - self._watched:
            self._series[metric].keep_s = SPAN_S

    def record(self, metric: Metric, second: int, value: float, unit: str = "") -> bool:
        """Add a sample; False: it is too old, or there are too many metrics."""
        series = self._series.get(metric) or self._begun(metric, second, unit)
        if series is None:
            return False
        if not series.record(second, value):
            self._too_old += 1
            return False
        self._samples += 1
        return True

    def add(
        self, metric: Metric, second: int, distribution: Distribution, unit: str = ""
    ) -> bool:
        """Add a set of samples, as `record` does one."""
        series = self._series.get(metric) or self._begun(metric, second, unit)
        if series is None:
            return False
        if not series.add(second, distribution):
            self._too_old += 1
            return False
        self._samples += 1
        return True

    def _begun(self, metric: Metric, second: int, unit: str) -> Series | None:
        if len(self._series) >= self._series_max:
            self._too_many += 1
            return None
        return self._made(metric, second, unit)

    def _made(self, metric: Metric, since_s: int, unit: str = "") -> Series:
        made = self._series[metric] = Series(since_s, unit=unit, lives=self.lives)
        made.forget(self._now_s)
        return made

    def restore(
        self, metric: Metric, unit: str, minutes: Mapping[int, Minute], now_s: int
    ) -> None:
        """Take back what an earlier life kept of a metric, as far as it is wanted."""
        present = now_s // MINUTE_S
        past = {minute: one for minute, one in minutes.items() if minute <= present}
        series = self._series.get(metric)
        if not past or (series is None and len(self._series) >= self._series_max):
            return
        series = series or self._made(metric, now_s)
        series.unit = series.unit or unit
        series.restore(past)

    def forget(self, now_s: int) -> None:
        """Drop what has had its time, and metrics nobody measures or watches.

        Between one minute and the next there is nothing to drop.
        """
        minute, before = now_s // MINUTE_S, self._now_s // MINUTE_S
        self._now_s = now_s
        if minute == before:
            return
        for metric, series in [*self._series.items()]:
            series.forget(now_s)
            if series.newest_s is None and metric not in self._watched:
                del self._series[metric]

    def changed(self) -> list[Changed]:
        """Return what grew since this was asked last."""
        return [
            (metric, series.unit, minutes)
            for metric, series in self._series.items()
            if (minutes := series.changed())
        ]

    def view(self) -> Mapping[Metric, Series]:
        return self._series

    def statistics(self) -> SeriesStatistics:
        return SeriesStatistics(
            len(self._series),
            self._samples,
            self._too_many,
            self._too_old,
            sum(series.size for series in self._series.values()),
        )
