"""Scaling activities: how one begins, and what becomes of it. Floor 4.

    decided -> Pending -> (set) InProgress -> Successful | Overridden | Unfulfilled

Synchronous, as the look it is a part of: it fills the outcome and changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from autoscaler.app.sight import Memory, Outcome, Sight, Told
from autoscaler.decide.proposal import Proposal
from autoscaler.model import Activity, ActivityStatus, Capacity, NotScaledReason
from autoscaler.policies import ScalableTarget

FULFILMENT_LIMIT_S: Final = 600.0
"""After this an activity is Unfulfilled; longer than the longest usual drain
(deregistration delay 300 s) and stop (120 s) together."""


class Cause(NamedTuple):
    """Why an activity begins: the policy if any, AWS's words, and the figures."""

    policy: str
    words: str
    details: str


def activity_of(
    sight: Sight, target: ScalableTarget, wanted: int, cause: Cause
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


def not_scaled(sight: Sight, target: ScalableTarget, refused: Proposal) -> Activity:
    """Return the activity that tells why a policy changed nothing: it is over."""
    assert refused.not_scaled is not None
    cause = Cause(refused.policy.name, refused.cause, refused.reason)
    present = sight.capacities[target.resource].desired
    reason = NotScaledReason(
        refused.not_scaled, present, target.min_capacity, target.max_capacity
    )
    activity = activity_of(sight, target, present, cause)
    return replace(
        activity,
        activity_id=f"{activity.activity_id}-{refused.policy.name}",
        status=ActivityStatus.FAILED,
        end_unix_s=sight.now_unix_s,
        not_scaled_reasons=(reason,),
    )


def begin(activity: Activity, outcome: Outcome) -> None:
    outcome.activities[activity.activity_id] = activity
    outcome.actions.append(activity)
    outcome.events.append(
        Told(
            activity.resource,
            f"{activity.description} It was {activity.from_capacity}."
            f" Cause: {activity.cause} ({activity.details})",
        )
    )


def failed(now_unix_s: float, activity: Activity, memory: Memory) -> Outcome:
    """Return what changes when `activity` could not be set: no cooldown remains."""
    over = replace(activity, status=ActivityStatus.FAILED, end_unix_s=now_unix_s)
    outcome = Outcome(activities={over.activity_id: over})
    cooldown = memory.cooldowns.get(over.resource)
    if cooldown is not None and cooldown.activity_id == over.activity_id:
        outcome.cooldowns[over.resource] = None
    outcome.events.append(Told(over.resource, over.status_message))
    return outcome


def follow(
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
