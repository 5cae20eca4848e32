"""What is told of an alarm's change: to whom it calls, and in its history. Floor 1.

JSON in the shapes that CloudWatch sends to topics and keeps as history data.

Source: CloudWatch user guide, "Notifying users on alarm changes"; CloudWatch API
reference, AlarmHistoryItem.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from autoscaler.actions import Action, AlarmActions
from autoscaler.decide.alarm_reason import timestamp
from autoscaler.model import (
    Alarm,
    AlarmRecord,
    AlarmState,
    CompositeAlarm,
    Metric,
    MetricQuery,
    Statistic,
)

ACCOUNT: Final = "000000000000"
REGION: Final = "local"
"""No account and no region of AWS: where AWS has them, ours are these."""

Document = Mapping[str, object]


class Transition(NamedTuple):
    """A change of state: what it was, and how it is now."""

    before: AlarmRecord
    after: AlarmRecord


def arn_of(name: str) -> str:
    return f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"


def actions_of(actions: AlarmActions, state: AlarmState) -> tuple[Action, ...]:
    """Return what runs when an alarm goes into `state`."""
    match state:
        case AlarmState.OK:
            return actions.ok
        case AlarmState.ALARM:
            return actions.alarm
        case AlarmState.INSUFFICIENT_DATA:
            return actions.insufficient_data


def message_of(
    alarm: Alarm | CompositeAlarm, before: AlarmState, after: AlarmRecord
) -> str:
    """Return the message of a change of state, as CloudWatch sends it to a topic."""
    actions = alarm.actions
    document: dict[str, object] = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description or None,
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": timestamp(after.configured_unix_s),
        "NewStateValue": after.state.value,
        "NewStateReason": after.reason,
        "StateChangeTime": timestamp(after.since_unix_s),
        "Region": REGION,
        "AlarmArn": arn_of(alarm.name),
        "OldStateValue": before.value,
        "OKActions": [action.name for action in actions.ok],
        "AlarmActions": [action.name for action in actions.alarm],
        "InsufficientDataActions": [
            action.name for action in actions.insufficient_data
        ],
    }
    match alarm:
        case Alarm():
            document["Trigger"] = _trigger(alarm)
        case CompositeAlarm():
            document["AlarmRule"] = alarm.rule
    return json.dumps(document, ensure_ascii=False)


def _trigger(alarm: Alarm) -> Document:
    watched = (
        {"Metrics": [_query(query, alarm.period_s) for query in alarm.queries]}
        if alarm.queries
        else _metric_trigger(alarm)
    )
    return {
        **watched,
        "Period": alarm.period_s,
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm,
        "ComparisonOperator": alarm.comparison.value,
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.treat_missing_data.value,
        "EvaluateLowSampleCountPercentile": (
            "" if alarm.evaluate_low_samples else "ignore"
        ),
    }


def _metric_trigger(alarm: Alarm) -> Document:
    plain = isinstance(alarm.statistic, Statistic)
    name = alarm.statistic.value
    return {
        **_metric(alarm.metric),
        "StatisticType": "Statistic" if plain else "ExtendedStatistic",
        "Statistic" if plain else "ExtendedStatistic": name.upper() if plain else name,
        "Unit": None,
    }


def _metric(metric: Metric) -> Document:
    return {
        "MetricName": metric.name,
        "Namespace": metric.namespace,
        "Dimensions": [
            {"value": value, "name": name} for name, value in metric.dimensions
        ],
    }


def _query(query: MetricQuery, period_s: int) -> Document:
    found: dict[str, object] = {"Id": query.id, "ReturnData": query.return_data}
    if query.label:
        found["Label"] = query.label
    if query.metric is None:
        return found | {"Expression": query.expression}
    return found | {
        "MetricStat": {
            "Metric": _metric(query.metric),
            "Period": period_s,
            "Stat": query.statistic.value,
        }
    }


# --- history --------------------------------------------------------------------


def state_update(change: Transition) -> str:
    """Return the history data of a change of state."""
    return _json({"oldState": _state(change.before), "newState": _state(change.after)})


def _state(record: AlarmRecord) -> Document:
    found: dict[str, object] = {
        "stateValue": record.state.value,
        "stateReason": record.reason,
    }
    if record.reason_data:
        found["stateReasonData"] = json.loads(record.reason_data)
    return found


def configuration_update(kind: str, changed: Sequence[str] = ()) -> str:
    """Return the history data of an alarm made (`Create`) or changed (`Update`)."""
    return _json({"type": kind, **({"changed": list(changed)} if changed else {})})


def action_result(name: str, error: str, changed_unix_s: float) -> str:
    """Return the history data of an action that has ended; no `error`: it succeeded."""
    return _json(
        {
            "actionState": "Failed" if error else "Succeeded",
            "notificationResource": name,
            "stateUpdateTimestamp": int(changed_unix_s * 1000),
            **({"error": error} if error else {}),
        }
    )


def _json(document: Document) -> str:
    return json.dumps({"version": "1.0", **document}, ensure_ascii=False)


# --- composite alarms -----------------------------------------------------------


def composite_reason(child: str, record: AlarmRecord) -> tuple[str, str]:
    """Return why a composite alarm changed, for people and as JSON: `child` did."""
    moment = datetime.datetime.fromtimestamp(record.since_unix_s, datetime.UTC)
    told = f"{moment:%A} {moment.day:02d} {moment:%B}, {moment:%Y %H:%M:%S} UTC"
    state = {"value": record.state.value, "timestamp": timestamp(record.since_unix_s)}
    data = {"triggeringAlarms": [{"arn": arn_of(child), "state": state}]}
    reason = f"{arn_of(child)} transitioned to {record.state.value} at {told}"
    return reason, json.dumps(data)


def made_reason(name: str, what: str, state: AlarmState) -> str:
    """Return why a composite alarm has its first state; `what`: created, updated."""
    return f"{arn_of(name)} was {what} and its alarm rule evaluates to {state.value}"
