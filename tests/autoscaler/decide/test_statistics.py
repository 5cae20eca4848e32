"""Statistics, as CloudWatch defines them, and distributions that keep their values."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.statistics import (
    EXACT_MAX,
    VALUES_MAX,
    Distribution,
    bucket,
    compact,
    merge,
    middle,
    needs_values,
    parse_statistic,
    value_of,
)
from autoscaler.model import Percentile, Statistic

TEN = Distribution.of([10.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])

# fmt: off
OF_TEN = [  # of the samples 1 to 10
    ("SampleCount",   10.0, "how many there are"),
    ("Sum",           55.0, "all together"),
    ("Average",        5.5, "the sum over the count"),
    ("Minimum",        1.0, "the least"),
    ("Maximum",       10.0, "the most"),
    ("p0",             1.0, "nothing is below the least"),
    ("p10",            1.0, "one of ten"),
    ("p10.1",          2.0, "one of ten is not enough"),
    ("p50",            5.0, "half of them; never a value that was not measured"),
    ("p90",            9.0, "nine of ten"),
    ("p99.9",         10.0, "as good as all"),
    ("p100",          10.0, "all"),
    ("tm90",           5.0, "without the highest one"),
    ("tm100",          5.5, "without none"),
    ("tm95",           5.5, "half a sample is not cut off"),
    ("TM(10%:90%)",    5.5, "without the highest and the lowest"),
    ("TM(80%:)",       9.5, "the two highest"),
    ("TM(:20%)",       1.5, "the two lowest"),
    ("TM(2:4)",        3.5, "a value on the lower bound is out, on the upper in"),
    ("TM(:4)",         2.5, "without a lower bound"),
    ("TM(4:)",         7.5, "without an upper one"),
    ("IQM",            5.5, "the middle half, two cut off at either end"),
    ("wm90",           5.4, "ten counts as nine"),
    ("WM(20%:80%)",    5.5, "two at either end count as their neighbours"),
    ("WM(4:6)",        5.1, "what is outside counts as the bound"),
    ("PR(:3)",        30.0, "three of ten are at most three"),
    ("PR(3:5)",       20.0, "the lower bound is out, the upper in"),
    ("PR(9.5:)",      10.0, "one is above"),
    ("PR(20:30)",      0.0, "none is there"),
    ("tc90",           9.0, "nine are left"),
    ("TC(2:4)",        2.0, "three and four"),
    ("TC(20:30)",      0.0, "none is there"),
    ("ts90",          45.0, "without the highest one"),
    ("TS(80%:)",      19.0, "the two highest"),
    ("TS(20:30)",      0.0, "none is there"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "expected"),
    [row[:-1] for row in OF_TEN],
    ids=[f"{row[0]}: {row[-1]}" for row in OF_TEN],
)
def test_a_statistic_of_ten_samples(text: str, expected: float) -> None:
    statistic = parse_statistic(text)

    assert expected == pytest.approx(value_of(statistic, TEN))
    assert statistic.value == text


# fmt: off
UNKNOWN = [
    ("p50",         Distribution(2, 3.0, 1.0, 2.0), "a set tells no values"),
    ("IQM",         Distribution(2, 3.0, 1.0, 2.0), "nor a trimmed mean"),
    ("PR(:1)",      Distribution(2, 3.0, 1.0, 2.0), "nor a rank"),
    ("p50",         Distribution.of([-1.0, 1.0]),   "no percentile with negatives"),
    ("TM(5%:95%)",  Distribution.of([-1.0, 1.0]),   "nor a share of them"),
    ("TM(5:10)",    Distribution.of([1.0, 20.0]),            "the mean of nothing"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "distribution"),
    [row[:-1] for row in UNKNOWN],
    ids=[row[-1] for row in UNKNOWN],
)
def test_what_cannot_be_told_is_unknown(text: str, distribution: Distribution) -> None:
    assert value_of(parse_statistic(text), distribution) is None


def test_a_set_of_equal_samples_tells_its_values() -> None:
    equal = Distribution(3, 6.0, 2.0, 2.0)

    assert value_of(parse_statistic("p50"), equal) == 2.0
    assert value_of(parse_statistic("TM(1:3)"), equal) == 2.0
    assert Distribution(4, 7.0, 1.0, 2.0, ((1.0, 1.0), (2.0, 3.0))) == merge(
        [equal, Distribution.of([1.0])]
    )


def test_bounds_that_are_values_hold_for_negative_samples_too() -> None:
    mixed = Distribution.of([-2.0, -1.0, 3.0])

    assert value_of(parse_statistic("TM(-2:0)"), mixed) == -1.0
    assert value_of(parse_statistic("WM(-1:1)"), mixed) == pytest.approx(-1 / 3)


MISTAKES = [
    ("average", "did you mean Average?"),
    ("Averge", "did you mean Average?"),
    ("iqm", "did you mean IQM?"),
    ("p", "is not a statistic: Average, Sum,"),
    ("p-1", "is not a statistic"),
    ("p99.12345678901", "is not a statistic"),
    ("p101", "'p101': a percentage is at most 100"),
    ("tm0", "'tm0' leaves no samples: at least tm1"),
    ("TM(:)", "'TM(:)' has no bound: name one or both"),
    ("TM(10%:90)", "either both bounds are percentages or none is"),
    ("TM(10%:101%)", "a percentage is between 0 and 100"),
    ("TM(-1%:10%)", "a percentage is between 0 and 100"),
    ("TM(90%:10%)", "leaves no samples: the lower bound comes first"),
    ("TM(100%:)", "leaves no samples"),
    ("TM(:0%)", "leaves no samples"),
    ("TM(5:5)", "leaves no samples"),
    ("TM(a:5)", "'a' is not a bound"),
    ("PR(10%:90%)", "a percentile rank is between values, without %"),
]


@pytest.mark.parametrize(("text", "told"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_what_is_no_statistic_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_statistic(text)


def test_plain_statistics_need_no_values() -> None:
    assert {statistic for statistic in Statistic if needs_values(statistic)} == set()
    assert needs_values(Percentile("p50", 50.0))


amounts = st.floats(1e-9, 1e9)


@given(amounts)
def test_a_bucket_is_within_a_hundredth_and_its_own(value: float) -> None:
    assert abs(middle(bucket(value)) - value) <= value / 100
    assert bucket(value) == bucket(middle(bucket(value))) == -bucket(-value) > 0
    assert middle(-bucket(value)) == -middle(bucket(value))


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e300, 1e300))
def test_buckets_are_in_the_order_of_their_values(one: float, other: float) -> None:
    assert (bucket(one) <= bucket(other)) or one > other


def test_zero_is_its_own_bucket() -> None:
    assert (bucket(0.0), middle(0)) == (0, 0.0)
    assert bucket(5e-324) > 0


def test_many_values_are_kept_in_buckets_and_too_many_not_at_all() -> None:
    few = tuple((float(n), 1.0) for n in range(EXACT_MAX))
    many = tuple((float(n), 1.0) for n in range(EXACT_MAX * 8))
    scattered = tuple(
        (2.0**n * (1 + k / 64), 1.0) for n in range(65) for k in range(64)
    )

    kept = compact(many)

    assert few == compact(few)
    assert kept is not None
    assert len(kept) < len(many)
    assert len(many) == sum(count for _, count in kept)
    assert len(scattered) > VALUES_MAX
    assert compact(scattered) is None


@given(st.lists(amounts, min_size=1, max_size=400), st.floats(0, 100))
def test_a_percentile_is_within_a_hundredth_of_a_sample_of_its_rank(
    samples: list[float], percent: float
) -> None:
    found = value_of(Percentile("", percent), Distribution.of(samples))

    rank = max(math.ceil(round(len(samples) * percent / 100, 9)), 1)
    exact = sorted(samples)[rank - 1]
    assert exact == pytest.approx(found, rel=0.01)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), max_size=9))
def test_merged_parts_are_the_whole(parts: list[list[float]]) -> None:
    merged = merge(map(Distribution.of, parts))

    samples = [sample for part in parts for sample in part]
    if not samples:
        assert merged is None
        return
    assert merged is not None
    whole = Distribution.of(samples)
    assert whole.total == pytest.approx(merged.total, abs=1e-6)
    assert (whole.sample_count, whole.minimum, whole.maximum, whole.values) == (
        merged.sample_count,
        merged.minimum,
        merged.maximum,
        merged.values,
    )
