"""The odd one out is found, chance and bad times for all are not taken for it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.anomaly import (
    ASKED_LEAST,
    HEALTHY_LEAST,
    WEIGHT_LEAST,
    Conduct,
    compare,
    find_anomalies,
)

# fmt: off
FLEETS = [  # failed/asked of each target, and who stands out
    ("100/100 0/100 0/100",             "0",  "one fails all"),
    ("10/10 0/10 0/10",                 "0",  "ten requests are enough"),
    ("9/9 0/10 0/10",                   "",   "nine are not"),
    ("100/100 0/100",                   "",   "of two, nobody knows which"),
    ("100/100 0/100 0/9",               "",   "nor of three, if one hardly got requests"),
    ("100/100 100/100 100/100",         "",   "when all fail, none is odd"),
    ("100/100 100/100 0/100",           "",   "nor when most do"),
    ("100/100 90/100 0/100 0/100 0/100", "01", "two of five are"),
    ("100/100 50/100 50/100",           "0",  "it fails twice as often as its peers"),
    ("100/100 100/100 0/100 0/100",     "01", "and two of four"),
    ("99/100 50/100 50/100",            "",   "but for one"),
    ("3/100 0/100 0/100",               "",   "three of a hundred may be chance"),
    ("6/100 0/100 0/100",               "0",  "six are not"),
    ("300/10000 0/10000 0/10000",       "0",  "of many, a small share is none"),
    ("190/10000 0/10000 0/10000",       "",   "but less than two in a hundred is let be"),
    ("3/10 0/10 0/10",                  "",   "of few, a large share may be"),
    ("0/100 0/100 0/100",               "",   "nobody fails"),
    ("300/150 0/100 0/100",             "0",  "what failed twice is one"),
    ("0/0 0/0 0/0",                     "",   "nobody was asked"),
]
# fmt: on


def read(drawing: str) -> list[tuple[float, float]]:
    pairs = (each.split("/") for each in drawing.split())
    return [(float(asked), float(failed)) for failed, asked in pairs]


@pytest.mark.parametrize(
    ("drawing", "odd"), [row[:2] for row in FLEETS], ids=[row[2] for row in FLEETS]
)
def test_who_stands_out(drawing: str, odd: str) -> None:
    found = find_anomalies(read(drawing))

    assert odd == "".join(str(at) for at, is_odd in enumerate(found) if is_odd)


conducts = st.lists(
    st.tuples(st.integers(0, 5000), st.floats(0, 1)).map(
        lambda one: (float(one[0]), one[0] * one[1])
    ),
    max_size=8,
)


@given(conducts)
def test_never_more_than_half_of_them(fleet: list[tuple[float, float]]) -> None:
    assert sum(find_anomalies(fleet)) <= len(fleet) // 2


@given(conducts, st.randoms())
def test_the_order_does_not_matter(
    fleet: list[tuple[float, float]], chance: random.Random
) -> None:
    places = list(range(len(fleet)))
    chance.shuffle(places)
    found = find_anomalies(fleet)

    assert [found[at] for at in places] == find_anomalies([fleet[at] for at in places])


@given(conducts)
def test_only_who_fails_more_than_some_peers_stands_out(
    fleet: list[tuple[float, float]],
) -> None:
    found = find_anomalies(fleet)

    known = [failed / asked for asked, failed in fleet if asked >= ASKED_LEAST]
    for (asked, failed), is_odd in zip(fleet, found, strict=True):
        if is_odd:
            share = failed / asked
            assert sum(other < share for other in known) >= len(known) // 2


@pytest.mark.parametrize("rate", [0.005, 0.05, 0.3])
def test_what_befalls_all_alike_is_hardly_ever_taken_for_one(rate: float) -> None:
    chance = random.Random(7)  # noqa: S311 - a sequence that is the same each time
    found = 0
    for _ in range(300):
        fleet = [
            (100.0, float(sum(chance.random() < rate for _ in range(100))))
            for _ in range(5)
        ]
        found += sum(find_anomalies(fleet))

    assert found <= 8, "of 1500"


def look(fleet: list[Conduct], asked: list[int], failed: list[int]) -> None:
    """One look after so many more requests of each."""
    for one, more, worse in zip(fleet, asked, failed, strict=True):
        totals = TOTALS.setdefault(id(one), [0, 0])
        totals[0] += more
        totals[1] += worse
        one.note(*totals)
    compare(fleet)
    for one in fleet:
        one.weigh(mitigates=True)


TOTALS: dict[int, list[int]] = {}


@pytest.fixture
def fleet() -> list[Conduct]:
    TOTALS.clear()
    return [Conduct() for _ in range(HEALTHY_LEAST)]


def test_the_weight_falls_step_by_step_and_never_to_nothing(
    fleet: list[Conduct],
) -> None:
    weights = [1.0]
    for _ in range(30):
        look(fleet, [50, 50, 50], [50, 0, 0])
        weights.append(fleet[0].weight)

    assert weights == sorted(weights, reverse=True)
    assert weights[3] > 0.3, "not at once"
    assert weights[-1] == WEIGHT_LEAST
    assert [one.weight for one in fleet[1:]] == [1.0, 1.0]


def test_and_comes_back_slowly(fleet: list[Conduct]) -> None:
    for _ in range(30):
        look(fleet, [50, 50, 50], [50, 0, 0])
    while fleet[0].is_anomalous:
        look(fleet, [1, 50, 50], [0, 0, 0])
    weights = []
    for _ in range(100):
        look(fleet, [1, 50, 50], [0, 0, 0])
        weights.append(fleet[0].weight)

    assert weights == sorted(weights)
    assert weights[0] < 0.02
    assert weights[60] < 0.3, "half a minute later"
    assert weights[-1] == 1.0


@pytest.mark.parametrize("busy", [10, 100, 100_000])
def test_how_busy_it_was_does_not_matter_for_how_soon_it_is_believed(
    fleet: list[Conduct], busy: int
) -> None:
    for _ in range(30):
        look(fleet, [busy] * 3, [busy, 0, 0])
    looks = 0
    while fleet[0].is_anomalous:
        look(fleet, [0, busy, busy], [0, 0, 0])
        looks += 1

    assert looks <= 100, "within 50 s, without a single request"


def test_one_that_gets_nothing_is_tried_again(fleet: list[Conduct]) -> None:
    for _ in range(30):
        look(fleet, [5, 5, 5], [5, 0, 0])
    assert fleet[0].weight == WEIGHT_LEAST
    for _ in range(100):
        look(fleet, [0, 7, 7], [0, 0, 0])

    assert fleet[0].weight > WEIGHT_LEAST


def test_while_it_goes_on_failing_it_gets_little(fleet: list[Conduct]) -> None:
    """It is found out again and again, by a few requests each time."""
    owed, got = 0.0, 0
    for at in range(2000):
        owed += 20 * fleet[0].weight / (2 + fleet[0].weight)
        sent, owed = int(owed), owed % 1
        look(fleet, [sent, 10, 10], [sent, 0, 0])
        if at > 100:
            got += sent

    assert got / (1900 * 20) < 0.05


def test_where_it_is_not_asked_for_nobody_is_given_less(fleet: list[Conduct]) -> None:
    look(fleet, [50, 50, 50], [50, 0, 0])
    assert fleet[0].is_anomalous
    assert fleet[0].weight < 1.0

    fleet[0].weigh(mitigates=False)

    assert fleet[0].weight == 1.0


def test_with_two_left_nobody_is_anomalous(fleet: list[Conduct]) -> None:
    look(fleet, [50, 50, 50], [50, 0, 0])

    compare(fleet[:2])

    assert not fleet[0].is_anomalous
