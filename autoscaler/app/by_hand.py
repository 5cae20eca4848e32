"""What people do to alarms, and how actions ended, as outcomes to commit. Floor 4.

Synchronous, as a look is; nothing has happened yet.

Source: CloudWatch API reference, SetAlarmState, EnableAlarmActions.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import NamedTuple

from autoscaler.actions import Notice
from autoscaler.app.alarms import Looking, act, change, configured, note
from autoscaler.app.composites import settle
from autoscaler.app.sight import Memory, Outcome, Sight, Told
from autoscaler.decide.alarm_message import action_result, configuration_update
from autoscaler.decide.statistics import LARGEST
from autoscaler.model import (
    Alarm,
    AlarmHistoryItem,
    AlarmState,
    CompositeAlarm,
    HistoryItemType,
)
from autoscaler.ports import Ran


class Wish(NamedTuple):
    """The state that a person gives an alarm until it is evaluated next."""

    state: AlarmState
    reason: str
    reason_data: str = ""
    """JSON; its newest of `recentDatapoints` is what policies scale by."""


def set_state(sight: Sight, memory: Memory, name: str, wish: Wish) -> Outcome:
    """Return the change of state, and the actions that go with it.

    Raises KeyError when there is no alarm of that name.
    """
    alarm, resource = _definition(sight, name)
    outcome = Outcome()
    at = Looking(sight, memory, outcome)
    before = configured(at, alarm).state
    if wish.state is before:
        return outcome
    change(at, alarm, (wish.state, wish.reason, wish.reason_data), resource)
    if isinstance(alarm, CompositeAlarm):
        suppressor = at.record(alarm.suppressor)
        settle(at, alarm, before, suppressor.state if suppressor else None)
        return outcome
    act(at, alarm, before)
    if wish.state is AlarmState.ALARM:
        outcome.by_hand[name] = _newest(wish.reason_data)
        outcome.acted_s[name] = int(sight.now_unix_s)
    return outcome


def _definition(sight: Sight, name: str) -> tuple[Alarm | CompositeAlarm, str]:
    """Return an alarm, and what it scales. Raises KeyError."""
    if name in sight.alarms:
        return sight.alarms[name]
    return {alarm.name: alarm for alarm in sight.composites}[name], ""


def _newest(reason_data: str) -> float | None:
    """Return the newest of a reason's datapoints; None when there is none.

    What no sample may be is none: JSON has NaN, and integers of any length.
    """
    document = json.loads(reason_data) if reason_data else {}
    points = document.get("recentDatapoints") if isinstance(document, dict) else None
    newest = points[-1] if isinstance(points, list) and points else None
    if not isinstance(newest, int | float) or not abs(newest) <= LARGEST:
        return None
    return float(newest)


def enable(
    sight: Sight,
    memory: Memory,
    name: str,
    enabled: bool,  # noqa: FBT001 - the wish itself
) -> Outcome:
    """Return what changes when an alarm's actions are to run, or not to.

    Raises KeyError when there is no alarm of that name.
    """
    alarm, _ = _definition(sight, name)
    outcome = Outcome()
    record = configured(Looking(sight, memory, outcome), alarm)
    if record.actions_enabled is enabled:
        return outcome
    now = sight.now_unix_s
    outcome.alarms[name] = replace(
        record, actions_enabled=enabled, configured_unix_s=now
    )
    word = "enabled" if enabled else "disabled"
    outcome.events.append(Told("", f"alarm {name}: actions {word}, as commanded"))
    kind, told = HistoryItemType.CONFIGURATION_UPDATE, f'Alarm "{name}" updated'
    data = configuration_update("Update", ["actionsEnabled"])
    note(AlarmHistoryItem(name, now, kind, told, data), memory, outcome)
    return outcome


def ended(now_unix_s: float, memory: Memory, notice: Notice, ran: Ran) -> Outcome:
    """Return what changes when an action has ended."""
    outcome = Outcome(notices={notice.key: None})
    name = notice.action.name
    told = "Failed to execute" if ran.error else "Successfully executed"
    summary = f"{told} action {name}"
    if notice.alarm in memory.alarms:
        data = action_result(name, ran.error, notice.unix_s)
        kind = HistoryItemType.ACTION
        item = AlarmHistoryItem(notice.alarm, now_unix_s, kind, summary, data)
        note(item, memory, outcome)
    detail = "; ".join(filter(None, (ran.error, ran.detail)))
    message = f"alarm {notice.alarm} in state {notice.state}: {summary}"
    outcome.events.append(Told("", f"{message}: {detail}" if detail else message))
    return outcome
