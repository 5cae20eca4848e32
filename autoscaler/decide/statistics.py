"""Distributions of samples, and CloudWatch's statistics of them.

Floor 1: pure. Count, sum, minimum and maximum are exact. Percentiles and
trimmed means need the values themselves, which a distribution keeps exactly
while they are few and in log-linear buckets, at most 1 % off, when many.

    "p99.9" --> statistic ;  statistic + distribution --> value, or None: unknown

Source: CloudWatch user guide, "CloudWatch statistics definitions"; CloudWatch
API reference, MetricDatum and StatisticSet.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from autoscaler.model import (
    ExtendedStatistic,
    Percentile,
    PercentileRank,
    Statistic,
    Trim,
    Trimmed,
)

EXACT_MAX: Final = 128
"""Different values up to which a distribution is kept as it is."""

VALUES_MAX: Final = 4096
"""Buckets up to which values are kept at all: 64 per power of two."""

LARGEST: Final = 2.0**360
"""A sample is between this and its negative, as in CloudWatch: sums are floats too."""

WHOLE: Final = 100.0
"""Percent of the samples."""

_SMALLEST: Final = 1 << 17
"""Added to buckets, so that that of the smallest number is above that of 0."""

Values = tuple[tuple[float, float], ...]
"""(value, how often), ascending by value."""


class Distribution(NamedTuple):
    """The samples of one span of time. Never empty: no samples, no distribution."""

    sample_count: float
    total: float
    minimum: float
    maximum: float
    values: Values | None = None
    """None when they are not known: a StatisticSet came without them."""

    @classmethod
    def of(cls, samples: Iterable[float]) -> Distribution:
        """Return the distribution of at least one sample."""
        ordered = sorted(samples)
        total = math.fsum(ordered)
        different = len(set(ordered)) == len(ordered)
        pairs = ((sample, 1.0) for sample in ordered)
        values = compact(tuple(pairs) if different else _combined(pairs))
        return cls(len(ordered), total, ordered[0], ordered[-1], values)

    @classmethod
    def weighted(cls, values: Iterable[tuple[float, float]]) -> Distribution:
        """Return the distribution of at least one (value, count > 0)."""
        pairs = _combined(values)
        return cls(
            math.fsum(count for _, count in pairs),
            math.fsum(value * count for value, count in pairs),
            pairs[0][0],
            pairs[-1][0],
            compact(pairs),
        )


def merge(parts: Iterable[Distribution]) -> Distribution | None:
    """Return what `parts` are together; None of none.

    The values are known when those of each part are: also of a set whose
    minimum is its maximum.
    """
    parts = tuple(parts)
    if len(parts) <= 1:
        return parts[0] if parts else None
    known = [_known_values(part) for part in parts]
    return Distribution(
        sum(part.sample_count for part in parts),
        math.fsum(part.total for part in parts),
        min(part.minimum for part in parts),
        max(part.maximum for part in parts),
        None
        if any(values is None for values in known)
        else compact(_combined(pair for values in known for pair in values or ())),
    )


def compact(pairs: Values, exact_max: int = EXACT_MAX) -> Values | None:
    """Return `pairs` in buckets if more than `exact_max`; None beyond VALUES_MAX."""
    if len(pairs) <= exact_max:
        return pairs
    bucketed = _combined((middle(bucket(value)), count) for value, count in pairs)
    return bucketed if len(bucketed) <= VALUES_MAX else None


def bucket(value: float) -> int:
    """Return the bucket of `value`: a 64th of the way to the next power of two.

    Buckets are in the order of their values; 0 is that of 0, alone.
    """
    if not value:
        return 0
    fraction, exponent = math.frexp(abs(value))
    index = exponent * 64 + int(fraction * 128) - 64 + _SMALLEST
    return index if value > 0 else -index


def middle(index: int) -> float:
    """Return the middle of a bucket, at most 0.8 % from all that is in it."""
    if not index:
        return 0.0
    exponent, place = divmod(abs(index) - _SMALLEST, 64)
    found = math.ldexp((2 * (place + 64) + 1) / 256, exponent)
    return found if index > 0 else -found


def _combined(pairs: Iterable[tuple[float, float]]) -> Values:
    counts: dict[float, float] = {}
    for value, count in pairs:
        counts[value] = counts.get(value, 0.0) + count
    return tuple(sorted(counts.items()))


def _known_values(distribution: Distribution) -> Values | None:
    if distribution.values is None and distribution.minimum == distribution.maximum:
        return ((distribution.minimum, distribution.sample_count),)
    return distribution.values


# --- reading a statistic --------------------------------------------------------


def parse_statistic(text: str) -> Statistic | ExtendedStatistic:
    """Return the statistic that `text` names.

    Raises ValueError with a sentence that says what would be right.
    """
    if text in _PLAIN:
        return _PLAIN[text]
    if text == "IQM":
        return Trimmed(text, Trim.MEAN, 25.0, 75.0, by_percent=True)
    if short := _SHORT.fullmatch(text):
        return _short(text, short[1], float(short[2]))
    if between := _BETWEEN.fullmatch(text):
        return _between(text, between[1], between[2], between[3])
    near = difflib.get_close_matches(text.lower(), _SPELLINGS, 1, 0.75)
    meant = f"; did you mean {_SPELLINGS[near[0]]}?" if near else ""
    raise ValueError(
        f"{text!r} is not a statistic: Average, Sum, Minimum, Maximum, SampleCount,"
        " p99.9, tm90, wm90, tc90, ts90, IQM, PR(low:high), or TM, WM, TC, TS with"
        f" (low:high) or (low%:high%){meant}"
    )


_PLAIN: Final = {statistic.value: statistic for statistic in Statistic}
_SPELLINGS: Final = {name.lower(): name for name in (*_PLAIN, "IQM")}
_SHORT: Final = re.compile(r"(p|tm|wm|tc|ts)(\d{1,3}(?:\.\d{1,10})?)", re.ASCII)
_BETWEEN: Final = re.compile(r"(PR|TM|WM|TC|TS)\(([^:()]*):([^:()]*)\)")
_BOUND: Final = re.compile(r"(-?\d{1,15}(?:\.\d{1,10})?)(%?)", re.ASCII)


def _short(text: str, kind: str, percent: float) -> ExtendedStatistic:
    if percent > WHOLE:
        raise ValueError(f"{text!r}: a percentage is at most 100")
    if kind == "p":
        return Percentile(text, percent)
    if percent == 0:
        raise ValueError(f"{text!r} leaves no samples: at least {kind}1")
    return Trimmed(text, Trim(kind.upper()), None, percent, by_percent=True)


def _between(text: str, kind: str, low: str, high: str) -> ExtendedStatistic:
    lower, upper = _bound(text, low), _bound(text, high)
    percents = {bound.endswith("%") for bound in (low, high) if bound}
    if not percents:
        raise ValueError(f"{text!r} has no bound: name one or both")
    if len(percents) > 1:
        raise ValueError(f"{text!r}: either both bounds are percentages or none is")
    by_percent = percents.pop()
    least, most = (0.0, WHOLE) if by_percent else (-math.inf, math.inf)
    least = least if lower is None else lower
    most = most if upper is None else upper
    if by_percent and not 0 <= min(least, most) <= max(least, most) <= WHOLE:
        raise ValueError(f"{text!r}: a percentage is between 0 and 100")
    if least >= most:
        raise ValueError(f"{text!r} leaves no samples: the lower bound comes first")
    if kind != "PR":
        return Trimmed(text, Trim(kind), lower, upper, by_percent)
    if by_percent:
        raise ValueError(f"{text!r}: a percentile rank is between values, without %")
    return PercentileRank(text, lower, upper)


def _bound(text: str, bound: str) -> float | None:
    found = _BOUND.fullmatch(bound)
    if bound and not found:
        raise ValueError(
            f"{text!r}: {bound!r} is not a bound: a number of at most 10 decimal"
            " places, or one with %"
        )
    return float(found[1]) if found else None


# --- telling a statistic --------------------------------------------------------


def needs_values(statistic: Statistic | ExtendedStatistic) -> bool:
    """Whether count, sum, minimum and maximum do not suffice to tell `statistic`."""
    return not isinstance(statistic, Statistic)


def value_of(
    statistic: Statistic | ExtendedStatistic, distribution: Distribution
) -> float | None:
    """Return the value; None when it cannot be told. Never raises.

    What needs values and has none is unknown, and so are a share of samples of
    which some are negative, as in CloudWatch, and the mean of no samples. A
    value that is in no sample is not made up: p50 of 1 and 2 is 1.
    """
    if isinstance(statistic, Statistic):
        return _plain(statistic, distribution)
    match statistic:
        case Percentile():
            return _percentile(statistic.percent, distribution)
        case PercentileRank():
            return _rank(statistic, distribution)
        case Trimmed():
            return _trimmed(statistic, distribution)


def _plain(statistic: Statistic, distribution: Distribution) -> float:
    match statistic:
        case Statistic.AVERAGE:
            return distribution.total / distribution.sample_count
        case Statistic.SAMPLE_COUNT:
            return distribution.sample_count
        case Statistic.SUM:
            return distribution.total
        case Statistic.MINIMUM:
            return distribution.minimum
        case Statistic.MAXIMUM:
            return distribution.maximum


def _percentile(percent: float, distribution: Distribution) -> float | None:
    values = _known_values(distribution)
    if values is None or distribution.minimum < 0:
        return None
    rank = round(distribution.sample_count * percent / 100, 9)
    if rank <= 1:
        return distribution.minimum
    if rank >= distribution.sample_count:
        return distribution.maximum
    if len(values) == distribution.sample_count:  # each came once
        return values[math.ceil(rank) - 1][0]
    reached = itertools.accumulate(count for _, count in values)
    found = (
        value
        for (value, _), rank_reached in zip(values, reached, strict=True)
        if rank_reached >= rank
    )
    value = next(found, distribution.maximum)
    return min(max(value, distribution.minimum), distribution.maximum)


def _rank(statistic: PercentileRank, distribution: Distribution) -> float | None:
    values = _known_values(distribution)
    if values is None:
        return None
    inside = _inside(values, statistic.lower, statistic.upper)
    return 100 * sum(count for _, count in inside) / distribution.sample_count


def _trimmed(statistic: Trimmed, distribution: Distribution) -> float | None:
    values = _known_values(distribution)
    if values is None or (statistic.by_percent and distribution.minimum < 0):
        return None
    lower, upper = statistic.lower, statistic.upper
    if statistic.trim is Trim.WINSORIZED_MEAN:
        return _winsorized(values, lower, upper, by_percent=statistic.by_percent)
    kept = _share if statistic.by_percent else _inside
    inside = tuple(kept(values, lower, upper))
    count = sum(count for _, count in inside)
    total = math.fsum(value * count for value, count in inside)
    match statistic.trim:
        case Trim.COUNT:
            return count
        case Trim.SUM:
            return total
        case Trim.MEAN:
            return total / count if count else None


def _winsorized(
    values: Values, lower: float | None, upper: float | None, *, by_percent: bool
) -> float:
    """Return the mean with what lies outside taken for the value at the bound."""
    if by_percent:
        kept = tuple(_share(values, lower, upper))
        lower, upper = kept[0][0], kept[-1][0]
    least = -math.inf if lower is None else lower
    most = math.inf if upper is None else upper
    total = math.fsum(min(max(value, least), most) * count for value, count in values)
    return total / sum(count for _, count in values)


def _inside(
    values: Values, lower: float | None, upper: float | None
) -> Iterator[tuple[float, float]]:
    least = -math.inf if lower is None else lower
    most = math.inf if upper is None else upper
    return ((value, count) for value, count in values if least < value <= most)


def _share(
    values: Values, lower: float | None, upper: float | None
) -> Iterator[tuple[float, float]]:
    """Yield the samples left when whole ones are cut off both ends.

    Of ten, 10 % are one, and of nine none: as many as lie wholly outside.
    """
    samples = sum(count for _, count in values)
    first = math.floor(round(samples * (lower or 0.0) / 100, 9))
    above = 0.0 if upper is None else 100 - upper
    last = samples - math.floor(round(samples * above / 100, 9))
    seen = 0.0
    for value, count in values:
        kept = min(seen + count, last) - max(seen, first)
        seen += count
        if kept > 0:
            yield value, kept
