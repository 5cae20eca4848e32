"""Decide an alarm's state from the datapoints of its evaluation range.

Floor 1: pure. Times are whole unix seconds; the newest window always ends at
the second given, so nothing here can look at samples that are still coming.

    windows of samples --> datapoints --> breaching? --> state, reason as text

Absent on purpose: percentiles, metric math, composite and anomaly alarms.

Source: CloudWatch user guide, "Using Amazon CloudWatch alarms" (evaluation,
treatment of missing data, premature alarm state).
"""

from __future__ import annotations

import datetime
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoscaler.decide.statistics import Distribution, value_of
from autoscaler.model import (
    Alarm,
    AlarmState,
    Comparison,
    MissingData,
)

MINUTE_S: Final = 60
AWS_SHORT_LOOK_S: Final = 10
"""How often CloudWatch looks at alarms with periods of 10, 20 and 30 s."""

Window = Callable[[int, int], Distribution | None]
"""(start, end) in unix seconds, end excluded -> the samples between, if any."""


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One period's value; None when no sample came. `start_s` is unix seconds."""

    start_s: int
    value: float | None


@dataclass(frozen=True, slots=True)
class AlarmDecision:
    """An alarm's state now, why, and the datapoints looked at, oldest first."""

    state: AlarmState
    reason: str
    datapoints: tuple[Datapoint, ...]

    @property
    def newest_value(self) -> float | None:
        """The value that step adjustments are measured by; None without data."""
        values = [point.value for point in self.datapoints if point.value is not None]
        return values[-1] if values else None


def evaluation_range(evaluation_periods: int) -> int:
    """Return how many datapoints are fetched to find `evaluation_periods` real ones.

    CloudWatch fetches more than N and does not say how many more; it shows five
    for N = 3. A third more, at least two, agrees with that.
    """
    return evaluation_periods + max(evaluation_periods // 3, 2)


def look_every_s(alarm: Alarm) -> int:
    """Return the seconds between two looks at `alarm`; looks fall on multiples."""
    if alarm.period_s >= MINUTE_S:
        return MINUTE_S
    return AWS_SHORT_LOOK_S if alarm.aws_timing else 1


def repeat_every_s(alarm: Alarm) -> int:
    """Return the seconds after which a scaling action repeats while in ALARM."""
    return MINUTE_S if alarm.aws_timing else min(alarm.period_s, MINUTE_S)


def last_look_s(alarm: Alarm, second: int) -> int:
    """Return the newest second, up to `second`, at which a look falls."""
    return second - second % look_every_s(alarm)


_BREACHES: Final[Mapping[Comparison, Callable[[float, float], bool]]] = {
    Comparison.GREATER_OR_EQUAL: operator.ge,
    Comparison.GREATER: operator.gt,
    Comparison.LESS: operator.lt,
    Comparison.LESS_OR_EQUAL: operator.le,
}


def breaches(comparison: Comparison, value: float, threshold: float) -> bool:
    return _BREACHES[comparison](value, threshold)


def evaluate(
    points: Sequence[bool | None],
    evaluation_periods: int,
    datapoints_to_alarm: int,
    treat: MissingData,
    current: AlarmState,
) -> AlarmState:
    """Return the state that `points` mean: True breaching, False not, None missing.

    Points are oldest first. With enough real points the newest decide alone and
    missing ones do not matter. With fewer, missing ones stand in as `treat`
    says; an alarm that would rest on a few breaching points only waits until
    the oldest of them is `datapoints_to_alarm` periods old (no premature alarm).
    """
    real = [point for point in points if point is not None]
    breaching = sum(real[-evaluation_periods:])
    unknown = max(0, evaluation_periods - len(real))
    if treat is MissingData.BREACHING:
        breaching += unknown
    if breaching >= datapoints_to_alarm:
        return AlarmState.ALARM
    if not unknown or treat in {MissingData.BREACHING, MissingData.NOT_BREACHING}:
        return AlarmState.OK
    if not all(real):
        return AlarmState.OK
    if treat is MissingData.IGNORE:
        return current
    if not real:
        return AlarmState.INSUFFICIENT_DATA
    oldest_age = len(points) - list(points).index(True)
    return AlarmState.ALARM if oldest_age >= datapoints_to_alarm else current


def evaluate_alarm(
    alarm: Alarm, window: Window, end_s: int, current: AlarmState
) -> AlarmDecision:
    """Return what the periods up to `end_s` (unix seconds, excluded) say.

    Windows lie back to back; one with fewer samples than seconds counts as it
    is. Never raises.
    """
    points = datapoints(alarm, window, end_s)
    flags = tuple(
        None
        if point.value is None
        else breaches(alarm.comparison, point.value, alarm.threshold)
        for point in points
    )
    state = evaluate(
        flags,
        alarm.evaluation_periods,
        alarm.datapoints_to_alarm,
        alarm.treat_missing_data,
        current,
    )
    return AlarmDecision(state, _reason(alarm, points, state, current), points)


def datapoints(alarm: Alarm, window: Window, end_s: int) -> tuple[Datapoint, ...]:
    """Return the evaluation range's datapoints, oldest first."""
    period = alarm.period_s
    count = evaluation_range(alarm.evaluation_periods)
    starts = range(end_s - count * period, end_s, period)
    found = ((start, window(start, start + period)) for start in starts)
    return tuple(
        Datapoint(start, value_of(alarm.statistic, samples) if samples else None)
        for start, samples in found
    )


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


def _reason(
    alarm: Alarm, points: Sequence[Datapoint], state: AlarmState, current: AlarmState
) -> str:
    """Say why, as CloudWatch's StateReason does."""
    real = [point for point in points if point.value is not None]
    real = real[-alarm.evaluation_periods :]
    missing = alarm.evaluation_periods - len(real)
    if not real:
        return _reason_without_data(alarm, state, missing)
    if state is AlarmState.INSUFFICIENT_DATA:
        return f"Insufficient Data: {_count(missing, 'datapoint')} unknown so far."

    in_alarm = state is AlarmState.ALARM
    told = [
        point
        for point in real
        if breaches(alarm.comparison, point.value or 0.0, alarm.threshold) == in_alarm
    ]
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
