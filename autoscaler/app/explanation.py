"""Why a desired count is what it is, as the next look would see it. Floor 4.

    sight + memory --> every policy asked, whether or not its actions run now
                   --> what each wants, what stands against it, what follows

By the functions that decide; nothing is set, remembered or written down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autoscaler.app import scaling, schedules
from autoscaler.app.scaling import FastDecisions
from autoscaler.app.sight import Memory, Outcome, Sight
from autoscaler.decide import proposal
from autoscaler.decide.proposal import Proposal, Standing, Want
from autoscaler.model import Capacity, Cooldown
from autoscaler.policies import Policy, ScalableTarget


@dataclass(frozen=True, slots=True)
class PolicyView:
    """What one policy wants now, and what comes of it, as a sentence."""

    name: str
    type: str
    alarms: tuple[str, ...]
    desired: int | None
    """None: it wants nothing."""
    says: str
    not_scaled: str = ""
    """NotScaledReason's code, if it wants something and may not have it."""


@dataclass(frozen=True, slots=True)
class ScheduledView:
    """A scheduled action and when it runs next: unix seconds, None never again."""

    name: str
    schedule: str
    timezone: str
    next_unix_s: float | None
    min_capacity: int | None
    max_capacity: int | None


@dataclass(frozen=True, slots=True)
class ScalingView:
    """Everything that a service's count depends on, and what follows from it."""

    target: ScalableTarget
    """With the bounds and suspensions that are in force."""
    of_file: tuple[int, int]
    """The file's bounds; a scheduled action may have changed them."""
    capacity: Capacity
    cooldown: Cooldown | None
    cooldown_left_s: float
    policies: tuple[PolicyView, ...]
    scheduled: tuple[ScheduledView, ...]
    decision: str


def explain(sight: Sight, memory: Memory, resource: str) -> ScalingView | None:
    """Return how `resource` stands; None when it has no target or no tasks yet."""
    written = next((one for one in sight.targets if one.resource == resource), None)
    if written is None or resource not in sight.capacities:
        return None
    outcome = Outcome()
    target = schedules.as_recorded(written, memory, outcome)
    fast = scaling.fast_decisions(sight, target, memory)
    stands = scaling.standing(sight, target, fast, memory, outcome)
    opinions = [_opinion(one, stands, fast, memory) for one in target.policies]
    wants = [want for _, want, _ in opinions if want is not None]
    found = scaling.judged(stands, wants, memory, outcome)
    by_name = {one.policy.name: one for one in found}
    cooling = stands.cooling
    return ScalingView(
        target,
        (written.min_capacity, written.max_capacity),
        stands.capacity,
        cooling,
        proposal.remaining_s(cooling, sight.now_unix_s) if cooling else 0.0,
        tuple(
            _view(policy, says, by_name.get(policy.name))
            for policy, _, says in opinions
        ),
        tuple(_scheduled(sight, target, memory)),
        _decision(stands, found, memory),
    )


def _opinion(
    policy: Policy, stands: Standing, fast: FastDecisions, memory: Memory
) -> tuple[Policy, Want | None, str]:
    """Return what `policy` wants, if anything, and how it stands."""
    if policy.name in fast:
        decision = fast[policy.name]
        return policy, decision.want, decision.state
    for want in scaling.alarm_want(policy, stands, memory, Outcome()):
        return policy, want, ""
    return policy, None, _calm(policy, memory)


def _calm(policy: Policy, memory: Memory) -> str:
    """Say why a policy of alarms wants nothing."""
    states = [
        f"{alarm.name} is {state.value if state else 'not evaluated yet'}"
        for alarm in policy.alarms
        for state in [scaling.state_of(alarm.name, memory, Outcome())]
    ]
    return f"{' and '.join(states)}: it wants nothing"


def _view(policy: Policy, says: str, found: Proposal | None) -> PolicyView:
    name = type(policy).__name__.removesuffix("Policy")
    kind = "TargetTrackingScaling" if name == "TargetTracking" else name
    alarms = tuple(alarm.name for alarm in policy.alarms)
    if found is None:
        return PolicyView(policy.name, kind, alarms, None, says)
    code = found.not_scaled.value if found.not_scaled else ""
    desired = None if found.not_scaled else found.desired
    return PolicyView(policy.name, kind, alarms, desired, found.reason, code)


def _scheduled(
    sight: Sight, target: ScalableTarget, memory: Memory
) -> Iterator[ScheduledView]:
    for action in target.scheduled_actions:
        yield ScheduledView(
            action.name,
            action.schedule,
            action.timezone,
            schedules.next_time(target.resource, action, memory, sight.wall_unix_s),
            action.min_capacity,
            action.max_capacity,
        )


def _decision(stands: Standing, found: list[Proposal], memory: Memory) -> str:
    """Say what follows from all of it, or what is under way."""
    target, present = stands.target, stands.capacity.desired
    for activity in memory.open_activities(target.resource):
        return f"{activity.description} {activity.status_message}"
    if not target.min_capacity <= present <= target.max_capacity:
        return f"{present} is outside its bounds and is brought back"
    chosen = proposal.largest(one for one in found if one.not_scaled is None)
    if chosen is not None:
        return (
            f"desired count {chosen.desired} instead of {present}, by policy"
            f" {chosen.policy.name}, when its action runs next"
        )
    if found:
        return f"desired count stays {present}: no policy may have what it wants"
    return f"desired count stays {present}: no policy wants another"
