"""When so many tasks have failed that the deployment has."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.configuration import CircuitBreaker, DeploymentAlarms, ThresholdType
from scheduler.decide import breaker
from scheduler.model import Deployment
from tests.support.tasks import NOW, definition, task

T = ThresholdType
FRESH = Deployment("ecs-svc/1", "web", definition(), NOW)

# fmt: off
THRESHOLDS = [  # type, value, desired, threshold, because
    (T.BOUNDED_PERCENT,   50,   1,   3, "ECS's example: 1 task, 3 at least"),
    (T.BOUNDED_PERCENT,   50,  25,  13, "ECS's example: half of 25, rounded up"),
    (T.BOUNDED_PERCENT,   50, 400, 200, "ECS's example: half of 400"),
    (T.BOUNDED_PERCENT,   50, 800, 200, "ECS's example: 200 at most"),
    (T.UNBOUNDED_PERCENT, 50,   4,   2, "without the least"),
    (T.UNBOUNDED_PERCENT, 50, 800, 400, "and without the most"),
    (T.UNBOUNDED_PERCENT, 50,   0,   1, "none has not failed"),
    (T.COUNT,              5, 800,   5, "a count is a count"),
]
# fmt: on


@pytest.mark.parametrize(
    ("kind", "value", "desired", "expected"),
    [row[:-1] for row in THRESHOLDS],
    ids=[row[-1] for row in THRESHOLDS],
)
def test_threshold(
    kind: ThresholdType, value: int, desired: int, expected: int
) -> None:
    config = CircuitBreaker(threshold_type=kind, threshold_value=value)
    assert expected == breaker.threshold(config, desired)


@given(st.integers(0, 10_000), st.integers(1, 100))
def test_a_bounded_threshold_is_bounded_and_grows(desired: int, percent: int) -> None:
    config = CircuitBreaker(threshold_value=percent)
    found = breaker.threshold(config, desired)
    assert 3 <= found <= breaker.threshold(config, desired + 1) <= 200


def test_it_trips_at_its_threshold_and_only_when_enabled() -> None:
    on, off = CircuitBreaker(enable=True), CircuitBreaker()
    two = breaker.after_failure(breaker.after_failure(FRESH))
    three = breaker.after_failure(two)
    assert not breaker.has_tripped(two, on, 1)
    assert breaker.has_tripped(three, on, 1)
    assert not breaker.has_tripped(three, off, 1)


def test_a_healthy_task_ends_the_row_unless_it_is_told_not_to() -> None:
    two = breaker.after_failure(breaker.after_failure(FRESH))
    assert breaker.after_healthy(two, CircuitBreaker()).failed_tasks == 0
    kept = CircuitBreaker(reset_on_healthy_task=False)
    assert breaker.after_healthy(two, kept).failed_tasks == 2


def test_each_task_counts_once_and_not_after_it_was_healthy() -> None:
    assert breaker.counts(task())
    assert not breaker.counts(replace(task(), unhealthy_at_unix_s=NOW))
    assert not breaker.counts(replace(task(), healthy_at_unix_s=NOW))


ON = DeploymentAlarms(("p95", "errors"), enable=True)


def test_an_alarm_during_the_deployment_is_raised() -> None:
    watched = breaker.watched(FRESH, ON, {"other"})
    assert () == breaker.raised(watched, ON, {"other"})
    assert ("errors",) == breaker.raised(watched, ON, {"errors", "other"})
    assert watched == breaker.watched(watched, ON, {"errors"}), "asked once"


def test_one_that_was_in_alarm_before_says_nothing() -> None:
    watched = breaker.watched(FRESH, ON, {"p95"})
    assert () == breaker.raised(watched, ON, {"p95", "errors"})


def test_alarms_that_are_not_enabled_are_not_watched() -> None:
    off = replace(ON, enable=False)
    assert FRESH == breaker.watched(FRESH, off, {"p95"})
    watched = replace(FRESH, alarms_ignored=False)
    assert () == breaker.raised(watched, off, {"p95"})
