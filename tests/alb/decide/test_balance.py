"""Turns are exact: over targets, over weighted groups, whatever comes and goes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.balance import RoundRobin, WeightedTurn, eligible_targets
from alb.model import (
    ONE_HEALTHY,
    HealthState,
    MinimumHealthy,
    Target,
    TargetHealth,
    TargetId,
    WeightedGroup,
)


def targets(names: str) -> tuple[Target, ...]:
    return tuple(Target(TargetId(name), "192.0.2.1", 80) for name in names)


def turns(cursor: RoundRobin[Target], names: str, count: int, skip: str = "") -> str:
    """Whose turn it was, `count` times; a dash is nobody's."""
    eligible = targets(names)
    skipped = frozenset(TargetId(name) for name in skip)
    picked = [cursor.pick(eligible, skipped) for _ in range(count)]
    return "".join(target.id if target else "-" for target in picked)


# fmt: off
ROUNDS = [  # (eligible, picks, skipped, expected) in turn, on one cursor
    ([("abc", 7, "", "abcabca")],                              "each once per round"),
    ([("", 2, "", "--")],                                      "of none, none"),
    ([("a", 3, "", "aaa")],                                    "of one, that one"),
    ([("abc", 1, "", "a"), ("abc", 3, "", "bca")],             "the same targets in a new snapshot change nothing"),
    ([("abc", 1, "", "a"), ("abcd", 4, "", "bcda")],           "a new target gets its turn in this round"),
    ([("abc", 1, "", "a"), ("ac", 3, "", "cac")],              "whose turn was next is gone, so its successor's is"),
    ([("abc", 2, "", "ab"), ("bc", 3, "", "cbc")],             "one that had its turn goes"),
    ([("abc", 2, "", "ab"), ("xyz", 3, "", "xyz")],            "none stays, the round begins"),
    ([("abc", 2, "", "ab"), ("ab", 3, "", "aba")],             "the last goes before its turn"),
    ([("ab", 1, "", "a"), ("", 1, "", "-"), ("ab", 1, "", "b")], "an outage of all keeps the place"),
    ([("abc", 3, "b", "aca")],                                 "a skipped target is passed over"),
    ([("abc", 1, "a", "b"), ("abc", 2, "", "ca")],             "and the turn goes on behind the picked one"),
    ([("ab", 2, "ab", "--"), ("ab", 1, "", "a")],              "when all are skipped, nobody loses a turn"),
]
# fmt: on


@pytest.mark.parametrize(
    "rounds", [row[0] for row in ROUNDS], ids=[row[1] for row in ROUNDS]
)
def test_round_robin(rounds: list[tuple[str, int, str, str]]) -> None:
    cursor: RoundRobin[Target] = RoundRobin()

    assert [expected for *_, expected in rounds] == [
        turns(cursor, names, count, skip) for names, count, skip, _ in rounds
    ]


def test_workers_begin_apart() -> None:
    assert ["abc", "bca", "cab", "abc"] == [
        turns(RoundRobin(start=slot), "abc", 3) for slot in range(4)
    ]


names = st.lists(st.sampled_from("abcdefgh"), unique=True).map(sorted).map("".join)


@given(st.lists(st.tuples(names, st.integers(0, 20)), max_size=8))
def test_whatever_comes_and_goes_those_that_stay_are_picked_alike(
    phases: list[tuple[str, int]],
) -> None:
    cursor: RoundRobin[Target] = RoundRobin()
    for eligible, count in phases:
        picked = Counter(turns(cursor, eligible, count))

        if eligible:
            least = min(picked[name] for name in eligible)
            assert max(picked[name] for name in eligible) - least <= 1


@given(st.text("abcd", max_size=6), st.integers(0, 3))
def test_nobody_is_picked_twice_while_another_that_stays_waits(
    leaving: str, before: int
) -> None:
    cursor: RoundRobin[Target] = RoundRobin()
    first = turns(cursor, "abcdef", before)
    rest = "".join(name for name in "abcdef" if name not in leaving)

    picked = first + turns(cursor, rest, len([n for n in rest if n not in first]))

    assert all(picked.count(name) == 1 for name in rest)


def shares(cursor: WeightedTurn, weights: dict[str, int], count: int) -> str:
    groups = tuple(WeightedGroup(name, weight) for name, weight in weights.items())
    return "".join(cursor.pick(groups) or "-" for _ in range(count))


# fmt: off
SHARES = [
    ({"a": 1},                 "aaa",     "one group takes all"),
    ({"a": 0},                 "--",      "unless it weighs nothing"),
    ({"a": 0, "b": 0},         "--",      "nor do several"),
    ({"a": 1, "b": 1},         "abab",    "equal weights take turns"),
    ({"a": 3, "b": 1},         "aabaaaba", "unequal ones are spread"),
    ({"a": 2, "b": 0},         "aaa",     "weight 0 gets nothing"),
    ({"a": 5, "b": 1, "c": 1}, "aabacaa", "as nginx documents it"),
]
# fmt: on


@pytest.mark.parametrize(
    ("weights", "expected"), [row[:2] for row in SHARES], ids=[row[2] for row in SHARES]
)
def test_weights(weights: dict[str, int], expected: str) -> None:
    assert expected == shares(WeightedTurn(), weights, len(expected))


@given(st.lists(st.integers(0, 999), min_size=2, max_size=5))
def test_a_whole_round_gives_each_group_its_weight(weights: list[int]) -> None:
    scaled = [weight % 20 for weight in weights]
    by_name = dict(zip("abcde", scaled, strict=False))

    picked = Counter(shares(WeightedTurn(), by_name, sum(scaled)))

    assert by_name == {name: picked[name] for name in by_name}


def test_the_same_weights_in_a_new_snapshot_keep_the_turn() -> None:
    cursor = WeightedTurn()

    assert shares(cursor, {"a": 1, "b": 1}, 1) == "a"
    assert shares(cursor, {"a": 1, "b": 1}, 1) == "b"


def test_new_weights_count_at_once() -> None:
    cursor = WeightedTurn()
    shares(cursor, {"a": 999, "b": 1}, 100)

    assert shares(cursor, {"a": 0, "b": 1}, 2) == "bb"


STATES = {
    "h": HealthState.HEALTHY,
    "u": HealthState.UNHEALTHY,
    "i": HealthState.INITIAL,
    "n": HealthState.UNUSED,
    "x": HealthState.UNAVAILABLE,
    "g": HealthState.DRAINING,
}

# fmt: off
MINIMUM = [  # (targets, minimum count, minimum percentage, who may be chosen)
    ("hhu",   1, 0,   "01",   "enough are healthy"),
    ("hhu",   2, 0,   "01",   "just enough"),
    ("hhu",   3, 0,   "012",  "too few: all of them, those that are healthy too"),
    ("hhuu",  1, 50,  "01",   "half of them is half"),
    ("hhuu",  1, 51,  "0123", "either number is enough to fail open"),
    ("hhui",  1, 60,  "012",  "who waits for a first check counts, and gets nothing"),
    ("hhDDu", 1, 60,  "01",   "who drains does not count"),
    ("uu",    0, 0,   "01",   "with both off, none is still too few"),
    ("hh",    9, 100, "01",   "all are healthy, and that is all there is"),
]

ELIGIBLE = [  # each letter a target in that state; "." not probed yet, D draining
    ("hhu", "01", "the healthy ones"),
    ("uhi", "1",  "only those, while there are any"),
    ("uui", "01", "all unhealthy: fail open"),
    ("i.",  "01", "none judged yet: those that wait"),
    ("n",   "0",  "a group just put to use was not probed yet"),
    ("xu",  "0",  "where checks are off, targets count as healthy"),
    ("Dh",  "1",  "never a draining one"),
    ("D",   "",   "not even when it is the last"),
    ("",    "",   "of none registered, none"),
    ("g",   "0",  "one registered again is not held by what it was"),
]
# fmt: on


@pytest.mark.parametrize(
    ("drawing", "expected"),
    [row[:2] for row in ELIGIBLE],
    ids=[row[2] for row in ELIGIBLE],
)
def test_eligible(drawing: str, expected: str) -> None:
    assert expected == chosen_from(drawing)


@pytest.mark.parametrize(
    ("drawing", "count", "percentage", "expected"),
    [row[:4] for row in MINIMUM],
    ids=[row[4] for row in MINIMUM],
)
def test_too_few_healthy_fail_open(
    drawing: str, count: int, percentage: int, expected: str
) -> None:
    assert expected == chosen_from(drawing, MinimumHealthy(count, percentage))


def chosen_from(drawing: str, minimum: MinimumHealthy = ONE_HEALTHY) -> str:
    registered = [
        Target(TargetId(str(at)), "192.0.2.1", 80, draining=letter == "D")
        for at, letter in enumerate(drawing)
    ]
    overlay = {
        TargetId(str(at)): TargetHealth(STATES[letter])
        for at, letter in enumerate(drawing.replace("D", "h"))
        if letter in STATES
    }

    found = eligible_targets(registered, overlay, minimum)
    return "".join(target.id for target in found)
