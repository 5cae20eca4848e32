"""One look at the composite alarms, after the alarms they are made of. Floor 4.

A composite alarm has no period: it follows its children in the look that changed
them, and theirs theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from autoscaler.app.alarms import Looking, act, change, configured
from autoscaler.app.sight import Told
from autoscaler.decide.alarm_message import composite_reason, made_reason
from autoscaler.decide.alarm_rule import children, holds, parse_rule
from autoscaler.decide.suppression import rule_on
from autoscaler.model import AlarmState, CompositeAlarm, Suppression


def look_at_composites(at: Looking) -> None:
    """Evaluate every composite alarm, children first."""
    if not at.sight.composites:
        return
    states = {
        name: record.state
        for name in {*at.memory.alarms, *at.outcome.alarms}
        if (record := at.record(name)) is not None
        and at.outcome.alarms.get(name, record) is not None
    }
    for alarm in children_first(at.sight.composites):
        states[alarm.name] = _look_at(at, alarm, states)


def children_first(alarms: Iterable[CompositeAlarm]) -> list[CompositeAlarm]:
    """Return composite alarms so that each comes after those that its rule names.

    In a circle, which no cluster file has, the order is that of their names.
    """
    waiting = {alarm.name: alarm for alarm in alarms}
    ordered: list[CompositeAlarm] = []
    while waiting:
        ready = [
            name
            for name, alarm in waiting.items()
            if not (_names(alarm) & waiting.keys() - {name})
        ]
        ordered.extend(waiting.pop(name) for name in ready or sorted(waiting))
    return ordered


def _names(alarm: CompositeAlarm) -> set[str]:
    """Return the alarms it looks at: of its rule, and its suppressor."""
    named = {child.name for child in children(parse_rule(alarm.rule))}
    return named | ({alarm.suppressor} if alarm.suppressor else set())


def _look_at(
    at: Looking, alarm: CompositeAlarm, states: Mapping[str, AlarmState]
) -> AlarmState:
    """Evaluate one; return the state it has now."""
    before = configured(at, alarm)
    rule = parse_rule(alarm.rule)
    state = AlarmState.ALARM if holds(rule, states) else AlarmState.OK
    changed_from = None if state is before.state else before.state
    if changed_from is not None:
        change(at, alarm, (state, *_reason(at, alarm, state)), "")
    settle(at, alarm, changed_from, states.get(alarm.suppressor))
    return state


def settle(
    at: Looking,
    alarm: CompositeAlarm,
    changed_from: AlarmState | None,
    suppressor: AlarmState | None,
) -> None:
    """Run the actions of a change, or hold them back, or run those held back."""
    record, known = at.memory.alarms.get(alarm.name), at.memory.definitions
    before = known.get(alarm.name)
    held = record.suppression if record is not None else None
    if isinstance(before, CompositeAlarm) and before.suppressor != alarm.suppressor:
        held = None
    now = at.sight.now_unix_s
    ruling = rule_on(alarm, held, changed_from, suppressor, now)
    _hold_back(at, alarm, ruling.suppression)
    if ruling.act_from is not None:
        act(at, alarm, ruling.act_from)


def _hold_back(
    at: Looking, alarm: CompositeAlarm, suppression: Suppression | None
) -> None:
    """Write down what holds the actions back; tell of it where some wait."""
    record = at.record(alarm.name)
    assert record is not None, "configured before"
    if suppression == record.suppression:
        return
    at.outcome.alarms[alarm.name] = replace(record, suppression=suppression)
    if suppression is not None and suppression.before is not None:
        message = f"alarm {alarm.name}: actions suppressed by {suppression.by.value}"
        at.outcome.events.append(Told("", message))


def _reason(at: Looking, alarm: CompositeAlarm, state: AlarmState) -> tuple[str, str]:
    """Say which child made it change; without one, that it is new or was changed."""
    if alarm.name not in at.memory.alarms:
        return made_reason(alarm.name, "created", state), ""
    for child in children(parse_rule(alarm.rule)):
        name = child.name
        after, before = at.outcome.alarms.get(name), at.memory.alarms.get(name)
        if after is not None and (before is None or after.state is not before.state):
            return composite_reason(name, after)
    return made_reason(alarm.name, "updated", state), ""
