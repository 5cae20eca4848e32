"""Decide an alarm's state from the datapoints of its evaluation range.

Floor 1: pure. Times are whole unix seconds; the newest window always ends at
the second given, so nothing here can look at samples that are still coming.

    windows of samples --> datapoints --> breaching? --> state, reason as text
           \\-> metric math -/

Absent on purpose: composite alarms (`alarm_rule`) and anomaly detection.

Source: CloudWatch user guide, "Using Amazon CloudWatch alarms" (evaluation,
treatment of missing data, premature alarm state).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoscaler.decide.alarm_reason import kept_reason, reason_data, reason_of
from autoscaler.decide.metric_math_queries import Measured, returned
from autoscaler.decide.metric_math_values import Grid
from autoscaler.decide.statistics import value_of
from autoscaler.model import (
    Alarm,
    AlarmState,
    Comparison,
    Datapoint,
    MissingData,
    Percentile,
)

MINUTE_S: Final = 60
AWS_SHORT_LOOK_S: Final = 10
"""How often CloudWatch looks at alarms with periods of 10, 20 and 30 s."""
PERIODS_PER_S: Final = 1000
"""That one alarm's looks may go through: a look through a day's seconds takes long."""

SIGNIFICANT: Final = 1000.0
"""Samples beyond a percentile, in hundredths of samples: ten are significant."""
PERCENT: Final = 100.0


@dataclass(frozen=True, slots=True)
class AlarmDecision:
    """An alarm's state now, and what was looked at to find it.

    The sentences are made when somebody asks for them: most looks change nothing.
    """

    alarm: Alarm
    state: AlarmState
    before: AlarmState
    datapoints: tuple[Datapoint, ...]
    """Of the evaluation range, oldest first."""
    end_s: int
    ignored: bool = False
    """Passed over, because there were too few samples."""

    @property
    def judged(self) -> tuple[Datapoint, ...]:
        """The newest datapoints that are there, at most `evaluation_periods`."""
        real = [point for point in self.datapoints if point.value is not None]
        return tuple(real[-self.alarm.evaluation_periods :])

    @property
    def newest_value(self) -> float | None:
        """The value that step adjustments are measured by; None without data."""
        judged = self.judged
        return judged[-1].value if judged else None

    @property
    def reason(self) -> str:
        if self.ignored:
            return kept_reason(self.alarm)
        judged, in_alarm = self.judged, self.state is AlarmState.ALARM
        told = [
            point
            for point in judged
            if point.value is not None
            and breaches(self.alarm.comparison, point.value, self.alarm.threshold)
            == in_alarm
        ]
        return reason_of(self.alarm, judged, told, self.state, self.before)

    @property
    def reason_data(self) -> str:
        """The same for programs: JSON, version 1.0."""
        return reason_data(self.alarm, self.judged, self.end_s)


def evaluation_range(evaluation_periods: int) -> int:
    """Return how many datapoints are fetched to find `evaluation_periods` real ones.

    CloudWatch fetches more than N and does not say how many more; it shows five
    for N = 3. A third more, at least two, agrees with that.
    """
    return evaluation_periods + max(evaluation_periods // 3, 2)


def look_every_s(alarm: Alarm) -> int:
    """Return the seconds between two looks at `alarm`; looks fall on multiples.

    One that judges more periods than can be looked through each second waits until
    they are fewer per second, but never longer than a minute.
    """
    if alarm.period_s >= MINUTE_S:
        return MINUTE_S
    shortest = AWS_SHORT_LOOK_S if alarm.aws_timing else 1
    affordable = -(-alarm.evaluation_periods // PERIODS_PER_S)
    return min(max(shortest, affordable), MINUTE_S)


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
    alarm: Alarm, measured: Measured, end_s: int, current: AlarmState
) -> AlarmDecision:
    """Return what the periods up to `end_s` (unix seconds, excluded) say.

    Windows lie back to back; one with fewer samples than seconds counts as it
    is, unless too few samples of a percentile are to be ignored: then the state
    is kept. Never raises.
    """
    points = datapoints(alarm, measured, end_s)
    if not alarm.evaluate_low_samples:
        kept = AlarmDecision(alarm, current, current, points, end_s, ignored=True)
        if any(_too_few(alarm, point) for point in kept.judged):
            return kept
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
    return AlarmDecision(alarm, state, current, points, end_s)


def _too_few(alarm: Alarm, point: Datapoint) -> bool:
    """Whether a percentile of so few samples is ignored.

    Fewer than 10 / (1 - p), and 10 / p below the median: p99 needs 1000.
    """
    statistic = alarm.statistic
    if not isinstance(statistic, Percentile) or alarm.queries:
        return False
    beyond = min(statistic.percent, PERCENT - statistic.percent)
    return 0 < round(point.sample_count * beyond, 6) < SIGNIFICANT


def datapoints(alarm: Alarm, measured: Measured, end_s: int) -> tuple[Datapoint, ...]:
    """Return the evaluation range's datapoints, oldest first."""
    count = evaluation_range(alarm.evaluation_periods)
    period = alarm.period_s
    grid = Grid(end_s - count * period, period, count)
    if alarm.queries:
        values = returned(alarm.queries, grid, measured)
        return tuple(map(Datapoint, grid.starts, values))
    window, statistic = measured(alarm.metric, alarm.statistic), alarm.statistic
    found: list[Datapoint] = []
    for start in grid.starts:
        samples = window(start, start + period)
        if samples is None:
            found.append(Datapoint(start, None))
        else:
            value = value_of(statistic, samples)
            found.append(Datapoint(start, value, samples.sample_count))
    return tuple(found)
