"""One look at all scalable targets: a synchronous step. Floor 4.

    targets + capacities + series + memory --> look --> what to write down,
                                                        what to set, what to tell

Nothing in the outcome has happened yet. The shell commits `records`, then sets
the desired counts; a look whose commit failed is simply taken again. A
simulator runs the very same step under its own clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from autoscaler.app import alarms, scaling
from autoscaler.app.sight import Memory, Outcome, Sight
from autoscaler.model import ScalableTarget, StepScalingPolicy

ACTIVITIES_MAX: Final = 100
"""Kept per resource, newest; AWS keeps six weeks."""


def look(sight: Sight, memory: Memory) -> Outcome:
    """Return what to do now. Changes nothing, never raises, never waits."""
    outcome = Outcome()
    _forget_what_is_gone(sight.targets, memory, outcome)
    triggered = alarms.triggered(sight, memory, outcome)
    for target in sight.targets:
        if target.resource in sight.capacities:
            scaling.scale(sight, target, triggered, memory, outcome)
    _forget_what_was_told(sight.targets, outcome)
    _forget_old_activities(memory, outcome)
    return outcome


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
