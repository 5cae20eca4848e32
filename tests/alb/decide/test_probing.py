"""Who is checked, and when: at a fixed rate, new targets sooner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.health import (
    CHECKING,
    DRAINING,
    HEALTHY,
    NOT_IN_USE,
    REGISTERED,
    Answered,
    Failed,
    NotMade,
    ProbeOutcome,
)
from alb.decide.probing import (
    EARLY_EVERY_S,
    Probed,
    Watch,
    advance,
    assignments,
    begin,
    groups_named,
    next_due_s,
)
from alb.model import (
    FixedResponse,
    Forward,
    GroupTargets,
    HealthCheck,
    HealthState,
    Target,
    TargetGroup,
    TargetId,
    WeightedGroup,
)

CHECK = HealthCheck(interval_s=10.0)
PASSED, REFUSED = Answered(200), Failed("connection refused")


def group(
    name: str, check: HealthCheck = CHECK, *, draining: bool = False
) -> GroupTargets:
    target = Target(TargetId(f"t/{name}"), "192.0.2.1", 8080, draining)
    return GroupTargets(TargetGroup(name, check), (target,))


def forward(**weights: int) -> Forward:
    return Forward(tuple(WeightedGroup(name, w) for name, w in weights.items()))


def test_a_group_that_some_action_names_is_in_use() -> None:
    actions = (forward(main=1), forward(ruled=1, off=0), FixedResponse(200))

    assert {"main", "ruled", "off"} == groups_named(actions)


def test_targets_of_groups_in_use_are_checked() -> None:
    probed = Probed("192.0.2.1", 8080, CHECK, "main")
    assert {"t/main": probed} == assignments(group("main"), in_use=True)
    assert {"t/idle": NOT_IN_USE} == assignments(group("idle"), in_use=False)


def test_a_draining_target_is_not_checked() -> None:
    found = assignments(group("main", draining=True), in_use=True)

    assert {"t/main": DRAINING} == found


def test_the_health_check_may_have_a_port_of_its_own() -> None:
    check = HealthCheck(port=9000)

    found = assignments(group("main", check), in_use=True)

    assert {"t/main": Probed("192.0.2.1", 9000, check, "main")} == found


def test_a_new_target_is_checked_at_once_and_counted_later() -> None:
    watch = begin(None, 10.0, now_s=100.0, draw=0.25)

    assert (100.0, 107.5) == (watch.next_s, watch.due_s)
    assert watch.state.health == REGISTERED


def test_a_known_target_waits_for_its_turn() -> None:
    watch = begin(HEALTHY, 10.0, now_s=100.0, draw=0.25)

    assert (102.5, 102.5) == (watch.next_s, watch.due_s)
    assert watch.state.health == HEALTHY


def seen(outcomes: list[ProbeOutcome], draw: float = 0.0) -> list[Watch]:
    """A new target's watches, each check made on time and taking no time."""
    watch = begin(None, CHECK.interval_s, 0.0, draw)
    watches = [watch]
    for outcome in outcomes:
        watch = advance(watch, outcome, CHECK, watch.next_s)
        watches.append(watch)
    return watches


def test_an_early_check_that_passes_makes_a_target_healthy() -> None:
    *_, last = seen([REFUSED, REFUSED, PASSED])

    assert last.state.health == HEALTHY
    assert last.next_s == last.due_s == 5.0


def test_early_checks_that_fail_are_repeated_soon_and_do_not_count() -> None:
    watches = seen([REFUSED] * 20)

    assert [EARLY_EVERY_S * n for n in range(21)] == [w.next_s for w in watches]
    assert watches[-1].state.health == CHECKING
    assert watches[-1].state.against == 0


def test_checks_on_the_beat_count() -> None:
    watches = seen([REFUSED] * 100)

    unhealthy = [w for w in watches if w.state.health.state is HealthState.UNHEALTHY]
    assert unhealthy[0].due_s == 25.0, "counted at 5 and 15, so next at 25"
    assert {w.next_s for w in unhealthy[:2]} == {25.0, 35.0}, "no longer early"


def test_an_early_check_that_was_not_made_says_nothing() -> None:
    *_, last = seen([NotMade("too many open files")])

    assert last.state.health == REGISTERED
    assert last.next_s == EARLY_EVERY_S


# fmt: off
BEATS = [
    (100.0, 100.0, 110.0, "the next beat"),
    (100.0, 100.7, 110.0, "however long the check took"),
    (100.0, 109.9, 110.0, "even all of the interval"),
    (100.0, 110.0, 120.0, "a beat that is over is left out"),
    (100.0, 147.0, 150.0, "as are many"),
    (100.0,  99.9, 110.0, "a timer may come a little early"),
]
# fmt: on


@pytest.mark.parametrize(
    ("due", "now", "expected"),
    [row[:3] for row in BEATS],
    ids=[row[3] for row in BEATS],
)
def test_the_rate_is_fixed(due: float, now: float, expected: float) -> None:
    assert expected == next_due_s(due, 10.0, now)


@given(st.floats(0, 1e6), st.floats(0.01, 300), st.floats(-1, 1000))
def test_the_next_check_is_never_in_the_past(
    due: float, interval: float, late: float
) -> None:
    following = next_due_s(due, interval, due + late)

    assert following > due
    assert following >= due + late - 1e-6
