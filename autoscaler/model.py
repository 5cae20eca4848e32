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


@dataclass(frozen=True, slots=True)
class Percentile:
    """`p99.9`: the value that `percent` of the samples do not exceed."""

    value: str
    """As it is written, as `Statistic.value` is."""
    percent: float


@dataclass(frozen=True, slots=True)
class PercentileRank:
    """`PR(100:2000)`: the percentage of samples above `lower` and up to `upper`."""

    value: str
    lower: float | None
    upper: float | None


class Trim(enum.Enum):
    """What is made of the samples between two bounds."""

    MEAN = "TM"
    WINSORIZED_MEAN = "WM"
    COUNT = "TC"
    SUM = "TS"


@dataclass(frozen=True, slots=True)
class Trimmed:
    """`TM(10%:90%)`, `tc90`, `TS(0.1:2)`, `IQM`: a bound of None excludes nothing.

    `by_percent` says whether the bounds are percent of the samples, 0-100, or
    values; of values the lower is excluded and the upper included.
    """

    value: str
    trim: Trim
    lower: float | None
    upper: float | None
    by_percent: bool


ExtendedStatistic = Percentile | PercentileRank | Trimmed
"""Source: CloudWatch user guide, "CloudWatch statistics definitions"."""


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


class Direction(enum.Enum):
    OUT = "out"
    IN = "in"


class ActivityStatus(enum.Enum):
    """Source: Application Auto Scaling API, ScalingActivity.StatusCode."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    SUCCESSFUL = "Successful"
    OVERRIDDEN = "Overridden"
    UNFULFILLED = "Unfulfilled"
    FAILED = "Failed"


class NotScaled(enum.Enum):
    """Why a policy that was triggered changed nothing.

    The first five are Application Auto Scaling's NotScaledReason codes; the
    others are ours, for what AWS leaves unsaid.
    """

    ALREADY_AT_MAX = "AlreadyAtMaxCapacity"
    ALREADY_AT_MIN = "AlreadyAtMinCapacity"
    ALREADY_AT_DESIRED = "AlreadyAtDesiredCapacity"
    UNSCALABLE = "TargetServicePutResourceAsUnscalable"
    ANTICIPATED_FLAPPING = "AutoScalingAnticipatedFlapping"
    COOLDOWN = "alb.Cooldown"
    NO_STEP = "alb.NoStepAdjustment"
    NO_DATA = "alb.NoDatapoint"


# --- recorded -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """An alarm's state as it was decided. Times are unix seconds."""

    state: AlarmState
    reason: str
    since_unix_s: float


@dataclass(frozen=True, slots=True)
class Cooldown:
    """What a resource's last scaling activity still forbids.

    It holds from the decision on; its `cooldown_s` seconds count from
    `completed_unix_s`, the activity's successful completion.
    """

    activity_id: str
    policy: str
    direction: Direction
    base: int
    """The desired count before the activity that began it."""
    cooldown_s: float
    completed_unix_s: float | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """One change of a desired count, in Application Auto Scaling's words.

    `if_version` lets a restart repeat a Pending activity without doing it twice.
    """

    activity_id: str
    resource: str
    policy: str
    """Empty when the bounds, not a policy, asked for it."""
    cause: str
    details: str
    """The decision's reason, with its figures, for a person."""
    from_capacity: int
    to_capacity: int
    if_version: int
    status: ActivityStatus
    start_unix_s: float
    end_unix_s: float | None = None

    @property
    def description(self) -> str:
        return f"Setting desired count to {self.to_capacity}."

    @property
    def is_open(self) -> bool:
        return self.status in {ActivityStatus.PENDING, ActivityStatus.IN_PROGRESS}

    @property
    def status_message(self) -> str:
        match self.status:
            case ActivityStatus.PENDING:
                return f"Will set desired count to {self.to_capacity}."
            case ActivityStatus.IN_PROGRESS:
                return (
                    f"Successfully set desired count to {self.to_capacity}. "
                    "Waiting for change to be fulfilled by ecs."
                )
            case ActivityStatus.SUCCESSFUL:
                return (
                    f"Successfully set desired count to {self.to_capacity}. "
                    "Change successfully fulfilled by ecs."
                )
            case ActivityStatus.OVERRIDDEN:
                return "The desired count was changed before this was fulfilled."
            case ActivityStatus.UNFULFILLED:
                return (
                    f"Successfully set desired count to {self.to_capacity}, "
                    "but the change was not fulfilled by ecs in time."
                )
            case ActivityStatus.FAILED:
                return "The desired count changed while this was decided."


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One alarm as people ask for it. `value` is its newest datapoint, if any."""

    name: str
    resource: str
    metric: Metric
    state: AlarmState
    reason: str
    since_unix_s: float
    comparison: Comparison
    threshold: float
    value: float | None
