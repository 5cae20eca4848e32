"""Decide a desired count from a breach, by step adjustments.

Floor 1: pure. One policy, one look; what stands against it is `proposal`'s affair.

    value - threshold --> step --> adjusted count

Source: Application Auto Scaling user guide, "How step scaling works" (step
adjustments, adjustment types); API reference, StepScalingPolicyConfiguration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from autoscaler.decide.alarm import breaches
from autoscaler.decide.proposal import Want
from autoscaler.model import Comparison, Datapoint, NotScaled
from autoscaler.policies import (
    AdjustmentType,
    MetricAggregation,
    StepAdjustment,
    StepScalingPolicy,
)

_RISING: Final = frozenset({Comparison.GREATER, Comparison.GREATER_OR_EQUAL})


def aggregated(
    policy: StepScalingPolicy, datapoints: Sequence[Datapoint]
) -> float | None:
    """Return the value that steps are measured by; None without a breaching datapoint.

    `metric_aggregation_type` is of the breaching ones among the datapoints that the
    alarm was judged by, so that the value lies on the side that the steps are for.
    """
    alarm = policy.alarm
    values = [point.value for point in datapoints if point.value is not None]
    judged = values[-alarm.evaluation_periods :]
    found = [v for v in judged if breaches(alarm.comparison, v, alarm.threshold)]
    if not found:
        return values[-1] if values else None
    match policy.metric_aggregation_type:
        case MetricAggregation.AVERAGE:
            return sum(found) / len(found)
        case MetricAggregation.MINIMUM:
            return min(found)
        case MetricAggregation.MAXIMUM:
            return max(found)


def select_step(policy: StepScalingPolicy, value: float) -> StepAdjustment | None:
    """Return the step that covers `value`, or None when none does.

    Above the threshold a step includes its lower bound and excludes its upper;
    below it is the other way round. On the threshold the alarm's direction
    decides.
    """
    delta = value - policy.alarm.threshold
    rising = delta > 0 or (delta == 0 and policy.alarm.comparison in _RISING)
    for step in policy.steps:
        lower = -math.inf if step.lower_bound is None else step.lower_bound
        upper = math.inf if step.upper_bound is None else step.upper_bound
        if lower <= delta < upper if rising else lower < delta <= upper:
            return step
    return None


def adjusted(policy: StepScalingPolicy, step: StepAdjustment, capacity: int) -> int:
    """Return `capacity` after `step`, before bounds.

    A percentage is rounded toward zero, except that between 0 and 1 it is 1;
    then it is at least `min_adjustment_magnitude`.
    """
    adjustment = step.scaling_adjustment
    if policy.adjustment_type is AdjustmentType.EXACT_CAPACITY:
        return adjustment
    if policy.adjustment_type is AdjustmentType.CHANGE_IN_CAPACITY:
        return capacity + adjustment
    if adjustment == 0:
        return capacity
    hundredths = capacity * abs(adjustment)
    magnitude = hundredths // 100 or min(hundredths, 1)
    magnitude = max(magnitude, policy.min_adjustment_magnitude)
    return capacity + (magnitude if adjustment > 0 else -magnitude)


def want(
    policy: StepScalingPolicy, present: int, base: int, value: float | None
) -> Want:
    """Return what `policy`, just triggered, wants. Never raises.

    `value` is the metric's; `base` the count before the scale-out whose cooldown
    holds, else `present`.
    """
    alarm = policy.alarm.name
    cause = f"monitor alarm {alarm} in state ALARM triggered policy {policy.name}"
    if value is None:
        because = "no datapoint to go by"
        return Want(policy, present, present, because, cause, NotScaled.NO_DATA)
    step = select_step(policy, value)
    if step is None:
        because = f"no step adjustment covers {_breach(policy, value)}"
        return Want(policy, present, present, because, cause, NotScaled.NO_STEP)
    because = f"{_breach(policy, value)} asks for {_words(policy, step)}"
    wanted = adjusted(policy, step, present)
    return Want(policy, wanted, adjusted(policy, step, base), because, cause)


def _breach(policy: StepScalingPolicy, value: float) -> str:
    return (
        f"{policy.alarm.metric.name} {value:.6g} against the threshold"
        f" {policy.alarm.threshold:.6g}"
    )


_FORMS: Final = {
    AdjustmentType.EXACT_CAPACITY: "exactly {}",
    AdjustmentType.CHANGE_IN_CAPACITY: "{:+d}",
    AdjustmentType.PERCENT_CHANGE_IN_CAPACITY: "{:+d} %",
}


def _words(policy: StepScalingPolicy, step: StepAdjustment) -> str:
    return _FORMS[policy.adjustment_type].format(step.scaling_adjustment)
