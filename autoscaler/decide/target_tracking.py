"""Decide the desired count that brings a metric back to its target.

Floor 1: pure. The alarms that trigger it are made here, too: AWS makes them.

    value / target x count --> rounded up

Source: Application Auto Scaling user guide, "How target tracking scaling works".
How AWS computes a count is not published: this is the proportion that its guide
describes, rounded up, so that scaling in never goes past the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from autoscaler.decide.proposal import Want, tasks_for
from autoscaler.model import Alarm, Comparison, Metric, Statistic
from autoscaler.policies import TargetTrackingPolicy

PERIOD_S: Final = 60
HIGH_RESOLUTION_S: Final = 20
OUT_DATAPOINTS: Final = 3
IN_DATAPOINTS: Final = 15
TOLERANCE_PERCENT: Final = 10
"""AlarmLow is that far below the target: "usually more than 10 %", AWS says."""
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a policy tracks, and how its two alarms look at it."""

    metric: Metric
    statistic: Statistic
    target_value: float
    period_s: int = PERIOD_S
    out_datapoints: int = OUT_DATAPOINTS
    in_datapoints: int = IN_DATAPOINTS
    tolerance_percent: int = TOLERANCE_PERCENT


def alarms_of(
    tracked: Tracked, prefix: str, unique: str, *, aws_timing: bool
) -> tuple[Alarm, Alarm]:
    """Return AlarmHigh and AlarmLow: ``TargetTracking-RESOURCE-AlarmHigh-UUID``."""
    below = 1 - tracked.tolerance_percent / 100
    sides = (
        ("High", tracked.out_datapoints, Comparison.GREATER, 1.0),
        ("Low", tracked.in_datapoints, Comparison.LESS, below),
    )
    high, low = (
        Alarm(
            f"TargetTracking-{prefix}-Alarm{side}-{unique}",
            tracked.metric,
            tracked.statistic,
            tracked.period_s,
            datapoints,
            datapoints,
            comparison,
            round(tracked.target_value * part, _DIGITS),
            aws_timing=aws_timing,
        )
        for side, datapoints, comparison, part in sides
    )
    return high, low


def tracked_count(count: int, value: float, target_value: float) -> int:
    """Return the least count at which `value`, seen at `count`, is on target.

    Of none it is one: a metric of no tasks says that somebody waits.
    """
    if count == 0:
        return 1 if value > 0 else 0
    return tasks_for(count * value / target_value)


def want(
    policy: TargetTrackingPolicy, alarm: Alarm, present: int, base: int, value: float
) -> Want:
    """Return what `policy` wants while `alarm`, one of its two, is in ALARM.

    `base` is the count before the scale-out whose cooldown holds, else `present`.
    """
    target = policy.target_value
    count = tracked_count(present, value, target)
    of_base = tracked_count(base, value, target)
    if alarm.name == policy.high.name:
        count, of_base = max(count, present), max(of_base, base)
    else:
        count = of_base = min(count, present)
    because = (
        f"{alarm.metric.name} {value:.6g} against the target {target:.6g}"
        f" asks for {count}"
    )
    cause = f"monitor alarm {alarm.name} in state ALARM triggered policy {policy.name}"
    return Want(policy, count, of_base, because, cause)


def would_exceed(
    policy: TargetTrackingPolicy, present: int, value: float | None, desired: int
) -> bool:
    """Whether going down to `desired` would bring the metric above its target.

    Then AlarmHigh would take back what was done: anticipated flapping.
    """
    if value is None or desired == 0:
        return False
    return round(present * value / desired, _DIGITS) > policy.target_value
