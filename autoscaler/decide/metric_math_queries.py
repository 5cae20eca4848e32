"""Metric math as an alarm has it: lines that name each other by id. Floor 1.

    check: every flaw of an alarm's queries, with its query and column
    returned: the series of the one query that returns the data

Source: CloudWatch API reference, MetricDataQuery, PutMetricAlarm (Metrics).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from autoscaler.decide.metric_math import names_in, parse
from autoscaler.decide.metric_math_functions import Kind, World
from autoscaler.decide.metric_math_meaning import kind_of, value_of
from autoscaler.decide.metric_math_values import Grid, Series, Value, spread
from autoscaler.decide.statistics import Distribution
from autoscaler.decide.statistics import value_of as statistic_of
from autoscaler.model import ExtendedStatistic, Metric, MetricQuery, Statistic
from foundation.tokens import Unreadable

QUERIES_MAX: Final = 10
"""Metrics and expressions together, of one alarm."""

Window = Callable[[int, int], Distribution | None]
"""(start, end) in unix seconds, end excluded -> the samples between, if any."""

Measured = Callable[[Metric, Statistic | ExtendedStatistic], Window]
"""Where a metric's samples are; with their values where the statistic needs them."""


class Flaw(NamedTuple):
    """What is wrong with the query of that place; `column` of its expression, or 0."""

    place: int
    message: str
    column: int = 0


def check(queries: Sequence[MetricQuery]) -> Iterator[Flaw]:
    """Yield what keeps `queries` from being evaluated; nothing when all is well."""
    kinds = {query.id: Kind.SERIES for query in queries if query.metric is not None}
    if not kinds:
        yield Flaw(0, "at least one must be a metric (metricStat)")
    waiting = {
        place: query for place, query in enumerate(queries) if query.metric is None
    }
    known = {query.id for query in queries}
    while waiting:
        ready = [
            place
            for place, query in waiting.items()
            if kinds.keys() >= _named(query) & known
        ]
        for place in ready or waiting:
            query = waiting[place]
            if not ready:
                others = sorted(_named(query) - kinds.keys())
                yield Flaw(place, f"goes round in a circle: {', '.join(others)}")
                continue
            try:
                kinds[query.id] = kind_of(parse(query.expression), kinds)
            except Unreadable as invalid:
                yield Flaw(place, invalid.message, invalid.column)
                kinds[query.id] = Kind.SERIES  # told once, not by all who name it
        waiting = {place: waiting[place] for place in waiting if place not in ready}
        if not ready:
            return
    yield from _flaws_of_returned(queries, kinds)


def _flaws_of_returned(
    queries: Sequence[MetricQuery], kinds: dict[str, Kind]
) -> Iterator[Flaw]:
    chosen = [place for place, query in enumerate(queries) if query.return_data]
    if len(chosen) != 1:
        ids = ", ".join(queries[place].id for place in chosen) or "none does"
        yield Flaw(0, f"exactly one must have returnData: true (got {ids})")
        return
    kind = kinds[queries[chosen[0]].id]
    if kind is not Kind.SERIES:
        how = "TIME_SERIES(…)" if kind is Kind.NUMBER else "SUM(…) or FIRST(…)"
        message = f"an alarm watches one time series, this is {kind.value}: {how}"
        yield Flaw(chosen[0], message, 1)


def _named(query: MetricQuery) -> set[str]:
    try:
        return {name.id for name in names_in(parse(query.expression))}
    except Unreadable:
        return set()


def returned(queries: Sequence[MetricQuery], grid: Grid, measured: Measured) -> Series:
    """Return the series that the returning query makes of what was measured.

    Never raises for queries that `check` has nothing against.
    """
    metrics = tuple(query.id for query in queries if query.metric is not None)
    by_id = {query.id: query for query in queries}
    values: dict[str, Value] = {
        name: _measured_series(by_id[name], grid, measured) for name in metrics
    }

    def reckon(query: MetricQuery) -> Value:
        expression = parse(query.expression)
        for name in names_in(expression):
            if name.id not in values:
                values[name.id] = reckon(by_id[name.id])
        return value_of(expression, World(grid, values, metrics))

    chosen = next(query for query in queries if query.return_data)
    if chosen.id not in values:
        values[chosen.id] = reckon(chosen)
    return spread(values[chosen.id], grid)


def _measured_series(query: MetricQuery, grid: Grid, measured: Measured) -> Series:
    assert query.metric is not None
    statistic = query.statistic
    window = measured(query.metric, statistic)
    windows = (window(start, start + grid.period_s) for start in grid.starts)
    return tuple(
        statistic_of(statistic, samples) if samples else None for samples in windows
    )
