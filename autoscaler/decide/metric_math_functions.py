"""Metric math's functions: what each takes, what it gives, and what it does. Floor 1.

Absent: how expressions call them (`metric_math_meaning`); SEARCH, anomaly detection,
and functions that ask other services.

Source: CloudWatch user guide, "Metric math syntax and functions".
"""

from __future__ import annotations

import datetime
import enum
import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from autoscaler.decide.metric_math_values import (
    Grid,
    Series,
    Several,
    Value,
    aggregated,
    mapped,
    over_each,
    spread,
)


class Kind(enum.Enum):
    NUMBER = "a number"
    SERIES = "a time series"
    ARRAY = "an array of time series"
    WORD = "a word"
    TEXT = "a quoted text"


ONE: Final = frozenset({Kind.SERIES})
_NUMBER: Final = frozenset({Kind.NUMBER})
_SCALAR_OR_SERIES: Final = frozenset({Kind.NUMBER, Kind.SERIES})
_SERIES: Final = frozenset({Kind.SERIES, Kind.ARRAY})
_ANY: Final = frozenset({Kind.NUMBER, Kind.SERIES, Kind.ARRAY})
_ARRAY: Final = frozenset({Kind.ARRAY})
_WORD: Final = frozenset({Kind.WORD})
_TEXT: Final = frozenset({Kind.TEXT})


@dataclass(frozen=True, slots=True)
class World:
    """What an expression is reckoned over. Ids of metrics are in their order."""

    grid: Grid
    values: Mapping[str, Value]
    metrics: tuple[str, ...]


Argument = Value | str
"""Words and quoted texts stay as they are; what was left out is None."""


class Function(NamedTuple):
    """`takes` are the kinds of each argument; the last `optional` may be left out."""

    takes: tuple[frozenset[Kind], ...]
    gives: Callable[[Sequence[Kind]], Kind]
    does: Callable[[Sequence[Argument], World], Value]
    optional: int = 0
    words: Mapping[int, tuple[str, ...]] = {}
    """What the word at a place may be."""


# --- what functions do ------------------------------------------------------------


def _value(argument: Argument) -> Value:
    assert not isinstance(argument, str), "checked when the expression was"
    return argument


def _array(argument: Argument) -> tuple[Series, ...]:
    assert isinstance(argument, Several), "checked when the expression was"
    return argument.of


def _whole(argument: Argument, otherwise: int) -> int:
    return int(argument) if isinstance(argument, int | float) else otherwise


def _with_previous(
    reckon: Callable[[float, float, float], float], period_s: int
) -> Callable[[Series], Series]:
    """Reckon with each value, the one before it, and the seconds between them."""

    def reckoned(series: Series) -> Series:
        found: list[float | None] = []
        before: tuple[int, float] | None = None
        for place, value in enumerate(series):
            if value is None:
                found.append(None)
                continue
            if before is None:
                found.append(None)
            else:
                seconds = float((place - before[0]) * period_s)
                found.append(reckon(value, before[1], seconds))
            before = place, value
        return tuple(found)

    return reckoned


def _running_sum(series: Series) -> Series:
    sums = itertools.accumulate(value or 0.0 for value in series)
    return tuple(
        None if value is None else total
        for value, total in zip(series, sums, strict=True)
    )


def _repeated(series: Series) -> Series:
    """Fill each gap with the value before it; before the first there is none."""
    return tuple(
        itertools.accumulate(
            series, lambda before, value: before if value is None else value
        )
    )


def _interpolated(series: Series) -> Series:
    """Fill the gaps between two values along the line through both."""
    known = [place for place, value in enumerate(series) if value is not None]
    filled = list(series)
    for first, last in itertools.pairwise(known):
        low, high = series[first], series[last]
        assert low is not None
        assert high is not None
        step = (high - low) / (last - first)
        for place in range(first + 1, last):
            filled[place] = low + step * (place - first)
    return tuple(filled)


def _fill(arguments: Sequence[Argument], world: World) -> Value:
    value, by = _value(arguments[0]), arguments[1]
    if by == "REPEAT":
        return over_each(_repeated, value)
    if by == "LINEAR":
        return over_each(_interpolated, value)
    stand_in = spread(_value(by), world.grid)

    def filled(series: Series) -> Series:
        pairs = zip(series, stand_in, strict=True)
        return tuple(other if one is None else one for one, other in pairs)

    return over_each(filled, value)


def _if(arguments: Sequence[Argument], world: World) -> Value:
    """Choose period by period; of two arrays, pair by pair."""
    condition, yes, no = (_value(argument) for argument in arguments)
    arrays = [value.of for value in (yes, no) if isinstance(value, Several)]
    if not arrays:
        return _chosen(condition, yes, no, world.grid)
    width = min(map(len, arrays))
    branches = (
        value.of if isinstance(value, Several) else (value,) * width
        for value in (yes, no)
    )
    pairs = zip(*branches, strict=False)
    chosen = (_chosen(condition, one, other, world.grid) for one, other in pairs)
    return Several(tuple(spread(value, world.grid) for value in chosen))


def _chosen(condition: Value, yes: Value, no: Value, grid: Grid) -> Value:
    """Where the condition is missing there is nothing; where `no` is, neither."""
    if not any(isinstance(value, tuple) for value in (condition, yes, no)):
        return None if condition is None else (yes if condition else no)
    columns = (spread(value, grid) for value in (condition, yes, no))
    return tuple(
        None if test is None else (then if test else otherwise)
        for test, then, otherwise in zip(*columns, strict=True)
    )


def _metrics(arguments: Sequence[Argument], world: World) -> Value:
    part = str(arguments[0] or "")
    chosen = (world.values[name] for name in world.metrics if part in name)
    return Several(tuple(spread(value, world.grid) for value in chosen))


_AGGREGATES: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "AVG": statistics.fmean,
    "DATAPOINT_COUNT": lambda values: float(len(values)),
    "MAX": max,
    "MIN": min,
    "STDDEV": statistics.pstdev,
    "SUM": math.fsum,
}
_SORTED_BY: Final = ("AVG", "MAX", "MIN", "SUM")
_ORDERS: Final = ("ASC", "DESC")


def _sort(arguments: Sequence[Argument], world: World) -> Value:
    """Series without any value come last, whatever the order."""
    of = _AGGREGATES[str(arguments[1])]
    descending = arguments[2] == "DESC"

    def place(series: Series) -> tuple[bool, float]:
        value = aggregated(of, series, world.grid)
        if not isinstance(value, float | int):
            return True, 0.0
        return False, -value if descending else value

    ordered = tuple(sorted(_array(arguments[0]), key=place))
    return Several(ordered[: _whole(arguments[3], len(ordered))])


def _slice(arguments: Sequence[Argument], world: World) -> Value:
    found = _array(arguments[0])
    begin, end = _whole(arguments[1], 0), _whole(arguments[2], len(found))
    return Several(found[begin:end])


def _at_end(place: int) -> Callable[[Sequence[Argument], World], Value]:
    def chosen(arguments: Sequence[Argument], world: World) -> Value:
        found = _array(arguments[0])
        return found[place] if found else (None,) * world.grid.count

    return chosen


def _of_time(
    part: Callable[[datetime.datetime], float],
) -> Callable[[Sequence[Argument], World], Value]:
    """One value for each period, whether there is a datapoint or not; UTC."""

    def told(arguments: Sequence[Argument], world: World) -> Value:
        moments = (
            datetime.datetime.fromtimestamp(start, datetime.UTC)
            for start in world.grid.starts
        )
        return tuple(float(part(moment)) for moment in moments)

    return told


def _previous(
    reckon: Callable[[float, float, float], float],
) -> Callable[[Sequence[Argument], World], Value]:
    def done(arguments: Sequence[Argument], world: World) -> Value:
        step = _with_previous(reckon, world.grid.period_s)
        return over_each(step, _value(arguments[0]))

    return done


def _mapping(
    reckon: Callable[[float], float],
) -> Callable[[Sequence[Argument], World], Value]:
    return lambda arguments, world: mapped(reckon, _value(arguments[0]))


def _aggregate(
    reckon: Callable[[Sequence[float]], float],
) -> Callable[[Sequence[Argument], World], Value]:
    return lambda arguments, world: aggregated(reckon, _value(arguments[0]), world.grid)


# --- what functions take and give ---------------------------------------------------


def _same(kinds: Sequence[Kind]) -> Kind:
    return kinds[0]


def _fewer(kinds: Sequence[Kind]) -> Kind:
    return Kind.SERIES if kinds[0] is Kind.ARRAY else Kind.NUMBER


def _always(kind: Kind) -> Callable[[Sequence[Kind]], Kind]:
    return lambda kinds: kind


def widest(kinds: Sequence[Kind]) -> Kind:
    return next(
        kind for kind in (Kind.ARRAY, Kind.SERIES, Kind.NUMBER) if kind in kinds
    )


_MAPPINGS: Final[Mapping[str, Callable[[float], float]]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}
_PREVIOUS: Final[Mapping[str, Callable[[float, float, float], float]]] = {
    "DIFF": lambda value, before, seconds: value - before,
    "DIFF_TIME": lambda value, before, seconds: seconds,
    "RATE": lambda value, before, seconds: (value - before) / seconds,
}
_TIMES: Final[Mapping[str, Callable[[datetime.datetime], float]]] = {
    "MINUTE": lambda moment: moment.minute,
    "HOUR": lambda moment: moment.hour,
    "DAY": lambda moment: moment.isoweekday(),
    "DATE": lambda moment: moment.day,
    "MONTH": lambda moment: moment.month,
    "YEAR": lambda moment: moment.year,
    "EPOCH": lambda moment: moment.timestamp(),
}

FUNCTIONS: Final[Mapping[str, Function]] = {
    **{
        name: Function((_ANY,), _same, _mapping(reckon))
        for name, reckon in _MAPPINGS.items()
    },
    **{
        name: Function((_SERIES,), _fewer, _aggregate(reckon))
        for name, reckon in _AGGREGATES.items()
    },
    **{
        name: Function((_SERIES,), _same, _previous(reckon))
        for name, reckon in _PREVIOUS.items()
    },
    **{name: Function((ONE,), _same, _of_time(part)) for name, part in _TIMES.items()},
    "FILL": Function(
        (_SERIES, _SCALAR_OR_SERIES | _WORD),
        _same,
        _fill,
        words={1: ("REPEAT", "LINEAR")},
    ),
    "FIRST": Function((_ARRAY,), _always(Kind.SERIES), _at_end(0)),
    "IF": Function((_SCALAR_OR_SERIES, _ANY, _ANY), widest, _if, optional=1),
    "LAST": Function((_ARRAY,), _always(Kind.SERIES), _at_end(-1)),
    "METRICS": Function((_TEXT,), _always(Kind.ARRAY), _metrics, optional=1),
    "PERIOD": Function(
        (ONE,),
        _always(Kind.NUMBER),
        lambda arguments, world: float(world.grid.period_s),
    ),
    "RUNNING_SUM": Function(
        (_SERIES,),
        _same,
        lambda arguments, world: over_each(_running_sum, _value(arguments[0])),
    ),
    "SLICE": Function(
        (_ARRAY, _NUMBER, _NUMBER), _always(Kind.ARRAY), _slice, optional=1
    ),
    "SORT": Function(
        (_ARRAY, _WORD, _WORD, _NUMBER),
        _always(Kind.ARRAY),
        _sort,
        optional=2,
        words={1: _SORTED_BY, 2: _ORDERS},
    ),
    "TIME_SERIES": Function(
        (_NUMBER,),
        _always(Kind.SERIES),
        lambda arguments, world: spread(_value(arguments[0]), world.grid),
    ),
}
