"""What stands against a change that a policy wants, and whose change it is. Floor 1.

    what each policy wants --> judge: bounds, cooldown, deployment, suspension
                           --> choose: out if any wants, in only if all do

The rules are the same for every kind of policy; how many tasks one wants is that
policy's affair (`step_scaling`, `target_tracking`, `fast_tracking`).

Source: Application Auto Scaling user guide, "Cooldown period", "Multiple scaling
policies", "Considerations" of target tracking.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from autoscaler.model import Capacity, Cooldown, Direction, NotScaled
from autoscaler.policies import (
    FastTrackingPolicy,
    Policy,
    ScalableTarget,
    StepScalingPolicy,
    TargetTrackingPolicy,
)

COUNT_MAX: Final = 10**12
"""Tasks that a policy may want: more than there ever are, and still a number."""
_DIGITS: Final = 9
"""To which a count is rounded before it is rounded up: 3.0000000000004 is 3."""


@dataclass(frozen=True, slots=True)
class Want:
    """What one policy makes of the desired count, before anything stands against it."""

    policy: Policy
    count: int
    of_base: int
    """The same, of the count before the scale-out whose cooldown still holds."""
    because: str
    cause: str = ""
    """What triggered it, in Application Auto Scaling's words."""
    refused: NotScaled | None = None
    """The policy itself cannot say a count."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What becomes of it. `not_scaled` says why nothing, if nothing."""

    policy: Policy
    desired: int
    base: int
    """The count before the scale-out that this continues, else the present one."""
    reason: str
    not_scaled: NotScaled | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """The target, its tasks and the cooldown that still holds, if one does."""

    target: ScalableTarget
    capacity: Capacity
    cooling: Cooldown | None
    least: Mapping[str, int] = field(default_factory=dict)
    """Policy of ours -> the count below which it would scale out again."""

    @property
    def base(self) -> int:
        """The count before the scale-out whose cooldown holds, else the present one."""
        present = self.capacity.desired
        if self.cooling is not None and self.cooling.direction is Direction.OUT:
            return min(self.cooling.base, present)
        return present


def tasks_for(count: float) -> int:
    """Return the whole tasks that `count` asks for, also when it is infinite."""
    return math.ceil(round(min(max(count, -COUNT_MAX), COUNT_MAX), _DIGITS))


def remaining_s(cooldown: Cooldown, now_unix_s: float) -> float:
    """Return the seconds `cooldown` still holds: all, until its activity completes."""
    if cooldown.completed_unix_s is None:
        return cooldown.cooldown_s
    return max(0.0, cooldown.completed_unix_s + cooldown.cooldown_s - now_unix_s)


def judge(standing: Standing, want: Want) -> Proposal:
    """Return what may become of `want`. Never raises.

    The result is the present count or lies within the target's bounds.
    """
    present = standing.capacity.desired
    if want.refused is not None:
        return _nothing(want, present, want.refused, want.because)
    if want.count == present:
        return _nothing(want, present, NotScaled.ALREADY_AT_DESIRED, want.because)
    if want.count < present:
        return _scale_in(standing, want)
    return _scale_out(standing, want)


def _scale_out(standing: Standing, want: Want) -> Proposal:
    target, present, base = standing.target, standing.capacity.desired, standing.base
    most = target.max_capacity
    if target.suspended.dynamic_scaling_out:
        return _refused(standing, want, NotScaled.SUSPENDED, "scaling out is suspended")
    if present >= most:
        but = f"the maximum capacity is {most}"
        return _refused(standing, want, NotScaled.ALREADY_AT_MAX, but)
    because = want.because
    if base < present and want.of_base != want.count:
        because = f"{because}, of which {present - base} came in this cooldown"
    if want.of_base <= present:
        but = f"{present - base} came already in this cooldown"
        return _refused(standing, want, NotScaled.COOLDOWN, but)
    desired = min(max(want.of_base, target.min_capacity), most)
    return Proposal(want.policy, desired, base, because, cause=want.cause)


def _scale_in(standing: Standing, want: Want) -> Proposal:
    target, present = standing.target, standing.capacity.desired
    desired = min(max(want.count, target.min_capacity), target.max_capacity)
    for stands, why, but in _against_scaling_in(standing, want, desired):
        if stands:
            return _refused(standing, want, why, but)
    return Proposal(want.policy, desired, present, want.because, cause=want.cause)


def _against_scaling_in(
    standing: Standing, want: Want, desired: int
) -> Iterator[tuple[bool, NotScaled, str]]:
    """Yield what may stand against going down to `desired`, and whether it does."""
    target, present = standing.target, standing.capacity.desired
    suspended = target.suspended.dynamic_scaling_in
    yield suspended, NotScaled.SUSPENDED, "scaling in is suspended"
    enabled = may_scale_in(want.policy)
    yield not enabled, NotScaled.SCALE_IN_DISABLED, "it does not scale in"
    but = f"the minimum capacity is {target.min_capacity}"
    yield present <= target.min_capacity, NotScaled.ALREADY_AT_MIN, but
    deploying = standing.capacity.deploying
    yield deploying, NotScaled.UNSCALABLE, "scale-in is off during a deployment"
    if standing.cooling is not None:
        but = f"the cooldown of policy {standing.cooling.policy} holds"
        yield True, NotScaled.COOLDOWN, but
    for name, least in standing.least.items():
        flaps = name != want.policy.name and desired < min(least, present)
        yield flaps, NotScaled.ANTICIPATED_FLAPPING, f"{name} wants {least} at least"


def may_scale_in(policy: Policy) -> bool:
    match policy:
        case StepScalingPolicy():
            return True
        case TargetTrackingPolicy():
            return not policy.disable_scale_in
        case FastTrackingPolicy():
            return policy.may_scale_in


def largest(proposals: Iterable[Proposal]) -> Proposal | None:
    """Return the proposal with the largest count; the first of equals.

    Source: Application Auto Scaling user guide, "Multiple scaling policies":
    the policy that leaves the most capacity has precedence.
    """
    return max(proposals, key=lambda proposal: proposal.desired, default=None)


def agreed(
    target: ScalableTarget, present: int, proposals: Sequence[Proposal]
) -> list[Proposal]:
    """Return `proposals` after those that track were asked whether they agree.

    Target tracking (ours, too) scales in only if every such policy of the target
    that may scale in wants to; whoever proposes it alone is refused.
    """
    trackers = {
        policy.name
        for policy in target.policies
        if not isinstance(policy, StepScalingPolicy) and may_scale_in(policy)
    }
    ready = {one.policy.name for one in proposals if one.desired < present}
    waiting = sorted(trackers - ready)
    if not waiting:
        return [*proposals]
    but = f"but {', '.join(waiting)} would not scale in"
    return [
        replace(
            one,
            desired=present,
            reason=f"{one.reason}, {but}",
            not_scaled=NotScaled.OTHERS_DISAGREE,
        )
        if one.policy.name in trackers and one.desired < present
        else one
        for one in proposals
    ]


def _refused(standing: Standing, want: Want, why: NotScaled, but: str) -> Proposal:
    reason = f"{want.because}, but {but}"
    return _nothing(want, standing.capacity.desired, why, reason)


def _nothing(want: Want, present: int, why: NotScaled, reason: str) -> Proposal:
    return Proposal(want.policy, present, present, reason, why, want.cause)
