"""Alarms, as `autoscaler.model` has them. Pure.

Source: CloudWatch API reference (PutMetricAlarm).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from autoscaler.model import (
    Alarm,
    Comparison,
    MissingData,
    Statistic,
)
from autoscaler.policies import ScalableTarget, StepScalingPolicy
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.fields.alarms import DAY_S
from controlplane.cluster_file.meaning.fed_metrics import check_dimensions, metric_of
from controlplane.cluster_file.record import Findings, Record

HOUR_S: Final = 3600
WEEK_S: Final = 7 * DAY_S
SHORT_PERIODS_S: Final = frozenset({10, 20, 30})
MINUTE_S: Final = 60


def check_alarms(
    services: list[Record],
    targets: list[ScalableTarget],
    around: Mapping[str, Collection[str]],
    findings: Findings,
) -> None:
    """Tell of alarms that share a name, and of dimensions that name nothing here."""
    policies = [
        policy
        for service in services
        for policy in service.record("autoScaling").records("policies")
        if "alarm" in policy.shape.fields
    ]
    alarms = [
        policy.alarm
        for target in targets
        for policy in target.policies
        if isinstance(policy, StepScalingPolicy)
    ]
    first_use: dict[str, str] = {}
    for record, alarm in zip(policies, alarms, strict=True):
        written = record.record("alarm")
        used = first_use.setdefault(alarm.name, record.path)
        if used != record.path and not record.broken and not written.broken:
            message = f'the alarm name "{quoted(alarm.name)}" is already used by {used}'
            at, path = written.at("alarmName"), written.path_of("alarmName")
            findings.error(at, path, message)
        check_dimensions(written, around, findings)


def policy_alarm(
    record: Record, own: Mapping[str, str], name: str, findings: Findings
) -> Alarm:
    _check_periods(record, findings)
    periods = record.whole("evaluationPeriods")
    datapoints = record.whole_or_none("datapointsToAlarm") or periods
    if datapoints > periods and "evaluationPeriods" not in record.broken:
        message = (
            f"must not be more than evaluationPeriods, {periods} (got {datapoints})"
        )
        at = record.at("datapointsToAlarm")
        findings.error(at, record.path_of("datapointsToAlarm"), message)
    comparison = record.text("comparisonOperator")
    return Alarm(
        name=record.text("alarmName") or name,
        metric=metric_of(record, own, findings),
        statistic=Statistic(record.text("statistic")),
        period_s=record.whole("period"),
        evaluation_periods=periods,
        datapoints_to_alarm=datapoints,
        comparison=Comparison(comparison) if comparison else Comparison.GREATER,
        threshold=record.number_or_none("threshold") or 0.0,
        treat_missing_data=MissingData(record.text("treatMissingData")),
        aws_timing=findings.strict,
    )


def _check_periods(record: Record, findings: Findings) -> None:
    if {"period", "evaluationPeriods"} & record.broken:
        return
    period = record.whole("period")
    at, path = record.at("period"), record.path_of("period")
    if findings.strict and period not in SHORT_PERIODS_S and period % MINUTE_S:
        message = (
            "must be 10, 20, 30 or a multiple of 60 under strictAwsLimits "
            f"(got {period})"
        )
        findings.error(at, path, message)
    span = period * record.whole("evaluationPeriods")
    longest = DAY_S if period < HOUR_S else WEEK_S
    if span > longest:
        message = f"period x evaluationPeriods must be at most {longest} s (got {span})"
        findings.error(at, path, message)
