"""How values of the packages are spelled in the file: for plans. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Final

from alb.model import (
    Forward,
    GroupStickiness,
    HealthCheck,
    Listener,
    LoadBalancer,
    Rule,
    Stickiness,
    TargetGroup,
)
from alb.model import LoadBalancerAttributes as Attributes
from autoscaler.actions import AlarmActions, Command
from autoscaler.decide.promql import PromQuery
from autoscaler.model import (
    Alarm,
    CompositeAlarm,
    Metric,
    MetricQuery,
    Percentile,
    PercentileRank,
    Scrape,
    Trimmed,
)
from autoscaler.policies import (
    FastTrackingPolicy,
    ScalableTarget,
    ScheduledAction,
    StepAdjustment,
    StepScalingPolicy,
    SuspendedState,
    TargetTrackingPolicy,
)
from controlplane.cluster_file.model import ClusterFile
from scheduler.configuration import (
    AdvancedConfiguration,
    CircuitBreaker,
    DeploymentAlarms,
    DeploymentConfiguration,
    LifecycleHook,
)
from scheduler.definition import ContainerDefinition
from scheduler.model import (
    ContainerInstance,
    Service,
    ServiceLoadBalancer,
    TaskDefinition,
)

DERIVED: Final = frozenset(
    {
        (ClusterFile, "warnings"),
        (Alarm, "aws_timing"),
        (Listener, "addresses"),
        (Listener, "attributes"),
        (ServiceLoadBalancer, "deregistration_delay_s"),
        (AdvancedConfiguration, "alternate_deregistration_delay_s"),
        (TaskDefinition, "revision"),
    }
)
"""Fields that follow from others; they are not told of twice."""

_SELDOM: Final = frozenset({(Forward, "stickiness"), (Forward, "spill_over")})
"""Fields that a plan shows only where they differ from their default."""

_ATTRIBUTES: Final = "attributes."
_LOW_SAMPLES: Final = "evaluateLowSampleCountPercentile"
_NAMES: Final[Mapping[tuple[type, str], str]] = {
    (ClusterFile, "instances"): "containerInstances",
    (ClusterFile, "control_address"): "control.address",
    (ClusterFile, "host_lost_after_s"): "hostLostAfterSeconds",
    (ClusterFile, "scalable_targets"): "/services[{}].autoScaling",
    (ClusterFile, "scrapes"): "/services[{}].metrics",
    (ClusterFile, "prometheus_queries"): "/prometheus.queries",
    (Scrape, "interval_s"): "intervalSeconds",
    (PromQuery, "interval_s"): "intervalSeconds",
    (LoadBalancer, "internet_facing"): "scheme",
    (LoadBalancer, "listeners"): "/listeners",
    (LoadBalancer, "groups"): "/targetGroups",
    (LoadBalancer, "fixed_targets"): "/targetGroups[{}].targets",
    (Attributes, "idle_timeout_s"): "idle_timeout.timeout_seconds",
    (Attributes, "client_keep_alive_s"): "client_keep_alive.seconds",
    (Attributes, "head_timeout_s"): "alb.head_timeout.timeout_seconds",
    (Listener, "default_action"): "defaultActions",
    (Rule, "action"): "actions",
    (Forward, "groups"): "targetGroups",
    (Forward, "stickiness"): "targetGroupStickinessConfig",
    (GroupStickiness, "duration_s"): "durationSeconds",
    (TargetGroup, "deregistration_delay_s"): (
        f"{_ATTRIBUTES}deregistration_delay.timeout_seconds"
    ),
    (TargetGroup, "health_check"): "",
    (TargetGroup, "stickiness"): f"{_ATTRIBUTES}stickiness",
    (Stickiness, "lb_cookie_duration_s"): "lb_cookie.duration_seconds",
    (Stickiness, "app_cookie_name"): "app_cookie.cookie_name",
    (Stickiness, "app_cookie_duration_s"): "app_cookie.duration_seconds",
    (HealthCheck, "path"): "healthCheckPath",
    (HealthCheck, "port"): "healthCheckPort",
    (HealthCheck, "interval_s"): "healthCheckIntervalSeconds",
    (HealthCheck, "timeout_s"): "healthCheckTimeoutSeconds",
    (HealthCheck, "healthy_threshold"): "healthyThresholdCount",
    (HealthCheck, "unhealthy_threshold"): "unhealthyThresholdCount",
    (HealthCheck, "matcher"): "matcher.httpCode",
    (TaskDefinition, "containers"): "containerDefinitions",
    (TaskDefinition, "memory_mib"): "memory",
    (ContainerDefinition, "memory_mib"): "memory",
    (ContainerDefinition, "memory_reservation_mib"): "memoryReservation",
    (ContainerDefinition, "stop_timeout_s"): "stopTimeout",
    (ContainerInstance, "memory_mib"): "memory",
    (Service, "deployment"): "deploymentConfiguration",
    (DeploymentConfiguration, "circuit_breaker"): "deploymentCircuitBreaker",
    (CircuitBreaker, "threshold_type"): "thresholdConfiguration.type",
    (CircuitBreaker, "threshold_value"): "thresholdConfiguration.value",
    (DeploymentAlarms, "names"): "alarmNames",
    (DeploymentConfiguration, "hooks"): "lifecycleHooks",
    (LifecycleHook, "target"): "targetType",
    (LifecycleHook, "stages"): "lifecycleStages",
    (LifecycleHook, "details"): "hookDetails",
    (LifecycleHook, "timeout_in_minutes"): "timeoutConfiguration.timeoutInMinutes",
    (LifecycleHook, "timeout_action"): "timeoutConfiguration.action",
    (DeploymentConfiguration, "linear"): "linearConfiguration",
    (DeploymentConfiguration, "canary"): "canaryConfiguration",
    (ServiceLoadBalancer, "advanced"): "advancedConfiguration",
    (AdvancedConfiguration, "alternate_target_group"): "alternateTargetGroupName",
    (Service, "health_check_grace_period_s"): "healthCheckGracePeriodSeconds",
    (ScalableTarget, "suspended"): "suspendedState",
    (SuspendedState, "dynamic_scaling_in"): "dynamicScalingInSuspended",
    (SuspendedState, "dynamic_scaling_out"): "dynamicScalingOutSuspended",
    (SuspendedState, "scheduled_scaling"): "scheduledScalingSuspended",
    (ScheduledAction, "start_unix_s"): "startTime",
    (ScheduledAction, "end_unix_s"): "endTime",
    (ScheduledAction, "min_capacity"): "scalableTargetAction.minCapacity",
    (ScheduledAction, "max_capacity"): "scalableTargetAction.maxCapacity",
    (TargetTrackingPolicy, "high"): "alarmHigh",
    (TargetTrackingPolicy, "low"): "alarmLow",
    (TargetTrackingPolicy, "scale_out_cooldown_s"): "scaleOutCooldown",
    (TargetTrackingPolicy, "scale_in_cooldown_s"): "scaleInCooldown",
    (FastTrackingPolicy, "stable_window_s"): "stableWindow",
    (FastTrackingPolicy, "panic_window_s"): "panicWindow",
    (FastTrackingPolicy, "panic_threshold_percent"): "panicThreshold",
    (FastTrackingPolicy, "stabilization_s"): "scaleInStabilization",
    (FastTrackingPolicy, "tolerance_percent"): "tolerance",
    (StepScalingPolicy, "steps"): "stepAdjustments",
    (StepScalingPolicy, "cooldown_s"): "cooldown",
    (StepAdjustment, "lower_bound"): "metricIntervalLowerBound",
    (StepAdjustment, "upper_bound"): "metricIntervalUpperBound",
    (Alarm, "name"): "alarmName",
    (Alarm, "metric"): "",
    (Metric, "name"): "metricName",
    (Alarm, "period_s"): "period",
    (Alarm, "comparison"): "comparisonOperator",
    (Alarm, "evaluate_low_samples"): _LOW_SAMPLES,
    (Alarm, "queries"): "metrics",
    (Alarm, "description"): "alarmDescription",
    (Alarm, "actions"): "",
    (MetricQuery, "statistic"): "stat",
    (CompositeAlarm, "name"): "alarmName",
    (CompositeAlarm, "rule"): "alarmRule",
    (CompositeAlarm, "suppressor"): "actionsSuppressor",
    (CompositeAlarm, "wait_s"): "actionsSuppressorWaitPeriod",
    (CompositeAlarm, "extension_s"): "actionsSuppressorExtensionPeriod",
    (CompositeAlarm, "description"): "alarmDescription",
    (CompositeAlarm, "actions"): "",
    (AlarmActions, "ok"): "okActions",
    (AlarmActions, "alarm"): "alarmActions",
    (AlarmActions, "insufficient_data"): "insufficientDataActions",
    (AlarmActions, "enabled"): "actionsEnabled",
    (Command, "argv"): "command",
}


def field_path(owner: type, name: str, path: str) -> str:
    """Return the path of a field in the file; ``{}`` stands for an item's key."""
    spelled = _NAMES.get((owner, name), camel(name))
    if spelled.startswith("/"):
        return spelled[1:]
    return ".".join(filter(None, (path, spelled)))


def camel(name: str) -> str:
    """Return ``desired_count`` as ``desiredCount``."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def plain(value: object, path: str = "") -> object:
    """Return a value as JSON has it, spelled as in the file."""
    for ending, (yes, no) in _WORDS.items():
        if path.endswith(ending):
            return yes if value else no
    match value:
        case enum.Enum() | Percentile() | PercentileRank() | Trimmed():
            return value.value
        case float() if value.is_integer():
            return int(value)
        case tuple() | list():
            return [plain(item) for item in value]
        case _:
            return _plain_record(value) if is_dataclass(value) else value


_WORDS: Final = {
    ".scheme": ("internet-facing", "internal"),
    f".{_LOW_SAMPLES}": ("evaluate", "ignore"),
}
"""What a yes and a no are spelled as, by how the path ends."""


def _plain_record(value: object) -> dict[str, object]:
    kind = type(value)
    return {
        _NAMES.get((kind, each.name)) or camel(each.name): plain(
            getattr(value, each.name)
        )
        for each in fields(value)  # type: ignore[arg-type] # asked by the caller
        if (kind, each.name) not in _SELDOM or getattr(value, each.name) != each.default
    }
