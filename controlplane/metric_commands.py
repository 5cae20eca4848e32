"""Metrics as people and programs put and ask them: CloudWatch's four questions.

    put        PutMetricData         listed       ListMetrics
    statistics GetMetricStatistics   (memory for three hours, the disk before that)

Source: CloudWatch API reference.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from autoscaler.app.autoscaler import Autoscaler
from autoscaler.app.keeping import Keeping
from autoscaler.decide.statistics import Distribution, merge, value_of
from autoscaler.drivers.history import HistoryFailed, Known
from autoscaler.model import ExtendedStatistic, Metric, Statistic
from autoscaler.state.packing import MINUTE_S
from autoscaler.state.series import AHEAD_S, KEPT_S, SPAN_S, Series
from autoscaler.state.series_table import SERIES_MAX
from controlplane.api.ports import Document, MetricFilter, MetricQuestion
from controlplane.api.samples import Datum
from controlplane.errors import InvalidParameter, SamplesInvalid, TooManyMetrics
from controlplane.problems import Problem
from foundation.clock import Clock

NO_UNIT: Final = "None"


class MetricCommands:
    """Implements `api.ports.Metrics` over the autoscaler's series."""

    def __init__(
        self,
        clock: Clock,
        scaler: Autoscaler,
        keeping: Keeping,
        discovered: Callable[[], Sequence[Document]],
    ) -> None:
        self._clock = clock
        self._scaler = scaler
        self._keeping = keeping
        self.discovered = discovered

    def now_unix_s(self) -> float:
        return self._clock.unix_s()

    def put(self, data: Sequence[Datum]) -> None:
        """Record all of `data` or nothing."""
        known = self._scaler.series()
        if problems := [*_other_units(data, known)]:
            raise SamplesInvalid(problems)
        new = {datum.metric for datum in data} - known.keys()
        if len(known) + len(new) > SERIES_MAX:
            raise TooManyMetrics(SERIES_MAX, len(known), len(new))
        for metric, at_unix_s, samples, unit in data:
            self._scaler.add(metric, at_unix_s, samples, unit)

    async def listed(self, wanted: MetricFilter) -> Document:
        """Return every metric of the last fifteen days, what is newest with it."""
        live = self._scaler.series()
        units = {metric: series.unit for metric, series in live.items()}
        newest_s = {metric: series.newest_s for metric, series in live.items()}
        for known in await self._kept():
            units.setdefault(known.metric, known.unit)
            if newest_s.get(known.metric) is None:
                newest_s[known.metric] = known.newest_s
        return {
            "Metrics": [
                {
                    **_identity(metric),
                    "Unit": units[metric] or NO_UNIT,
                    "Latest": _latest(live.get(metric), newest_s[metric]),
                }
                for metric in sorted(newest_s, key=_order)
                if newest_s[metric] is not None and wanted.matches(metric)
            ]
        }

    async def statistics(self, question: MetricQuestion) -> Document:
        """Return one datapoint for each period that has samples, oldest first.

        Nothing is looked for where nothing is kept, however much is asked for.
        """
        metric, period_s = question.metric, question.period_s
        live = self._scaler.series().get(metric)
        offset_s = int(self._scaler.now_s() - self._clock.unix_s())
        now_s = int(self._scaler.now_s())
        start_s = int(question.start_s) + offset_s
        start_s = max(start_s - start_s % period_s, now_s - KEPT_S)
        end_s = min(int(question.end_s) + offset_s, now_s + AHEAD_S)
        begins_s = now_s - SPAN_S
        begins_s += MINUTE_S - begins_s % MINUTE_S
        starts = range(start_s - start_s % period_s, end_s, period_s)
        found: dict[int, list[Distribution]] = {}
        unit = live.unit if live else NO_UNIT
        if start_s < begins_s:
            kept = await self._before(metric, start_s, min(end_s, begins_s))
            for start, samples in await asyncio.to_thread(
                _windows, kept, starts, period_s, (start_s, begins_s)
            ):
                found.setdefault(start, []).append(samples)
            unit = unit if live else await self._unit_of(metric)
        if live and end_s > begins_s:
            for start, samples in _windows(live, starts, period_s, (begins_s, end_s)):
                found.setdefault(start, []).append(samples)
        datapoints = [
            _datapoint(start - offset_s, whole, question.statistics, unit or NO_UNIT)
            for start in sorted(found)
            if (whole := merge(found[start]))
        ]
        return {"Label": metric.name, "Datapoints": datapoints}

    async def _before(self, metric: Metric, start_s: int, end_s: int) -> Series:
        """Return what the disk has of a time that memory does not reach."""
        kept = Series(start_s, keep_s=KEPT_S)
        try:
            kept.restore(await self._keeping.minutes(metric, start_s, end_s))
        except HistoryFailed as failed:
            raise InvalidParameter("startTime", str(failed)) from failed
        return kept

    async def _kept(self) -> Sequence[Known]:
        try:
            return await self._keeping.metrics()
        except HistoryFailed:  # told when it began; what is in memory is listed
            return ()

    async def _unit_of(self, metric: Metric) -> str:
        return {one.metric: one.unit for one in await self._kept()}.get(metric, "")


def _other_units(
    data: Sequence[Datum], known: Mapping[Metric, Series]
) -> list[Problem]:
    """Return a problem for each datum in another unit than its metric is in."""
    units = {metric: series.unit for metric, series in known.items() if series.unit}
    problems = []
    for place, datum in enumerate(data):
        before = units.setdefault(datum.metric, datum.unit)
        if NO_UNIT not in {before, datum.unit} and before != datum.unit:
            message = f"{datum.metric.name} is in {before} (got {datum.unit})"
            problems.append(Problem(f"MetricData[{place}].Unit", message))
    return problems


def _windows(
    series: Series, starts: range, period_s: int, within: tuple[int, int]
) -> list[tuple[int, Distribution]]:
    """Return the samples of each period, as far as it lies `within`."""
    low, high = within
    return [
        (start, samples)
        for start in starts
        if max(start, low) < min(start + period_s, high)
        and (samples := series.window(max(start, low), min(start + period_s, high)))
    ]


def _datapoint(
    start_s: int,
    samples: Distribution,
    statistics: Sequence[Statistic | ExtendedStatistic],
    unit: str,
) -> Document:
    plain: dict[str, float | None] = {}
    extended: dict[str, float | None] = {}
    for statistic in statistics:
        where = plain if isinstance(statistic, Statistic) else extended
        where[statistic.value] = value_of(statistic, samples)
    told: dict[str, object] = {"Timestamp": iso(start_s), **plain, "Unit": unit}
    return told | ({"ExtendedStatistics": extended} if extended else {})


def _identity(metric: Metric) -> Document:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": dimensions,
    }


def _latest(series: Series | None, newest_s: int | None) -> Document:
    """Return the mean of the newest second, where it is still in memory."""
    assert newest_s is not None
    samples = series.totals(newest_s, newest_s + 1) if series else None
    mean = samples and value_of(Statistic.AVERAGE, samples)
    return {"Timestamp": iso(newest_s), "Average": mean}


def _order(metric: Metric) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return metric.namespace, metric.name, metric.dimensions


def iso(unix_s: float) -> str:
    moment = datetime.datetime.fromtimestamp(unix_s, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
