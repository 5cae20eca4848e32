"""Target tracking: the proportion, its alarms, and what would be taken back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.proposal import COUNT_MAX
from autoscaler.decide.target_tracking import (
    Tracked,
    alarms_of,
    tracked_count,
    want,
    would_exceed,
)
from autoscaler.model import Metric, Statistic
from autoscaler.policies import TargetTrackingPolicy

CPU = Metric("AWS/ECS", "CPUUtilization")


def policy(
    target: float = 70.0, *, disable_scale_in: bool = False
) -> TargetTrackingPolicy:
    tracked = Tracked(CPU, Statistic.AVERAGE, target)
    high, low = alarms_of(tracked, "service/demo/web", "0", aws_timing=True)
    return TargetTrackingPolicy(
        "cpu", target, high, low, disable_scale_in=disable_scale_in
    )


# fmt: off
COUNTS = [  # count, metric, target, and what brings it there
    (10, 80.0, 70.0, 12, "10 x 80 / 70 is 11.4, rounded up"),
    (10, 70.0, 70.0, 10, "on target"),
    (3,  90.0, 30.0, 9,  "three times the target is three times the tasks"),
    (10, 35.0, 70.0, 5,  "half of it is half of them"),
    (10, 36.0, 70.0, 6,  "5.1, rounded up: scaling in never goes past the target"),
    (3,  0.1 * 3, 0.3, 3, "what a float adds is not another task"),
    (4,  0.0,  70.0, 0,  "nothing to do needs nobody"),
    (0,  5.0,  70.0, 1,  "of none it is one: somebody waits"),
    (0,  0.0,  70.0, 0,  "or nobody does"),
    (9,  2.0**360, 1e-300, COUNT_MAX, "what no float holds is a great many"),
]
# fmt: on


@pytest.mark.parametrize(
    ("count", "value", "target", "expected"),
    [row[:-1] for row in COUNTS],
    ids=[row[-1] for row in COUNTS],
)
def test_tracked_count(count: int, value: float, target: float, expected: int) -> None:
    assert expected == tracked_count(count, value, target)


def test_it_says_what_it_goes_by_in_awss_words() -> None:
    by = policy()
    out = want(by, by.high, 10, 10, 80.0)
    back = want(by, by.low, 10, 10, 35.0)

    assert (12, 5) == (out.count, back.count)
    assert "CPUUtilization 80 against the target 70 asks for 12" == out.because
    assert (
        "monitor alarm TargetTracking-service/demo/web-AlarmLow-0 in state ALARM"
        " triggered policy cpu"
    ) == back.cause


def test_in_a_scale_out_cooldown_it_counts_from_before() -> None:
    by = policy()

    assert want(by, by.high, 12, 10, 80.0).of_base == 12
    assert want(by, by.high, 12, 10, 140.0).of_base == 20


def test_an_alarm_moves_the_count_its_own_way_only() -> None:
    by = policy()

    assert want(by, by.high, 10, 10, 60.0).count == 10
    assert want(by, by.low, 10, 10, 90.0).count == 10


@given(
    count=st.integers(1, 500),
    value=st.floats(0, 1e6, allow_subnormal=False),
    target=st.floats(0.01, 1e6),
)
def test_the_count_is_the_least_that_meets_the_target(
    count: int, value: float, target: float
) -> None:
    found = tracked_count(count, value, target)

    assert found >= 0
    work = count * value / target
    assert found >= work - 1e-6 * max(1.0, work)
    assert found - 1 < work + 1e-6 * max(1.0, work)
    if found < count and math.isfinite(work):
        assert not would_exceed(policy(target), count, value, found + 1)


def test_what_would_exceed_its_target_is_anticipated() -> None:
    assert would_exceed(policy(), 10, 50.0, 7)
    assert not would_exceed(policy(), 10, 50.0, 8)
    assert not would_exceed(policy(), 10, None, 1)
    assert not would_exceed(policy(), 10, 0.0, 0)
