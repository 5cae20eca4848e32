"""One look at all alarms: which changed their state, and whose actions run now.

    configured alarms --> due? --> evaluated --> changed? --> record, history, notices
    composite alarms, children first -------/

Floor 4, and as synchronous as the look it is a part of: it fills the outcome and
changes nothing. What a notice says is sent by `messenger`, once it is committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Final, NamedTuple

from autoscaler.actions import Notice
from autoscaler.app.sight import Memory, Outcome, Sight, Told
from autoscaler.decide import alarm as deciding
from autoscaler.decide.alarm_message import (
    Transition,
    actions_of,
    configuration_update,
    message_of,
    state_update,
)
from autoscaler.decide.metric_math_queries import Measured, Window
from autoscaler.decide.statistics import needs_values
from autoscaler.model import (
    Alarm,
    AlarmHistoryItem,
    AlarmRecord,
    AlarmState,
    CompositeAlarm,
    Datapoint,
    ExtendedStatistic,
    HistoryItemType,
    Metric,
    MissingData,
    Statistic,
)
from autoscaler.policies import ScalableTarget
from autoscaler.state.series import Series

UNCHECKED: Final = "Unchecked: Initial alarm creation"
"""An alarm's reason before its first look, in CloudWatch's words."""

HISTORY_MAX: Final = 100
"""Items kept per alarm, newest; CloudWatch keeps two weeks."""

NOTICES_MAX: Final = 50
"""Of one alarm, that wait to be sent; more are not taken on."""


class Looking(NamedTuple):
    """One look: what is seen, what is remembered, and what it decided so far."""

    sight: Sight
    memory: Memory
    outcome: Outcome

    def record(self, name: str) -> AlarmRecord | None:
        return self.outcome.alarms.get(name) or self.memory.alarms.get(name)


def watched(
    targets: Sequence[ScalableTarget], alarms: Sequence[Alarm]
) -> Mapping[str, tuple[Alarm, str]]:
    """Return every metric alarm by name, with the resource it scales or nothing.

    One that several policies share is told of with the first of them.
    """
    scaling = {
        alarm.name: (alarm, target.resource)
        for target in reversed(targets)
        for alarm in target.alarms
    }
    return scaling | {
        alarm.name: (alarm, scaling.get(alarm.name, (alarm, ""))[1]) for alarm in alarms
    }


def triggered(sight: Sight, memory: Memory, outcome: Outcome) -> frozenset[str]:
    """Evaluate every alarm that is due; return those whose policies act now."""
    at = Looking(sight, memory, outcome)
    _forget_what_is_gone(at)
    second = int(sight.now_unix_s)
    acting = {
        name
        for name, (alarm, resource) in sight.alarms.items()
        if name not in memory.by_hand
        and _may_be_due(memory, alarm, second)
        and _look_at(at, alarm, resource)
    }
    acting.update(name for name in memory.by_hand if _by_hand(at, name))
    return frozenset(acting)


def _may_be_due(memory: Memory, alarm: Alarm, second: int) -> bool:
    """Whether there is anything to do about an alarm: asked of each, each second."""
    name = alarm.name
    if memory.definitions.get(name) is not alarm:
        return True
    return memory.looked_s.get(name) != deciding.last_look_s(alarm, second)


def _look_at(at: Looking, alarm: Alarm, resource: str) -> bool:
    """Evaluate `alarm` if a look is due; return whether its policies act now."""
    name, outcome = alarm.name, at.outcome
    record = configured(at, alarm)
    end_s = deciding.last_look_s(alarm, int(at.sight.now_unix_s))
    if end_s == at.memory.looked_s.get(name) or not _observed(at.sight, alarm, end_s):
        return False
    outcome.looked_s[name] = end_s
    decision = _judged(at, alarm, end_s, record.state)
    if decision is None:
        return False
    outcome.values[name] = decision.newest_value
    outcome.datapoints[name] = decision.datapoints
    if decision.state is not record.state:
        reason, data = decision.reason, decision.reason_data
        change(at, alarm, (decision.state, reason, data), resource)
        act(at, alarm, record.state)
    if decision.state is not AlarmState.ALARM:
        outcome.acted_s[name] = None
        return False
    acted_s = at.memory.acted_s.get(name)
    due = acted_s is None or not 0 <= end_s - acted_s < deciding.repeat_every_s(alarm)
    if due:
        outcome.acted_s[name] = end_s
    return due and record.actions_enabled


def _judged(
    at: Looking, alarm: Alarm, end_s: int, before: AlarmState
) -> deciding.AlarmDecision | None:
    """Evaluate `alarm`; None if that fails, which is the affair of no other alarm."""
    subject = f"alarm {alarm.name}"
    try:
        measured = measured_by(at.sight.series)
        decision = deciding.evaluate_alarm(alarm, measured, end_s, before)
        if decision.state is not before:
            _ = decision.reason, decision.reason_data
    except Exception as error:  # noqa: BLE001 - whatever it is: told with its traceback
        at.outcome.broken[subject] = error
        return None
    if subject in at.memory.broken:
        at.outcome.broken[subject] = None
    return decision


def _by_hand(at: Looking, name: str) -> bool:
    """Act once on an alarm that a person set to ALARM; return whether it may act.

    It is not evaluated in the same look: policies act on the state it was given.
    """
    value = at.memory.by_hand[name]
    if value is not None:
        point = Datapoint(int(at.sight.now_unix_s), value)
        at.outcome.datapoints[name] = (point,)
        at.outcome.values[name] = value
    at.outcome.by_hand_done.append(name)
    record = at.record(name)
    return record is not None and record.actions_enabled


def measured_by(series: Mapping[Metric, Series]) -> Measured:
    """Return how alarms ask `series`, which are there as long as they are watched."""

    def window_of(metric: Metric, statistic: Statistic | ExtendedStatistic) -> Window:
        found = series[metric]
        return found.window if needs_values(statistic) else found.totals

    return window_of


def _observed(sight: Sight, alarm: Alarm, end_s: int) -> bool:
    """Whether the periods that would be judged were watched at all.

    After a start an alarm keeps its state until a whole period was seen; where
    missing data is judged, until all periods were.
    """
    judged = alarm.treat_missing_data in {
        MissingData.BREACHING,
        MissingData.NOT_BREACHING,
    }
    periods = alarm.evaluation_periods if judged else 1
    seen = [sight.series.get(metric) for metric in alarm.inputs]
    return all(
        series is not None
        and end_s - periods * alarm.period_s >= series.seen_since_s(alarm.period_s)
        for series in seen
    )


# --- what every kind of alarm has -----------------------------------------------------


def configured(at: Looking, alarm: Alarm | CompositeAlarm) -> AlarmRecord:
    """Return the alarm's record; made if it is new, told if its definition changed.

    A changed alarm keeps its state, as in CloudWatch.
    """
    name, now = alarm.name, at.sight.now_unix_s
    record, before = at.memory.alarms.get(name), at.memory.definitions.get(name)
    if record is not None and (before is None or before is alarm or before == alarm):
        if before is not alarm:
            at.outcome.definitions[name] = alarm
        return record
    at.outcome.definitions[name] = alarm
    enabled = alarm.actions.enabled
    if record is None:
        record = AlarmRecord(
            AlarmState.INSUFFICIENT_DATA,
            UNCHECKED,
            now,
            actions_enabled=enabled,
            configured_unix_s=now,
        )
        told, data = f'Alarm "{name}" created', configuration_update("Create")
    else:
        record = replace(record, actions_enabled=enabled, configured_unix_s=now)
        changed = _changed_fields(before, alarm)
        told = f'Alarm "{name}" updated'
        data = configuration_update("Update", changed)
    at.outcome.alarms[name] = record
    item = AlarmHistoryItem(name, now, HistoryItemType.CONFIGURATION_UPDATE, told, data)
    note(item, at.memory, at.outcome)
    return record


def _changed_fields(before: object, alarm: Alarm | CompositeAlarm) -> list[str]:
    if type(before) is not type(alarm):
        return []
    return [
        each.name
        for each in fields(alarm)
        if getattr(before, each.name) != getattr(alarm, each.name)
    ]


def change(
    at: Looking,
    alarm: Alarm | CompositeAlarm,
    now: tuple[AlarmState, str, str],
    resource: str,
) -> AlarmRecord:
    """Write down that `alarm` has the state, reason and reason data of `now`."""
    before = at.record(alarm.name)
    assert before is not None, "configured before it is changed"
    state, reason, data = now
    after = replace(
        before,
        state=state,
        reason=reason,
        reason_data=data,
        since_unix_s=at.sight.now_unix_s,
    )
    at.outcome.alarms[alarm.name] = after
    words = f"{before.state.value} -> {state.value}: {reason}"
    at.outcome.events.append(Told(resource, f"alarm {alarm.name} {words}"))
    item = AlarmHistoryItem(
        alarm.name,
        at.sight.now_unix_s,
        HistoryItemType.STATE_UPDATE,
        f"Alarm updated from {before.state.value} to {state.value}",
        state_update(Transition(before, after)),
    )
    note(item, at.memory, at.outcome)
    return after


def act(at: Looking, alarm: Alarm | CompositeAlarm, before: AlarmState) -> None:
    """Have the actions of the state that `alarm` is in now run, if they are enabled."""
    record = at.record(alarm.name)
    assert record is not None, "changed before it acts"
    actions = actions_of(alarm.actions, record.state)
    if not actions or not record.actions_enabled:
        return
    waiting = sum(one.alarm == alarm.name for one in at.memory.notices.values())
    if waiting + len(actions) > NOTICES_MAX:
        message = f"alarm {alarm.name}: actions not run, {waiting} still wait"
        at.outcome.events.append(Told("", message))
        return
    message = message_of(alarm, before, record)
    moment = int(at.sight.now_unix_s * 1000)
    for place, action in enumerate(actions):
        key = f"{alarm.name}/{moment}/{record.state.value}/{waiting + place}"
        at.outcome.notices[key] = Notice(
            key,
            alarm.name,
            record.state.value,
            record.reason,
            action,
            message,
            at.sight.now_unix_s,
        )


def note(item: AlarmHistoryItem, memory: Memory, outcome: Outcome) -> None:
    """Add to an alarm's history, and forget what is too old in it."""
    changes = dict(outcome.history.get(item.alarm, {}))
    known = memory.history.get(item.alarm, {}) | changes
    kept = [key for key, one in known.items() if one is not None]
    for key in kept[: max(0, len(kept) + 1 - HISTORY_MAX)]:
        changes[key] = None
    moment = int(item.unix_s * 1000)
    key = f"{item.alarm}/{moment}/{item.kind.value}/{len(kept)}"
    changes[key] = item
    outcome.history[item.alarm] = changes


def _forget_what_is_gone(at: Looking) -> None:
    memory, outcome = at.memory, at.outcome
    gone = memory.alarms.keys() - at.sight.alarms.keys()
    gone -= {alarm.name for alarm in at.sight.composites}
    if not gone:
        return
    outcome.alarms.update(dict.fromkeys(gone))
    outcome.definitions.update(dict.fromkeys(gone))
    outcome.by_hand_done.extend(gone & memory.by_hand.keys())
    for name in gone:
        outcome.history[name] = dict.fromkeys(memory.history.get(name, ()))
    notices = memory.notices.items()
    outcome.notices.update({key: None for key, one in notices if one.alarm in gone})
