"""A target in doubt is checked sooner: few times, and no blip takes it out."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.haste import (
    AT_EASE,
    QUICK_S,
    SPREAD_S,
    Haste,
    begun,
    followed,
    goes_out,
    one_more,
    per_interval,
)
from alb.decide.health import (
    HEALTHY,
    Answered,
    Failed,
    NotMade,
    ProbeOutcome,
    ProbeState,
)
from alb.decide.probing import Watch, advance, begin, doubt
from alb.model import HealthCheck, HealthReason, HealthState, TargetHealth

CHECK = HealthCheck(interval_s=30.0, unhealthy_threshold=2, healthy_threshold=5)
DEAD = ProbeState(TargetHealth(HealthState.UNHEALTHY, HealthReason.TIMEOUT))
WELL = ProbeState(HEALTHY)
HASTY = begun(AT_EASE)

# fmt: off
AFTER = [  # the haste, the state after the check, whether it went out, passed -> pause
    (AT_EASE,                   WELL,               False, False, 0.0,  "there is none without a doubt"),
    (AT_EASE,                   DEAD,               True,  False, 0.0,  "nor where turns alone took it out"),
    (HASTY,                     WELL,               False, True,  0.0,  "it ends with the first that passes"),
    (HASTY,                     ProbeState(HEALTHY, 1), False, False, 0.5, "goes on with one that fails"),
    (HASTY,                     DEAD,               True,  False, 0.5,  "and behind the one that decides"),
    (Haste(0.5),                DEAD,               False, False, 1.0,  "then less and less often"),
    (Haste(8.0),                DEAD,               False, False, 16.0, "each pause twice the last"),
    (Haste(16.0),               DEAD,               False, False, 0.0,  "until it is the interval"),
    (Haste(8.0),                replace(DEAD, against=1), False, True, 0.5, "who passes again is asked soon"),
    (Haste(0.5),                replace(DEAD, against=4), False, True, 0.5, "as often as it takes"),
]
# fmt: on


@pytest.mark.parametrize(
    ("haste", "state", "went_out", "passed", "pause"),
    [row[:5] for row in AFTER],
    ids=[row[5] for row in AFTER],
)
def test_the_pause(
    haste: Haste,
    state: ProbeState,
    went_out: bool,  # noqa: FBT001 - a table's columns
    passed: bool,  # noqa: FBT001
    pause: float,
) -> None:
    after = followed(haste, state, CHECK, went_out=went_out, passed=passed)

    assert pause == after.pause_s


def test_an_interval_has_no_more_than_twice_what_going_out_and_back_takes() -> None:
    last, made = HASTY, 0
    while (more := one_more(last, CHECK, 100.0 + made)) is not None:
        last, made = more, made + 1

    assert made == per_interval(CHECK) == 14
    assert one_more(last, CHECK, 129.9) is None
    assert one_more(last, CHECK, 130.0) == replace(last, made=1, since_s=130.0)


def test_who_was_unhealthy_does_not_go_out() -> None:
    assert goes_out(WELL, DEAD)
    assert not goes_out(DEAD, DEAD)
    assert not goes_out(WELL, WELL)
    assert not goes_out(DEAD, WELL)


# --- a target's whole course ----------------------------------------------------------


def course(
    check: HealthCheck,
    down: list[tuple[float, float]],
    doubts: list[float],
    until_s: float,
) -> list[tuple[float, Watch]]:
    """Return when each check was made, and the watch after it.

    The target was healthy, and fails while it is `down`: from, to. Checks take no
    time. Its first turn is half an interval from the start.
    """
    watch = begin(HEALTHY, check.interval_s, 0.0, 0.5)
    waiting = sorted(doubts)
    made: list[tuple[float, Watch]] = []
    while True:
        if waiting and waiting[0] <= watch.next_s:
            watch = doubt(watch, check, waiting.pop(0), 0.0)
            continue
        now_s = watch.next_s
        if now_s > until_s:
            return made
        fails = any(begin_s <= now_s < end_s for begin_s, end_s in down)
        watch = advance(
            watch, Failed("refused") if fails else Answered(200), check, now_s
        )
        made.append((now_s, watch))


def went_unhealthy_s(made: list[tuple[float, Watch]]) -> float | None:
    found = (
        at_s
        for at_s, watch in made
        if watch.state.health.state is HealthState.UNHEALTHY
    )
    return next(found, None)


def storm(since_s: float, until_s: float) -> list[float]:
    """Doubts, twenty a second."""
    return [since_s + n / 20 for n in range(int((until_s - since_s) * 20))]


# fmt: off
OUT = [  # unhealthy threshold -> seconds from the doubt until it is unhealthy
    (1,  0.5, "the first check in haste never decides"),
    (2,  0.5, "two failures, half a second apart"),
    (5,  2.0, "five, each half a second behind the last"),
    (10, 4.5, "ten"),
]
# fmt: on


@pytest.mark.parametrize(
    ("threshold", "took_s"), [row[:2] for row in OUT], ids=[row[2] for row in OUT]
)
def test_a_dead_target_is_unhealthy_long_before_an_interval(
    threshold: int, took_s: float
) -> None:
    check = replace(CHECK, unhealthy_threshold=threshold)

    made = course(check, [(16.0, 1e9)], [16.0], 29.0)

    assert 16.0 + took_s == went_unhealthy_s(made)


def test_one_doubt_is_enough_and_a_thousand_change_nothing() -> None:
    one = course(CHECK, [(16.0, 1e9)], [16.0], 100.0)
    many = course(CHECK, [(16.0, 1e9)], storm(16.0, 66.0), 100.0)

    assert one == many


def test_who_was_out_in_haste_is_back_in_haste() -> None:
    made = course(CHECK, [(16.0, 18.0)], [16.0], 40.0)
    states = [(at_s, watch.state.health.state.value) for at_s, watch in made]

    assert [16.0, 16.5, 17.0, 18.0, 18.5, 19.0, 19.5, 20.0] == [
        at_s for at_s, _ in states if 15.0 < at_s < 40.0
    ]
    assert (20.0, "healthy") in states
    assert (19.5, "unhealthy") in states


def test_who_stays_dead_is_asked_less_and_less_then_once_an_interval() -> None:
    made = [at_s for at_s, _ in course(CHECK, [(16.0, 1e9)], [16.0], 140.0)]

    assert [
        15.0,
        16.0,
        16.5,
        17.0,
        18.0,
        20.0,
        24.0,
        32.0,
        45.0,
        75.0,
        105.0,
        135.0,
    ] == made


def test_a_check_in_turn_keeps_its_distance_from_one_in_haste() -> None:
    """A blip of a moment before the turn meets one of them, not both."""
    made = course(CHECK, [(14.7, 15.1)], [14.8], 40.0)

    assert [14.8, 15.3] == [at_s for at_s, _ in made][:2]
    assert went_unhealthy_s(made) is None


def test_a_turn_that_is_near_is_waited_for_and_goes_on_in_haste() -> None:
    watch = begin(HEALTHY, 0.4, 0.0, 0.5)
    watch = advance(watch, Answered(200), replace(CHECK, interval_s=0.4), 0.2)

    doubted = doubt(watch, CHECK, 0.3, 0.0)

    assert (watch.next_s, QUICK_S) == (doubted.next_s, doubted.haste.pause_s)


def test_targets_that_fail_together_are_not_asked_together() -> None:
    watch = begin(HEALTHY, 30.0, 0.0, 0.5)

    assert 3.0 == doubt(watch, CHECK, 3.0, 0.0).next_s
    assert 3.0 + SPREAD_S / 2 == doubt(watch, CHECK, 3.0, 0.5).next_s


def test_a_check_that_was_not_made_is_made_again_and_tells_nothing() -> None:
    watch = doubt(begin(HEALTHY, 30.0, 0.0, 0.5), CHECK, 3.0, 0.0)

    again = advance(watch, NotMade("too many open files"), CHECK, 3.0)

    assert (watch.state, 3.5) == (again.state, again.next_s)


@pytest.mark.parametrize("known", [None, DEAD.health])
def test_of_who_is_not_healthy_there_is_no_doubt(known: TargetHealth | None) -> None:
    watch = begin(known, 30.0, 0.0, 0.5)

    assert watch == doubt(watch, CHECK, 3.0, 0.0)


CHECKS = st.builds(
    HealthCheck,
    interval_s=st.floats(1, 300),
    unhealthy_threshold=st.integers(2, 10),
    healthy_threshold=st.integers(1, 10),
)
DOUBTS = st.lists(st.floats(0, 60), max_size=30)


@given(CHECKS, st.floats(0, 50), st.floats(0.0, QUICK_S - 0.001), DOUBTS)
def test_no_blip_makes_a_target_unhealthy(
    check: HealthCheck, since_s: float, blip_s: float, doubts: list[float]
) -> None:
    """However many doubts there are, and whenever they come."""
    doubts += storm(since_s, since_s + blip_s)

    made = course(check, [(since_s, since_s + blip_s)], doubts, 60.0)

    assert went_unhealthy_s(made) is None


@given(st.integers(1, 10), st.floats(0.1, QUICK_S - 0.001))
def test_a_blip_between_turns_takes_nobody_out_at_any_threshold(
    threshold: int, blip_s: float
) -> None:
    check = replace(CHECK, unhealthy_threshold=threshold)
    since_s = 16.0

    made = course(check, [(since_s, since_s + blip_s)], storm(since_s, 20.0), 29.0)

    assert went_unhealthy_s(made) is None


@given(CHECKS, st.lists(st.tuples(st.floats(0, 60), st.floats(0, 20)), max_size=5))
def test_checks_in_haste_are_bounded_and_apart(
    check: HealthCheck, fails: list[tuple[float, float]]
) -> None:
    """Also in a storm without end, at a target that comes and goes."""
    made = course(check, [(a, a + b) for a, b in fails], storm(0.0, 60.0), 60.0)
    times = [at_s for at_s, _ in made]
    turns = 60.0 / check.interval_s + 1

    assert len(times) <= turns * (1 + per_interval(check))
    assert all(b - a >= QUICK_S - 1e-9 for a, b in pairwise(times))


@given(CHECKS, st.lists(st.sampled_from([Answered(200), Failed("x"), NotMade("y")])))
def test_without_a_doubt_there_is_one_check_an_interval(
    check: HealthCheck, outcomes: list[ProbeOutcome]
) -> None:
    watch = begin(HEALTHY, check.interval_s, 0.0, 0.5)
    for outcome in outcomes:
        following = advance(watch, outcome, check, watch.next_s)
        assert following.next_s - watch.next_s == pytest.approx(check.interval_s)
        watch = following
