"""Alarms and scaling policies in CloudWatch's and Application Auto Scaling's words.

Floor 0: values only. Desired state above, observed state below.

Source: CloudWatch API (PutMetricAlarm), Application Auto Scaling API
(PutScalingPolicy, StepScalingPolicyConfiguration).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Statistic(enum.Enum):
    AVERAGE = "Average"
    SUM = "Sum"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    SAMPLE_COUNT = "SampleCount"


class Comparison(enum.Enum):
    GREATER_OR_EQUAL = "GreaterThanOrEqualToThreshold"
    GREATER = "GreaterThanThreshold"
    LESS = "LessThanThreshold"
    LESS_OR_EQUAL = "LessThanOrEqualToThreshold"


class MissingData(enum.Enum):
    MISSING = "missing"
    IGNORE = "ignore"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"


class AlarmState(enum.Enum):
    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class AdjustmentType(enum.Enum):
    CHANGE_IN_CAPACITY = "ChangeInCapacity"
    EXACT_CAPACITY = "ExactCapacity"
    PERCENT_CHANGE_IN_CAPACITY = "PercentChangeInCapacity"


@dataclass(frozen=True, slots=True)
class Metric:
    """A time series' identity. `dimensions` are sorted (name, value) pairs."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """When `datapoints_to_alarm` of the last `evaluation_periods` breach.

    `period_s` is in seconds. Under 60 s it is a sliding window, looked at every
    second, whose action repeats every period while in ALARM; with
    `aws_timing`, AWS's: 10/20/30 s looked at every 10 s, else every minute.
    """

    name: str
    metric: Metric
    statistic: Statistic
    period_s: int
    evaluation_periods: int
    datapoints_to_alarm: int
    comparison: Comparison
    threshold: float
    treat_missing_data: MissingData = MissingData.MISSING
    aws_timing: bool = False


@dataclass(frozen=True, slots=True)
class StepAdjustment:
    """Bounds are relative to the threshold; None is infinite."""

    scaling_adjustment: int
    lower_bound: float | None = None
    upper_bound: float | None = None


@dataclass(frozen=True, slots=True)
class StepScalingPolicy:
    """What to do when `alarm` is in ALARM. `cooldown_s` in seconds (ECS: 300)."""

    name: str
    alarm: Alarm
    adjustment_type: AdjustmentType
    steps: tuple[StepAdjustment, ...]
    cooldown_s: float = 300.0
    min_adjustment_magnitude: int = 0


@dataclass(frozen=True, slots=True)
class ScalableTarget:
    """One service's desired count, its bounds and its policies."""

    resource: str
    """The service's name; AWS's ResourceId is ``service/CLUSTER/NAME``."""
    min_capacity: int
    max_capacity: int
    policies: tuple[StepScalingPolicy, ...] = ()


# --- observed -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the scheduler says of one service now."""

    desired: int
    running: int
    healthy: int
    deploying: bool
    reached: bool
    """Desired tasks are running and healthy, nothing else is left over."""
    version: int
    """Grows with each change of desired count; see ports.Capacities.set_desired."""
