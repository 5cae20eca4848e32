"""What outlives the autoscaler: its records, to the journal and back. Floor 4.

outcome --> batch of changes --> (committed) --> memory
records of an earlier life ----------------------/
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Final, TypeVar

from autoscaler.actions import Notice
from autoscaler.app.sight import Memory, Outcome
from autoscaler.model import (
    Activity,
    AlarmHistoryItem,
    AlarmRecord,
    Cooldown,
)
from autoscaler.policies import BoundsRecord, ScheduleRecord, SuspensionRecord
from foundation.journal import Change, Delete, Put

ALARM: Final = "alarm"
COOLDOWN: Final = "cooldown"
ACTIVITY: Final = "activity"
BOUNDS: Final = "scaling_bounds"
SCHEDULE: Final = "scheduled_action"
SUSPENSION: Final = "scaling_suspension"
HISTORY: Final = "alarm_history"
NOTICE: Final = "alarm_notice"

RECORDS: Final[Mapping[str, type]] = {
    ALARM: AlarmRecord,
    HISTORY: AlarmHistoryItem,
    NOTICE: Notice,
    COOLDOWN: Cooldown,
    ACTIVITY: Activity,
    BOUNDS: BoundsRecord,
    SCHEDULE: ScheduleRecord,
    SUSPENSION: SuspensionRecord,
}
"""The kinds of records in the journal and what each value is."""


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def remembered(
    records: Mapping[str, Mapping[str, object]], now_unix_s: float
) -> Memory:
    """Return the memory that `records` of an earlier life hold.

    A cooldown that had not passed begins anew. How much of it is left cannot be
    told: the clock may have been set, either way, since its activity completed. So
    it has passed at least, and passes at most once more.
    """
    cooldowns = {
        resource: replace(
            cooldown,
            completed_unix_s=None if cooldown.completed_unix_s is None else now_unix_s,
        )
        for resource, cooldown in _of(records, COOLDOWN, Cooldown).items()
    }
    activities = sorted(
        _of(records, ACTIVITY, Activity).values(),
        key=lambda activity: activity.start_unix_s,
    )
    return Memory(
        alarms=_of(records, ALARM, AlarmRecord),
        cooldowns=cooldowns,
        activities={activity.activity_id: activity for activity in activities},
        bounds=_of(records, BOUNDS, BoundsRecord),
        schedules=_of(records, SCHEDULE, ScheduleRecord),
        suspensions=_of(records, SUSPENSION, SuspensionRecord),
        history=_by_alarm(_of(records, HISTORY, AlarmHistoryItem)),
        notices=_of(records, NOTICE, Notice),
    )


def _by_alarm(
    items: Mapping[str, AlarmHistoryItem],
) -> dict[str, dict[str, AlarmHistoryItem]]:
    found: dict[str, dict[str, AlarmHistoryItem]] = {}
    for key, item in items.items():
        found.setdefault(item.alarm, {})[key] = item
    return found


def _of(
    records: Mapping[str, Mapping[str, object]], kind: str, cls: type[_Value]
) -> dict[str, _Value]:
    found: dict[str, _Value] = {}
    for key, value in records.get(kind, {}).items():
        assert isinstance(value, cls), f"the journal's {kind} are {cls.__name__}s"
        found[key] = value
    return found


def batch_of(outcome: Outcome) -> list[Change]:
    kinds: tuple[tuple[str, Mapping[str, object]], ...] = (
        (ALARM, outcome.alarms),
        (COOLDOWN, outcome.cooldowns),
        (ACTIVITY, outcome.activities),
        (BOUNDS, outcome.bounds),
        (SCHEDULE, outcome.schedules),
        (SUSPENSION, outcome.suspensions),
        *((HISTORY, changes) for changes in outcome.history.values()),
        (NOTICE, outcome.notices),
    )
    return [
        Delete(kind, key) if value is None else Put(kind, key, value)
        for kind, records in kinds
        for key, value in records.items()
    ]


def remember(outcome: Outcome, memory: Memory) -> None:
    _merge(outcome.alarms, memory.alarms)
    _merge(outcome.cooldowns, memory.cooldowns)
    _merge(outcome.activities, memory.activities)
    _merge(outcome.acted_s, memory.acted_s)
    _merge(outcome.not_scaled, memory.not_scaled)
    _merge(outcome.panics_s, memory.panics_s)
    _merge(outcome.bounds, memory.bounds)
    _merge(outcome.schedules, memory.schedules)
    _merge(outcome.suspensions, memory.suspensions)
    memory.dealt_s.update(outcome.dealt_s)
    for key in memory.dealt_s.keys() - memory.schedules.keys():
        del memory.dealt_s[key]
    _merge(outcome.definitions, memory.definitions)
    for name, changes in outcome.history.items():
        _merge(changes, memory.history.setdefault(name, {}))
    _merge(outcome.notices, memory.notices)
    _merge(outcome.broken, memory.broken)
    memory.looked_s.update(outcome.looked_s)
    memory.values.update(outcome.values)
    memory.datapoints.update(outcome.datapoints)
    for name in outcome.by_hand_done:
        memory.by_hand.pop(name, None)
    memory.by_hand.update(outcome.by_hand)
    for name, record in outcome.alarms.items():
        if record is None:
            memory.history.pop(name, None)
            memory.looked_s.pop(name, None)
            memory.acted_s.pop(name, None)
            memory.values.pop(name, None)
            memory.datapoints.pop(name, None)
            memory.broken.pop(f"alarm {name}", None)


def _merge(
    changes: Mapping[_Key, _Value | None], into: MutableMapping[_Key, _Value]
) -> None:
    for key, value in changes.items():
        if value is None:
            into.pop(key, None)
        else:
            into[key] = value
