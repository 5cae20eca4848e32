"""The shape of a load: requests per second over time, and when each one is sent.

Pure. A shape is written before the run, and so is every arrival in it: nothing
here can see a response, which is what keeps the generator open-loop.

    20x10s,20-120x20s,120x30s      a level, a ramp, a level
    constant:200                   one level, as long as --duration says

Counts are exact: a shape whose area is 200 requests has 200 even arrivals.
Absent: clocks and randomness; `poisson` takes the numbers that were drawn.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

CONSTANT: Final = "constant:"
RATE_MAX: Final = 1_000_000
DURATION_MAX_S: Final = 7 * 24 * 3600

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_UNIT: Final = re.compile(r"[a-z]*")
_SECONDS: Final = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}


class ShapeInvalid(ValueError):
    """A shape that cannot be read. `column` counts from 1."""

    def __init__(self, text: str, column: int, reason: str) -> None:
        super().__init__(text, column, reason)
        self.text = text
        self.column = column
        self.reason = reason

    def __str__(self) -> str:
        return f"shape {self.text!r}, column {self.column}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A rate that goes in a straight line from `first` to `last` (per second)."""

    first: Fraction
    last: Fraction
    duration_s: Fraction

    @property
    def area(self) -> Fraction:
        """How many requests the segment is worth; not always a whole number."""
        return (self.first + self.last) / 2 * self.duration_s

    def time_of(self, requests: float) -> float:
        """Seconds into the segment at which its area has grown to `requests`.

        The quadratic is solved in the form that stays exact for level segments
        and does not cancel for almost level ones.
        """
        first, duration_s = float(self.first), float(self.duration_s)
        slope = (float(self.last) - first) / duration_s
        root = math.sqrt(max(0.0, first * first + 2 * slope * requests))
        if first + root == 0:
            return 0.0
        return min(duration_s, 2 * requests / (first + root))


@dataclass(frozen=True, slots=True)
class Shape:
    """Segments one after the other. Never empty; each lasts longer than nothing."""

    segments: tuple[Segment, ...]

    @property
    def duration_s(self) -> float:
        return float(sum(segment.duration_s for segment in self.segments))

    @property
    def requests(self) -> int:
        """How many even arrivals the shape has: its area, halves rounded down."""
        area = sum((segment.area for segment in self.segments), Fraction(0))
        return math.ceil(area - Fraction(1, 2))

    def rate_at(self, at_s: float) -> float:
        """The rate `at_s` seconds after the start; 0 outside of the shape."""
        left = at_s
        for segment in self.segments:
            duration_s = float(segment.duration_s)
            if 0 <= left < duration_s:
                first, last = float(segment.first), float(segment.last)
                return first + (last - first) * left / duration_s
            left -= duration_s
        return 0.0


def parse_shape(text: str) -> Shape:
    """Read `RATE[-RATE]xDURATION,...`. Raises ShapeInvalid naming the column."""
    segments = []
    start = 0
    for part in text.split(","):
        segments.append(_Reader(text, start, start + len(part)).segment())
        start += len(part) + 1
    return Shape(tuple(segments))


def constant(rate_text: str, duration_s: float) -> Shape:
    """Read what follows `constant:`. Raises ShapeInvalid naming the column."""
    text = CONSTANT + rate_text
    reader = _Reader(text, len(CONSTANT), len(text))
    rate = reader.rate()
    reader.end()
    if not 0 < duration_s <= DURATION_MAX_S:
        raise ShapeInvalid(text, 1, f"a duration of {duration_s:g} s is not possible")
    return Shape((Segment(rate, rate, Fraction(duration_s)),))


def parse_duration(text: str) -> float:
    """Read `1.5`, `500ms`, `10s`, `2m` or `1h` as seconds. Raises ShapeInvalid."""
    reader = _Reader(text, 0, len(text))
    duration_s = reader.duration()
    reader.end()
    return float(duration_s)


class _Reader:
    """Reads one part of a shape and knows the column of what it cannot read."""

    def __init__(self, text: str, position: int, end: int) -> None:
        self._text = text
        self._position = position
        self._end = end

    def segment(self) -> Segment:
        if self._position == self._end:
            raise self._invalid("a segment is missing, such as 20x10s or 20-120x20s")
        first = last = self.rate()
        if self._take("-"):
            last = self.rate()
        if not self._take("x"):
            raise self._invalid('expected "x" and a duration, as in 20x10s')
        duration_s = self.duration()
        self.end()
        return Segment(first, last, duration_s)

    def rate(self) -> Fraction:
        at = self._position
        rate = self._number("a rate (requests per second)")
        if rate > RATE_MAX:
            raise self._invalid(f"a rate is at most {RATE_MAX}", at)
        return rate

    def duration(self) -> Fraction:
        at = self._position
        number = self._number("a duration")
        unit_at = self._position
        unit = self._match(_UNIT) or ""
        if unit not in _SECONDS:
            known = ", ".join(name for name in _SECONDS if name)
            raise self._invalid(f"{unit!r} is not a unit of time ({known})", unit_at)
        duration_s = number * _SECONDS[unit]
        if duration_s == 0:
            raise self._invalid("a duration is longer than 0", at)
        if duration_s > DURATION_MAX_S:
            raise self._invalid("a duration is at most a week", at)
        return duration_s

    def end(self) -> None:
        if self._position != self._end:
            rest = self._text[self._position : self._end]
            raise self._invalid(f"{rest!r} is not expected here")

    def _number(self, meaning: str) -> Fraction:
        digits = self._match(_NUMBER)
        if digits is None:
            raise self._invalid(f"expected {meaning}")
        return Fraction(digits)

    def _take(self, letter: str) -> bool:
        return self._match(re.compile(re.escape(letter))) is not None

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._position, self._end)
        if found is None:
            return None
        self._position = found.end()
        return found.group()

    def _invalid(self, reason: str, position: int | None = None) -> ShapeInvalid:
        at = self._position if position is None else position
        return ShapeInvalid(self._text, at + 1, reason)


def even(shape: Shape) -> Iterator[float]:
    """Yield the arrival times, in seconds from the start, each in the middle of
    its request's worth of area: exactly `shape.requests` of them."""
    half = Fraction(1, 2)
    return _times(shape, (float(half + n) for n in range(shape.requests)))


def poisson(shape: Shape, draw: Callable[[], float]) -> Iterator[float]:
    """Yield the arrival times of a Poisson process with the rate of `shape`.

    `draw` returns uniform numbers in [0, 1). Unit-rate arrivals are stretched
    by the inverse of the shape's area, so the count varies from seed to seed.
    """

    def unit_rate() -> Iterator[float]:
        reached = 0.0
        while True:
            reached -= math.log(1.0 - draw())
            yield reached

    return _times(shape, unit_rate())


def _times(shape: Shape, marks: Iterator[float]) -> Iterator[float]:
    """Yield the time at which the area of `shape` reaches each of `marks`."""
    mark = next(marks, None)
    start_s, area = Fraction(0), Fraction(0)
    for segment in shape.segments:
        end = area + segment.area
        base, offset_s = float(area), float(start_s)
        while mark is not None and mark <= end:
            yield offset_s + segment.time_of(mark - base)
            mark = next(marks, None)
        start_s, area = start_s + segment.duration_s, end
