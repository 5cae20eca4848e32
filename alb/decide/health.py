"""What a target's health is after another check: ALB's state machine.

Floor 1: pure. One state and one number, how many checks in a row spoke against
it, are all that is remembered.

    initial ----- first passed check --------------> healthy
    initial ----- unhealthy threshold, in a row ---> unhealthy
    healthy ----- unhealthy threshold, in a row ---> unhealthy
    unhealthy --- healthy threshold, in a row -----> healthy

Absent: time. When to check is `probing`'s affair, how is a driver's.

Source: ALB user guide, "Health checks for your target groups" (states, reason
codes and their descriptions).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, assert_never

from alb.model import HealthCheck, HealthReason, HealthState, TargetHealth


@dataclass(frozen=True, slots=True)
class Answered:
    """The target answered with a readable head."""

    status: int


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No whole head within the timeout."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No connection, or what came is not HTTP; `detail` says which."""

    detail: str


@dataclass(frozen=True, slots=True)
class NotMade:
    """The check failed on our side (no descriptors, no time): it tells nothing."""

    detail: str


ProbeOutcome = Answered | TimedOut | Failed | NotMade


@dataclass(frozen=True, slots=True)
class ProbeState:
    """`against` checks in a row disagreed with `health`."""

    health: TargetHealth
    against: int = 0


HEALTHY: Final = TargetHealth(HealthState.HEALTHY, HealthReason.NONE)
REGISTERED: Final = TargetHealth(
    HealthState.INITIAL,
    HealthReason.REGISTRATION_IN_PROGRESS,
    "Target registration is in progress",
)
CHECKING: Final = TargetHealth(
    HealthState.INITIAL,
    HealthReason.INITIAL_HEALTH_CHECKING,
    "Initial health checks in progress",
)
NOT_IN_USE: Final = TargetHealth(
    HealthState.UNUSED,
    HealthReason.NOT_IN_USE,
    "Target group is not configured to receive traffic from the load balancer",
)
DRAINING: Final = TargetHealth(
    HealthState.DRAINING,
    HealthReason.DEREGISTRATION_IN_PROGRESS,
    "Target deregistration is in progress",
)


def adopted(health: TargetHealth | None) -> ProbeState:
    """Return where to go on for a target whose health was known before, or not."""
    if health and health.state in (HealthState.HEALTHY, HealthState.UNHEALTHY):
        return ProbeState(health)
    return ProbeState(REGISTERED)


def passes(outcome: ProbeOutcome, check: HealthCheck) -> bool:
    """Whether the outcome is one that the group's matcher accepts."""
    return isinstance(outcome, Answered) and any(
        low <= outcome.status <= high for low, high in check.matcher
    )


def observe(state: ProbeState, outcome: ProbeOutcome, check: HealthCheck) -> ProbeState:
    """Return the state after one more check. Never raises."""
    if isinstance(outcome, NotMade):
        return state
    if passes(outcome, check):
        return _after_pass(state, check)
    failed = _unhealthy(outcome)
    match state.health.state:
        case HealthState.UNHEALTHY:
            return ProbeState(failed)
        case _ if state.against + 1 >= check.unhealthy_threshold:
            return ProbeState(failed)
        case HealthState.HEALTHY:
            return replace(state, against=state.against + 1)
        case _:
            return ProbeState(CHECKING, state.against + 1)


def _after_pass(state: ProbeState, check: HealthCheck) -> ProbeState:
    if state.health.state is HealthState.UNHEALTHY:
        against = state.against + 1
        if against < check.healthy_threshold:
            return replace(state, against=against)
    return ProbeState(HEALTHY)


def _unhealthy(outcome: Answered | TimedOut | Failed) -> TargetHealth:
    match outcome:
        case Answered(status):
            reason = HealthReason.RESPONSE_CODE_MISMATCH
            text = f"Health checks failed with these codes: [{status}]"
        case TimedOut():
            reason = HealthReason.TIMEOUT
            text = "Request timed out"
        case Failed(detail):
            reason = HealthReason.FAILED_HEALTH_CHECKS
            text = f"Health checks failed: {detail}"
        case _:  # pragma: no cover - the union is closed
            assert_never(outcome)
    return TargetHealth(HealthState.UNHEALTHY, reason, text)
