"""One look at all alarms: which changed their state, and whose actions run now.

Floor 4, and as synchronous as the look it is a part of: it fills the outcome and
changes nothing.
"""

from __future__ import annotations

from typing import Final

from autoscaler.app.sight import Memory, Outcome, Sight, Told
from autoscaler.decide import alarm as deciding
from autoscaler.model import Alarm, AlarmRecord, AlarmState, MissingData
from autoscaler.state.series import Series

UNCHECKED: Final = "Unchecked: Initial alarm creation"
"""An alarm's reason before its first look, in CloudWatch's words."""


def triggered(sight: Sight, memory: Memory, outcome: Outcome) -> frozenset[str]:
    """Evaluate every alarm that is due; return those whose actions run now."""
    watched = {
        alarm.name: (alarm, target.resource)
        for target in reversed(sight.targets)
        for alarm in target.alarms
    }
    return frozenset(
        name
        for name, (alarm, resource) in watched.items()
        if _look_at(alarm, resource, sight, memory, outcome)
    )


def _look_at(
    alarm: Alarm, resource: str, sight: Sight, memory: Memory, outcome: Outcome
) -> bool:
    """Evaluate `alarm` if a look is due; return whether its actions run now."""
    name = alarm.name
    record = memory.alarms.get(name)
    if record is None:
        record = AlarmRecord(AlarmState.INSUFFICIENT_DATA, UNCHECKED, sight.now_unix_s)
        outcome.alarms[name] = record
    end_s = deciding.last_look_s(alarm, int(sight.now_unix_s))
    series = sight.series.get(alarm.metric)
    if end_s == memory.looked_s.get(name) or series is None:
        return False
    if not _observed(alarm, series, end_s):
        return False
    decision = deciding.evaluate_alarm(alarm, series.totals, end_s, record.state)
    outcome.looked_s[name] = end_s
    outcome.values[name] = decision.newest_value
    outcome.datapoints[name] = decision.datapoints
    if decision.state is not record.state:
        outcome.alarms[name] = AlarmRecord(
            decision.state, decision.reason, sight.now_unix_s
        )
        outcome.events.append(
            Told(
                resource,
                f"alarm {name} {record.state.value} -> {decision.state.value}:"
                f" {decision.reason}",
            )
        )
    if decision.state is not AlarmState.ALARM:
        outcome.acted_s[name] = None
        return False
    acted_s = memory.acted_s.get(name)
    due = acted_s is None or not 0 <= end_s - acted_s < deciding.repeat_every_s(alarm)
    if due:
        outcome.acted_s[name] = end_s
    return due


def _observed(alarm: Alarm, series: Series, end_s: int) -> bool:
    """Whether the periods that would be judged were watched at all.

    After a start an alarm keeps its state until a whole period was seen; where
    missing data is judged, until all periods were.
    """
    judged = alarm.treat_missing_data in {
        MissingData.BREACHING,
        MissingData.NOT_BREACHING,
    }
    periods = alarm.evaluation_periods if judged else 1
    since_s = series.seen_since_s(alarm.period_s)
    return end_s - periods * alarm.period_s >= since_s
