"""Slow start: a target that turned healthy gets a share that grows to a full one.

Floor 1: no clock; `now` is an argument. Whose ramp begins is decided from what is
known of the whole group at one moment, as ALB has it:

    turned healthy, and another healthy target has a full share --> ramp
    unhealthy or deregistered                                   --> none; again later
    came into an empty group together with others               --> none, for once

Absent: who takes turns by these shares (`choosers.WeightedTurns`, `WeightedRandom`).

Source: ALB user guide, "Slow start mode". The line is ours: AWS says that it is
linear, not where it begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

SHARE_LEAST: Final = 0.01
"""Of a full share, where a ramp begins: else nothing would warm it up."""


class Ramp:
    """One target's way to a full share. Seconds; `duration_s` is more than 0."""

    __slots__ = ("begun_s", "duration_s")

    def __init__(self, begun_s: float, duration_s: float) -> None:
        self.begun_s = begun_s
        self.duration_s = duration_s

    def share(self, now_s: float) -> float:
        """Return its part of a full share, more than 0 and at most 1."""
        passed = (now_s - self.begun_s) / self.duration_s
        return max(SHARE_LEAST, min(1.0, passed))

    def has_ended(self, now_s: float) -> bool:
        return now_s - self.begun_s >= self.duration_s


class Climber(Protocol):
    """A registered target as slow start sees it."""

    ramp: Ramp | None
    was_healthy: bool
    """When it was last looked at."""
    is_of_first: bool
    """It came into an empty group, and was not judged yet."""


def follow_health(
    targets: Iterable[tuple[Climber, bool]], now_s: float, duration_s: float
) -> None:
    """Begin and end the ramps of a group's targets, each with whether it is healthy.

    Those that turn healthy at the same moment do not count as each other's other
    one. With `duration_s` 0 there are no ramps; another duration than before bends
    those that run.
    """
    found = [*targets]
    has_full = any(
        healthy and one.was_healthy and (one.ramp is None or one.ramp.has_ended(now_s))
        for one, healthy in found
    )
    for one, healthy in found:
        if not healthy or not duration_s:
            one.ramp = None
        elif not one.was_healthy and has_full and not one.is_of_first:
            one.ramp = Ramp(now_s, duration_s)
        elif one.ramp is not None:
            one.ramp.duration_s = duration_s
        one.was_healthy = healthy
        if healthy:
            one.is_of_first = False


def end_ramps(targets: Iterable[Climber], now_s: float) -> bool:
    """Take away the ramps that have reached a full share; return whether any runs."""
    runs = False
    for one in targets:
        if one.ramp is not None:
            if one.ramp.has_ended(now_s):
                one.ramp = None
            else:
                runs = True
    return runs
