"""What is sent again, and how much of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.retry import (
    ATTEMPTS_MAX,
    EARNED_MAX,
    Attempted,
    Retries,
    RetryBudget,
    may_follow_reset,
    may_follow_status,
    retries_of,
)
from alb.policies import RetryPolicy

BOTH = RetryPolicy(on_reset=True, on_status_codes=((502, 504),))
STATUS_ONLY = RetryPolicy(on_status_codes=((503, 503),))
RESET_ONLY = RetryPolicy(on_reset=True)
ALL_METHODS = RetryPolicy(
    on_reset=True, on_status_codes=((503, 503),), non_idempotent=True
)
GET = Attempted(b"GET", 1, has_body=False, body_at_hand=True, left_s=9.0)
PUT = GET._replace(method=b"PUT", has_body=True)
POST = PUT._replace(method=b"POST")

# fmt: off
STATUSES = [
    (BOTH,        GET,                             503, True,  "a listed status"),
    (BOTH,        GET,                             500, False, "a status that is not listed"),
    (BOTH,        PUT,                             503, True,  "a body that was kept"),
    (BOTH,        PUT._replace(body_at_hand=False), 503, False, "a body that was not"),
    (BOTH,        POST,                            503, False, "what may have been acted on"),
    (ALL_METHODS, POST,                            503, True,  "unless the group says so"),
    (ALL_METHODS, POST._replace(body_at_hand=False), 503, False, "still not without its body"),
    (BOTH,        GET._replace(method=b"PURGE"),   503, False, "a method nobody knows"),
    (BOTH,        GET._replace(left_s=0.0),        503, False, "its time is up"),
    (BOTH,        GET._replace(failed=ATTEMPTS_MAX), 503, False, "the last attempt"),
    (RESET_ONLY,  GET,                             503, False, "only resets are followed"),
]
RESETS = [
    (BOTH,        GET,                              True,  "nothing of an answer came"),
    (BOTH,        GET._replace(method=b"DELETE"),   True,  "what may be repeated"),
    (BOTH,        PUT,                              False, "a body may have been acted on"),
    (BOTH,        POST._replace(has_body=False),    False, "never a POST"),
    (ALL_METHODS, POST._replace(has_body=False),    False, "whatever the group says of statuses"),
    (BOTH,        GET._replace(left_s=-1.0),        False, "its time is up"),
    (BOTH,        GET._replace(failed=ATTEMPTS_MAX), False, "the last attempt"),
    (STATUS_ONLY, GET,                              False, "only statuses are followed"),
]
# fmt: on


@pytest.mark.parametrize(
    ("policy", "tried", "status", "again"),
    [row[:-1] for row in STATUSES],
    ids=[row[-1] for row in STATUSES],
)
def test_what_a_status_leads_to(
    policy: RetryPolicy, tried: Attempted, status: int, *, again: bool
) -> None:
    assert may_follow_status(Retries(policy), tried, status) is again


@pytest.mark.parametrize(
    ("policy", "tried", "again"),
    [row[:-1] for row in RESETS],
    ids=[row[-1] for row in RESETS],
)
def test_what_a_reset_leads_to(
    policy: RetryPolicy, tried: Attempted, *, again: bool
) -> None:
    assert may_follow_reset(Retries(policy), tried) is again


def test_no_policy_asks_for_nothing() -> None:
    assert retries_of(RetryPolicy(), None) is None
    assert retries_of(RetryPolicy(budget_percent=50), Retries(BOTH)) is None


def test_a_budget_outlives_what_changes_besides() -> None:
    before = retries_of(BOTH, None)
    assert retries_of(BOTH, before) is before
    assert retries_of(RESET_ONLY, before) is not before


def test_a_minimum_is_free_each_second() -> None:
    budget = RetryBudget(20, 3)
    assert [budget.spend(5.0) for _ in range(4)] == [True, True, True, False]
    assert [budget.spend(5.5), budget.spend(5.5)] == [True, False]
    assert [budget.spend(99.0) for _ in range(4)] == [True, True, True, False]


def test_of_many_that_fail_a_share_is_sent_again() -> None:
    budget = RetryBudget(20, 0)
    sent_again = 0
    for _ in range(1000):
        budget.earn()
        sent_again += budget.spend(1.0)
    assert sent_again == 200


events = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 80), st.floats(0, 3)), max_size=40
)


@given(percent=st.integers(0, 100), minimum=st.integers(0, 20), story=events)
def test_no_story_sends_more_than_its_share_again(
    percent: int, minimum: int, story: list[tuple[int, int, float]]
) -> None:
    """From any moment on: the share of what came since, what is free, what was saved."""
    budget = RetryBudget(percent, minimum)
    now_s = 1000.0
    log: list[tuple[float, int, int]] = []
    for requests, failures, later_s in story:
        for _ in range(requests):
            budget.earn()
        log.append((now_s, requests, sum(budget.spend(now_s) for _ in range(failures))))
        now_s += later_s
    for start in range(len(log)):
        requests = again = 0
        for at_s, came, spent in log[start:]:
            requests, again = requests + came, again + spent
            free = minimum * (1 + at_s - log[start][0])
            saved = 0 if start == 0 else EARNED_MAX
            assert again <= requests * percent / 100 + free + saved + 1e-6
