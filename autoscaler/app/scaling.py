"""One look at what scales: bounds, then policies, and what of it begins. Floor 4.

    target in force --> what each policy wants --> what stands against it
                    --> the largest, or nothing --> an activity

Synchronous, as the look it is a part of: it fills the outcome and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from autoscaler.app import activities
from autoscaler.app.activities import Cause
from autoscaler.app.sight import Memory, Outcome, Sight, Told
from autoscaler.decide import fast_tracking, proposal, step_scaling, target_tracking
from autoscaler.decide.proposal import Proposal, Standing, Want
from autoscaler.model import (
    Activity,
    AlarmState,
    Cooldown,
    Direction,
    NotScaled,
)
from autoscaler.policies import (
    FastTrackingPolicy,
    Policy,
    ScalableTarget,
    StepScalingPolicy,
    TargetTrackingPolicy,
)

FastDecisions = Mapping[str, fast_tracking.FastDecision]
"""By policy."""


def scale(
    sight: Sight,
    target: ScalableTarget,
    triggered: frozenset[str],
    memory: Memory,
    outcome: Outcome,
) -> None:
    """Decide about one target; `triggered` are the alarms whose actions run now."""
    pending = activities.follow(sight, target, memory, outcome)
    bound = _within_bounds(sight, target)
    fast = fast_decisions(sight, target, memory)
    ours = _fast_wants(sight, target, fast, memory, outcome)
    stands = standing(sight, target, fast, memory, outcome)
    wants = _wants(stands, triggered, ours, memory, outcome)
    if pending is not None:
        outcome.actions.append(pending)
    elif bound is not None:
        activities.begin(bound, outcome)
    elif wants:
        _by_policies(sight, stands, wants, memory, outcome)


def standing(
    sight: Sight,
    target: ScalableTarget,
    fast: FastDecisions,
    memory: Memory,
    outcome: Outcome,
) -> Standing:
    """Return how a target stands; a cooldown that has passed is forgotten."""
    resource = target.resource
    cooldown = outcome.cooldowns.get(resource, memory.cooldowns.get(resource))
    if cooldown and not proposal.remaining_s(cooldown, sight.now_unix_s):
        outcome.cooldowns[resource] = cooldown = None
    least = {name: decision.least for name, decision in fast.items()}
    return Standing(target, sight.capacities[resource], cooldown, least)


def judged(
    stands: Standing, wants: Iterable[Want], memory: Memory, outcome: Outcome
) -> list[Proposal]:
    """Return what may become of what policies want, after all rules."""
    target, present = stands.target, stands.capacity.desired
    proposals = [proposal.judge(stands, want) for want in wants]
    proposals = proposal.agreed(target, present, proposals)
    return [_unless_flapping(stands, one, memory, outcome) for one in proposals]


def fast_decisions(
    sight: Sight, target: ScalableTarget, memory: Memory
) -> FastDecisions:
    """Return how each policy of ours stands now."""
    return {
        policy.name: _fast_decision(sight, target, policy, memory)
        for policy in target.fast
    }


def _fast_decision(
    sight: Sight, target: ScalableTarget, policy: FastTrackingPolicy, memory: Memory
) -> fast_tracking.FastDecision:
    end_s = int(sight.now_unix_s)
    needed_s = fast_tracking.seconds_needed(policy)
    series = sight.series.get(policy.metric)
    since_s = end_s if series is None else series.seen_since_s(needed_s)
    observed_s = max(0, end_s - since_s)

    def values(seconds: int) -> fast_tracking.Values:
        if series is None:
            return ()
        found = series.by_second(end_s - min(seconds, observed_s), end_s)
        return fast_tracking.values_of(policy, found)

    capacity = sight.capacities[target.resource]
    lately_s = sight.now_unix_s - fast_tracking.VELOCITY_WINDOW_S
    counts = [
        one.from_capacity
        for one in memory.activities.values()
        if one.resource == target.resource and one.start_unix_s > lately_s
    ] + [capacity.desired]
    seen = fast_tracking.Seen(
        values(policy.stable_window_s),
        partial(values, needed_s),
        observed_s,
        capacity.desired,
        capacity.healthy,
        min(counts),
        max(counts),
        target.min_capacity,
    )
    until_s = memory.panics_s.get((target.resource, policy.name))
    return fast_tracking.decide(policy, seen, until_s, sight.now_unix_s)


def _wants(
    stands: Standing,
    triggered: frozenset[str],
    ours: Sequence[Want],
    memory: Memory,
    outcome: Outcome,
) -> list[Want]:
    """Return what policies want now: `ours`, and those whose alarms' actions run.

    Where one of them wants fewer, the others that track and are below their target
    are asked, too: scaling in needs them all.
    """
    wants = [*ours]
    waiting: list[Policy] = []
    for policy in stands.target.policies:
        if triggered & {alarm.name for alarm in policy.alarms}:
            wants += alarm_want(policy, stands, memory, outcome)
        elif isinstance(policy, TargetTrackingPolicy):
            waiting.append(policy)
    if any(want.count < stands.capacity.desired for want in wants):
        for policy in waiting:
            wants += alarm_want(policy, stands, memory, outcome)
    return wants


def alarm_want(
    policy: Policy, stands: Standing, memory: Memory, outcome: Outcome
) -> list[Want]:
    """Return what a policy wants while an alarm of its is in ALARM; else nothing."""
    present, base = stands.capacity.desired, stands.base
    for alarm in policy.alarms:
        name = alarm.name
        if state_of(name, memory, outcome) is not AlarmState.ALARM:
            continue
        if isinstance(policy, StepScalingPolicy):
            datapoints = outcome.datapoints.get(name, memory.datapoints.get(name, ()))
            value = step_scaling.aggregated(policy, datapoints)
            return [step_scaling.want(policy, present, base, value)]
        value = _value(name, memory, outcome)
        if isinstance(policy, TargetTrackingPolicy) and value is not None:
            return [target_tracking.want(policy, alarm, present, base, value)]
    return []


def _fast_wants(
    sight: Sight,
    target: ScalableTarget,
    fast: FastDecisions,
    memory: Memory,
    outcome: Outcome,
) -> list[Want]:
    """Return what policies of ours want; remember and tell where panic begins."""
    for name, decision in fast.items():
        key = (target.resource, name)
        until_s = decision.panic_until_s
        if until_s is not None and until_s > sight.now_unix_s:
            outcome.panics_s[key] = until_s
            if key not in memory.panics_s:
                message = f"policy {name}: {decision.state}"
                outcome.events.append(Told(target.resource, message))
        elif key in memory.panics_s:
            outcome.panics_s[key] = None
        if decision.want is None:
            outcome.not_scaled[key] = None
    return [one.want for one in fast.values() if one.want is not None]


def state_of(alarm: str, memory: Memory, outcome: Outcome) -> AlarmState | None:
    """Return an alarm's state after this look; None before its first one."""
    record = outcome.alarms.get(alarm) or memory.alarms.get(alarm)
    return record.state if record else None


def _value(alarm: str, memory: Memory, outcome: Outcome) -> float | None:
    return outcome.values.get(alarm, memory.values.get(alarm))


def _within_bounds(sight: Sight, target: ScalableTarget) -> Activity | None:
    """Return the activity that brings a count outside its bounds back, at once."""
    desired = sight.capacities[target.resource].desired
    if desired > target.max_capacity:
        wanted, bound = target.max_capacity, "maximum"
    elif desired < target.min_capacity:
        wanted, bound = target.min_capacity, "minimum"
    else:
        return None
    cause = Cause("", f"{bound} capacity was set to {wanted}", "outside its bounds")
    return activities.activity_of(sight, target, wanted, cause)


def _by_policies(
    sight: Sight,
    stands: Standing,
    wants: Sequence[Want],
    memory: Memory,
    outcome: Outcome,
) -> None:
    """Begin the largest of what policies may do, out before in."""
    target = stands.target
    proposals = judged(stands, wants, memory, outcome)
    _tell_what_was_not_scaled(sight, stands, proposals, memory, outcome)
    chosen = proposal.largest(one for one in proposals if one.not_scaled is None)
    if chosen is None:
        return
    cause = Cause(chosen.policy.name, chosen.cause, chosen.reason)
    activity = activities.activity_of(sight, target, chosen.desired, cause)
    grows = chosen.desired > stands.capacity.desired
    cooldown_s = _cooldown_s(chosen.policy, grows=grows)
    if cooldown_s is not None:
        outcome.cooldowns[target.resource] = Cooldown(
            activity.activity_id,
            chosen.policy.name,
            Direction.OUT if grows else Direction.IN,
            chosen.base,
            cooldown_s,
        )
    elif grows and stands.cooling and stands.cooling.direction is Direction.IN:
        outcome.cooldowns[target.resource] = None
    activities.begin(activity, outcome)


def _cooldown_s(policy: Policy, *, grows: bool) -> float | None:
    """Return how long the policy waits after an activity of its own; ours does not."""
    match policy:
        case StepScalingPolicy():
            return policy.cooldown_s
        case TargetTrackingPolicy():
            return policy.scale_out_cooldown_s if grows else policy.scale_in_cooldown_s
        case FastTrackingPolicy():
            return None


def _unless_flapping(
    stands: Standing, one: Proposal, memory: Memory, outcome: Outcome
) -> Proposal:
    """Refuse a scale-in that a policy that tracks would take back."""
    present = stands.capacity.desired
    if one.desired >= present:
        return one
    for policy in stands.target.policies:
        if not isinstance(policy, TargetTrackingPolicy):
            continue
        value = _value(policy.high.name, memory, outcome)
        if target_tracking.would_exceed(policy, present, value, one.desired):
            but = f"that would bring {policy.name} above its target again"
            reason = f"{one.reason}, but {but}"
            why = NotScaled.ANTICIPATED_FLAPPING
            return Proposal(one.policy, present, present, reason, why, one.cause)
    return one


def _tell_what_was_not_scaled(
    sight: Sight,
    stands: Standing,
    proposals: Iterable[Proposal],
    memory: Memory,
    outcome: Outcome,
) -> None:
    """Keep and tell why a policy did not scale, once until that changes."""
    resource = stands.target.resource
    for one in proposals:
        key = (resource, one.policy.name)
        if memory.not_scaled.get(key) is one.not_scaled:
            continue
        outcome.not_scaled[key] = one.not_scaled
        if one.not_scaled is not None:
            kept = activities.not_scaled(sight, stands.target, one)
            outcome.activities[kept.activity_id] = kept
            outcome.events.append(
                Told(
                    resource,
                    f"policy {one.policy.name} did not scale"
                    f" ({one.not_scaled.value}): {one.reason}",
                )
            )
