"""What became of the samples that alarms look at, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)

from autoscaler.app.keeping import KeepingStatistics
from autoscaler.state.series_table import SeriesStatistics


def of_series(series: SeriesStatistics, kept: KeepingStatistics) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "alb_metric_series", "Metrics that have a series.", series.metrics
    )
    yield GaugeMetricFamily(
        "alb_metric_series_bytes", "What their packed minutes take.", series.size
    )
    yield CounterMetricFamily(
        "alb_metric_samples_total", "Samples that were taken.", series.samples
    )
    refused = CounterMetricFamily(
        "alb_metric_samples_refused_total",
        "Samples that were not taken, by why.",
        labels=["reason"],
    )
    refused.add_metric(["too many metrics"], series.too_many)
    refused.add_metric(["too old"], series.too_old)
    yield refused
    yield CounterMetricFamily(
        "alb_metric_datapoints_dropped_total",
        "Datapoints of a minute each that the disk did not take.",
        kept.dropped,
    )
