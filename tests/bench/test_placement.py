"""The benchmark of placement measures what it says, and judges it."""

from __future__ import annotations

import pytest

from bench.placement import (
    LOOK_MS,
    PLACED_PER_S,
    STRATEGIES,
    Round,
    TooSlow,
    judge,
    measure,
    table,
)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_small_cluster_is_filled_and_then_at_rest(name: str) -> None:
    """`measure` itself asserts that all is placed and nothing is left to do."""
    found = measure(60, 6, STRATEGIES[name])

    assert found.placed_per_s > 0
    assert name in table({name: [found]})


@pytest.mark.parametrize(
    ("one", "complaint"),
    [
        (Round(PLACED_PER_S - 1, 1.0), "placements/s"),
        (Round(PLACED_PER_S, LOOK_MS + 1), "for a look"),
    ],
)
def test_a_measure_that_is_not_good_enough_is_told(one: Round, complaint: str) -> None:
    with pytest.raises(TooSlow, match=complaint):
        judge({"zones": [one]})


def test_the_median_counts() -> None:
    judge({"zones": [Round(1, 99), Round(PLACED_PER_S, 1), Round(PLACED_PER_S, 1)]})
