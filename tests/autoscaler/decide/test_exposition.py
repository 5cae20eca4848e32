"""A service's own metrics: counters as rates, gauges as values, histograms as samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.exposition import (
    Key,
    Unreadable,
    readings_of,
    samples_between,
)
from autoscaler.decide.statistics import Distribution

BEFORE = """\
# TYPE orders_total counter
orders_total{country="nl"} 10
orders_created{country="nl"} 1.7e9
# TYPE queue_length gauge
queue_length 3
loose 7
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 1
wait_seconds_bucket{le="0.5"} 2
wait_seconds_bucket{le="+Inf"} 2
wait_seconds_sum 0.4
wait_seconds_count 2
# TYPE size summary
size{quantile="0.5"} 4
size_sum 100
size_count 10
"""
AFTER = """\
# TYPE orders_total counter
orders_total{country="nl"} 30
# TYPE queue_length gauge
queue_length 5
loose NaN
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 3
wait_seconds_bucket{le="0.5"} 4
wait_seconds_bucket{le="+Inf"} 5
wait_seconds_sum 1.2
wait_seconds_count 5
# TYPE size summary
size{quantile="0.5"} 5
size_sum 160
size_count 16
"""
NL = (("country", "nl"),)


def between(
    before: str, after: str, elapsed_s: float = 10.0
) -> dict[Key, Distribution]:
    read = samples_between(readings_of(before), readings_of(after), elapsed_s)
    return dict(read)


def test_each_kind_becomes_samples() -> None:
    found = between(BEFORE, AFTER)
    wait = found.pop(Key("wait_seconds", ()))

    assert {
        Key("orders_total", NL): 2.0,
        Key("queue_length", ()): 5.0,
        Key("size", (("quantile", "0.5"),)): 5.0,
        Key("size_sum", ()): 6.0,
        Key("size_count", ()): 0.6,
    } == {key: one.total for key, one in found.items()}
    assert wait.sample_count == 3
    assert wait.total == pytest.approx(0.8)
    assert ((0.05, 2.0), (0.5, 1.0)) == wait.values


def test_a_first_reading_tells_gauges_only() -> None:
    found = samples_between({}, readings_of(BEFORE), 10.0)

    assert {"queue_length", "loose", "size"} == {one.key.name for one in found}


def test_what_began_anew_is_counted_from_nothing() -> None:
    found = between(AFTER, BEFORE)

    assert found[Key("orders_total", NL)].total == 1.0
    assert found[Key("wait_seconds", ())].sample_count == 2
    assert found[Key("wait_seconds", ())].total == pytest.approx(0.4)


def test_a_histogram_that_did_not_grow_has_no_samples() -> None:
    assert Key("wait_seconds", ()) not in between(AFTER, AFTER)


def test_without_its_sum_a_histogram_is_the_middle_of_its_buckets() -> None:
    text = '# TYPE h histogram\nh_bucket{le="1"} 0\nh_bucket{le="+Inf"} 0\n'
    later = '# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 2\n'

    assert Distribution.weighted([(0.5, 2.0)]) == between(text, later)[Key("h", ())]


def test_below_zero_a_bucket_is_its_bound() -> None:
    text = '# TYPE h histogram\nh_bucket{le="-1"} 0\nh_bucket{le="+Inf"} 0\n'
    later = '# TYPE h histogram\nh_bucket{le="-1"} 2\nh_bucket{le="+Inf"} 2\n'

    assert between(text, later)[Key("h", ())].values == ((-1.0, 2.0),)


HISTOGRAM = """\
# TYPE h histogram
h_bucket{le="1"} 0
h_bucket{le="%s"} %s
h_bucket{le="+Inf"} %s
h_sum %s
"""


@pytest.mark.parametrize(
    "text",
    [
        "# TYPE g gauge\ng 1.797e308\n",
        "# TYPE c counter\nc_total 1e300\n",
        HISTOGRAM % ("1e308", 2, 2, 5),
        HISTOGRAM % ("2", "1e308", "1e308", 5),
        HISTOGRAM % ("2", 2, "+Inf", 5),
        HISTOGRAM % ("2", "NaN", "NaN", 5),
    ],
)
def test_what_is_beyond_a_sample_is_missing(text: str) -> None:
    """Two tasks that tell it would sum up to more than a float holds."""
    zero = HISTOGRAM % ("2", 0, 0, 0) + "# TYPE c counter\nc_total 0\n"

    assert between(zero, text) == {}


@pytest.mark.parametrize("total", ["1.7e308", "-1e109", "NaN"])
def test_a_sum_beyond_a_sample_is_as_if_not_told(total: str) -> None:
    zero, two = HISTOGRAM % ("2", 0, 0, 0), HISTOGRAM % ("2", 2, 2, total)

    assert Distribution.weighted([(1.5, 2.0)]) == between(zero, two)[Key("h", ())]


@pytest.mark.parametrize(
    "text", ["a{", 'a{b="c} 1', "a x", "# TYPE h histogram\nh_bucket 1"]
)
def test_what_prometheus_could_not_read_is_told(text: str) -> None:
    with pytest.raises(Unreadable):
        readings_of(text)


@given(st.text(alphabet='ab{}"=,\\\n# 1.eTYPEHLP', max_size=60))
def test_whatever_comes_is_read_or_told(text: str) -> None:
    try:
        readings = readings_of(text)
    except Unreadable:
        return
    assert all(one.samples.sample_count for one in samples_between({}, readings, 1.0))
