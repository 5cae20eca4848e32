"""Fewest in flight, fair chances, the sooner of two: no herd, and nobody starves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.choosers import (
    SCAN_MAX,
    Chooser,
    LeastOutstanding,
    Pace,
    PeakEwma,
    WeightedRandom,
    WeightedTurns,
)
from alb.decide.draws import Draws
from alb.model import TargetId


@dataclass
class Server:
    """A target with as many requests as it is told to have."""

    id: TargetId
    busy: int = 0
    share: float = 1.0
    pace: Pace = field(default_factory=Pace)

    def load(self) -> int:
        return self.busy

    def weight(self, now_s: float) -> float:
        return self.share


def servers(*loads: int) -> list[Server]:
    return [Server(TargetId(str(at)), load) for at, load in enumerate(loads)]


def choose(chooser: Chooser, fleet: Sequence[Server], skip: str = "") -> int:
    return chooser.choose(fleet, frozenset(map(TargetId, skip)), 0.0, 0)


def chosen(chooser: Chooser, fleet: Sequence[Server], count: int) -> Counter[int]:
    return Counter(choose(chooser, fleet) for _ in range(count))


CHOOSERS = {
    "least outstanding": LeastOutstanding,
    "weighted random": lambda: WeightedRandom(Draws(7)),
    "weighted turns": WeightedTurns,
    "peak EWMA": lambda: PeakEwma(Draws(7)),
}
every_chooser = pytest.mark.parametrize("make", CHOOSERS.values(), ids=CHOOSERS)


@every_chooser
def test_of_none_none_and_of_one_that_one(make: type[LeastOutstanding]) -> None:
    assert choose(make(), []) == -1
    assert choose(make(), servers(5)) == 0
    assert choose(make(), servers(5), "0") == -1


@every_chooser
@given(
    loads=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    skip=st.sets(st.sampled_from("01234567")),
)
def test_a_target_that_was_tried_is_not_chosen_again(
    make: type[LeastOutstanding], loads: list[int], skip: set[str]
) -> None:
    found = choose(make(), servers(*loads), "".join(skip))

    left = {str(at) for at in range(len(loads))} - skip
    assert str(found) in left if left else found == -1


@every_chooser
def test_equals_are_chosen_alike(make: type[LeastOutstanding]) -> None:
    picked = chosen(make(), servers(0, 0, 0, 0), 4000)

    assert all(900 < picked[at] < 1100 for at in range(4))


# --- least outstanding requests ---------------------------------------------------


# fmt: off
LEAST = [
    ([3, 1, 2],    "1",    "the fewest"),
    ([0, 0, 0],    "012",  "of equals, one after the other"),
    ([5, 2, 9, 2], "13",   "of the fewest, too"),
    ([0, 4, 4],    "000",  "the idle one, however often"),
]
# fmt: on


@pytest.mark.parametrize(
    ("loads", "expected"), [row[:2] for row in LEAST], ids=[row[2] for row in LEAST]
)
def test_least_outstanding(loads: list[int], expected: str) -> None:
    chooser = LeastOutstanding()

    picked = "".join(str(choose(chooser, servers(*loads))) for _ in expected)

    assert picked == expected


def test_workers_begin_apart() -> None:
    starts = [choose(LeastOutstanding(slot), servers(0, 0, 0)) for slot in range(4)]

    assert starts == [0, 1, 2, 0]


@given(st.lists(st.integers(0, 50), min_size=2, max_size=12), st.integers(1, 200))
def test_loads_grow_level_and_a_new_target_gets_no_more_than_levels_it(
    loads: list[int], requests: int
) -> None:
    """Water finds the lowest place: nobody gets one while another has fewer."""
    chooser, fleet = LeastOutstanding(), servers(*loads)
    for _ in range(requests):
        lowest = min(server.busy for server in fleet)
        at = choose(chooser, fleet)
        assert fleet[at].busy == lowest
        fleet[at].busy += 1


def test_of_very_many_a_bounded_number_is_compared_and_all_come_to_it() -> None:
    chooser, fleet = LeastOutstanding(), servers(*[1] * (3 * SCAN_MAX))

    picked = chosen(chooser, fleet, 3 * SCAN_MAX)

    assert set(picked.values()) == {1}


# --- weighted random --------------------------------------------------------------


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6), st.integers(0, 99))
def test_shares_are_as_the_weights(weights: list[float], seed: int) -> None:
    fleet = servers(*[0] * len(weights))
    for server, weight in zip(fleet, weights, strict=True):
        server.share = weight

    picked = chosen(WeightedRandom(Draws(seed)), fleet, 2000)

    for at, weight in enumerate(weights):
        expected = 2000 * weight / sum(weights)
        assert abs(picked[at] - expected) < 6 * (expected**0.5 + 1)


# --- weighted turns -----------------------------------------------------------------

shares = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8)


def weighing(*weights: float) -> list[Server]:
    fleet = servers(*[0] * len(weights))
    for server, weight in zip(fleet, weights, strict=True):
        server.share = weight
    return fleet


@given(shares, st.integers(1, 400))
def test_turns_are_as_the_weights_at_any_moment(
    weights: list[float], requests: int
) -> None:
    fleet = weighing(*weights)

    picked = chosen(WeightedTurns(), fleet, requests)

    for at, weight in enumerate(weights):
        expected = requests * weight / sum(weights)
        assert abs(picked[at] - expected) < max(2, len(weights) - 1)


@given(shares, st.integers(0, 7))
def test_nobody_with_a_full_share_waits_longer_than_in_plain_turns(
    weights: list[float], start: int
) -> None:
    """However many are in slow start, and however far."""
    fleet = weighing(*weights, 1.0, 1.0)
    chooser = WeightedTurns(start)

    picks = [choose(chooser, fleet) for _ in range(20 * len(fleet))]

    for full in (len(fleet) - 2, len(fleet) - 1):
        turns = [at for at, picked in enumerate(picks) if picked == full]
        gaps = [later - sooner for sooner, later in pairwise(turns)]
        assert max(gaps) < 2 * len(fleet)


@given(shares)
def test_a_share_that_grows_is_followed(weights: list[float]) -> None:
    fleet = weighing(*weights, 0.01)
    chooser = WeightedTurns()
    got = wanted = 0.0
    for step in range(1000):
        fleet[-1].share = max(0.01, step / 1000)
        got += choose(chooser, fleet) == len(weights)
        wanted += fleet[-1].share / sum(server.share for server in fleet)
        assert abs(got - wanted) < max(2, len(weights))


def test_equal_weights_are_plain_turns() -> None:
    chooser, fleet = WeightedTurns(1), weighing(1.0, 1.0, 1.0)

    assert [choose(chooser, fleet) for _ in range(7)] == [1, 2, 0, 1, 2, 0, 1]


def test_who_stays_keeps_what_it_is_owed() -> None:
    chooser, fleet = WeightedTurns(), weighing(1.0, 1.0, 1.0, 0.1)
    assert [choose(chooser, fleet) for _ in range(2)] == [0, 1]

    rest = [fleet[1], fleet[2], fleet[0]]

    assert fleet[2].id == rest[choose(chooser, rest)].id


# --- peak EWMA --------------------------------------------------------------------


def paced(*seconds: float, loads: Sequence[int] = ()) -> list[Server]:
    fleet = servers(*(loads or [0] * len(seconds)))
    for server, latency_s in zip(fleet, seconds, strict=True):
        server.pace.note(latency_s, 0.0)
    return fleet


def test_of_two_the_one_that_should_be_done_first() -> None:
    assert set(chosen(PeakEwma(Draws()), paced(0.01, 0.1), 50)) == {0}
    busy = paced(0.01, 0.1, loads=[20, 0])
    assert set(chosen(PeakEwma(Draws()), busy, 50)) == {1}


def test_one_that_never_answered_gets_one_request_and_then_waits() -> None:
    fleet = paced(0.1, 0.1)
    fleet.append(Server(TargetId("new")))
    assert choose(PeakEwma(Draws()), fleet[1:]) == 1
    fleet[2].busy = 1
    assert 2 not in chosen(PeakEwma(Draws()), fleet, 50)


@given(st.integers(3, 10), st.integers(0, 99))
def test_the_best_of_many_is_no_more_than_drawn(count: int, seed: int) -> None:
    """The herd is bounded: two are drawn, so one can be in 2 of `count` draws."""
    fleet = paced(0.001, *[1.0] * (count - 1))

    picked = chosen(PeakEwma(Draws(seed)), fleet, 1000)

    assert abs(picked[0] - 2000 / count) < 110


def test_a_peak_is_believed_at_once_and_forgotten_slowly() -> None:
    pace = Pace()
    pace.note(0.1, 0.0)
    pace.note(2.0, 1.0)
    assert pace.cost_s(1.0) == 2.0
    pace.note(0.1, 1.5)
    assert 1.8 < pace.cost_s(1.5) < 2.0
    for second in range(60):
        pace.note(0.1, 2.0 + second)
    assert 0.1 <= pace.cost_s(61.0) < 0.12


def test_what_is_not_heard_of_again_is_forgotten() -> None:
    pace = Pace()
    pace.note(9.0, 0.0)

    costs = [pace.cost_s(float(later)) for later in range(0, 100, 10)]

    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.01


# --- draws ------------------------------------------------------------------------


def test_a_seed_gives_one_sequence_and_another_another() -> None:
    first, again, other = Draws(1), Draws(1), Draws(2)

    drawn = [[draws.below(1000) for _ in range(20)] for draws in (first, again, other)]

    assert drawn[0] == drawn[1] != drawn[2]


@given(st.integers(0, 10_000), st.integers(1, 1000))
def test_draws_stay_below(seed: int, count: int) -> None:
    draws = Draws(seed)

    assert all(0 <= draws.below(count) < count for _ in range(20))
    assert all(0 <= draws.ratio() < 1 for _ in range(20))
