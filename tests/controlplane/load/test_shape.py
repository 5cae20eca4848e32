"""A shape says when every request is sent, exactly, before the first is."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.load.shape import (
    ShapeInvalid,
    constant,
    even,
    parse_duration,
    parse_shape,
    poisson,
)

# fmt: off
COUNTS = [
    ("20x10s",                               200, 10,  "a level is rate times time"),
    ("20x10s,20-120x20s,120x30s,120-20x10s", 5900, 70, "a ramp is worth its middle"),
    ("0-10x2s",                              10,  2,   "a ramp may begin at nothing"),
    ("10-0x2s",                              10,  2,   "and end there"),
    ("10x500ms,2x1m",                        125, 60.5, "durations have units"),
    ("10x1.5",                               15,  1.5, "which are seconds unless said"),
    ("0x5s",                                 0,   5,   "silence is a shape"),
    ("0.1x5s",                               0,   5,   "half a request is none"),
    ("0.1x6s",                               1,   6,   "more than half is one"),
]
INVALID = [
    ("",               1,  "a segment is missing, such as 20x10s or 20-120x20s"),
    ("20x10s,",        8,  "a segment is missing, such as 20x10s or 20-120x20s"),
    ("20",             3,  'expected "x" and a duration, as in 20x10s'),
    ("fast",           1,  "expected a rate (requests per second)"),
    ("20-x10s",        4,  "expected a rate (requests per second)"),
    ("-5x10s",         1,  "expected a rate (requests per second)"),
    ("20x",            4,  "expected a duration"),
    ("20x10s,30x1d",   12, "'d' is not a unit of time (ms, s, m, h)"),
    ("20x0s",          4,  "a duration is longer than 0"),
    ("20x9999h",       4,  "a duration is at most a week"),
    ("20x10s;30x10s",  7,  "';30x10s' is not expected here"),
    ("20x10s, 30x10s", 8,  "expected a rate (requests per second)"),
    ("1,5-2000000x1s", 2,  'expected "x" and a duration, as in 20x10s'),
    ("2000000x1s",     1,  "a rate is at most 1000000"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "requests", "duration_s"),
    [row[:-1] for row in COUNTS],
    ids=[row[-1] for row in COUNTS],
)
def test_counts_are_exact(text: str, requests: int, duration_s: float) -> None:
    shape = parse_shape(text)

    assert (requests, duration_s) == (shape.requests, shape.duration_s)
    assert requests == len(list(even(shape)))


@pytest.mark.parametrize(("text", "column", "reason"), INVALID)
def test_what_cannot_be_read_is_told_with_its_column(
    text: str, column: int, reason: str
) -> None:
    with pytest.raises(ShapeInvalid) as raised:
        parse_shape(text)

    assert f"shape {text!r}, column {column}: {reason}" == str(raised.value)


def test_a_constant_lasts_as_long_as_it_is_told() -> None:
    assert [0.25, 0.75, 1.25] == list(even(constant("2", 1.5)))


@pytest.mark.parametrize("rate", ["", "x", "5x1s"])
def test_a_constant_has_one_rate(rate: str) -> None:
    with pytest.raises(ShapeInvalid, match=r"column 1[01]"):
        constant(rate, 1)


def test_a_constant_lasts_longer_than_nothing() -> None:
    with pytest.raises(ShapeInvalid, match="a duration of 0 s is not possible"):
        constant("5", 0)


def test_durations_are_read_in_their_units() -> None:
    texts = ("250ms", "2", "2s", "1.5m", "1h")
    assert [0.25, 2, 2, 90, 3600] == [parse_duration(text) for text in texts]


def test_the_rate_follows_the_line() -> None:
    shape = parse_shape("20x10s,20-120x20s")
    times = (-1, 0, 9.9, 10, 20, 29.9999, 30)
    rates = [round(shape.rate_at(at_s)) for at_s in times]
    assert [0, 20, 20, 20, 70, 120, 0] == rates


def test_level_arrivals_stand_in_the_middle_of_their_share() -> None:
    assert [0.05, 0.15, 0.25] == [round(t, 9) for t in even(parse_shape("10x0.3s"))]


segments = st.tuples(
    st.integers(0, 300), st.integers(0, 300), st.integers(1, 3000)
).map(lambda s: f"{s[0]}-{s[1]}x{s[2]}ms")


@given(st.lists(segments, min_size=1, max_size=5).map(",".join))
def test_even_arrivals_are_counted_ordered_and_within_the_shape(text: str) -> None:
    shape = parse_shape(text)
    times = list(even(shape))

    assert shape.requests == len(times)
    assert all(a <= b for a, b in itertools.pairwise(times))
    assert all(0 <= t <= shape.duration_s for t in times)


def test_each_second_of_even_arrivals_has_the_rate_of_the_shape() -> None:
    shape = parse_shape("10x5s,10-60x5s,60x5s")
    per_second = [0] * 15
    for at_s in even(shape):
        per_second[int(at_s)] += 1

    for second, count in enumerate(per_second):
        assert abs(count - shape.rate_at(second + 0.5)) <= 1


def test_poisson_arrivals_have_the_rate_and_the_spread_of_chance() -> None:
    times = list(poisson(parse_shape("100x100s"), random.Random(1).random))  # noqa: S311
    gaps = [b - a for a, b in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)

    assert 9_700 <= len(times) <= 10_300  # 3 sigma
    assert 0.9 <= variance / mean**2 <= 1.1  # exponential: its mean is its sigma


def test_poisson_arrivals_repeat_with_their_seed() -> None:
    shape = parse_shape("0-100x3s")
    runs = [tuple(poisson(shape, random.Random(n).random)) for n in (1, 1, 2)]  # noqa: S311
    assert runs[0] == runs[1] != runs[2]
