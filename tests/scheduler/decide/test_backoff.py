"""What keeps failing is started more and more rarely, but never given up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.decide import backoff
from scheduler.model import Deployment, StopCode, Task
from tests.support.tasks import NOW, definition, task


def failed(created_at: float, code: StopCode = StopCode.TASK_FAILED_TO_START) -> Task:
    return replace(
        task(), created_at_unix_s=created_at, started_at_unix_s=None, stop_code=code
    )


def deployment(rounds: int = 0, failed_at: float = 0.0) -> Deployment:
    fresh = Deployment("ecs-svc/1", "web", definition(), NOW)
    return replace(fresh, failed_rounds=rounds, failed_at_unix_s=failed_at)


def test_the_curve() -> None:
    waits = [backoff.delay_s(rounds) for rounds in range(12)]
    assert [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60] == waits


@given(st.integers(0, 10_000))
def test_waiting_never_shrinks_and_is_bounded(rounds: int) -> None:
    wait = backoff.delay_s(rounds)
    assert 0 <= wait <= backoff.delay_s(rounds + 1) <= backoff.DELAY_MAX_S


def test_tasks_of_one_round_count_once() -> None:
    after = backoff.after_failure(deployment(), failed(NOW), NOW + 1)
    again = backoff.after_failure(after, failed(NOW), NOW + 2)
    assert again.failed_rounds == 1
    assert again.failed_at_unix_s == NOW + 1


def test_the_next_round_counts_on() -> None:
    after = backoff.after_failure(deployment(3, NOW), failed(NOW), NOW + 1)
    assert (4, NOW + 1) == (after.failed_rounds, after.failed_at_unix_s)
    assert backoff.may_start_at_s(after) == NOW + 2


@pytest.mark.parametrize(
    ("later_s", "rounds"), [(8 + 60, 8), (8 + 60.1, 1)], ids=["in a row", "quiet since"]
)
def test_a_quiet_minute_ends_the_row(later_s: float, rounds: int) -> None:
    before = deployment(7, NOW)
    after = backoff.after_failure(before, failed(NOW + 8), NOW + later_s)
    assert rounds == after.failed_rounds


@pytest.mark.parametrize(
    ("lived_s", "was_healthy", "counted"),
    [(59.9, True, 1), (60.0, True, 0), (600.0, False, 1)],
    ids=["died quickly", "lived", "never served"],
)
def test_what_never_served_for_a_while_counts(
    lived_s: float, was_healthy: object, counted: int
) -> None:
    dead = replace(
        failed(NOW, StopCode.ESSENTIAL_CONTAINER_EXITED),
        started_at_unix_s=NOW + 1,
        healthy_at_unix_s=NOW + 2 if was_healthy else None,
    )
    after = backoff.after_failure(deployment(), dead, NOW + 1 + lived_s)
    assert counted == after.failed_rounds
