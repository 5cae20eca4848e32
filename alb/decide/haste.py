"""When a target that workers could not reach is checked sooner than it is due.

Floor 1: pure. A doubt about a healthy target begins a haste: checks beyond the one
an interval, QUICK_S apart, until one passes or the target is unhealthy. One that
was found unhealthy in haste is let back in haste: as long as it fails the pause
doubles, up to the interval.

    doubt      |
    passes     +P ................ C          a blip costs one check
    fails      +f F unhealthy f - f --- f P P P P P healthy ... C

The checks are checks like any other, but for one thing: they look where and when
something has just failed. So the first that fails never decides (f): a target is
unhealthy only if it fails twice in haste, QUICK_S apart, whatever its threshold.
And they are few: no more in an interval than going out and coming back takes twice.

Absent: what a check does to health (`health`), when checks are due (`probing`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from alb.decide.health import ProbeState
from alb.model import HealthCheck, HealthState

QUICK_S: Final = 0.5
"""Shortest time from a check that is counted to one made in haste. An engine that
starts writes its port rules anew: for a quarter of a second its tasks refuse."""
SPREAD_S: Final = 0.1
"""A whole host may fail at once: its targets are asked within so long."""


@dataclass(frozen=True, slots=True)
class Haste:
    """Whether a target is checked in haste, and how many such checks there were."""

    pause_s: float = 0.0
    """From one check to the next; 0: there is no haste."""
    has_failed: bool = False
    """Whether a check has failed since it began."""
    made: int = 0
    """Checks in haste since `since_s`, in one interval."""
    since_s: float = -math.inf


AT_EASE: Final = Haste()


def per_interval(check: HealthCheck) -> int:
    """Return how many checks of an interval may be made in haste, at most."""
    return 2 * (check.unhealthy_threshold + check.healthy_threshold)


def begun(haste: Haste) -> Haste:
    """Return the haste after a doubt."""
    return replace(haste, pause_s=QUICK_S, has_failed=False)


def one_more(haste: Haste, check: HealthCheck, now_s: float) -> Haste | None:
    """Count one more check in haste; None: there were too many in this interval."""
    if now_s - haste.since_s >= check.interval_s:
        return replace(haste, made=1, since_s=now_s)
    if haste.made >= per_interval(check):
        return None
    return replace(haste, made=haste.made + 1)


def goes_out(before: ProbeState, after: ProbeState) -> bool:
    """Whether a check has made a target unhealthy that was not."""
    return before.health.state is not after.health.state is HealthState.UNHEALTHY


def followed(
    haste: Haste, after: ProbeState, check: HealthCheck, *, went_out: bool, passed: bool
) -> Haste:
    """Return the haste behind one more check, which left the target in state `after`.

    `went_out`: it is unhealthy since this very check.
    """
    if not haste.pause_s:
        return haste
    if after.health.state is HealthState.HEALTHY:
        return replace(haste, pause_s=0.0 if passed else QUICK_S, has_failed=not passed)
    if went_out or passed:
        return replace(haste, pause_s=QUICK_S)
    pause_s = 2 * haste.pause_s
    return replace(haste, pause_s=pause_s if pause_s < check.interval_s else 0.0)
