"""What alarms watch: metrics, and metric math over them. Pure.

Source: CloudWatch API reference (Metric, MetricDataQuery).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from autoscaler.decide.metric_math_queries import check
from autoscaler.decide.statistics import parse_statistic
from autoscaler.model import ExtendedStatistic, Metric, MetricQuery, Statistic
from controlplane.cluster_file.meaning import fed_metrics
from controlplane.cluster_file.meaning.balancer import check_unique
from controlplane.cluster_file.record import Findings, Record

OF_ONE_METRIC: Final = (
    "metricName",
    "namespace",
    "dimensions",
    "statistic",
    "extendedStatistic",
    "period",
    "evaluateLowSampleCountPercentile",
)
"""Fields that an alarm on metric math has not."""


def metric_of(record: Record, own: Mapping[str, str], findings: Findings) -> Metric:
    """Return the metric that an alarm, or one line of metric math, names."""
    for name in ("metricName", "period"):
        if name in record.shape.fields and record.absent(name):
            findings.error(record.node, record.path, f"{name} is missing")
            record.broken.add(name)
    return fed_metrics.metric_of(record, own, findings)


def statistic_of(
    record: Record, name: str, findings: Findings
) -> Statistic | ExtendedStatistic:
    """Return the statistic that the field `name` spells."""
    if not record.has(name):
        return Statistic.AVERAGE
    try:
        return parse_statistic(record.text(name))
    except ValueError as wrong:
        findings.error(record.at(name), record.path_of(name), str(wrong))
        return Statistic.AVERAGE


# --- metric math ----------------------------------------------------------------------


def queries_of(
    record: Record, own: Mapping[str, str], findings: Findings
) -> tuple[MetricQuery, ...]:
    """Return an alarm's metric math; nothing where it watches one metric."""
    records = record.records("metrics")
    if not records:
        return ()
    for name in OF_ONE_METRIC:
        if not record.absent(name):
            message = "is for one metric; with metrics it stands in metricStat"
            findings.error(record.at(name), record.path_of(name), message)
    check_unique(records, "id", findings)
    queries = tuple(_query(query, own, findings) for query in records)
    if all(query.intact() for query in records):
        for flaw in check(queries):
            query = records[flaw.place]
            field = "expression" if flaw.column and query.has("expression") else "id"
            message = flaw.message
            if field == "expression":
                message += f", at character {flaw.column}"
            findings.error(query.at(field), query.path_of(field), message)
    return queries


def _query(record: Record, own: Mapping[str, str], findings: Findings) -> MetricQuery:
    if record.absent("metricStat") == record.absent("expression"):
        message = "write either metricStat or expression"
        findings.error(record.node, record.path, message)
        record.broken.add("expression")
    returns = record.flag("returnData")
    label, name = record.text("label"), record.text("id")
    if record.absent("metricStat"):
        expression = record.text("expression")
        return MetricQuery(
            name, expression=expression, label=label, return_data=returns
        )
    stat = record.record("metricStat")
    metric = metric_of(stat.record("metric"), own, findings)
    statistic = statistic_of(stat, "stat", findings)
    return MetricQuery(name, metric, statistic, label=label, return_data=returns)


def period_of(record: Record, findings: Findings) -> int:
    """Return the period of an alarm on metric math: the one that all metrics have."""
    stats = [
        query.record("metricStat")
        for query in record.records("metrics")
        if query.has("metricStat")
    ]
    periods = [stat.whole("period") for stat in stats]
    for stat, period in zip(stats, periods, strict=True):
        if period != periods[0] and stat.has("period"):
            message = f"must be the same of all metrics, {periods[0]} (got {period})"
            findings.error(stat.at("period"), stat.path_of("period"), message)
    return periods[0] if periods else 0


def shown_metric(queries: tuple[MetricQuery, ...]) -> Metric:
    """Return what an alarm on metric math is said to watch: a label, no namespace."""
    chosen = next((query for query in queries if query.return_data), queries[0])
    return Metric("", chosen.label or chosen.expression or chosen.id)
