"""Policies that track a target, as `autoscaler.policies` has them. Pure.

    predefined | customized metric --> what is tracked --> the policy and its alarms

Source: Application Auto Scaling API reference, PredefinedMetricSpecification,
CustomizedMetricSpecification. FastTracking is ours.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from autoscaler.decide.target_tracking import (
    HIGH_RESOLUTION_S,
    PERIOD_S,
    Tracked,
    alarms_of,
)
from autoscaler.decide.utilization import NAMESPACE as ECS
from autoscaler.model import Metric, Statistic
from autoscaler.policies import (
    FastMetric,
    FastTrackingPolicy,
    ScalableTarget,
    StepScalingPolicy,
    TargetTrackingPolicy,
)
from controlplane import elb_metrics as elb
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.meaning.fed_metrics import metric_of
from controlplane.cluster_file.record import Findings, Record
from controlplane.problems import did_you_mean
from scheduler.model import Service

FAST_METRICS: Final[Mapping[FastMetric, tuple[str, str]]] = {
    FastMetric.IN_FLIGHT_PER_TARGET: (elb.OURS, "RequestsInFlight"),
    FastMetric.REQUESTS_PER_SECOND_PER_TARGET: (elb.NAMESPACE, elb.REQUESTS),
    FastMetric.RESPONSE_TIME_AVERAGE: (elb.NAMESPACE, elb.RESPONSE_TIME),
    FastMetric.RESPONSE_TIME_P95: (elb.NAMESPACE, elb.RESPONSE_TIME),
    FastMetric.QUEUED_PER_TARGET: (elb.OURS, "RequestsQueued"),
}
"""Namespace and name of what the load balancer tells of a target group."""
_OURS: Final = ("period", "scaleOutDatapoints", "scaleInDatapoints", "tolerance")
_SPECIFICATIONS: Final = (
    "predefinedMetricSpecification",
    "customizedMetricSpecification",
)
_HIGH_RESOLUTION: Final = "HighResolution"
_UTILIZATIONS: Final[Mapping[str, str]] = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}
_LABEL: Final = re.compile(r"app/[^/]+/[^/]+/targetgroup/([^/]+)/[^/]+")
_WINDOW: Final = "must not be longer than stableWindow, {} (got {})"


@dataclass(frozen=True, slots=True)
class Tracker:
    """Whose metrics a policy's are, where it does not say."""

    service: Service
    own: Mapping[str, str]
    """Its dimensions: the cluster's, its own, its load balancer's name."""

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(one.target_group for one in self.service.load_balancers)

    @property
    def resource(self) -> str:
        """Application Auto Scaling's ResourceId."""
        return f"service/{self.own['ClusterName']}/{self.service.name}"

    def of_service(self, name: str) -> Metric:
        keys = ("ClusterName", "ServiceName")
        return Metric(ECS, name, tuple((key, self.own[key]) for key in keys))

    def of_group(self, namespace: str, name: str, group: str) -> Metric:
        """Return what is told of a group; of a pair that has it, of both together."""
        balancer = self.own.get(elb.BALANCER, "")
        place: elb.Place = ((elb.BALANCER, balancer), (elb.GROUP, group))
        for one in self.service.load_balancers:
            if one.target_group == group and one.advanced is not None:
                pair = (group, one.advanced.alternate_target_group)
                place = elb.of_pair(balancer, pair)
        return Metric(namespace, name, place)


# --- target tracking --------------------------------------------------------------


def target_tracking(
    record: Record, tracker: Tracker, findings: Findings
) -> TargetTrackingPolicy:
    target = _target_value(record, findings)
    metric, statistic, period_s = _tracked(record, tracker, findings)
    if findings.strict:
        _refuse_ours(record, findings)
    tracked = Tracked(
        metric,
        statistic,
        target,
        record.whole_or_none("period") or period_s,
        record.whole("scaleOutDatapoints"),
        record.whole("scaleInDatapoints"),
        record.whole("tolerance"),
    )
    name = record.text("policyName")
    unique = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tracker.resource}/{name}"))
    resource = tracker.resource
    high, low = alarms_of(tracked, resource, unique, aws_timing=findings.strict)
    return TargetTrackingPolicy(
        name,
        target,
        high,
        low,
        float(record.whole("scaleOutCooldown")),
        float(record.whole("scaleInCooldown")),
        record.flag("disableScaleIn"),
    )


def _target_value(record: Record, findings: Findings) -> float:
    """Return the target, 1 in place of one that cannot be."""
    value = record.number_or_none("targetValue")
    if value is None:
        return 1.0
    if value <= 0:
        at, path = record.at("targetValue"), record.path_of("targetValue")
        findings.error(at, path, f"must be above 0 (got {value:g})")
        return 1.0
    return value


def _refuse_ours(record: Record, findings: Findings) -> None:
    for name in _OURS:
        if record.has(name):
            message = "is not AWS's: not under strictAwsLimits"
            findings.error(record.at(name), record.path_of(name), message)


def _tracked(
    record: Record, tracker: Tracker, findings: Findings
) -> tuple[Metric, Statistic, int]:
    """Return the metric, its statistic, and the period in seconds."""
    written = [name for name in _SPECIFICATIONS if not record.absent(name)]
    if len(written) != 1:
        message = f"needs one of {' and '.join(_SPECIFICATIONS)} (got {len(written)})"
        findings.error(record.node, record.path, message)
    if record.has(_SPECIFICATIONS[1]):
        specification = record.record(_SPECIFICATIONS[1])
        metric = metric_of(specification, tracker.own, findings)
        return metric, Statistic(specification.text("statistic")), PERIOD_S
    return _predefined(record.record(_SPECIFICATIONS[0]), tracker, findings)


def _predefined(
    record: Record, tracker: Tracker, findings: Findings
) -> tuple[Metric, Statistic, int]:
    kind = record.text("predefinedMetricType")
    plain = kind.removesuffix(_HIGH_RESOLUTION)
    if plain in _UTILIZATIONS or not kind:
        if record.has("resourceLabel"):
            at, path = record.at("resourceLabel"), record.path_of("resourceLabel")
            findings.error(at, path, "is of ALBRequestCountPerTarget alone")
        name = _UTILIZATIONS.get(plain, "CPUUtilization")
        period_s = PERIOD_S if kind == plain else HIGH_RESOLUTION_S
        return tracker.of_service(name), Statistic.AVERAGE, period_s
    label = record.text("resourceLabel")
    found = _LABEL.fullmatch(label)
    named = found[1] if found else label
    group = _group(record, "resourceLabel", named, tracker, findings)
    metric = tracker.of_group(elb.NAMESPACE, elb.PER_TARGET, group)
    return metric, Statistic.SUM, PERIOD_S


def _group(
    record: Record, field: str, name: str, tracker: Tracker, findings: Findings
) -> str:
    """Return the service's target group that is meant; empty after telling why none."""
    groups = tracker.groups
    if name in groups:
        return name
    if record.absent(field) and len(groups) == 1:
        return groups[0]
    whose = f'"{tracker.service.name}" is in'
    if record.has(field):
        hint = did_you_mean(name, groups)
        message = f'{whose} no target group "{quoted(name)}"{hint}'
        findings.error(record.at(field), record.path_of(field), message)
    elif record.absent(field):
        message = f"{field} is missing; {whose} {', '.join(groups) or 'none'}"
        findings.error(record.node, record.path, message)
    return ""


# --- ours -------------------------------------------------------------------------


def fast_tracking(
    record: Record, tracker: Tracker, findings: Findings
) -> FastTrackingPolicy:
    named = record.text("targetGroup")
    group = _group(record, "targetGroup", named, tracker, findings)
    stable, panic = record.whole("stableWindow"), record.whole("panicWindow")
    if panic > stable and not {"stableWindow", "panicWindow"} & record.broken:
        at, path = record.at("panicWindow"), record.path_of("panicWindow")
        findings.error(at, path, _WINDOW.format(stable, panic))
    kind = FastMetric(record.text("metricType") or FastMetric.IN_FLIGHT_PER_TARGET)
    return FastTrackingPolicy(
        record.text("policyName"),
        kind,
        tracker.of_group(*FAST_METRICS[kind], group),
        _target_value(record, findings),
        stable,
        panic,
        record.whole("panicThreshold"),
        record.whole("scaleInStabilization"),
        record.whole("tolerance"),
        record.whole("maxScaleOutPercent"),
        record.whole("maxScaleInPercent"),
    )


def warn_of_no_way_back(
    scaling: Record, target: ScalableTarget, findings: Findings
) -> None:
    """Tell where only times and queues are tracked: they say nothing of too many."""
    fast = [one for one in target.policies if isinstance(one, FastTrackingPolicy)]
    others = [one for one in target.policies if not isinstance(one, FastTrackingPolicy)]
    back = any(one.may_scale_in for one in fast) or any(
        isinstance(one, StepScalingPolicy) or not one.disable_scale_in for one in others
    )
    if fast and not back:
        message = (
            f"{fast[0].metric_type.value} only scales out: add a policy that scales in"
        )
        at, path = scaling.at("policies"), scaling.path_of("policies")
        findings.warn(at, path, message)
