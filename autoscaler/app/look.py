"""One look at all scalable targets: a synchronous step. Floor 4.

    targets + capacities + series + memory --> look --> what to write down,
                                                        what to set, what to tell

Nothing in the outcome has happened yet. The shell commits `records`, then sets
the desired counts; a look whose commit failed is simply taken again. A
simulator runs the very same step under its own clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from autoscaler.app import alarms
from autoscaler.app.sight import Memory, Outcome, Sight, Told
from autoscaler.decide import step_scaling
from autoscaler.model import (
    Activity,
    ActivityStatus,
    Cooldown,
    Direction,
    NotScaled,
    ScalableTarget,
    StepScalingPolicy,
)

FULFILMENT_LIMIT_S: Final = 600.0
"""After this an activity is Unfulfilled; longer than the longest usual drain
(deregistration delay 300 s) and stop (120 s) together."""

ACTIVITIES_MAX: Final = 100
"""Kept per resource, newest; AWS keeps six weeks."""


def look(sight: Sight, memory: Memory) -> Outcome:
    """Return what to do now. Changes nothing, never raises, never waits."""
    outcome = Outcome()
    _forget_what_is_gone(sight.targets, memory, outcome)
    triggered = alarms.triggered(sight, memory, outcome)
    for target in sight.targets:
        capacity = sight.capacities.get(target.resource)
        if capacity is None:
            continue
        pending = _follow_activities(sight, target, memory, outcome)
        bound = _within_bounds(sight, target)
        policies = [
            policy for policy in target.policies if policy.alarm.name in triggered
        ]
        if pending is not None:
            outcome.actions.append(pending)
        elif bound is not None:
            _begin(bound, outcome)
        elif policies:
            _scale(sight, target, policies, memory, outcome)
    _forget_what_was_told(sight.targets, outcome)
    _forget_old_activities(memory, outcome)
    return outcome


def failed(now_unix_s: float, activity: Activity, memory: Memory) -> Outcome:
    """Return what changes when `activity` could not be set: no cooldown remains."""
    over = replace(activity, status=ActivityStatus.FAILED, end_unix_s=now_unix_s)
    outcome = Outcome(activities={over.activity_id: over})
    cooldown = memory.cooldowns.get(over.resource)
    if cooldown is not None and cooldown.activity_id == over.activity_id:
        outcome.cooldowns[over.resource] = None
    outcome.events.append(Told(over.resource, over.status_message))
    return outcome


def _follow_activities(
    sight: Sight, target: ScalableTarget, memory: Memory, outcome: Outcome
) -> Activity | None:
    """Close activities that ended; return the one that still has to be set, if any."""
    capacity = sight.capacities[target.resource]
    for activity in memory.open_activities(target.resource):
        if activity.status is ActivityStatus.PENDING:
            return activity
        status = _status(sight.now_unix_s, activity, capacity)
        if status is ActivityStatus.IN_PROGRESS:
            continue
        over = replace(activity, status=status, end_unix_s=sight.now_unix_s)
        outcome.activities[over.activity_id] = over
        outcome.events.append(Told(over.resource, over.status_message))
        cooldown = memory.cooldowns.get(over.resource)
        if cooldown is not None and cooldown.activity_id == over.activity_id:
            completed = replace(cooldown, completed_unix_s=sight.now_unix_s)
            successful = status is ActivityStatus.SUCCESSFUL
            outcome.cooldowns[over.resource] = completed if successful else None
    return None


def _status(
    now_unix_s: float, activity: Activity, capacity: Capacity
) -> ActivityStatus:
    if capacity.desired != activity.to_capacity:
        return ActivityStatus.OVERRIDDEN
    if capacity.reached:
        return ActivityStatus.SUCCESSFUL
    if now_unix_s - activity.start_unix_s > FULFILMENT_LIMIT_S:
        return ActivityStatus.UNFULFILLED
    return ActivityStatus.IN_PROGRESS


def _within_bounds(sight: Sight, target: ScalableTarget) -> Activity | None:
    """Return the activity that brings a count outside its bounds back, at once."""
    desired = sight.capacities[target.resource].desired
    if desired > target.max_capacity:
        wanted, bound = target.max_capacity, "maximum"
    elif desired < target.min_capacity:
        wanted, bound = target.min_capacity, "minimum"
    else:
        return None
    cause = _Cause("", f"{bound} capacity was set to {wanted}", "outside its bounds")
    return _activity(sight, target, wanted, cause)


def _scale(
    sight: Sight,
    target: ScalableTarget,
    policies: Sequence[StepScalingPolicy],
    memory: Memory,
    outcome: Outcome,
) -> None:
    """Let the triggered policies propose, and begin the largest proposal."""
    resource = target.resource
    capacity = sight.capacities[resource]
    cooldown = outcome.cooldowns.get(resource, memory.cooldowns.get(resource))
    if cooldown and not step_scaling.remaining_s(cooldown, sight.now_unix_s):
        outcome.cooldowns[resource] = cooldown = None
    proposals = [
        step_scaling.propose(
            target, policy, capacity, outcome.values[policy.alarm.name], cooldown
        )
        for policy in policies
    ]
    _tell_what_was_not_scaled(resource, proposals, memory, outcome)
    chosen = step_scaling.largest(
        proposal for proposal in proposals if proposal.not_scaled is None
    )
    if chosen is None:
        return
    name, alarm = chosen.policy.name, chosen.policy.alarm.name
    because = f"monitor alarm {alarm} in state ALARM triggered policy {name}"
    cause = _Cause(name, because, chosen.reason)
    activity = _activity(sight, target, chosen.desired, cause)
    grows = chosen.desired > capacity.desired
    outcome.cooldowns[resource] = Cooldown(
        activity.activity_id,
        name,
        Direction.OUT if grows else Direction.IN,
        chosen.base,
        chosen.policy.cooldown_s,
    )
    _begin(activity, outcome)


class _Cause(NamedTuple):
    """Why an activity begins: the policy if any, AWS's words, and the figures."""

    policy: str
    words: str
    details: str


def _activity(
    sight: Sight, target: ScalableTarget, wanted: int, cause: _Cause
) -> Activity:
    capacity = sight.capacities[target.resource]
    milliseconds = int(sight.now_unix_s * 1000)
    return Activity(
        activity_id=f"{target.resource}-{capacity.version}-{milliseconds}",
        resource=target.resource,
        policy=cause.policy,
        cause=cause.words,
        details=cause.details,
        from_capacity=capacity.desired,
        to_capacity=wanted,
        if_version=capacity.version,
        status=ActivityStatus.PENDING,
        start_unix_s=sight.now_unix_s,
    )


def _begin(activity: Activity, outcome: Outcome) -> None:
    outcome.activities[activity.activity_id] = activity
    outcome.actions.append(activity)
    outcome.events.append(
        Told(
            activity.resource,
            f"{activity.description} It was {activity.from_capacity}."
            f" Cause: {activity.cause} ({activity.details})",
        )
    )


def _tell_what_was_not_scaled(
    resource: str,
    proposals: Iterable[step_scaling.Proposal],
    memory: Memory,
    outcome: Outcome,
) -> None:
    for proposal in proposals:
        key = (resource, proposal.policy.name)
        if memory.not_scaled.get(key) is proposal.not_scaled:
            continue
        outcome.not_scaled[key] = proposal.not_scaled
        if proposal.not_scaled is not None:
            outcome.events.append(
                Told(
                    resource,
                    f"policy {proposal.policy.name} did not scale"
                    f" ({proposal.not_scaled.value}): {proposal.reason}",
                )
            )


def _forget_what_is_gone(
    targets: Sequence[ScalableTarget], memory: Memory, outcome: Outcome
) -> None:
    names = {policy.alarm.name for policy in _policies(targets)}
    resources = {target.resource for target in targets}
    outcome.alarms.update(dict.fromkeys(memory.alarms.keys() - names))
    outcome.cooldowns.update(dict.fromkeys(memory.cooldowns.keys() - resources))
    outcome.activities.update(
        dict.fromkeys(
            key
            for key, activity in memory.activities.items()
            if activity.resource not in resources
        )
    )


def _forget_what_was_told(targets: Sequence[ScalableTarget], outcome: Outcome) -> None:
    """When an alarm left ALARM, its policies' next refusal is news again."""
    calm = {name for name, acted_s in outcome.acted_s.items() if acted_s is None}
    for target in targets:
        for policy in target.policies:
            if policy.alarm.name in calm:
                outcome.not_scaled[target.resource, policy.name] = None


def _forget_old_activities(memory: Memory, outcome: Outcome) -> None:
    """Keep the newest of each resource that got a new one. Open ones are newest."""
    for begun in outcome.actions:
        closed = [
            key
            for key, activity in memory.activities.items()
            if activity.resource == begun.resource
        ]
        outcome.activities.update(dict.fromkeys(closed[: 1 - ACTIVITIES_MAX]))


def _policies(targets: Sequence[ScalableTarget]) -> Iterable[StepScalingPolicy]:
    return (policy for target in targets for policy in target.policies)
