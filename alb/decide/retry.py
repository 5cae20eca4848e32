"""Whether a request that failed at one target is sent to another.

Floor 1: pure. What was not sent at all is always tried elsewhere and asks nobody
here; this is about what a target may have seen.

    a used connection ended without a byte of an answer   if told, for requests
                                                          without a body that may
                                                          be repeated
    an answer with a status that was listed               if told, while the body
                                                          is still at hand

Both only while nothing went to the client, within the request's time, on a target
that was not tried, and within a budget: of all that failed, a share is sent again,
so that targets which fail because they are busy do not get twice as much to do.

    retries in t seconds  <=  percent of the requests + minimum x (1 + t) + EARNED_MAX

Source: RFC 9110 9.2.2 (what may be repeated), 9.3.1 (a connection that ended). The
budget is a bucket of tokens, earned by requests, as in Finagle.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from alb.policies import RetryPolicy

ATTEMPTS_MAX: Final = 3
KEPT_MAX: Final = 64 * 1024
"""Bytes of a request's body that are kept to be sent again."""
EARNED_MAX: Final = 100
"""Retries that a quiet time saves up."""
_WHOLE: Final = 100
IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


class RetryBudget:
    """How much may still be sent again: in hundredths of a request.

    Every request earns `percent`; `minimum` retries a second are free.
    """

    __slots__ = ("_earned", "_minimum", "_percent", "_since_s", "_spare")

    def __init__(self, percent: int, minimum: int) -> None:
        self._percent = percent
        self._minimum = float(minimum)
        self._earned = 0
        self._spare = float(minimum)
        self._since_s = 0.0

    def earn(self) -> None:
        """A request came that was not sent before."""
        earned = self._earned + self._percent
        self._earned = min(earned, EARNED_MAX * _WHOLE)

    def spend(self, now_s: float) -> bool:
        """Take one retry, if there is one left; `now_s` never goes back."""
        if self._earned >= _WHOLE:
            self._earned -= _WHOLE
            return True
        gained = (now_s - self._since_s) * self._minimum
        self._spare = min(self._minimum, self._spare + gained)
        self._since_s = now_s
        if self._spare < 1:
            return False
        self._spare -= 1
        return True


class Retries:
    """A group's policy, compiled, and its budget in one worker."""

    __slots__ = ("budget", "on_reset", "policy", "statuses")

    def __init__(self, policy: RetryPolicy) -> None:
        self.policy = policy
        self.on_reset = policy.on_reset
        self.statuses = frozenset(
            status
            for low, high in policy.on_status_codes
            for status in range(low, high + 1)
        )
        self.budget = RetryBudget(policy.budget_percent, policy.budget_minimum)

    def may_repeat(self, method: bytes) -> bool:
        """Whether what a target answered may be sent to another."""
        return method in IDEMPOTENT or self.policy.non_idempotent


def retries_of(policy: RetryPolicy, before: Retries | None) -> Retries | None:
    """Return how to follow `policy`; one that did not change keeps its budget."""
    if not policy.on_reset and not policy.on_status_codes:
        return None
    if before is not None and before.policy == policy:
        return before
    return Retries(policy)


class Attempted(NamedTuple):
    """What is known of a request when an attempt at it has failed."""

    method: bytes
    failed: int
    """Attempts that failed, this one included."""
    has_body: bool
    body_at_hand: bool
    """All that was read of the body is kept; also True where there is none."""
    left_s: float
    """Until the request's time is up."""


def may_follow_reset(retries: Retries, tried: Attempted) -> bool:
    """Whether to go on when a used connection ended without a byte of an answer."""
    return (
        retries.on_reset
        and not tried.has_body
        and tried.method in IDEMPOTENT
        and _has_room(tried)
    )


def may_follow_status(retries: Retries, tried: Attempted, status: int) -> bool:
    """Whether to go on when a target answered with `status`."""
    return (
        status in retries.statuses
        and tried.body_at_hand
        and retries.may_repeat(tried.method)
        and _has_room(tried)
    )


def _has_room(tried: Attempted) -> bool:
    return tried.failed < ATTEMPTS_MAX and tried.left_s > 0
