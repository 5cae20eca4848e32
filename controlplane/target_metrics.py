"""Each registered target, for Prometheus: what ALB has no metric for.

There is a series for as long as its target is registered, so that their number
is that of the targets there are. Sums over `availability_zone` are ALB's
metrics by zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from alb.model import HealthState
from alb.ports import Counters
from alb.state.histogram import upper_bound_us

LABELS: Final = ("target_group", "target", "availability_zone")
MICROSECONDS: Final = 1e6
CLASSES: Final = "target."
"""Before the class of a status, in the names of totals."""


@dataclass(frozen=True, slots=True)
class RegisteredTarget:
    """One registration at one moment. `address` is ``host:port``."""

    group: str
    address: str
    zone: str
    """Empty: it is no task's."""
    state: HealthState
    in_flight: int
    counters: Counters

    @property
    def labels(self) -> list[str]:
        return [self.group, self.address, self.zone]


def of_registered(targets: Sequence[RegisteredTarget]) -> Iterator[Metric]:
    yield _healthy(targets)
    yield _in_flight(targets)
    yield _total(
        targets,
        "alb_registered_target_requests_total",
        "Requests sent to the target since it was registered.",
        "requests",
    )
    yield _total(
        targets,
        "alb_registered_target_connection_errors_total",
        "Connections to the target that failed.",
        "connectionErrors",
    )
    yield _total(
        targets,
        "alb_registered_target_tls_negotiation_errors_total",
        "TLS handshakes with the target that failed.",
        "tlsErrors",
    )
    yield _responses(targets)
    yield _response_time(targets)


def _healthy(targets: Sequence[RegisteredTarget]) -> Metric:
    family = GaugeMetricFamily(
        "alb_registered_target_healthy",
        "Whether the target is healthy (HealthyHostCount by zone is their sum).",
        labels=LABELS,
    )
    for target in targets:
        family.add_metric(target.labels, target.state is HealthState.HEALTHY)
    return family


def _in_flight(targets: Sequence[RegisteredTarget]) -> Metric:
    family = GaugeMetricFamily(
        "alb_registered_target_requests_in_flight",
        "Requests that the target was picked for and that are not finished.",
        labels=LABELS,
    )
    for target in targets:
        family.add_metric(target.labels, target.in_flight)
    return family


def _total(
    targets: Sequence[RegisteredTarget], name: str, text: str, key: str
) -> Metric:
    family = CounterMetricFamily(name, text, labels=LABELS)
    for target in targets:
        family.add_metric(target.labels, target.counters.totals.get(key, 0))
    return family


def _responses(targets: Sequence[RegisteredTarget]) -> Metric:
    family = CounterMetricFamily(
        "alb_registered_target_responses_total",
        "Responses of the target, by class of status.",
        labels=(*LABELS, "class"),
    )
    for target in targets:
        for name, total in target.counters.totals.items():
            if name.startswith(CLASSES):
                labels = [*target.labels, name.removeprefix(CLASSES)]
                family.add_metric(labels, total)
    return family


def _response_time(targets: Sequence[RegisteredTarget]) -> Metric:
    family = SummaryMetricFamily(
        "alb_registered_target_response_time_seconds",
        "From the request sent to the first byte of the answer. The sum is taken"
        " from buckets and up to 12.5 % too high.",
        labels=LABELS,
    )
    for target in targets:
        latency = target.counters.latency
        seconds = sum(n * upper_bound_us(index) for index, n in latency) / MICROSECONDS
        family.add_metric(target.labels, sum(n for _, n in latency), seconds)
    return family
