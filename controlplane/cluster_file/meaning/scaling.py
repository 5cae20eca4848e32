"""Scalable targets and step scaling, as `autoscaler.policies` has them. Pure.

Source: Application Auto Scaling API reference (RegisterScalableTarget,
StepScalingPolicyConfiguration).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from itertools import pairwise, starmap
from typing import Final

from autoscaler.policies import (
    AdjustmentType,
    MetricAggregation,
    Policy,
    ScalableTarget,
    StepAdjustment,
    StepScalingPolicy,
    SuspendedState,
)
from controlplane.cluster_file.meaning.alarms import Around, policy_alarm
from controlplane.cluster_file.meaning.balancer import check_unique
from controlplane.cluster_file.meaning.schedules import scheduled_action
from controlplane.cluster_file.meaning.tracking import (
    Tracker,
    fast_tracking,
    target_tracking,
    warn_of_no_way_back,
)
from controlplane.cluster_file.record import Findings, Record
from scheduler.model import Service

POLICIES_MAX: Final = 50
SCHEDULED_ACTIONS_MAX: Final = 200
"""Per scalable target: Application Auto Scaling's quotas."""


def scalable_target(
    record: Record, wanted: Service, around: Around, findings: Findings
) -> ScalableTarget | None:
    """Return how one service scales, or None when it does not.

    `around` is what its alarms refer to.
    """
    if not record.has("autoScaling"):
        return None
    scaling = record.record("autoScaling")
    low, high = scaling.whole("minCapacity"), scaling.whole("maxCapacity")
    if low > high and not {"minCapacity", "maxCapacity"} & scaling.broken:
        message = f"must not be less than minCapacity, {low} (got {high})"
        at, path = scaling.at("maxCapacity"), scaling.path_of("maxCapacity")
        findings.error(at, path, message)
    records = scaling.records("policies")
    check_unique(records, "policyName", findings)
    _check_quota(scaling, "policies", POLICIES_MAX, findings)
    actions = scaling.records("scheduledActions")
    check_unique(actions, "scheduledActionName", findings)
    _check_quota(scaling, "scheduledActions", SCHEDULED_ACTIONS_MAX, findings)
    tracker = Tracker(wanted, _own_dimensions(wanted, around.names))
    target = ScalableTarget(
        wanted.name,
        low,
        high,
        tuple(_policy(policy, tracker, around, findings) for policy in records),
        tuple(scheduled_action(action, scaling, findings) for action in actions),
        _suspended(scaling.record("suspendedState")),
    )
    _warn_of_no_cpu(record, wanted, target, findings)
    if all(policy.intact() for policy in records):
        warn_of_no_way_back(scaling, target, findings)
    return target


def _check_quota(scaling: Record, name: str, most: int, findings: Findings) -> None:
    count = len(scaling.records(name))
    if findings.strict and count > most:
        message = f"must have at most {most} under strictAwsLimits (got {count})"
        findings.error(scaling.at(name), scaling.path_of(name), message)


def _suspended(record: Record) -> SuspendedState:
    return SuspendedState(
        record.flag("dynamicScalingInSuspended"),
        record.flag("dynamicScalingOutSuspended"),
        record.flag("scheduledScalingSuspended"),
    )


def _warn_of_no_cpu(
    record: Record, wanted: Service, target: ScalableTarget, findings: Findings
) -> None:
    """Tell of alarms on a share of nothing."""
    definition = wanted.task_definition
    on_cpu = any(one.metric.name == "CPUUtilization" for one in target.alarms)
    if on_cpu and not definition.reserved_cpu and record.has("taskDefinition"):
        message = (
            f'"{definition.family}" reserves no cpu: CPUUtilization has no datapoints'
        )
        findings.warn(record.at("taskDefinition"), record.path, message)


def _own_dimensions(
    service: Service, around: Mapping[str, Collection[str]]
) -> Mapping[str, str]:
    """Return what an alarm of this service is about where it does not say."""
    own = {"ServiceName": service.name}
    for name in ("ClusterName", "LoadBalancer"):
        own.update((name, only) for only in around[name])
    groups = {one.target_group: one.advanced for one in service.load_balancers}
    if len(groups) == 1:
        [(own["TargetGroup"], pair)] = groups.items()
        if pair is not None:
            own["AlternateTargetGroup"] = pair.alternate_target_group
    return own


def _policy(
    record: Record, tracker: Tracker, around: Around, findings: Findings
) -> Policy:
    match record.tag:
        case "TargetTrackingScaling":
            return target_tracking(record, tracker, findings)
        case "FastTracking":
            return fast_tracking(record, tracker, findings)
        case _:
            return _step_scaling(record, tracker, around, findings)


def _step_scaling(
    record: Record, tracker: Tracker, around: Around, findings: Findings
) -> StepScalingPolicy:
    name = record.text("policyName")
    kind = record.text("adjustmentType")
    percent = kind == AdjustmentType.PERCENT_CHANGE_IN_CAPACITY.value
    magnitude = "minAdjustmentMagnitude"
    if record.has(magnitude) and kind and not percent:
        message = "only PercentChangeInCapacity has a minimum magnitude"
        findings.error(record.at(magnitude), record.path_of(magnitude), message)
    otherwise = f"{tracker.service.name}-{name}"
    return StepScalingPolicy(
        name,
        policy_alarm(record, tracker.own, otherwise, around, findings),
        AdjustmentType(kind) if kind else AdjustmentType.CHANGE_IN_CAPACITY,
        _steps(record, findings),
        float(record.whole("cooldown")),
        record.whole(magnitude),
        MetricAggregation(record.text("metricAggregationType")),
    )


# --- steps ----------------------------------------------------------------------------


def _steps(record: Record, findings: Findings) -> tuple[StepAdjustment, ...]:
    records = record.records("stepAdjustments")
    steps = [
        StepAdjustment(
            step.whole("scalingAdjustment"),
            step.number_or_none("metricIntervalLowerBound"),
            step.number_or_none("metricIntervalUpperBound"),
        )
        for step in records
    ]
    intact = not any(step.broken for step in records)
    if steps and intact and (problem := _steps_problem(steps)):
        at, path = record.at("stepAdjustments"), record.path_of("stepAdjustments")
        findings.error(at, path, problem)
    return tuple(sorted(steps, key=_low))


def _low(step: StepAdjustment) -> float:
    return -math.inf if step.lower_bound is None else step.lower_bound


def _high(step: StepAdjustment) -> float:
    return math.inf if step.upper_bound is None else step.upper_bound


def _steps_problem(steps: list[StepAdjustment]) -> str:
    """Return which of AWS's rules for step bounds is broken, or nothing."""
    ordered = sorted(steps, key=_low)
    return (
        next(filter(None, map(_bounds_problem, ordered)), "")
        or _infinity_problem(ordered)
        or next(filter(None, starmap(_seam_problem, pairwise(ordered))), "")
        or _end_problem(ordered)
    )


def _bounds_problem(step: StepAdjustment) -> str:
    if step.lower_bound is None and step.upper_bound is None:
        return "each step needs a lower or an upper bound"
    if _low(step) >= _high(step):
        return f"a step's lower bound is not below its upper, {_bounds(step)}"
    return ""


def _infinity_problem(steps: list[StepAdjustment]) -> str:
    if sum(step.lower_bound is None for step in steps) > 1:
        return "only one step may be without a lower bound"
    if sum(step.upper_bound is None for step in steps) > 1:
        return "only one step may be without an upper bound"
    return ""


def _seam_problem(below: StepAdjustment, above: StepAdjustment) -> str:
    if _high(below) > _low(above):
        return f"steps overlap: {_bounds(below)} and {_bounds(above)}"
    if _high(below) < _low(above):
        return f"steps leave a gap between {_bounds(below)} and {_bounds(above)}"
    return ""


def _end_problem(ordered: list[StepAdjustment]) -> str:
    if -math.inf < _low(ordered[0]) < 0:
        return "a negative lower bound needs a step without a lower bound below it"
    if 0 < _high(ordered[-1]) < math.inf:
        return "a positive upper bound needs a step without an upper bound above it"
    return ""


def _bounds(step: StepAdjustment) -> str:
    return f"{_low(step):g}..{_high(step):g}"
