"""Percentiles are at most an eighth too high, however histograms are merged."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.state.histogram import (
    BUCKETS,
    bucket_of,
    merge,
    percentile_us,
    sparse,
    upper_bound_us,
)

values = st.integers(0, upper_bound_us(BUCKETS - 1))


@given(values)
def test_a_value_is_read_back_at_most_an_eighth_too_high(value: int) -> None:
    read = upper_bound_us(bucket_of(value))
    assert value <= read <= value * 1.125


@given(values, values)
def test_buckets_are_in_the_order_of_their_values(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert bucket_of(low) <= bucket_of(high)


def test_every_bucket_ends_in_itself_and_before_the_next() -> None:
    for bucket in range(BUCKETS):
        assert bucket_of(upper_bound_us(bucket)) == bucket
        assert bucket_of(upper_bound_us(bucket) + 1) == min(bucket + 1, BUCKETS - 1)


@pytest.mark.parametrize(("value", "bucket"), [(-5, 0), (1 << 60, BUCKETS - 1)])
def test_what_is_out_of_range_is_at_its_end(value: int, bucket: int) -> None:
    assert bucket_of(value) == bucket


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile_us({}, 0.5) is None


@given(
    st.lists(st.lists(values, max_size=20), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]),
)
def test_percentiles_of_merged_histograms_are_those_of_all_values(
    workers: list[list[int]], fraction: float
) -> None:
    histograms = []
    for worker in workers:
        counts = [0] * BUCKETS
        for value in worker:
            counts[bucket_of(value)] += 1
        histograms.append(sparse(counts))
    merged = merge(histograms)
    everything = sorted(value for worker in workers for value in worker)
    assert merged == Counter(map(bucket_of, everything))
    found = percentile_us(merged, fraction)
    if everything:
        rank = max(1, math.ceil(len(everything) * fraction))
        exact = everything[rank - 1]
        assert found is not None
        assert exact <= found <= exact * 1.125
