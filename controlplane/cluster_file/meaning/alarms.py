"""Alarms of metrics, as `autoscaler.model` has them. Pure.

Source: CloudWatch API reference (PutMetricAlarm).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from autoscaler.actions import Action, AlarmActions, Command, Webhook
from autoscaler.model import (
    Alarm,
    Comparison,
    ExtendedStatistic,
    Metric,
    MissingData,
    Statistic,
)
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.fields.alarms import DAY_S
from controlplane.cluster_file.meaning.fed_metrics import check_dimensions
from controlplane.cluster_file.meaning.hooks import check_command
from controlplane.cluster_file.meaning.metrics import (
    metric_of,
    period_of,
    queries_of,
    shown_metric,
    statistic_of,
)
from controlplane.cluster_file.meaning.together import Allowed
from controlplane.cluster_file.record import Findings, Record
from controlplane.problems import did_you_mean

HOUR_S: Final = 3600
WEEK_S: Final = 7 * DAY_S
SHORT_PERIODS_S: Final = frozenset({10, 20, 30})
MINUTE_S: Final = 60
ACTIONS: Final = ("okActions", "alarmActions", "insufficientDataActions")


class Around(NamedTuple):
    """What alarms and those who refer to them need to know of the rest of the file."""

    names: Mapping[str, Collection[str]]
    """What dimensions may be about here, by dimension."""
    alarms: Mapping[str, Alarm] = {}
    """Those at top level, by name."""
    composites: frozenset[str] = frozenset()


def named_alarms(
    root: Record, names: Mapping[str, Collection[str]], findings: Findings
) -> tuple[Alarm, ...]:
    """Return the alarms at top level."""
    own = {
        name: only for name in ("ClusterName", "LoadBalancer") for only in names[name]
    }
    return tuple(
        alarm_of(record, own, record.text("alarmName"), findings)
        for record in root.records("alarms")
    )


def check_alarms(root: Record, around: Around, findings: Findings) -> None:
    """Tell of alarms that share a name, and of dimensions that name nothing here."""
    known = dict(around.names)
    if "cluster" in root.broken:
        del known["ClusterName"]  # that is told once
    first_use: dict[str, str] = {}
    for name, record, path in _written_alarms(root):
        used = first_use.setdefault(name, path)
        if used != path and not record.broken:
            message = f'the alarm name "{quoted(name)}" is already used by {used}'
            at, where = record.at("alarmName"), record.path_of("alarmName")
            findings.error(at, where, message)
        for metric in _metric_records(record):
            check_dimensions(metric, known, findings)


def check_actions(root: Record, allowed: Allowed, findings: Findings) -> None:
    """Tell of alarms' commands that the file does not allow."""
    for _, record, _ in _written_alarms(root):
        for name in ACTIONS:
            for action in record.records(name):
                check_command(action, allowed, findings)


def _written_alarms(root: Record) -> Iterator[tuple[str, Record, str]]:
    """Yield every alarm that is written: its name, itself, and who has it."""
    for kind in ("alarms", "compositeAlarms"):
        for record in root.records(kind):
            if record.has("alarmName"):
                yield record.text("alarmName"), record, record.path
    for service in root.records("services"):
        for policy in service.record("autoScaling").records("policies"):
            if "alarm" in policy.values and not policy.broken:
                record = policy.record("alarm")
                own = f"{service.text('serviceName')}-{policy.text('policyName')}"
                yield record.text("alarmName") or own, record, policy.path


def _metric_records(record: Record) -> Iterator[Record]:
    """Yield what names a metric: the alarm itself, and its metric math's."""
    if "metrics" not in record.shape.fields:
        return
    yield record
    for query in record.records("metrics"):
        yield query.record("metricStat").record("metric")


def policy_alarm(
    policy: Record,
    own: Mapping[str, str],
    name: str,
    around: Around,
    findings: Findings,
) -> Alarm:
    """Return a policy's alarm: its own, or the one at top level that it names."""
    if policy.absent("alarmName"):
        if policy.absent("alarm"):
            message = "alarm is missing, or alarmName, which names one of `alarms`"
            findings.error(policy.node, policy.path, message)
        if not policy.has("alarm"):
            return NO_ALARM
        return alarm_of(policy.record("alarm"), own, name, findings)
    at, path = policy.at("alarmName"), policy.path_of("alarmName")
    if not policy.absent("alarm"):
        findings.error(at, path, "is one alarm, `alarm` is another: write one of them")
    wanted = policy.text("alarmName")
    if wanted in around.composites:
        findings.error(
            at, path, f'"{quoted(wanted)}" is a composite alarm: none scales'
        )
    elif policy.has("alarmName") and wanted not in around.alarms:
        hint = did_you_mean(wanted, around.alarms)
        findings.error(at, path, f'no alarm named "{quoted(wanted)}"{hint}')
    return around.alarms.get(wanted, NO_ALARM)


NO_ALARM: Final = Alarm(
    "", Metric("", ""), Statistic.AVERAGE, 60, 1, 1, Comparison.GREATER, 0.0
)
"""Stands where a name is not known; it never leaves this package."""


def alarm_of(
    record: Record, own: Mapping[str, str], name: str, findings: Findings
) -> Alarm:
    """Return one alarm; `own` are its dimensions where none are written."""
    queries = queries_of(record, own, findings)
    period = record.whole("period")
    if queries:
        period = period_of(record, findings)
        metric = shown_metric(queries)
    else:
        metric = metric_of(record, own, findings)
    statistic = _statistic(record, findings)
    _check_periods(record, period, findings)
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
        metric=metric,
        statistic=statistic,
        period_s=period,
        evaluation_periods=periods,
        datapoints_to_alarm=datapoints,
        comparison=Comparison(comparison) if comparison else Comparison.GREATER,
        threshold=record.number_or_none("threshold") or 0.0,
        treat_missing_data=MissingData(record.text("treatMissingData")),
        aws_timing=findings.strict,
        evaluate_low_samples=(
            record.text("evaluateLowSampleCountPercentile") != "ignore"
        ),
        queries=queries,
        actions=actions_of(record, findings),
        description=record.text("alarmDescription"),
    )


def actions_of(record: Record, findings: Findings) -> AlarmActions:
    """Return what an alarm of either kind calls."""
    ok, alarm, insufficient = (_actions(record, name, findings) for name in ACTIONS)
    return AlarmActions(ok, alarm, insufficient, record.flag("actionsEnabled"))


def _actions(record: Record, name: str, findings: Findings) -> tuple[Action, ...]:
    found: dict[Action, None] = {}
    for item in record.records(name):
        if item.broken:
            continue
        if item.has("url") == item.has("command"):
            message = "write either url or command"
            findings.error(item.node, item.path, message)
            continue
        url, argv = item.text("url"), item.texts("command")
        action: Action = Webhook(url) if item.has("url") else Command(argv)
        if action in found:
            findings.error(item.node, item.path, "is listed already")
        found[action] = None
    return tuple(found)


def _statistic(record: Record, findings: Findings) -> Statistic | ExtendedStatistic:
    if record.absent("extendedStatistic"):
        return Statistic(record.text("statistic"))
    at, path = record.at("extendedStatistic"), record.path_of("extendedStatistic")
    if not record.absent("statistic"):
        findings.error(at, path, "write either statistic or extendedStatistic")
    return statistic_of(record, "extendedStatistic", findings)


def _check_periods(record: Record, period: int, findings: Findings) -> None:
    if not period or {"period", "evaluationPeriods"} & record.broken:
        return
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
