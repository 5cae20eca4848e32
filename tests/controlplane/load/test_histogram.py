"""A histogram keeps every latency to within 1 %, in a fixed space."""

import math

from hypothesis import given
from hypothesis import strategies as st

from controlplane.load.histogram import Histogram

latencies = st.lists(st.floats(0, 4000), min_size=1, max_size=200)


def of(durations_s: list[float]) -> Histogram:
    histogram = Histogram()
    for duration_s in durations_s:
        histogram.record(duration_s)
    return histogram


@given(latencies, st.floats(0.1, 100))
def test_a_percentile_is_at_most_one_percent_above_the_true_one(
    durations_s: list[float], percent: float
) -> None:
    true_s = sorted(durations_s)[math.ceil(len(durations_s) * percent / 100) - 1]
    (found_s,) = of(durations_s).percentiles([percent])

    assert true_s - 1e-6 <= found_s <= true_s * 1.01 + 2e-6


@given(latencies)
def test_the_maximum_is_exact(durations_s: list[float]) -> None:
    assert max(durations_s) == of(durations_s).max_s


def test_several_percentiles_are_read_at_once() -> None:
    hundred = of([n / 1000 for n in range(1, 101)])
    found_ms = [round(s * 1000) for s in hundred.percentiles([50, 95, 99, 100])]
    assert [50, 95, 99, 100] == found_ms


def test_nothing_recorded_is_all_zero() -> None:
    assert (0.0, 0.0) == Histogram().percentiles([50, 99])


def test_what_is_longer_than_the_last_bucket_is_still_counted() -> None:
    week_s = 7 * 24 * 3600.0
    histogram = of([week_s, -1.0])
    assert (2, week_s) == (histogram.count, histogram.max_s)
