"""One look at all scalable targets: a synchronous step. Floor 4.

    targets + capacities + series + memory --> look --> what to write down,
                                                        what to set, what to tell

Nothing in the outcome has happened yet. The shell commits `records`, then sets
the desired counts; a look whose commit failed is simply taken again. A
simulator runs the very same step under its own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from autoscaler.app import alarms, scaling, schedules
from autoscaler.app.composites import look_at_composites
from autoscaler.app.sight import Memory, Outcome, Sight
from autoscaler.model import AlarmState
from autoscaler.policies import ScalableTarget

ACTIVITIES_MAX: Final = 100
"""Kept per resource, newest; AWS keeps six weeks."""


def look(sight: Sight, memory: Memory) -> Outcome:
    """Return what to do now. Changes nothing, never raises, never waits."""
    outcome = Outcome()
    _forget_what_is_gone(sight.targets, memory, outcome)
    triggered = alarms.triggered(sight, memory, outcome)
    look_at_composites(alarms.Looking(sight, memory, outcome))
    sight = replace(sight, targets=schedules.in_force(sight, memory, outcome))
    for target in sight.targets:
        if target.resource in sight.capacities:
            outcome = _scaled(sight, target, triggered, memory, outcome)
    _forget_what_was_told(sight.targets, memory, outcome)
    _forget_old_activities(memory, outcome)
    return outcome


def _scaled(
    sight: Sight,
    target: ScalableTarget,
    triggered: frozenset[str],
    memory: Memory,
    outcome: Outcome,
) -> Outcome:
    """Decide about one target; if that fails, nothing of it is decided."""
    subject, trial = f"target {target.resource}", outcome.copied()
    try:
        scaling.scale(sight, target, triggered, memory, trial)
    except Exception as error:  # noqa: BLE001 - whatever it is: told with its traceback
        outcome.broken[subject] = error
        return outcome
    if subject in memory.broken:
        trial.broken[subject] = None
    return trial


def _forget_what_is_gone(
    targets: Sequence[ScalableTarget], memory: Memory, outcome: Outcome
) -> None:
    resources = {target.resource for target in targets}
    scheduled = {
        schedules.key_of(target.resource, action)
        for target in targets
        for action in target.scheduled_actions
    }
    outcome.cooldowns.update(dict.fromkeys(memory.cooldowns.keys() - resources))
    outcome.bounds.update(dict.fromkeys(memory.bounds.keys() - resources))
    outcome.suspensions.update(dict.fromkeys(memory.suspensions.keys() - resources))
    outcome.schedules.update(dict.fromkeys(memory.schedules.keys() - scheduled))
    outcome.activities.update(
        dict.fromkeys(
            key
            for key, activity in memory.activities.items()
            if activity.resource not in resources
        )
    )


def _forget_what_was_told(
    targets: Sequence[ScalableTarget], memory: Memory, outcome: Outcome
) -> None:
    """When its alarms left ALARM, a policy's next refusal is news again."""
    calm = {name for name, acted_s in outcome.acted_s.items() if acted_s is None}
    for target in targets:
        for policy in target.policies:
            names = {alarm.name for alarm in policy.alarms}
            states = {scaling.state_of(name, memory, outcome) for name in names}
            if calm & names and AlarmState.ALARM not in states:
                outcome.not_scaled[target.resource, policy.name] = None


def _forget_old_activities(memory: Memory, outcome: Outcome) -> None:
    """Keep the newest of each resource that got a new one. Open ones are newest.

    What did not scale is counted apart, so that it displaces nothing that did.
    """
    new = outcome.activities.keys() - memory.activities.keys()
    begun = [one for key in new if (one := outcome.activities[key]) is not None]
    for resource, scaled in {(one.resource, one.scales) for one in begun}:
        known = [
            key
            for key, activity in memory.activities.items()
            if (activity.resource, activity.scales) == (resource, scaled)
        ]
        outcome.activities.update(dict.fromkeys(known[: 1 - ACTIVITIES_MAX]))
