"""Numbers and series as metric math reckons with them: missing stays missing. Floor 1.

A series has one value or None for each period of one grid, oldest first. What
cannot be reckoned (division by zero, the logarithm of nothing, a number beyond a
float) is no value either: CloudWatch shows no datapoint there.

Source: CloudWatch user guide, "Metric math syntax and functions".
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Number = float | None
Series = tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Several:
    """An array of series, as METRICS() and ``[a, b]`` make it."""

    of: tuple[Series, ...]


Value = float | None | Series | Several


@dataclass(frozen=True, slots=True)
class Grid:
    """The periods that a series has values for; unix seconds."""

    start_s: int
    period_s: int
    count: int

    @property
    def starts(self) -> range:
        end = self.start_s + self.count * self.period_s
        return range(self.start_s, end, self.period_s)

    @property
    def end_s(self) -> int:
        return self.start_s + self.count * self.period_s


def lifted(reckon: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Return ``reckon(left, right)`` for each period; a number counts for all.

    An array reckons with a number or a series, each of its series by itself.
    """
    match left, right:
        case Several(of=inner), _:
            return Several(tuple(_series(lifted(reckon, one, right)) for one in inner))
        case _, Several(of=inner):
            return Several(tuple(_series(lifted(reckon, left, one)) for one in inner))
        case tuple(), tuple():
            pairs = zip(left, right, strict=True)
            return tuple(_number(reckon, first, second) for first, second in pairs)
        case tuple(), (float() | None) as number:
            return tuple(_number(reckon, one, number) for one in left)
        case (float() | None) as number, tuple():
            return tuple(_number(reckon, number, one) for one in right)
        case _:
            return _number(reckon, _scalar(left), _scalar(right))


def mapped(reckon: Callable[[float], float], value: Value) -> Value:
    """Return ``reckon(value)`` for each value there is."""
    return lifted(lambda one, _: reckon(one), value, 0.0)


def over_each(reckon: Callable[[Series], Series], value: Value) -> Value:
    """Return what `reckon` makes of a series, or of each of an array."""
    if isinstance(value, Several):
        return Several(tuple(reckon(one) for one in value.of))
    return reckon(_series(value))


def aggregated(
    reckon: Callable[[Sequence[float]], float], value: Value, grid: Grid
) -> Value:
    """Return one number of a series, or one series of an array: period by period.

    Only the values that are there count; without any there is none. An array of
    no series is a series without values.
    """
    if isinstance(value, Several):
        if not value.of:
            return (None,) * grid.count
        columns = zip(*value.of, strict=True)
        return tuple(_of_present(reckon, column) for column in columns)
    return _of_present(reckon, _series(value))


def _of_present(reckon: Callable[[Sequence[float]], float], values: Series) -> Number:
    present = [value for value in values if value is not None]
    try:
        return _finite(reckon(present)) if present else None
    except ArithmeticError:
        return None


def spread(value: Value, grid: Grid) -> Series:
    """Return a number as a series of it; a series as it is."""
    if isinstance(value, tuple):
        return value
    assert not isinstance(value, Several), "checked when the expression was"
    return (value,) * grid.count


def _scalar(value: Value) -> Number:
    assert value is None or isinstance(value, float), "all else was matched"
    return value


def _series(value: Value) -> Series:
    assert isinstance(value, tuple), "checked when the expression was"
    return value


def _number(
    reckon: Callable[[float, float], float], left: Number, right: Number
) -> Number:
    if left is None or right is None:
        return None
    try:
        return _finite(reckon(left, right))
    except (ArithmeticError, ValueError):
        return None


def _finite(value: float) -> Number:
    """Return a float also of an int, as MAX of counts and CEIL give one."""
    return float(value) if math.isfinite(value) else None


def _truth(compare: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda left, right: float(compare(left, right))


OPERATORS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": math.pow,
    "<": _truth(operator.lt),
    "<=": _truth(operator.le),
    ">": _truth(operator.gt),
    ">=": _truth(operator.ge),
    "==": _truth(operator.eq),
    "!=": _truth(operator.ne),
    "AND": _truth(lambda left, right: bool(left) and bool(right)),
    "OR": _truth(lambda left, right: bool(left) or bool(right)),
}
"""What is true is 1, what is false 0, as in CloudWatch."""
