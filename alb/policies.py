"""What a target group does beyond ALB, where it is told to. Floor 0: values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What is sent to another target though one may have seen it. Ours; off."""

    on_reset: bool = False
    """A used connection ended without an answer: what may be repeated, bodyless."""
    on_status_codes: tuple[tuple[int, int], ...] = ()
    """Inclusive ranges of statuses."""
    non_idempotent: bool = False
    """POST and PATCH too, by status."""
    budget_percent: int = 20
    """Of a worker's requests, how many may be sent again."""
    budget_minimum: int = 3
    """Retries per second and worker that are free."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many requests may be at one target, over all workers of the node. Ours.

    ALB's Target Optimizer does this with an agent at each target, and without a
    queue: what finds no room is answered 503 at once, as with `queue_length` 0.
    """

    max_per_target: int = 0
    """0 is no limit."""
    queue_length: int = 0
    """Requests that may wait in each worker while all targets are full."""
    queue_timeout_s: float = 5.0


NO_RETRY = RetryPolicy()
NO_LIMIT = Concurrency()
