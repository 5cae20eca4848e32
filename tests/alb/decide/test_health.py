"""A target's health changes when enough checks in a row say so, and says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.health import (
    HEALTHY,
    REGISTERED,
    Answered,
    Failed,
    NotMade,
    ProbeOutcome,
    ProbeState,
    TimedOut,
    adopted,
    observe,
    passes,
)
from alb.model import HealthCheck, HealthReason, HealthState, TargetHealth

CHECK = HealthCheck(healthy_threshold=3, unhealthy_threshold=2)
OUTCOMES: dict[str, ProbeOutcome] = {
    "+": Answered(200),
    "-": Answered(502),
    "t": TimedOut(),
    "f": Failed("connection refused"),
    "o": NotMade("too many open files"),
}
INITIAL, UNHEALTHY = HealthState.INITIAL, HealthState.UNHEALTHY
LETTERS = {INITIAL: "i", HealthState.HEALTHY: "h", UNHEALTHY: "u"}


def after(outcomes: str) -> list[ProbeState]:
    """The states that these outcomes lead through."""
    state, states = ProbeState(REGISTERED), []
    for letter in outcomes:
        state = observe(state, OUTCOMES[letter], CHECK)
        states.append(state)
    return states


# fmt: off
STREAKS = [  # + passed, - wrong status, t timeout, f no connection, o our own fault
    ("+",         "h",         "one passed check makes a new target healthy"),
    ("-",         "i",         "one failed check decides nothing"),
    ("--",        "iu",        "the unhealthy threshold does"),
    ("-+",        "ih",        "the first passed check still makes it healthy"),
    ("+-",        "hh",        "a healthy target may fail once"),
    ("+--",       "hhu",       "but not twice in a row"),
    ("+-+-+-",    "hhhhhh",    "a passed check forgives the failed one before"),
    ("+tf",       "hhu",       "however it fails"),
    ("--++",      "iuuu",      "an unhealthy target must pass more than twice"),
    ("--+++",     "iuuuh",     "the healthy threshold in a row"),
    ("--++-++",   "iuuuuuu",   "a failed check begins that anew"),
    ("--++-+++",  "iuuuuuuh",  "and then it takes all of them again"),
    ("ooo",       "iii",       "our own fault says nothing of a new target"),
    ("+oooo",     "hhhhh",     "nor of a healthy one"),
    ("+-o-",      "hhhu",      "nor does it forgive"),
    ("--+o++",    "iuuuuh",    "nor break a streak"),
]
REASONS = [
    ("-",  INITIAL,   HealthReason.INITIAL_HEALTH_CHECKING, "Initial health checks in progress"),
    ("+",  HealthState.HEALTHY, HealthReason.NONE,          ""),
    ("t-", UNHEALTHY, HealthReason.RESPONSE_CODE_MISMATCH,  "Health checks failed with these codes: [502]"),
    ("-t", UNHEALTHY, HealthReason.TIMEOUT,                 "Request timed out"),
    ("-f", UNHEALTHY, HealthReason.FAILED_HEALTH_CHECKS,    "Health checks failed: connection refused"),
    ("--t", UNHEALTHY, HealthReason.TIMEOUT,                "Request timed out"),
    ("--+", UNHEALTHY, HealthReason.RESPONSE_CODE_MISMATCH, "Health checks failed with these codes: [502]"),
]
# fmt: on


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [row[:2] for row in STREAKS],
    ids=[row[2] for row in STREAKS],
)
def test_streaks(outcomes: str, expected: str) -> None:
    states = after(outcomes)

    assert expected == "".join(LETTERS[state.health.state] for state in states)


@pytest.mark.parametrize(("outcomes", "state", "reason", "description"), REASONS)
def test_the_state_carries_its_reason(
    outcomes: str, state: HealthState, reason: HealthReason, description: str
) -> None:
    assert TargetHealth(state, reason, description) == after(outcomes)[-1].health


# fmt: off
MATCHERS = [
    (((200, 200),),             200, True,  "the default"),
    (((200, 200),),             204, False, "is one status"),
    (((200, 299),),             204, True,  "a range has its lower end"),
    (((200, 299),),             299, True,  "and its upper"),
    (((200, 299),),             300, False, "and no more"),
    (((200, 200), (301, 302)),  302, True,  "any range will do"),
]
# fmt: on


@pytest.mark.parametrize(
    ("matcher", "status", "expected"),
    [row[:3] for row in MATCHERS],
    ids=[row[3] for row in MATCHERS],
)
def test_matcher(
    matcher: tuple[tuple[int, int], ...], status: int, *, expected: bool
) -> None:
    assert expected == passes(Answered(status), HealthCheck(matcher=matcher))


def test_only_an_answer_can_pass() -> None:
    everything = HealthCheck(matcher=((100, 999),))

    assert not any(passes(OUTCOMES[letter], everything) for letter in "tfo")


# fmt: off
ADOPTED = [
    (None,                                HealthState.INITIAL, "nothing was known"),
    (TargetHealth(HealthState.DRAINING),  HealthState.INITIAL, "one that was leaving starts anew"),
    (TargetHealth(HealthState.UNUSED),    HealthState.INITIAL, "one that was not checked, too"),
    (HEALTHY,                             HealthState.HEALTHY, "a healthy one stays healthy"),
    (TargetHealth(UNHEALTHY),             UNHEALTHY,           "an unhealthy one unhealthy"),
]
# fmt: on


@pytest.mark.parametrize(
    ("known", "expected"), [row[:2] for row in ADOPTED], ids=[row[2] for row in ADOPTED]
)
def test_adoption(known: TargetHealth | None, expected: HealthState) -> None:
    assert expected == adopted(known).health.state


@given(
    outcomes=st.text("+-tf", max_size=30),
    healthy=st.integers(1, 5),
    unhealthy=st.integers(1, 5),
)
def test_a_judged_target_changes_only_after_a_threshold_in_a_row(
    outcomes: str, healthy: int, unhealthy: int
) -> None:
    check = HealthCheck(healthy_threshold=healthy, unhealthy_threshold=unhealthy)
    state = ProbeState(REGISTERED)
    for count, letter in enumerate(outcomes, start=1):
        before, state = state, observe(state, OUTCOMES[letter], check)
        if before.health.state is state.health.state:
            continue
        became_healthy = state.health.state is HealthState.HEALTHY
        first = before.health.state is HealthState.INITIAL and became_healthy
        needed = 1 if first else healthy if became_healthy else unhealthy
        streak = outcomes[:count][-needed:]
        assert needed == len(streak)
        assert all((result == "+") == became_healthy for result in streak)


@given(st.text("+-tf", max_size=12), st.integers(1, 5), st.integers(1, 5))
def test_enough_agreeing_checks_settle_every_target(
    outcomes: str, healthy: int, unhealthy: int
) -> None:
    check = HealthCheck(healthy_threshold=healthy, unhealthy_threshold=unhealthy)
    state = ProbeState(REGISTERED)
    for letter in outcomes + "+" * healthy:
        state = observe(state, OUTCOMES[letter], check)
    assert state.health.state is HealthState.HEALTHY
    for letter in "-" * unhealthy:
        state = observe(state, OUTCOMES[letter], check)
    assert state.health.state is UNHEALTHY
