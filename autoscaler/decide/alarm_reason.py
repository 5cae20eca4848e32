"""Why an alarm is in its state, in CloudWatch's words: for people, and for programs.

Floor 1: pure. What is told was judged before; nothing here decides.

Source: CloudWatch user guide, "Using Amazon CloudWatch alarms"; CloudWatch API
reference, MetricAlarm (StateReason, StateReasonData).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Final

from autoscaler.model import Alarm, AlarmState, Comparison, Datapoint, MissingData

_WORDS: Final = {
    Comparison.GREATER_OR_EQUAL: "greater than or equal to",
    Comparison.GREATER: "greater than",
    Comparison.LESS: "less than",
    Comparison.LESS_OR_EQUAL: "less than or equal to",
}

_TREATED_AS: Final = {
    MissingData.BREACHING: "Breaching",
    MissingData.NOT_BREACHING: "NonBreaching",
}


def reason_of(
    alarm: Alarm,
    real: Sequence[Datapoint],
    told: Sequence[Datapoint],
    state: AlarmState,
    current: AlarmState,
) -> str:
    """Say why, as CloudWatch's StateReason does.

    `real` are the datapoints that were judged, `told` those that speak for `state`;
    both oldest first.
    """
    missing = alarm.evaluation_periods - len(real)
    if not real:
        return _reason_without_data(alarm, state, missing)
    if state is AlarmState.INSUFFICIENT_DATA:
        return f"Insufficient Data: {_count(missing, 'datapoint')} unknown so far."

    in_alarm = state is AlarmState.ALARM
    values = ", ".join(_dated(point) for point in reversed(told))
    treated_as = _TREATED_AS.get(alarm.treat_missing_data)
    filled = ""
    if missing and treated_as is not None:
        filled = (
            f" and {_count(missing, 'missing datapoint')} {_were(missing)} treated as"
            f" [{treated_as}]"
        )
    needed = alarm.datapoints_to_alarm
    if not in_alarm:
        needed = alarm.evaluation_periods - alarm.datapoints_to_alarm + 1
    before = AlarmState.OK if in_alarm else AlarmState.ALARM
    return (
        f"Threshold Crossed: {len(told)} out of the last {len(real)} datapoints"
        f"{f' [{values}]' if told else ''} {_were(len(told))}"
        f"{'' if in_alarm else ' not'} {_WORDS[alarm.comparison]} the threshold"
        f" ({alarm.threshold}){filled} (minimum {_count(needed, 'datapoint')} for"
        f" {before.value if current is state else current.value} -> {state.value}"
        f" transition)."
    )


def _reason_without_data(alarm: Alarm, state: AlarmState, missing: int) -> str:
    treated_as = _TREATED_AS.get(alarm.treat_missing_data)
    if treated_as is not None:
        return (
            f"Threshold Crossed: no datapoints were received for"
            f" {_count(missing, 'period')} and {_count(missing, 'missing datapoint')}"
            f" {_were(missing)} treated as [{treated_as}]."
        )
    if state is AlarmState.INSUFFICIENT_DATA:
        return (
            f"Insufficient Data: {_count(missing, 'datapoint')}"
            f" {_were(missing)} unknown."
        )
    return f"{_count(missing, 'datapoint')} missing, ignored: the state is kept."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _dated(point: Datapoint) -> str:
    start = datetime.datetime.fromtimestamp(point.start_s, datetime.UTC)
    assert point.value is not None
    return f"{round(point.value, 6)} ({start:%d/%m/%y %H:%M:%S})"


def kept_reason(alarm: Alarm) -> str:
    """Say why an evaluation was passed over (EvaluateLowSampleCountPercentile)."""
    return (
        f"Too few samples for {alarm.statistic.value} to be significant, ignored: the"
        " state is kept."
    )


def reason_data(alarm: Alarm, judged: Sequence[Datapoint], end_s: int) -> str:
    """Return CloudWatch's StateReasonData, version 1.0, of what was judged.

    Datapoints are oldest first in `recentDatapoints`, newest first with their
    times in `evaluatedDatapoints`.
    """
    document: dict[str, object] = {"version": "1.0", "queryDate": timestamp(end_s)}
    if judged:
        document["startDate"] = timestamp(judged[0].start_s)
    if not alarm.queries:
        document["statistic"] = alarm.statistic.value
    document |= {
        "period": alarm.period_s,
        "recentDatapoints": [point.value for point in judged],
        "threshold": alarm.threshold,
        "evaluatedDatapoints": [_evaluated(point) for point in reversed(judged)],
    }
    return json.dumps(document, separators=(",", ":"))


def _evaluated(point: Datapoint) -> dict[str, object]:
    found: dict[str, object] = {"timestamp": timestamp(point.start_s)}
    if point.sample_count:
        found["sampleCount"] = point.sample_count
    return found | {"value": point.value}


def timestamp(unix_s: float) -> str:
    """Return a time as CloudWatch writes it in reasons and messages: UTC."""
    moment = datetime.datetime.fromtimestamp(unix_s, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
