"""FastTracking: panic, calm, the way down, and what never happens."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.fast_tracking import (
    FastDecision,
    Seen,
    Values,
    decide,
    seconds_needed,
    values_of,
)
from autoscaler.decide.statistics import Distribution
from autoscaler.model import Metric
from autoscaler.policies import FastMetric, FastTrackingPolicy

IN_FLIGHT = FastTrackingPolicy(
    "fast",
    FastMetric.IN_FLIGHT_PER_TARGET,
    Metric("n", "m"),
    10.0,
    stabilization_s=120,
)
NOW = 1_000_000.0
LONG = seconds_needed(IN_FLIGHT)


def seen(
    values: Values, present: int, *, ready: int | None = None, observed_s: int = 10_000
) -> Seen:
    return Seen(
        values[-IN_FLIGHT.stable_window_s :],
        lambda: values,
        observed_s,
        present,
        present if ready is None else ready,
        present,
        present,
    )


def steady(value: float, *more: tuple[int, float]) -> list[float | None]:
    """A value for as long as a look needs, then (seconds, value) after one another."""
    values: list[float | None] = [value] * LONG
    for seconds, later in more:
        values += [later] * seconds
    return values[-LONG:]


def wanted(decision: FastDecision, present: int) -> int:
    return decision.want.count if decision.want else present


# fmt: off
CASES = [  # values, tasks, and what is wanted at 10 in flight each
    (steady(40.0),             4, 4,  "on target: nothing"),
    (steady(43.0),             4, 4,  "within the tolerance: nothing"),
    (steady(44.1),             4, 5,  "beyond it: one more"),
    (steady(40.0, (60, 80.0)), 4, 8,  "twice as much for a minute, twice the tasks"),
    (steady(40.0, (6, 200.0)), 4, 20, "five times in six seconds is panic: at once"),
    (steady(40.0, (2, 200.0)), 4, 10, "two seconds of it are seen already"),
    (steady(40.0, (1, 60.0)),  4, 4,  "half as much again for a second is no panic"),
    (steady(15.0),             4, 2,  "less for long: down to what it wants"),
    (steady(40.0, (70, 15.0)), 4, 4,  "less for a minute: not yet"),
    (steady(80.0, (61, 15.0)), 6, 6,  "more was wanted lately than there is: nothing"),
    (steady(0.0),              4, 2,  "down by half at most in a quarter of a minute"),
    (steady(0.0),              1, 1,  "never to none"),
    (steady(10_000.0),         4, 40, "up to ten times at most in a quarter of a minute"),
    ([None] * LONG,            4, 4,  "nothing measured, nothing wanted"),
]
# fmt: on


@pytest.mark.parametrize(
    ("values", "present", "expected"),
    [row[:-1] for row in CASES],
    ids=[row[-1] for row in CASES],
)
def test_what_is_wanted(values: Values, present: int, expected: int) -> None:
    decision = decide(IN_FLIGHT, seen(values, present), None, NOW)

    assert expected == wanted(decision, present)
    assert decision.state


def test_in_panic_nothing_scales_in_until_a_stable_window_without() -> None:
    alarm = decide(IN_FLIGHT, seen(steady(40.0, (6, 200.0)), 4), None, NOW)
    assert alarm.panic_until_s == NOW + IN_FLIGHT.stable_window_s
    until_s = alarm.panic_until_s

    during = decide(IN_FLIGHT, seen(steady(10.0), 20), until_s, until_s - 1)
    after = decide(IN_FLIGHT, seen(steady(10.0), 20), until_s, until_s)

    assert during.want is None
    assert "panic, no scaling in for 1 s" in during.state
    assert wanted(after, 20) == 10


def test_panic_goes_by_the_tasks_that_are_ready() -> None:
    starting = seen(steady(40.0, (6, 200.0)), 20, ready=4)

    decision = decide(IN_FLIGHT, starting, None, NOW)

    assert decision.want is None
    assert decision.panic_until_s == NOW + IN_FLIGHT.stable_window_s


def test_at_the_minimum_it_looks_no_further_back() -> None:
    def never() -> Values:
        raise AssertionError

    low = Seen(steady(10.0)[-60:], never, 10_000, 3, 3, 3, 3, minimum=3)
    decision = decide(IN_FLIGHT, low, None, NOW)

    assert decision.want is None
    assert decision.state.endswith("wants 1; 3 is the minimum")


def test_after_a_start_it_scales_out_at_once_and_in_later() -> None:
    young = [*[None] * (LONG - 10), *[200.0] * 10]
    low = [*[None] * (LONG - 60), *[10.0] * 60]

    assert wanted(decide(IN_FLIGHT, seen(young, 4, observed_s=10), None, NOW), 4) == 20
    early = decide(IN_FLIGHT, seen(low, 4, observed_s=60), None, NOW)
    assert early.want is None
    assert "may scale in after 60 s more" in early.state


# fmt: off
OTHERS = [
    (FastMetric.REQUESTS_PER_SECOND_PER_TARGET, 10.0, 43.9, 4, "requests a second"),
    (FastMetric.REQUESTS_PER_SECOND_PER_TARGET, 10.0, 90.0, 9, "requests a second"),
    (FastMetric.RESPONSE_TIME_AVERAGE, 0.2, 0.3,  6, "half as long again"),
    (FastMetric.RESPONSE_TIME_P95,     0.2, 0.21, 4, "within the tolerance"),
    (FastMetric.RESPONSE_TIME_P95,     0.2, 0.01, 4, "fast answers say not how few"),
    (FastMetric.QUEUED_PER_TARGET,     5.0, 12.0, 7, "those that wait need others"),
    (FastMetric.QUEUED_PER_TARGET,     5.0, 0.0,  4, "nobody waits"),
]
# fmt: on


@pytest.mark.parametrize(
    ("kind", "target", "value", "expected"),
    [row[:-1] for row in OTHERS],
    ids=[f"{row[0].value} {row[2]}: {row[-1]}" for row in OTHERS],
)
def test_other_metrics(
    kind: FastMetric, target: float, value: float, expected: int
) -> None:
    policy = replace(IN_FLIGHT, metric_type=kind, target_value=target)

    assert expected == wanted(decide(policy, seen(steady(value), 4), None, NOW), 4)


def test_values_are_those_of_each_second() -> None:
    seconds = [Distribution.of([1.0, 3.0]), None, Distribution.of([*range(100)])]

    def values(kind: FastMetric) -> Values:
        return values_of(replace(IN_FLIGHT, metric_type=kind), seconds)

    assert [2.0, None, 49.5] == values(FastMetric.IN_FLIGHT_PER_TARGET)
    assert [3.0, None, 94.0] == values(FastMetric.RESPONSE_TIME_P95)
    requests = FastMetric.REQUESTS_PER_SECOND_PER_TARGET
    assert [4.0, 0.0, 4950.0] == values(requests)
    uncounted = values_of(replace(IN_FLIGHT, metric_type=requests), [None, None])
    assert [None, None] == uncounted


def test_a_decision_says_its_figures() -> None:
    decision = decide(IN_FLIGHT, seen(steady(40.0, (6, 200.0)), 4), None, NOW)

    assert decision.want
    assert decision.want.because == (
        "200 requests in flight over 6 s, 10 each asks for 20, in panic with 4 ready"
    )
    assert decision.want.cause == "policy fast follows InFlightPerTarget"


VALUES = st.lists(
    st.one_of(st.none(), st.floats(0, 1e4, allow_subnormal=False)),
    max_size=LONG + 5,
)


@given(values=VALUES, present=st.integers(0, 50), ready=st.integers(0, 50))
def test_its_bounds_hold_whatever_is_measured(
    values: list[float | None], present: int, ready: int
) -> None:
    look = seen(values, present, ready=ready)
    decision = decide(IN_FLIGHT, look, None, NOW)

    assert decision == decide(IN_FLIGHT, look, None, NOW)
    count = wanted(decision, present)
    assert count >= min(1, present)
    assert count <= present + max(1, present * IN_FLIGHT.max_scale_out_percent // 100)
    assert count >= present - max(1, present * IN_FLIGHT.max_scale_in_percent // 100)


@given(
    load=st.floats(0, 2000),
    start=st.integers(1, 60),
    noise=st.lists(st.floats(-0.03, 0.03), min_size=5, max_size=5),
)
def test_under_a_constant_load_it_comes_to_rest(
    load: float, start: int, noise: list[float]
) -> None:
    """From any count, after a while nothing changes any more."""
    values = [load * (1 + noise[n % 5]) for n in range(LONG)]
    present, until_s, counts = start, None, []
    for look in range(60):
        now_s = NOW + 15 * look
        decision = decide(IN_FLIGHT, seen(values, present), until_s, now_s)
        until_s = decision.panic_until_s
        present = wanted(decision, present)
        counts.append(present)

    assert len({*counts[-20:]}) == 1
    turns = [(b > a) for a, b in itertools.pairwise(counts) if a != b]
    assert len([*itertools.groupby(turns)]) <= 2, "up, and corrected once"
