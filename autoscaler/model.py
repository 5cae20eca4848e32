"""Alarms and scaling activities in CloudWatch's and Application Auto Scaling's words.

Floor 0: values only. Desired state above, observed and recorded state below; what
scales, and how, is in `policies`.

Source: CloudWatch API (PutMetricAlarm), Application Auto Scaling API
(ScalingActivity, NotScaledReason).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from autoscaler.actions import NO_ACTIONS, AlarmActions


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


@dataclass(frozen=True, slots=True)
class Metric:
    """A time series' identity. `dimensions` are sorted (name, value) pairs."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """One line of metric math: the statistic of a metric, or an expression over others.

    Source: CloudWatch API, MetricDataQuery.
    """

    id: str
    metric: Metric | None = None
    """None: it is an expression."""
    statistic: Statistic | ExtendedStatistic = Statistic.AVERAGE
    expression: str = ""
    label: str = ""
    return_data: bool = True


@dataclass(frozen=True, slots=True)
class Alarm:
    """When `datapoints_to_alarm` of the last `evaluation_periods` breach.

    `period_s` is in seconds. Under 60 s it is a sliding window, looked at every
    second, whose action repeats every period while in ALARM; with
    `aws_timing`, AWS's: 10/20/30 s looked at every 10 s, else every minute.
    """

    name: str
    metric: Metric
    """Of metric math: without a namespace, named by the label of what it returns."""
    statistic: Statistic | ExtendedStatistic
    period_s: int
    evaluation_periods: int
    datapoints_to_alarm: int
    comparison: Comparison
    threshold: float
    treat_missing_data: MissingData = MissingData.MISSING
    aws_timing: bool = False
    evaluate_low_samples: bool = True
    """Whether percentiles of few samples count (EvaluateLowSampleCountPercentile)."""
    queries: tuple[MetricQuery, ...] = ()
    """Metric math, of which exactly one returns the data; else none."""
    actions: AlarmActions = NO_ACTIONS
    description: str = ""

    @property
    def inputs(self) -> tuple[Metric, ...]:
        """The metrics that have to be measured for it."""
        if not self.queries:
            return (self.metric,)
        return tuple(query.metric for query in self.queries if query.metric is not None)


@dataclass(frozen=True, slots=True)
class CompositeAlarm:
    """An alarm on the states of others; it scales nothing.

    While `suppressor` is in ALARM no action runs. `wait_s` after its own state has
    changed, and `extension_s` after the suppressor has left ALARM, are left to both
    to catch up. Source: CloudWatch API, PutCompositeAlarm.
    """

    name: str
    rule: str
    """See `decide.alarm_rule`."""
    suppressor: str = ""
    wait_s: float = 0.0
    extension_s: float = 0.0
    actions: AlarmActions = NO_ACTIONS
    description: str = ""


# --- observed -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One period's value; None when no sample came. `start_s` is unix seconds."""

    start_s: int
    value: float | None
    sample_count: float = 0.0
    """0 where it is not known: of metric math."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the scheduler says of one service now."""

    desired: int
    running: int
    healthy: int
    deploying: bool
    reached: bool
    """Desired tasks are running and healthy, wherever any are to be kept."""
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
    SUSPENDED = "alb.Suspended"
    SCALE_IN_DISABLED = "alb.ScaleInDisabled"
    OTHERS_DISAGREE = "alb.OtherPoliciesDoNotScaleIn"


@dataclass(frozen=True, slots=True)
class NotScaledReason:
    """A code with the capacities that it is about.

    Source: Application Auto Scaling API, NotScaledReason.
    """

    code: NotScaled
    current_capacity: int
    min_capacity: int
    max_capacity: int


# --- recorded -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """An alarm's state as it was decided. Times are unix seconds."""

    state: AlarmState
    reason: str
    since_unix_s: float
    reason_data: str = ""
    """JSON, for programs; empty where there is none."""
    actions_enabled: bool = True
    """As configured last, or as commanded since."""
    configured_unix_s: float = 0.0
    suppression: Suppression | None = None
    """Of composite alarms whose actions wait."""


class SuppressedBy(enum.Enum):
    """Source: CloudWatch API, CompositeAlarm.ActionsSuppressedBy."""

    ALARM = "Alarm"
    WAIT_PERIOD = "WaitPeriod"
    EXTENSION_PERIOD = "ExtensionPeriod"


@dataclass(frozen=True, slots=True)
class Suppression:
    """Actions that are held back. `until_unix_s` None: while the suppressor holds."""

    by: SuppressedBy
    until_unix_s: float | None
    before: AlarmState | None = None
    """The state before the change whose actions wait; None: nothing waits."""


class HistoryItemType(enum.Enum):
    """Source: CloudWatch API, AlarmHistoryItem.HistoryItemType."""

    STATE_UPDATE = "StateUpdate"
    CONFIGURATION_UPDATE = "ConfigurationUpdate"
    ACTION = "Action"


@dataclass(frozen=True, slots=True)
class AlarmHistoryItem:
    """One thing that became of an alarm. `data` is JSON."""

    alarm: str
    unix_s: float
    kind: HistoryItemType
    summary: str
    data: str


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


_SENTENCES: Final = {
    ActivityStatus.PENDING: "Will {}.",
    ActivityStatus.IN_PROGRESS: (
        "Successfully {}. Waiting for change to be fulfilled by ecs."
    ),
    ActivityStatus.SUCCESSFUL: (
        "Successfully {}. Change successfully fulfilled by ecs."
    ),
    ActivityStatus.OVERRIDDEN: (
        "The desired count was changed before this was fulfilled."
    ),
    ActivityStatus.UNFULFILLED: (
        "Successfully {}, but the change was not fulfilled by ecs in time."
    ),
    ActivityStatus.FAILED: "The desired count changed while this was decided.",
}


@dataclass(frozen=True, slots=True)
class Activity:
    """A change of a count or of its bounds, in Application Auto Scaling's words.

    `if_version` lets a restart repeat a Pending activity without doing it twice.
    """

    activity_id: str
    resource: str
    policy: str
    """Empty when bounds or a schedule, not a policy, asked for it."""
    cause: str
    details: str
    """The decision's reason, with its figures, for a person."""
    from_capacity: int
    to_capacity: int
    if_version: int
    status: ActivityStatus
    start_unix_s: float
    end_unix_s: float | None = None
    bounds: tuple[int, int] | None = None
    """What a scheduled action sets (minimum, maximum); then no count is set."""
    not_scaled_reasons: tuple[NotScaledReason, ...] = ()
    """Why a policy that was triggered changed nothing; then nothing is set."""

    @property
    def description(self) -> str:
        if self.not_scaled_reasons:
            return "Attempting to scale due to alarm triggered"
        return f"Setting {self._what}" + ("" if self.bounds else ".")

    @property
    def scales(self) -> bool:
        """Whether anything was set: it is none of those that did not scale."""
        return not self.not_scaled_reasons

    @property
    def is_open(self) -> bool:
        return self.status in {ActivityStatus.PENDING, ActivityStatus.IN_PROGRESS}

    @property
    def status_message(self) -> str:
        if self.not_scaled_reasons:
            return self.details
        if self.bounds and self.status is ActivityStatus.FAILED:
            return f"Failed to set {self._what}: {self.details}"
        if self.bounds:
            return f"Successfully set {self._what}"
        return _SENTENCES[self.status].format(f"set {self._what}")

    @property
    def _what(self) -> str:
        if self.bounds:
            return (
                f"min capacity to {self.bounds[0]} and max capacity to {self.bounds[1]}"
            )
        return f"desired count to {self.to_capacity}"


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One alarm as people ask for it: how it is configured, and how it is."""

    definition: Alarm | CompositeAlarm
    record: AlarmRecord
    resource: str = ""
    """What it scales; nothing when it scales nothing."""
    value: float | None = None
    """Its newest datapoint, if any."""
    datapoints: tuple[Datapoint, ...] = ()
    """What it was evaluated by last, oldest first."""

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def state(self) -> AlarmState:
        return self.record.state


Labels = tuple[tuple[str, str], ...]
"""Of Prometheus, names with values."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """Where a service's tasks tell their metrics, and how often they are asked."""

    resource: str
    """The service's name."""
    path: str
    container_name: str
    container_port: int
    interval_s: float
