"""Decide a desired count from a breach, by step adjustments and cooldown.

Floor 1: pure. One policy, one look; who triggered it and what becomes of the
proposal is `app`'s affair.

    value - threshold --> step --> adjusted count --> cooldown --> min..max

Absent on purpose: target tracking, scheduled actions, prediction.

Source: Application Auto Scaling user guide, "How step scaling works" (step
adjustments, adjustment types, cooldown period).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from autoscaler.model import (
    AdjustmentType,
    Capacity,
    Comparison,
    Cooldown,
    Direction,
    NotScaled,
    ScalableTarget,
    StepAdjustment,
    StepScalingPolicy,
)

_RISING: Final = frozenset({Comparison.GREATER, Comparison.GREATER_OR_EQUAL})


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one triggered policy wants. `not_scaled` says why nothing, if nothing."""

    policy: StepScalingPolicy
    desired: int
    base: int
    """The count before the scale-out that this continues, else the present one."""
    reason: str
    not_scaled: NotScaled | None = None


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


def remaining_s(cooldown: Cooldown, now_unix_s: float) -> float:
    """Return the seconds `cooldown` still holds: all, until its activity completes."""
    if cooldown.completed_unix_s is None:
        return cooldown.cooldown_s
    return max(0.0, cooldown.completed_unix_s + cooldown.cooldown_s - now_unix_s)


def propose(
    target: ScalableTarget,
    policy: StepScalingPolicy,
    capacity: Capacity,
    value: float | None,
    cooling: Cooldown | None,
) -> Proposal:
    """Return what `policy`, just triggered, makes of the desired count. Never raises.

    `value` is the metric's; `cooling` the resource's cooldown if it still holds.
    The result is the present count or lies within the target's bounds.
    """
    present = capacity.desired
    if value is None:
        return _nothing(policy, present, NotScaled.NO_DATA, "no datapoint to go by")
    step = select_step(policy, value)
    if step is None:
        breach = f"no step adjustment covers {_breach(policy, value)}"
        return _nothing(policy, present, NotScaled.NO_STEP, breach)
    wanted = adjusted(policy, step, present)
    because = f"{_breach(policy, value)} asks for {_words(policy, step)}"
    if wanted == present:
        return _nothing(policy, present, NotScaled.ALREADY_AT_DESIRED, because)
    demand = _Demand(target, policy, capacity, cooling, because)
    if wanted < present:
        return _scale_in(demand, wanted)
    return _scale_out(demand, step)


def largest(proposals: Iterable[Proposal]) -> Proposal | None:
    """Return the proposal with the largest count; the first of equals.

    Source: Application Auto Scaling user guide, "Multiple scaling policies":
    the policy that leaves the most capacity has precedence.
    """
    return max(proposals, key=lambda proposal: proposal.desired, default=None)


@dataclass(frozen=True, slots=True)
class _Demand:
    """A change a policy asks for, and what may stand against it."""

    target: ScalableTarget
    policy: StepScalingPolicy
    capacity: Capacity
    cooling: Cooldown | None
    because: str

    def refused(self, why: NotScaled, but: str) -> Proposal:
        reason = f"{self.because}, but {but}"
        return _nothing(self.policy, self.capacity.desired, why, reason)


def _scale_out(demand: _Demand, step: StepAdjustment) -> Proposal:
    present, most = demand.capacity.desired, demand.target.max_capacity
    if present >= most:
        but = f"the maximum capacity is {most}"
        return demand.refused(NotScaled.ALREADY_AT_MAX, but)
    base, because = present, demand.because
    if demand.cooling is not None and demand.cooling.direction is Direction.OUT:
        base = min(demand.cooling.base, present)
        because = f"{because}, of which {present - base} came in this cooldown"
    wanted = adjusted(demand.policy, step, base)
    if wanted <= present:
        but = f"{present - base} came already in this cooldown"
        return demand.refused(NotScaled.COOLDOWN, but)
    desired = min(max(wanted, demand.target.min_capacity), most)
    return Proposal(demand.policy, desired, base, because)


def _scale_in(demand: _Demand, wanted: int) -> Proposal:
    present, least = demand.capacity.desired, demand.target.min_capacity
    if present <= least:
        but = f"the minimum capacity is {least}"
        return demand.refused(NotScaled.ALREADY_AT_MIN, but)
    if demand.capacity.deploying:
        but = "scale-in is off during a deployment"
        return demand.refused(NotScaled.UNSCALABLE, but)
    if demand.cooling is not None:
        but = f"the cooldown of policy {demand.cooling.policy} holds"
        return demand.refused(NotScaled.COOLDOWN, but)
    desired = min(max(wanted, least), demand.target.max_capacity)
    return Proposal(demand.policy, desired, present, demand.because)


def _nothing(
    policy: StepScalingPolicy, present: int, why: NotScaled, reason: str
) -> Proposal:
    return Proposal(policy, present, present, reason, why)


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
