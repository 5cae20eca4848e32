"""One look at what scales: bounds, then policies, and what of it begins. Floor 4.

Synchronous, as the look it is a part of: it fills the outcome and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autoscaler.app import activities
from autoscaler.app.activities import Cause
from autoscaler.app.sight import Memory, Outcome, Sight, Told
from autoscaler.decide import step_scaling
from autoscaler.model import (
    Activity,
    Cooldown,
    Direction,
    ScalableTarget,
    StepScalingPolicy,
)


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
    policies = [policy for policy in target.policies if policy.alarm.name in triggered]
    if pending is not None:
        outcome.actions.append(pending)
    elif bound is not None:
        activities.begin(bound, outcome)
    elif policies:
        _scale(sight, target, policies, memory, outcome)


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
    cause = Cause(name, because, chosen.reason)
    activity = activities.activity_of(sight, target, chosen.desired, cause)
    grows = chosen.desired > capacity.desired
    outcome.cooldowns[resource] = Cooldown(
        activity.activity_id,
        name,
        Direction.OUT if grows else Direction.IN,
        chosen.base,
        chosen.policy.cooldown_s,
    )
    activities.begin(activity, outcome)


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
