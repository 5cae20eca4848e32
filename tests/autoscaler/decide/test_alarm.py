"""Alarms: missing data, comparisons, statistics, reasons as CloudWatch has them."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.alarm import (
    breaches,
    datapoints,
    evaluate,
    evaluate_alarm,
    evaluation_range,
    last_look_s,
    look_every_s,
    repeat_every_s,
)
from autoscaler.decide.metric_math_queries import Measured, Window, check
from autoscaler.decide.statistics import Distribution, parse_statistic
from autoscaler.model import (
    Alarm,
    AlarmState,
    Comparison,
    Datapoint,
    Metric,
    MetricQuery,
    MissingData,
    Statistic,
)
from autoscaler.state.series import Series

CPU = Metric("AWS/ECS", "CPUUtilization", (("ServiceName", "web"),))
NOON = 1_795_348_800  # 2026-11-22 12:00:00 UTC
STATES = {
    "OK": AlarmState.OK,
    "ALARM": AlarmState.ALARM,
    "NODATA": AlarmState.INSUFFICIENT_DATA,
}


def drawn(drawing: str) -> tuple[bool | None, ...]:
    """Read points, oldest first: X breaching, 0 not, - missing."""
    return tuple({"X": True, "0": False, "-": None}[letter] for letter in drawing)


# fmt: off
MISSING_DATA = [  # CloudWatch user guide, "How alarm state is evaluated when data is
    # missing"
    # N, M, points,  missing,  ignore,  breaching, notBreaching
    (3, 3, "0-X-X", "OK",     "OK",     "OK",    "OK"),
    (3, 3, "0----", "OK",     "OK",     "OK",    "OK"),
    (3, 3, "-----", "NODATA", "retain", "ALARM", "OK"),
    (3, 3, "0XX-X", "ALARM",  "ALARM",  "ALARM", "ALARM"),
    (3, 3, "--X--", "ALARM",  "retain", "ALARM", "OK"),
    (3, 2, "0-X-X", "ALARM",  "ALARM",  "ALARM", "ALARM"),
    (3, 2, "00X0X", "ALARM",  "ALARM",  "ALARM", "ALARM"),
    (3, 2, "0-X--", "OK",     "OK",     "ALARM", "OK"),
    (3, 2, "----0", "OK",     "OK",     "ALARM", "OK"),
    (3, 2, "---X-", "ALARM",  "retain", "ALARM", "OK"),
]
# fmt: on
CELLS = [
    pytest.param(n, m, points, treat, state, id=f"{m} of {n}: {points} {treat.value}")
    for n, m, points, *states in MISSING_DATA
    for treat, state in zip(
        (
            MissingData.MISSING,
            MissingData.IGNORE,
            MissingData.BREACHING,
            MissingData.NOT_BREACHING,
        ),
        states,
        strict=True,
    )
]


@pytest.mark.parametrize("current", list(AlarmState))
@pytest.mark.parametrize(("n", "m", "points", "treat", "expected"), CELLS)
def test_missing_data(  # noqa: PLR0913, PLR0917 - one row of the table
    n: int,
    m: int,
    points: str,
    treat: MissingData,
    expected: str,
    current: AlarmState,
) -> None:
    state = current if expected == "retain" else STATES[expected]

    assert state is evaluate(drawn(points), n, m, treat, current)


# fmt: off
MORE = [
    (3, 2, "XX000", "missing",      "OK",     "only the newest N real points count"),
    (3, 3, "----X", "missing",      "retain", "one fresh breach is no alarm yet"),
    (3, 3, "---X-", "missing",      "retain", "nor is it one period later"),
    (3, 3, "XXX--", "missing",      "ALARM",  "enough real points ignore the gap"),
    (1, 1, "--X",   "ignore",       "ALARM",  "the newest point alone decides 1 of 1"),
    (1, 1, "X-0",   "missing",      "OK",     "and clears it"),
    (3, 1, "----X", "ignore",       "ALARM",  "enough breaches need no other points"),
    (3, 2, "-0-X-", "breaching",    "ALARM",  "the missing third counts as a breach"),
    (3, 2, "-0-X-", "notBreaching", "OK",     "or does not"),
]
# fmt: on


@pytest.mark.parametrize(
    ("n", "m", "points", "treat", "expected"),
    [row[:-1] for row in MORE],
    ids=[row[-1] for row in MORE],
)
@pytest.mark.parametrize("current", list(AlarmState))
def test_points(  # noqa: PLR0913, PLR0917 - one row of the table
    n: int, m: int, points: str, treat: str, expected: str, current: AlarmState
) -> None:
    state = current if expected == "retain" else STATES[expected]

    assert state is evaluate(drawn(points), n, m, MissingData(treat), current)


# fmt: off
COMPARISONS = [  # value against a threshold of 75: below, on, above
    (Comparison.GREATER,          (False, False, True)),
    (Comparison.GREATER_OR_EQUAL, (False, True,  True)),
    (Comparison.LESS,             (True,  False, False)),
    (Comparison.LESS_OR_EQUAL,    (True,  True,  False)),
]
# fmt: on


@pytest.mark.parametrize(("comparison", "expected"), COMPARISONS)
def test_comparisons(comparison: Comparison, expected: tuple[bool, ...]) -> None:
    found = tuple(breaches(comparison, value, 75.0) for value in (74.9, 75.0, 75.1))

    assert expected == found


def test_three_periods_fetch_five_datapoints() -> None:
    assert [3, 4, 5, 8, 20] == [evaluation_range(n) for n in (1, 2, 3, 6, 15)]


def alarm(  # noqa: PLR0913 - an alarm's few fields
    *,
    period_s: int = 10,
    n: int = 3,
    m: int = 3,
    comparison: Comparison = Comparison.GREATER,
    treat: MissingData = MissingData.MISSING,
    aws_timing: bool = False,
) -> Alarm:
    return Alarm(
        "out",
        CPU,
        Statistic.AVERAGE,
        period_s,
        n,
        m,
        comparison,
        75.0,
        treat,
        aws_timing,
    )


# fmt: off
TIMING = [  # period, AWS's timing, look every, repeat every
    (1,   False, 1,  1,  "a second's window is looked at every second"),
    (10,  False, 1,  10, "a short window slides by a second and repeats per period"),
    (59,  False, 1,  59, "whatever its length"),
    (60,  False, 60, 60, "a minute is AWS's timing already"),
    (300, False, 60, 60, "longer ones too: their action repeats every minute"),
    (10,  True,  10, 60, "AWS looks at short periods every ten seconds"),
    (30,  True,  10, 60, "all of them"),
    (60,  True,  60, 60, "and at others every minute"),
]
# fmt: on


@pytest.mark.parametrize(
    ("period_s", "aws_timing", "look_s", "repeat_s"),
    [row[:-1] for row in TIMING],
    ids=[row[-1] for row in TIMING],
)
def test_timing(period_s: int, aws_timing: bool, look_s: int, repeat_s: int) -> None:  # noqa: FBT001
    watched = alarm(period_s=period_s, aws_timing=aws_timing)

    assert (look_s, repeat_s) == (look_every_s(watched), repeat_every_s(watched))
    assert NOON == last_look_s(watched, NOON + look_s - 1)


@pytest.mark.parametrize(
    ("n", "look_s"), [(1000, 1), (1001, 2), (20_000, 20), (60_000, 60), (86_400, 60)]
)
def test_one_alarm_looks_through_so_many_periods_a_second(n: int, look_s: int) -> None:
    """As far as a look each minute allows."""
    assert look_s == look_every_s(alarm(period_s=1, n=n, m=n))
    assert max(10, look_s) == look_every_s(
        alarm(period_s=10, n=n, m=n, aws_timing=True)
    )


def samples(**by_second: float) -> Measured:
    """Samples by second from noon, as `s3=80.0`; `s_3` is three before noon."""
    series = Series(NOON)
    for name, value in by_second.items():
        series.record(NOON + int(name[1:].replace("_", "-")), value)
    return lambda metric, statistic: series.window


def test_windows_lie_back_to_back_and_end_at_the_second_of_the_look() -> None:
    window = samples(s_11=1.0, s_10=2.0, s_1=4.0, s0=100.0)

    found = datapoints(alarm(n=1, m=1), window, NOON)

    expected = ((NOON - 30, None, 0.0), (NOON - 20, 1.0, 1.0), (NOON - 10, 3.0, 2.0))
    assert tuple(Datapoint(*point) for point in expected) == found


def test_a_window_with_few_samples_counts_as_it_is() -> None:
    decision = evaluate_alarm(alarm(n=1, m=1), samples(s_4=90.0), NOON, AlarmState.OK)

    assert AlarmState.ALARM is decision.state
    assert decision.newest_value == 90.0


# fmt: off
REASONS = [
    (alarm(), {"s_25": 80.0, "s_15": 90.5, "s_5": 91.25}, "ALARM",
     "Threshold Crossed: 3 out of the last 3 datapoints [91.25 (22/11/26 11:59:50), "
     "90.5 (22/11/26 11:59:40), 80.0 (22/11/26 11:59:30)] were greater than the "
     "threshold (75.0) (minimum 3 datapoints for OK -> ALARM transition)."),
    (alarm(n=1, m=1), {"s_5": 30.0}, "OK",
     "Threshold Crossed: 1 out of the last 1 datapoints [30.0 (22/11/26 11:59:50)] was "
     "not greater than the threshold (75.0) (minimum 1 datapoint for ALARM -> OK "
     "transition)."),
    (alarm(comparison=Comparison.LESS_OR_EQUAL, n=1, m=1), {"s_5": 75.0}, "ALARM",
     "Threshold Crossed: 1 out of the last 1 datapoints [75.0 (22/11/26 11:59:50)] was "
     "less than or equal to the threshold (75.0) (minimum 1 datapoint for OK -> ALARM "
     "transition)."),
    (alarm(), {}, "NODATA", "Insufficient Data: 3 datapoints were unknown."),
    (alarm(n=1, m=1), {}, "NODATA", "Insufficient Data: 1 datapoint was unknown."),
    (alarm(treat=MissingData.BREACHING), {}, "ALARM",
     "Threshold Crossed: no datapoints were received for 3 periods and 3 missing "
     "datapoints were treated as [Breaching]."),
    (alarm(treat=MissingData.NOT_BREACHING), {"s_5": 80.0}, "OK",
     "Threshold Crossed: 0 out of the last 1 datapoints were not greater than the "
     "threshold (75.0) and 2 missing datapoints were treated as [NonBreaching] "
     "(minimum 1 datapoint for ALARM -> OK transition)."),
]
# fmt: on


@pytest.mark.parametrize(("watched", "by_second", "state", "reason"), REASONS)
def test_a_transition_says_why_in_cloudwatchs_words(
    watched: Alarm, by_second: dict[str, float], state: str, reason: str
) -> None:
    other = AlarmState.OK if state == "ALARM" else AlarmState.ALARM

    decision = evaluate_alarm(watched, samples(**by_second), NOON, other)

    assert (STATES[state], reason) == (decision.state, decision.reason)


def test_a_state_that_stays_has_a_reason_too() -> None:
    kept = alarm(treat=MissingData.IGNORE)

    silent = evaluate_alarm(kept, samples(), NOON, AlarmState.OK)
    fresh = evaluate_alarm(
        alarm(), samples(s_5=80.0), NOON, AlarmState.INSUFFICIENT_DATA
    )

    assert silent.reason == "3 datapoints missing, ignored: the state is kept."
    assert silent.newest_value is None
    assert fresh.state is AlarmState.INSUFFICIENT_DATA
    assert fresh.reason == "Insufficient Data: 2 datapoints unknown so far."


# fmt: off
LOW_SAMPLES = [  # percentile, samples, judged?
    ("p99",   999,  False, "10 / (1 - p): p99 needs a thousand"),
    ("p99",   1000, True,  "and a thousand suffice"),
    ("p99.9", 9999, False, "p99.9 ten thousand"),
    ("p90",   100,  True,  "p90 a hundred"),
    ("p50",   19,   False, "the median twenty"),
    ("p50",   20,   True,  "and twenty suffice"),
    ("p10",   99,   False, "below the median it is 10 / p"),
    ("p10",   100,  True,  "which p10 has with a hundred"),
    ("p100",  1,    True,  "the largest of one is the largest"),
    ("tm90",  1,    True,  "a trimmed mean is no percentile"),
]
# fmt: on


@pytest.mark.parametrize(
    ("statistic", "count", "judged"),
    [row[:3] for row in LOW_SAMPLES],
    ids=[row[3] for row in LOW_SAMPLES],
)
def test_few_samples_of_a_percentile_change_nothing_where_they_are_ignored(
    statistic: str,
    count: int,
    judged: bool,  # noqa: FBT001 - of the row
) -> None:
    watched = replace(
        alarm(n=1, m=1),
        statistic=parse_statistic(statistic),
        evaluate_low_samples=False,
    )
    window = measured_as(Distribution.weighted([(90.0, float(count))]))

    ignoring = evaluate_alarm(watched, window, NOON, AlarmState.OK)
    evaluating = evaluate_alarm(
        replace(watched, evaluate_low_samples=True), window, NOON, AlarmState.OK
    )

    assert evaluating.state is AlarmState.ALARM
    assert ignoring.state is (AlarmState.ALARM if judged else AlarmState.OK)
    assert ("the state is kept" in ignoring.reason) is not judged


def measured_as(distribution: Distribution) -> Measured:
    return lambda metric, statistic: lambda start, end: distribution


def test_reason_data_is_cloudwatchs_version_1() -> None:
    window = samples(s_25=80.0, s_15=90.5, s_5=91.25)

    decision = evaluate_alarm(alarm(), window, NOON, AlarmState.OK)

    assert json.loads(decision.reason_data) == {
        "version": "1.0",
        "queryDate": "2026-11-22T12:00:00.000+0000",
        "startDate": "2026-11-22T11:59:30.000+0000",
        "statistic": "Average",
        "period": 10,
        "recentDatapoints": [80.0, 90.5, 91.25],
        "threshold": 75.0,
        "evaluatedDatapoints": [
            {
                "timestamp": f"2026-11-22T11:59:{second}.000+0000",
                "sampleCount": 1.0,
                "value": value,
            }
            for second, value in ((50, 91.25), (40, 90.5), (30, 80.0))
        ],
    }


def test_reason_data_without_datapoints_has_no_beginning() -> None:
    decision = evaluate_alarm(alarm(), samples(), NOON, AlarmState.OK)

    data = json.loads(decision.reason_data)
    assert "startDate" not in data
    assert ([], []) == (data["recentDatapoints"], data["evaluatedDatapoints"])


ERRORS = Metric("AWS/ECS", "Errors")
REQUESTS = Metric("AWS/ECS", "Requests")
RATE = (
    MetricQuery("errors", ERRORS, Statistic.SUM, return_data=False),
    MetricQuery("requests", REQUESTS, Statistic.SUM, return_data=False),
    MetricQuery("percent", expression="100 * share"),
    MetricQuery("share", expression="errors / requests", return_data=False),
)


def test_metric_math_is_what_an_alarm_may_watch() -> None:
    watched = replace(alarm(n=2, m=2), metric=Metric("", "percent"), queries=RATE)
    assert [] == list(check(RATE))

    def measured(metric: Metric, statistic: object) -> Window:
        assert statistic is Statistic.SUM
        values = [80.0, 8.0] if metric == ERRORS else [60.0, 40.0]
        return lambda start, end: (
            Distribution.of(values) if start >= NOON - 20 else None
        )

    decision = evaluate_alarm(watched, measured, NOON, AlarmState.OK)

    assert decision.state is AlarmState.ALARM
    assert [None, None, 88.0, 88.0] == [one.value for one in decision.datapoints]
    assert "[88.0 (22/11/26 11:59:50), 88.0 (22/11/26 11:59:40)]" in decision.reason
    assert "statistic" not in json.loads(decision.reason_data)
    assert (ERRORS, REQUESTS) == watched.inputs


# fmt: off
FLAWED = [
    ([("m1", "metric", False), ("e1", "m1 *", True)], 1,
     "expected a number, an id, a function or a parenthesis (got the end)"),
    ([("m1", "metric", True), ("e1", "m1 * 2", True)], 0,
     "exactly one must have returnData: true (got m1, e1)"),
    ([("m1", "metric", False)], 0,
     "exactly one must have returnData: true (got none does)"),
    ([("m1", "metric", False), ("e1", "SUM(m1)", True)], 1,
     "an alarm watches one time series, this is a number: TIME_SERIES(…)"),
    ([("m1", "metric", False), ("e1", "METRICS()", True)], 1,
     "an alarm watches one time series, this is an array of time series: SUM(…) or FIRST(…)"),
    ([("m1", "metric", False), ("e1", "e2", True), ("e2", "e1", False)], 1,
     "goes round in a circle: e2"),
    ([("m1", "metric", False), ("e1", "m2", True)], 1, 'no id "m2"; there are m1'),
    ([("e1", "TIME_SERIES(1)", True)], 0, "at least one must be a metric (metricStat)"),
]
# fmt: on


@pytest.mark.parametrize(
    ("lines", "place", "message"), FLAWED, ids=[row[2][:40] for row in FLAWED]
)
def test_metric_math_that_cannot_be_is_told(
    lines: list[tuple[str, str, bool]], place: int, message: str
) -> None:
    queries = [
        MetricQuery(name, ERRORS, return_data=returns)
        if expression == "metric"
        else MetricQuery(name, expression=expression, return_data=returns)
        for name, expression, returns in lines
    ]

    flaws = [(flaw.place, flaw.message) for flaw in check(queries)]

    assert (place, message) in flaws


drawings = st.text("X0-", min_size=1, max_size=12)


@given(
    points=drawings,
    n=st.integers(1, 6),
    m=st.integers(1, 6),
    treat=st.sampled_from(MissingData),
    current=st.sampled_from(AlarmState),
)
def test_an_alarm_that_is_looked_at_again_stays_as_it_is(
    points: str, n: int, m: int, treat: MissingData, current: AlarmState
) -> None:
    """A pure function of the window: it does not flap while nothing changes."""
    m = min(m, n)
    once = evaluate(drawn(points), n, m, treat, current)

    assert once is evaluate(drawn(points), n, m, treat, once)


@given(
    points=drawings,
    n=st.integers(1, 6),
    m=st.integers(1, 6),
    treat=st.sampled_from(MissingData),
)
def test_with_enough_datapoints_nothing_but_they_decide(
    points: str, n: int, m: int, treat: MissingData
) -> None:
    m = min(m, n)
    enough = "X0X0X0"[:n] + points.replace("-", "0")

    states = {evaluate(drawn(enough), n, m, treat, one) for one in AlarmState}

    assert states == {
        AlarmState.ALARM if enough[-n:].count("X") >= m else AlarmState.OK
    }
