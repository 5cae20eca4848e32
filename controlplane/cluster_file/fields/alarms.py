"""The field table of alarms.

Source of names, defaults and ranges: CloudWatch API reference (PutMetricAlarm).
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Number,
    Text,
    Whole,
    ignored,
    refused,
    shape,
)

DAY_S: Final = 86_400

_ALARM = "CloudWatch PutMetricAlarm"
ALARM: Final = shape(
    "Alarm",
    Field("alarmName", Text(longest=255), _ALARM, note="SERVICE-POLICY"),
    Field("metricName", Text(longest=255), _ALARM, required=True),
    Field("namespace", Text(longest=255), _ALARM, "AWS/ECS"),
    Field(
        "dimensions",
        Each(
            shape(
                "Dimension",
                Field("name", Text(longest=255), _ALARM, required=True),
                Field("value", Text(longest=1024), _ALARM, required=True),
            ),
            1,
            key="name",
        ),
        _ALARM,
        note="this cluster's and service's",
    ),
    Field(
        "statistic",
        Choice(("Average", "Sum", "Minimum", "Maximum", "SampleCount")),
        _ALARM,
        "Average",
    ),
    Field("period", Whole(1, DAY_S), _ALARM, required=True, note="seconds"),
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
    *(
        refused(name, _ALARM)
        for name in ("extendedStatistic", "metrics", "thresholdMetricId")
    ),
    *(
        ignored(name, _ALARM)
        for name in (
            "unit",
            "evaluateLowSampleCountPercentile",
            "alarmDescription",
            "tags",
        )
    ),
)
