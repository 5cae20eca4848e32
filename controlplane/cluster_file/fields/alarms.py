"""The field table of alarms.

Source of names, defaults and ranges: CloudWatch API reference (PutMetricAlarm,
MetricDataQuery, PutCompositeAlarm). Where AWS has a topic's ARN as an action, here
stands what is called.
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Flag,
    Number,
    Shape,
    Text,
    Whole,
    ignored,
    refused,
    shape,
)

DAY_S: Final = 86_400
ACTIONS_MAX: Final = 5
"""Of one state, as in CloudWatch."""
QUERIES_MAX: Final = 10
DIMENSIONS_MAX: Final = 30
ARGUMENTS_MAX: Final = 64
_ON = True

_ALARM = "CloudWatch PutMetricAlarm"
_QUERY = "CloudWatch MetricDataQuery"
_COMPOSITE = "CloudWatch PutCompositeAlarm"
NAME: Final = Text(longest=255)

ACTION: Final = shape(
    "AlarmAction",
    Field(
        "url",
        Text(r"https?://\S+", "be like https://HOST/PATH", longest=2048),
        "ours",
        note="this or command: receives the alarm's message by POST",
    ),
    Field(
        "command",
        Each(Text(longest=4096, shortest=0), 1, ARGUMENTS_MAX),
        "ours",
        note="this or url: a program and its arguments, run without a shell, "
        "with ALB_ALARM_NAME, ALB_ALARM_STATE and ALB_ALARM_REASON; "
        "needs allowPrivileged",
    ),
)


def _actions(source: str) -> tuple[Field, ...]:
    each = Each(ACTION, 0, ACTIONS_MAX)
    return (
        Field("alarmDescription", Text(longest=1024, shortest=0), source),
        Field("actionsEnabled", Flag(), source, _ON),
        Field("okActions", each, source),
        Field("alarmActions", each, source),
        Field("insufficientDataActions", each, source),
    )


DIMENSIONS: Final = Each(
    shape(
        "Dimension",
        Field("name", Text(longest=255), _ALARM, required=True),
        Field("value", Text(longest=1024), _ALARM, required=True),
    ),
    1,
    DIMENSIONS_MAX,
    key="name",
)

METRIC: Final = shape(
    "Metric",
    Field("metricName", Text(longest=255), "CloudWatch Metric", required=True),
    Field("namespace", Text(longest=255), "CloudWatch Metric", "AWS/ECS"),
    Field("dimensions", DIMENSIONS, "CloudWatch Metric", note="as of the alarm"),
)

QUERY: Final = shape(
    "MetricDataQuery",
    Field(
        "id",
        Text(
            r"[a-z][a-zA-Z0-9_]{0,254}", "be a small letter, then letters, digits or _"
        ),
        _QUERY,
        required=True,
    ),
    Field(
        "metricStat",
        shape(
            "MetricStat",
            Field("metric", METRIC, "CloudWatch MetricStat", required=True),
            Field(
                "period",
                Whole(1, DAY_S),
                "CloudWatch MetricStat",
                required=True,
                note="seconds; the same of all",
            ),
            Field("stat", Text(longest=64), "CloudWatch MetricStat", required=True),
            ignored("unit", "CloudWatch MetricStat"),
        ),
        _QUERY,
        note="this or expression",
    ),
    Field(
        "expression",
        Text(longest=2048),
        _QUERY,
        note="metric math over the ids of the others",
    ),
    Field("label", Text(longest=2048, shortest=0), _QUERY),
    Field("returnData", Flag(), _QUERY, _ON, note="of exactly one true"),
    ignored("period", _QUERY),
    ignored("accountId", _QUERY),
)


_WATCHED: Final = (
    Field("metricName", Text(longest=255), _ALARM, note="this or metrics"),
    Field("namespace", Text(longest=255), _ALARM, "AWS/ECS"),
    Field(
        "dimensions",
        DIMENSIONS,
        _ALARM,
        note="this cluster's, and in a policy this service's",
    ),
    Field(
        "statistic",
        Choice(("Average", "Sum", "Minimum", "Maximum", "SampleCount")),
        _ALARM,
        "Average",
    ),
    Field(
        "extendedStatistic",
        Text(longest=64),
        _ALARM,
        note="instead of statistic: p99.9, tm90, TM(10%:90%), IQM, PR(:300) …",
    ),
    Field("metrics", Each(QUERY, 1, QUERIES_MAX, key="id"), _ALARM),
    Field(
        "period",
        Whole(1, DAY_S),
        _ALARM,
        note="seconds; required, with metrics it is theirs",
    ),
)

_JUDGED: Final = (
    Field("evaluationPeriods", Whole(1, DAY_S), _ALARM, required=True),
    Field("datapointsToAlarm", Whole(1), _ALARM, note="evaluationPeriods"),
    Field(
        "comparisonOperator",
        Choice(
            (
                "GreaterThanOrEqualToThreshold",
                "GreaterThanThreshold",
                "LessThanThreshold",
                "LessThanOrEqualToThreshold",
            ),
            later=(
                "LessThanLowerOrGreaterThanUpperThreshold",
                "LessThanLowerThreshold",
                "GreaterThanUpperThreshold",
            ),
        ),
        _ALARM,
        required=True,
    ),
    Field("threshold", Number(), _ALARM, required=True),
    Field(
        "treatMissingData",
        Choice(("missing", "ignore", "breaching", "notBreaching")),
        _ALARM,
        "missing",
    ),
    Field(
        "evaluateLowSampleCountPercentile",
        Choice(("evaluate", "ignore")),
        _ALARM,
        "evaluate",
        note="ignore: percentiles of fewer samples than 10/(1-p) change nothing",
    ),
)


def _alarm(title: str, name: Field) -> Shape:
    return shape(
        title,
        name,
        *_WATCHED,
        *_JUDGED,
        *_actions(_ALARM),
        refused("thresholdMetricId", _ALARM),
        ignored("unit", _ALARM),
        ignored("tags", _ALARM),
    )


ALARM: Final = _alarm("Alarm", Field("alarmName", NAME, _ALARM, required=True))

POLICY_ALARM: Final = _alarm(
    "PolicyAlarm", Field("alarmName", NAME, _ALARM, note="SERVICE-POLICY")
)

COMPOSITE_ALARM: Final = shape(
    "CompositeAlarm",
    Field("alarmName", NAME, _COMPOSITE, required=True),
    Field(
        "alarmRule",
        Text(longest=10_240),
        _COMPOSITE,
        required=True,
        note='ALARM("name"), OK(…), INSUFFICIENT_DATA(…), TRUE, FALSE, AND, OR, NOT',
    ),
    Field(
        "actionsSuppressor",
        NAME,
        _COMPOSITE,
        note="an alarm: while it is in ALARM no action runs",
    ),
    Field(
        "actionsSuppressorWaitPeriod",
        Whole(0, DAY_S),
        _COMPOSITE,
        note="seconds; required with actionsSuppressor",
    ),
    Field(
        "actionsSuppressorExtensionPeriod",
        Whole(0, DAY_S),
        _COMPOSITE,
        note="seconds; required with actionsSuppressor",
    ),
    *_actions(_COMPOSITE),
    ignored("tags", _COMPOSITE),
)
