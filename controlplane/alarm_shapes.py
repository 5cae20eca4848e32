"""Alarms in the shapes of `aws cloudwatch describe-alarms` and its history. Pure.

Source: CloudWatch API reference, MetricAlarm, CompositeAlarm, AlarmHistoryItem.
Actions are told by what they call, where AWS has ARNs.
"""

from __future__ import annotations

import datetime
from typing import assert_never

from autoscaler.decide.alarm_message import arn_of
from autoscaler.model import (
    Alarm,
    AlarmHistoryItem,
    AlarmView,
    CompositeAlarm,
    Datapoint,
    Metric,
    MetricQuery,
    Statistic,
)
from controlplane.api.ports import Document


def alarm_document(view: AlarmView) -> Document:
    """Return an alarm as DescribeAlarms does."""
    match view.definition:
        case Alarm() as alarm:
            return {**_common(view), **_metric_alarm(alarm)}
        case CompositeAlarm() as composite:
            return {**_common(view), **_composite(composite, view)}
        case _:
            assert_never(view.definition)


def _common(view: AlarmView) -> dict[str, object]:
    record, actions = view.record, view.definition.actions
    found: dict[str, object] = {
        "AlarmName": view.name,
        "AlarmArn": arn_of(view.name),
        "AlarmConfigurationUpdatedTimestamp": moment(record.configured_unix_s),
        "ActionsEnabled": record.actions_enabled,
        "OKActions": [action.name for action in actions.ok],
        "AlarmActions": [action.name for action in actions.alarm],
        "InsufficientDataActions": [
            action.name for action in actions.insufficient_data
        ],
        "StateValue": record.state.value,
        "StateReason": record.reason,
        "StateUpdatedTimestamp": moment(record.since_unix_s),
        "StateTransitionedTimestamp": moment(record.since_unix_s),
    }
    if view.definition.description:
        found["AlarmDescription"] = view.definition.description
    if record.reason_data:
        found["StateReasonData"] = record.reason_data
    return found


def _metric_alarm(alarm: Alarm) -> Document:
    watched: dict[str, object]
    if alarm.queries:
        period = alarm.period_s
        watched = {"Metrics": [_query(query, period) for query in alarm.queries]}
    else:
        plain = isinstance(alarm.statistic, Statistic)
        watched = {
            **_metric(alarm.metric),
            "Statistic" if plain else "ExtendedStatistic": alarm.statistic.value,
            "Period": alarm.period_s,
        }
        if not alarm.evaluate_low_samples:
            watched["EvaluateLowSampleCountPercentile"] = "ignore"
    return {
        **watched,
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison.value,
        "TreatMissingData": alarm.treat_missing_data.value,
    }


def _metric(metric: Metric) -> dict[str, object]:
    return {
        "MetricName": metric.name,
        "Namespace": metric.namespace,
        "Dimensions": [
            {"Name": name, "Value": value} for name, value in metric.dimensions
        ],
    }


def _query(query: MetricQuery, period_s: int) -> Document:
    found: dict[str, object] = {"Id": query.id}
    if query.metric is None:
        found["Expression"] = query.expression
    else:
        found["MetricStat"] = {
            "Metric": _metric(query.metric),
            "Period": period_s,
            "Stat": query.statistic.value,
        }
    if query.label:
        found["Label"] = query.label
    return found | {"ReturnData": query.return_data}


def _composite(alarm: CompositeAlarm, view: AlarmView) -> Document:
    found: dict[str, object] = {"AlarmRule": alarm.rule}
    if alarm.suppressor:
        found |= {
            "ActionsSuppressor": alarm.suppressor,
            "ActionsSuppressorWaitPeriod": int(alarm.wait_s),
            "ActionsSuppressorExtensionPeriod": int(alarm.extension_s),
        }
    held = view.record.suppression
    if held is not None:
        found |= {
            "ActionsSuppressedBy": held.by.value,
            "ActionsSuppressedReason": f"Actions suppressed by {held.by.value}",
        }
    return found


def datapoint_document(point: Datapoint) -> Document:
    """Return one period as it was evaluated; a null Value: no sample came."""
    return {"Timestamp": moment(point.start_s), "Value": point.value}


def history_document(item: AlarmHistoryItem, alarm_type: str) -> Document:
    """Return an item as DescribeAlarmHistory does."""
    return {
        "AlarmName": item.alarm,
        "AlarmType": alarm_type,
        "Timestamp": moment(item.unix_s),
        "HistoryItemType": item.kind.value,
        "HistorySummary": item.summary,
        "HistoryData": item.data,
    }


def moment(unix_s: float) -> str:
    """Return a time as the AWS command line writes it: ISO 8601, UTC."""
    return datetime.datetime.fromtimestamp(unix_s, datetime.UTC).isoformat(
        timespec="milliseconds"
    )
