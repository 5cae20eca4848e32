"""Scalable targets and what changes their desired count. Floor 0: values only.

    ScalableTarget -- policies: StepScaling | TargetTracking | FastTracking
                   -- scheduled actions, what is suspended

Source: Application Auto Scaling API (RegisterScalableTarget, PutScalingPolicy,
PutScheduledAction). FastTracking is ours.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from autoscaler.model import Alarm, Metric

COOLDOWN_S: Final = 300.0
"""Application Auto Scaling's default for ECS services."""


class AdjustmentType(enum.Enum):
    CHANGE_IN_CAPACITY = "ChangeInCapacity"
    EXACT_CAPACITY = "ExactCapacity"
    PERCENT_CHANGE_IN_CAPACITY = "PercentChangeInCapacity"


class MetricAggregation(enum.Enum):
    """What is made of the breaching datapoints that an alarm was judged by."""

    AVERAGE = "Average"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"


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
    cooldown_s: float = COOLDOWN_S
    min_adjustment_magnitude: int = 0
    metric_aggregation_type: MetricAggregation = MetricAggregation.AVERAGE

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        return (self.alarm,)


@dataclass(frozen=True, slots=True)
class TargetTrackingPolicy:
    """Keep a metric that falls as tasks are added at `target_value`.

    `high` and `low` are the alarms that AWS makes for it; nobody else edits them.
    """

    name: str
    target_value: float
    high: Alarm
    low: Alarm
    scale_out_cooldown_s: float = COOLDOWN_S
    scale_in_cooldown_s: float = COOLDOWN_S
    disable_scale_in: bool = False

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        return (self.high, self.low)


class FastMetric(enum.Enum):
    """What the load balancer sees of one target group, once a second."""

    IN_FLIGHT_PER_TARGET = "InFlightPerTarget"
    REQUESTS_PER_SECOND_PER_TARGET = "RequestsPerSecondPerTarget"
    RESPONSE_TIME_AVERAGE = "TargetResponseTimeAverage"
    RESPONSE_TIME_P95 = "TargetResponseTimeP95"
    QUEUED_PER_TARGET = "QueuedRequestsPerTarget"


SUMS: Final = frozenset(
    {FastMetric.IN_FLIGHT_PER_TARGET, FastMetric.REQUESTS_PER_SECOND_PER_TARGET}
)
"""Work that is shared: the same whoever does it, and however many they are."""


@dataclass(frozen=True, slots=True)
class FastTrackingPolicy:
    """Keep a metric of the request path at `target_value`, looking every second.

    Windows are whole seconds. `metric` is the target group's: a sum, or its times.
    """

    name: str
    metric_type: FastMetric
    metric: Metric
    target_value: float
    stable_window_s: int = 60
    panic_window_s: int = 6
    panic_threshold_percent: int = 200
    """Of the ready tasks: from how many wanted on it is a panic."""
    stabilization_s: int = 300
    """Down only to the most that was wanted in this time."""
    tolerance_percent: int = 10
    max_scale_out_percent: int = 900
    """More tasks within `VELOCITY_WINDOW_S`, in percent of those there were."""
    max_scale_in_percent: int = 50

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        return ()

    @property
    def may_scale_in(self) -> bool:
        """Whether the metric says how few tasks would do: a sum of work does."""
        return self.metric_type in SUMS


Policy = StepScalingPolicy | TargetTrackingPolicy | FastTrackingPolicy


@dataclass(frozen=True, slots=True)
class ScheduledAction:
    """Bounds that hold from a time on. Whichever is None stays as it is."""

    name: str
    schedule: str
    """``at(...)``, ``rate(...)`` or ``cron(...)``; see `decide.schedule`."""
    timezone: str = "UTC"
    start_unix_s: float | None = None
    end_unix_s: float | None = None
    min_capacity: int | None = None
    max_capacity: int | None = None


@dataclass(frozen=True, slots=True)
class SuspendedState:
    """What does not scale for now."""

    dynamic_scaling_in: bool = False
    dynamic_scaling_out: bool = False
    scheduled_scaling: bool = False


@dataclass(frozen=True, slots=True)
class ScalableTarget:
    """One service's desired count, its bounds and what moves it between them."""

    resource: str
    """The service's name; AWS's ResourceId is ``service/CLUSTER/NAME``."""
    min_capacity: int
    max_capacity: int
    policies: tuple[Policy, ...] = ()
    scheduled_actions: tuple[ScheduledAction, ...] = ()
    suspended: SuspendedState = SuspendedState()

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        return tuple(alarm for policy in self.policies for alarm in policy.alarms)

    @property
    def fast(self) -> tuple[FastTrackingPolicy, ...]:
        return tuple(p for p in self.policies if isinstance(p, FastTrackingPolicy))


# --- recorded -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BoundsRecord:
    """What a scheduled action made of the bounds, until the file changes them."""

    min_capacity: int
    max_capacity: int
    of_file: tuple[int, int]
    """The file's (minimum, maximum) at that time."""


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """Up to when a scheduled action's times were dealt with. Unix seconds, the wall's.

    `expression` is the schedule with its time zone: a changed one begins anew.
    """

    expression: str
    since_unix_s: float
    through_unix_s: float


@dataclass(frozen=True, slots=True)
class SuspensionRecord:
    """What a command suspended or resumed, until the file changes it."""

    state: SuspendedState
    of_file: SuspendedState
