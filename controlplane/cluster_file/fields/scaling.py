"""The field table of scaling: bounds, policies, scheduled actions.

Source of names, defaults and ranges: Application Auto Scaling API reference
(RegisterScalableTarget, PutScalingPolicy, PutScheduledAction). FastTracking and what
has "ours" as its source are ours.
"""

from __future__ import annotations

from typing import Final

from autoscaler.decide import target_tracking
from autoscaler.policies import FastMetric
from controlplane.cluster_file.fields.alarms import NAME as ALARM_NAME
from controlplane.cluster_file.fields.alarms import POLICY_ALARM
from controlplane.cluster_file.fields.rules import GROUP
from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Flag,
    Number,
    Text,
    Variants,
    Whole,
    ignored,
    refused,
    shape,
)

_OURS = "ours"
_POLICY = "Application Auto Scaling PutScalingPolicy"
_TRACKING = "Application Auto Scaling TargetTrackingScalingPolicyConfiguration"
STEPS_MAX: Final = 20
TASKS_MAX: Final = 100_000
"""Ours: a bound on the tasks of one service, far above ECS's quota."""
HOUR_S: Final = 3600
_NAME = Field("policyName", Text(longest=256), _POLICY, required=True)

# --- step scaling -----------------------------------------------------------------

_STEP = shape(
    "StepAdjustment",
    Field("metricIntervalLowerBound", Number(), _POLICY, note="left out: -infinity"),
    Field("metricIntervalUpperBound", Number(), _POLICY, note="left out: +infinity"),
    Field("scalingAdjustment", Whole(-TASKS_MAX, TASKS_MAX), _POLICY, required=True),
)
_STEP_SCALING = shape(
    "StepScaling",
    _NAME,
    Field("alarm", POLICY_ALARM, _OURS, note="this or alarmName"),
    Field(
        "alarmName",
        ALARM_NAME,
        _OURS,
        note="one of `alarms`; their dimensions are not this service's",
    ),
    Field(
        "adjustmentType",
        Choice(("ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity")),
        _POLICY,
        required=True,
    ),
    Field("stepAdjustments", Each(_STEP, 1, STEPS_MAX), _POLICY, required=True),
    Field("cooldown", Whole(0), _POLICY, 300, note="seconds"),
    Field("minAdjustmentMagnitude", Whole(1), _POLICY, note="percent only"),
    Field(
        "metricAggregationType",
        Choice(("Average", "Minimum", "Maximum")),
        _POLICY,
        "Average",
        note="of the breaching datapoints that the alarm was judged by",
    ),
    wrappers=("stepScalingPolicyConfiguration",),
)

# --- target tracking ----------------------------------------------------------------

PREDEFINED: Final = (
    "ECSServiceAverageCPUUtilization",
    "ECSServiceAverageMemoryUtilization",
    "ALBRequestCountPerTarget",
    "ECSServiceAverageCPUUtilizationHighResolution",
    "ECSServiceAverageMemoryUtilizationHighResolution",
)
_PREDEFINED = shape(
    "PredefinedMetricSpecification",
    Field("predefinedMetricType", Choice(PREDEFINED), _TRACKING, required=True),
    Field(
        "resourceLabel",
        Text(longest=1023),
        _TRACKING,
        note="ALBRequestCountPerTarget: a target group of the service, by its name or "
        "as in app/front/ID/targetgroup/web/ID; the only one",
    ),
)
_CUSTOMIZED = shape(
    "CustomizedMetricSpecification",
    Field("metricName", Text(longest=255), _TRACKING, required=True),
    Field("namespace", Text(longest=255), _TRACKING, required=True),
    Field(
        "dimensions",
        Each(
            shape(
                "MetricDimension",
                Field("name", Text(longest=255), _TRACKING, required=True),
                Field("value", Text(longest=1024), _TRACKING, required=True),
            ),
            key="name",
        ),
        _TRACKING,
        note="AWS/ECS: this cluster's and service's",
    ),
    Field(
        "statistic",
        Choice(("Average", "Minimum", "Maximum", "SampleCount", "Sum")),
        _TRACKING,
        "Average",
    ),
    refused("metrics", _TRACKING, "metric math"),
    ignored("unit", _TRACKING),
)
_TARGET_TRACKING = shape(
    "TargetTrackingScaling",
    _NAME,
    Field("targetValue", Number(), _TRACKING, required=True, note="above 0"),
    Field("predefinedMetricSpecification", _PREDEFINED, _TRACKING),
    Field("customizedMetricSpecification", _CUSTOMIZED, _TRACKING),
    Field("scaleOutCooldown", Whole(0), _TRACKING, 300, note="seconds"),
    Field("scaleInCooldown", Whole(0), _TRACKING, 300, note="seconds"),
    Field("disableScaleIn", Flag(), _TRACKING, default=False),
    Field(
        "period",
        Whole(1, HOUR_S),
        _OURS,
        note="seconds of its two alarms; 60, HighResolution 20",
    ),
    Field(
        "scaleOutDatapoints",
        Whole(1, 100),
        _OURS,
        target_tracking.OUT_DATAPOINTS,
        note="periods above the target, one after the other",
    ),
    Field(
        "scaleInDatapoints",
        Whole(1, 1000),
        _OURS,
        target_tracking.IN_DATAPOINTS,
        note="periods below it",
    ),
    Field(
        "tolerance",
        Whole(0, 90),
        _OURS,
        target_tracking.TOLERANCE_PERCENT,
        note="percent below the target from which it scales in",
    ),
    wrappers=("targetTrackingScalingPolicyConfiguration",),
)

# --- ours -----------------------------------------------------------------------------

_FAST_TRACKING = shape(
    "FastTracking",
    _NAME,
    Field(
        "metricType",
        Choice(tuple(one.value for one in FastMetric)),
        _OURS,
        required=True,
    ),
    Field("targetGroup", GROUP, _OURS, note="the service's only one"),
    Field(
        "targetValue",
        Number(),
        _OURS,
        required=True,
        note="above 0; of a time, seconds",
    ),
    Field("stableWindow", Whole(5, HOUR_S), _OURS, 60, note="seconds"),
    Field(
        "panicWindow", Whole(1, HOUR_S), _OURS, 6, note="seconds, within stableWindow"
    ),
    Field(
        "panicThreshold",
        Whole(110, 1000),
        _OURS,
        200,
        note="percent of the healthy tasks: from how many wanted on it is a panic",
    ),
    Field(
        "scaleInStabilization",
        Whole(0, HOUR_S),
        _OURS,
        300,
        note="seconds; in only to the most that was wanted meanwhile",
    ),
    Field("tolerance", Whole(0, 100), _OURS, 10, note="percent above the target"),
    Field(
        "maxScaleOutPercent",
        Whole(1, 100_000),
        _OURS,
        900,
        note="more tasks within 15 s, one at least",
    ),
    Field(
        "maxScaleInPercent",
        Whole(1, 100),
        _OURS,
        50,
        note="fewer tasks within 15 s, one at least",
    ),
)
POLICY: Final = Variants(
    "policyType",
    {
        "StepScaling": _STEP_SCALING,
        "TargetTrackingScaling": _TARGET_TRACKING,
        "FastTracking": _FAST_TRACKING,
    },
    later=("PredictiveScaling",),
)

# --- scheduled actions, and all of it together ----------------------------------------

_SCHEDULED = "Application Auto Scaling PutScheduledAction"
_TIME = Text(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2})?",
    "be like 2026-12-01T00:00:00Z",
)
_SCHEDULED_ACTION = shape(
    "ScheduledAction",
    Field("scheduledActionName", Text(longest=256), _SCHEDULED, required=True),
    Field(
        "schedule",
        Text(longest=1600),
        _SCHEDULED,
        required=True,
        note="at(…), rate(…) or cron(…) of six fields",
    ),
    Field("timezone", Text(longest=100), _SCHEDULED, "UTC", note="an IANA name"),
    Field("startTime", _TIME, _SCHEDULED, note="without an offset: in timezone"),
    Field("endTime", _TIME, _SCHEDULED),
    Field(
        "scalableTargetAction",
        shape(
            "ScalableTargetAction",
            Field("minCapacity", Whole(0, TASKS_MAX), _SCHEDULED),
            Field("maxCapacity", Whole(0, TASKS_MAX), _SCHEDULED),
        ),
        _SCHEDULED,
        required=True,
        note="one of the two at least",
    ),
)

_TARGET = "Application Auto Scaling RegisterScalableTarget"
AUTO_SCALING: Final = shape(
    "AutoScaling",
    Field("minCapacity", Whole(0, TASKS_MAX), _TARGET, required=True),
    Field("maxCapacity", Whole(0, TASKS_MAX), _TARGET, required=True),
    Field("policies", Each(POLICY, key="policyName"), _POLICY),
    Field(
        "scheduledActions",
        Each(_SCHEDULED_ACTION, key="scheduledActionName"),
        _SCHEDULED,
    ),
    Field(
        "suspendedState",
        shape(
            "SuspendedState",
            Field("dynamicScalingInSuspended", Flag(), _TARGET, default=False),
            Field("dynamicScalingOutSuspended", Flag(), _TARGET, default=False),
            Field("scheduledScalingSuspended", Flag(), _TARGET, default=False),
        ),
        _TARGET,
        note="until `alb scaling` changes it",
    ),
    ignored("tags", _TARGET),
)
