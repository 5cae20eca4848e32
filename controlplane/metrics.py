"""Everything measured, for Prometheus: a picture taken at once, rendered elsewhere.

    parts --(on the loop)--> Picture --(in a thread)--> exposition

Names are Prometheus's way: base units, `_total` for what only grows. Labels are
names from the cluster file or words of ours, never anything a client sent.
What is counted per target is shown per target group, so that nothing is lost
with the tasks that come and go, and for each target while it is registered.

Source: Prometheus documentation, "Metric and label naming".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from alb.app.balancer import BalancerStatistics
from alb.model import HealthState
from alb.ports import Counters
from alb.state.histogram import upper_bound_us
from autoscaler.app.keeping import KeepingStatistics
from autoscaler.model import AlarmState, AlarmView
from autoscaler.state.series_table import SeriesStatistics
from controlplane.series_metrics import of_series
from controlplane.target_metrics import RegisteredTarget, of_registered
from scheduler.model import InstanceStatus
from scheduler.ports import OutputStatistics
from scheduler.told import ServiceView

MICROSECONDS: Final = 1e6
OCTAVES: Final = range(8, 27)
"""Bounds of the latency histogram are powers of two from 256 µs to 67 s."""

Sample = tuple[str, float]
NOTHING_KEPT: Final = OutputStatistics(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Picture:
    """What every part said at one moment."""

    version: str
    ready: bool
    commit_failed: bool
    balancer: BalancerStatistics
    group_states: Mapping[str, Mapping[HealthState, int]]
    """Target group -> health state -> number of targets."""
    group_in_flight: Mapping[str, int]
    group_routing: Mapping[str, bool] = field(default_factory=dict)
    """Target group that gets requests -> whether enough of its targets are healthy."""
    group_anomalous: Mapping[str, int] = field(default_factory=dict)
    group_mitigated: Mapping[str, int] = field(default_factory=dict)
    targets: Sequence[RegisteredTarget] = ()
    services: Mapping[str, ServiceView] = field(default_factory=dict)
    cpu_ratios: Mapping[str, float] = field(default_factory=dict)
    """Service -> CPU used over reserved, 1 is all of it."""
    instances: Mapping[str, InstanceStatus] = field(default_factory=dict)
    alarms: Mapping[str, AlarmView] = field(default_factory=dict)
    series: SeriesStatistics = field(default_factory=SeriesStatistics)
    kept: KeepingStatistics = field(default_factory=KeepingStatistics)
    outputs: OutputStatistics = NOTHING_KEPT


def render(picture: Picture) -> bytes:
    """Return the text exposition. Takes milliseconds: call it in a thread."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Exhibit(picture))
    return generate_latest(registry)


class _Exhibit(Collector):
    """Shows one picture, as prometheus-client asks for it."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        picture = self._picture
        yield from _of_node(picture)
        yield from _of_listeners(picture.balancer.totals.listeners)
        yield from _of_groups(picture)
        yield from of_registered(picture.targets)
        yield from _of_services(picture)
        yield from _of_instances(picture.instances)
        yield from _of_alarms(picture.alarms)
        yield from of_series(picture.series, picture.kept)
        yield from _of_outputs(picture.outputs)


def _of_node(picture: Picture) -> Iterator[Metric]:
    statistics = picture.balancer
    yield InfoMetricFamily("alb", "The running program.", {"version": picture.version})
    yield _plain(
        "alb_ready", "Whether the node serves what was decided.", picture.ready
    )
    yield _plain(
        "alb_commit_failed",
        "Whether the last commit of decisions failed: nothing is decided until one"
        " succeeds.",
        picture.commit_failed,
    )
    yield _plain("alb_workers", "Workers that run.", len(statistics.workers))
    yield CounterMetricFamily(
        "alb_worker_exits_total",
        "Workers that ended since this control began.",
        statistics.worker_exits,
    )
    yield CounterMetricFamily(
        "alb_health_check_log_lines_dropped_total",
        "Lines of the health check log that could not be written in time.",
        statistics.check_lines_dropped,
    )
    yield _plain(
        "alb_client_connections",
        "Connections of clients that are open.",
        statistics.totals.connections,
    )


# fmt: off
LISTENER_TOTALS: Final = (
    ("alb_requests_total", "requests", "Requests received."),
    ("alb_client_connections_accepted_total", "newConnections",
     "Connections of clients that were accepted."),
    ("alb_client_connections_rejected_total", "rejectedConnections",
     "Connections closed at once: the worker had as many as it may open files."),
    ("alb_rule_evaluations_total", "ruleEvaluations",
     "Rules up to the one that matched; the default rule is not counted."),
    ("alb_non_sticky_requests_total", "nonSticky",
     "Requests to sticky groups that no cookie held to a target (lb_cookie)."),
    ("alb_app_cookie_non_sticky_requests_total", "appCookieNonSticky",
     "The same for groups with app_cookie stickiness."),
    ("alb_client_connections_cut_total", "cutConnections",
     "Connections that were busy when the drain timeout of their worker had passed."),
    ("alb_redirects_total", "redirects", "Requests answered by a redirect action."),
    ("alb_fixed_responses_total", "fixedResponses",
     "Requests answered by a fixed-response action."),
    ("alb_non_compliant_requests_total", "nonCompliant",
     "Requests that are Acceptable, Ambiguous or Severe to desync mitigation."),
    ("alb_dropped_invalid_header_requests_total", "droppedInvalidHeaders",
     "Requests of which headers with an invalid name were not passed on."),
    ("alb_forwarded_invalid_header_requests_total", "forwardedInvalidHeaders",
     "Requests passed on with headers whose name is more than letters, digits, -."),
    ("alb_client_tls_negotiation_errors_total", "tlsErrors",
     "TLS handshakes that clients began and that failed."),
    ("alb_received_bytes_total", "bytesIn", "Bytes received from clients."),
    ("alb_sent_bytes_total", "bytesOut", "Bytes sent to clients."),
    ("alb_ipv6_requests_total", "ipv6Requests", "Requests received over IPv6."),
    ("alb_ipv6_bytes_total", "ipv6Bytes",
     "Bytes received from clients over IPv6, and sent to them."),
    ("alb_log_lines_dropped_total", "logLinesDropped",
     "Lines of access and connection logs that could not be written in time."),
)
LISTENER_FAMILIES: Final = (
    ("alb_elb_responses_total", "elb.", "code",
     "Responses the load balancer made itself, by status (HTTPCode_ELB)."),
    ("alb_failures_total", "failure.", "failure",
     "Requests that got no whole answer of a target, by what failed."),
    ("alb_refusals_total", "refused.", "reason",
     "Requests that were not passed on, by why."),
)
GROUP_TOTALS: Final = (
    ("alb_target_group_requests_total", "requests", "Requests sent to targets."),
    ("alb_target_group_connection_errors_total", "connectionErrors",
     "Connections to targets that failed."),
    ("alb_target_group_tls_negotiation_errors_total", "tlsErrors",
     "TLS handshakes with targets that failed."),
    ("alb_target_group_retries_total", "retries",
     "Requests tried on another target."),
    ("alb_target_group_retries_refused_total", "retriesRefused",
     "Requests not tried on another target because the retry budget was spent."),
    ("alb_target_group_unhealthy_routing_requests_total", "unhealthyRouting",
     "Requests sent while fewer targets were healthy than the group asks for."),
    ("alb_target_group_queued_requests_total", "queued",
     "Requests that waited for a target with room."),
    ("alb_target_group_queue_rejected_requests_total", "queueRejected",
     "Requests answered 503 because all targets were full, and the queue."),
    ("alb_target_group_queue_timed_out_requests_total", "queueTimedOut",
     "Requests answered 503 because all targets stayed full for too long."),
    ("alb_target_group_cut_requests_total", "cut",
     "Requests that outlived the deregistration delay and were cut."),
)
# fmt: on


def _of_listeners(listeners: Mapping[str, Counters]) -> Iterator[Metric]:
    for name, key, text in LISTENER_TOTALS:
        family = CounterMetricFamily(name, text, labels=["listener"])
        for listener, counters in listeners.items():
            family.add_metric([listener], counters.totals.get(key, 0))
        yield family
    for name, prefix, label, text in LISTENER_FAMILIES:
        family = CounterMetricFamily(name, text, labels=["listener", label])
        for listener, counters in listeners.items():
            for what, total in _with_prefix(counters, prefix):
                family.add_metric([listener, what], total)
        yield family


def _of_groups(picture: Picture) -> Iterator[Metric]:
    groups = picture.balancer.totals.groups
    for name, key, text in GROUP_TOTALS:
        family = CounterMetricFamily(name, text, labels=["target_group"])
        for group, counters in groups.items():
            family.add_metric([group], counters.totals.get(key, 0))
        yield family
    responses = CounterMetricFamily(
        "alb_target_group_responses_total",
        "Responses of targets, by class of status (HTTPCode_Target).",
        labels=["target_group", "class"],
    )
    latency = HistogramMetricFamily(
        "alb_target_response_time_seconds",
        "From the request sent to the first byte of the answer. The sum is taken"
        " from the buckets and up to 12.5 % too high.",
        labels=["target_group"],
    )
    for group, counters in groups.items():
        for kind, total in _with_prefix(counters, "target."):
            responses.add_metric([group, kind], total)
        latency.add_metric([group], *_buckets(counters.latency))
    waited = CounterMetricFamily(
        "alb_target_group_queue_seconds_total",
        "Time that requests waited for a target with room.",
        labels=["target_group"],
    )
    waiting = GaugeMetricFamily(
        "alb_target_group_requests_queued",
        "Requests that wait for a target with room.",
        labels=["target_group"],
    )
    for group, counters in groups.items():
        us = counters.totals.get("queuedMicroseconds", 0)
        waited.add_metric([group], us / MICROSECONDS)
        waiting.add_metric([group], picture.balancer.totals.waiting.get(group, 0))
    yield waited
    yield waiting
    yield responses
    yield latency
    yield from _of_targets(picture)


def _of_targets(picture: Picture) -> Iterator[Metric]:
    targets = GaugeMetricFamily(
        "alb_targets",
        "Registered targets, by state of health.",
        labels=["target_group", "state"],
    )
    for group, states in picture.group_states.items():
        for state in HealthState:
            targets.add_metric([group, state.value], states.get(state, 0))
    yield targets
    in_flight = GaugeMetricFamily(
        "alb_target_group_requests_in_flight",
        "Requests that targets were picked for and that are not finished.",
        labels=["target_group"],
    )
    for group, count in picture.group_in_flight.items():
        in_flight.add_metric([group], count)
    yield in_flight
    yield from _of_routing(picture.group_routing)
    yield _by_group(
        "alb_target_group_anomalous_targets",
        "Targets that fail more than their peers (AnomalousHostCount).",
        picture.group_anomalous,
    )
    yield _by_group(
        "alb_target_group_mitigated_targets",
        "Targets that get less than their share for that (MitigatedHostCount).",
        picture.group_mitigated,
    )


def _by_group(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["target_group"])
    for group, count in counts.items():
        family.add_metric([group], count)
    return family


def _of_routing(enough: Mapping[str, bool]) -> Iterator[Metric]:
    for name, wanted, text in (
        (
            "alb_target_group_healthy_state_routing",
            True,
            "Whether as many of the targets in use are healthy as the group asks for.",
        ),
        (
            "alb_target_group_unhealthy_state_routing",
            False,
            "Whether fewer of the targets in use are healthy, so that it fails open.",
        ),
    ):
        family = GaugeMetricFamily(name, text, labels=["target_group"])
        for group, is_enough in enough.items():
            family.add_metric([group], is_enough is wanted)
        yield family


def _buckets(latency: Iterable[tuple[int, int]]) -> tuple[list[Sample], float]:
    """Return Prometheus's cumulative buckets, and the sum in seconds.

    Our buckets count whole microseconds, rounded down, so that those below 2^k
    are those of less than 2^k µs.
    """
    counts = Counter(dict(latency))
    bounds = {index: upper_bound_us(index) for index in counts}
    cumulative = [
        (
            str((1 << octave) / MICROSECONDS),
            float(sum(n for i, n in counts.items() if bounds[i] < 1 << octave)),
        )
        for octave in OCTAVES
    ]
    total = sum(counts[index] * bounds[index] for index in counts)
    return [*cumulative, ("+Inf", float(counts.total()))], total / MICROSECONDS


def _of_services(picture: Picture) -> Iterator[Metric]:
    shown = (
        ("desired", "Tasks that are wanted."),
        ("running", "Tasks that run."),
        ("pending", "Tasks that are being started."),
        ("healthy", "Tasks that run and whose targets are healthy."),
    )
    for what, text in shown:
        family = GaugeMetricFamily(
            f"alb_service_{what}_tasks", text, labels=["service"]
        )
        for name, view in picture.services.items():
            family.add_metric([name], getattr(view, what))
        yield family
    cpu = GaugeMetricFamily(
        "alb_service_cpu_utilization_ratio",
        "CPU used over CPU reserved (CPUUtilization of AWS/ECS, over 100).",
        labels=["service"],
    )
    for name, ratio in picture.cpu_ratios.items():
        cpu.add_metric([name], ratio)
    yield cpu


def _of_instances(instances: Mapping[str, InstanceStatus]) -> Iterator[Metric]:
    connected = GaugeMetricFamily(
        "alb_container_instance_connected",
        "Whether the container instance answers.",
        labels=["container_instance"],
    )
    containers = GaugeMetricFamily(
        "alb_container_instance_containers",
        "Containers of this cluster on the container instance, ended ones too.",
        labels=["container_instance"],
    )
    for name, status in instances.items():
        connected.add_metric([name], status.connected)
        containers.add_metric([name], len(status.containers))
    yield connected
    yield containers


def _of_alarms(alarms: Mapping[str, AlarmView]) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "alb_alarm_state",
        "1 for the state the alarm is in, 0 for the others.",
        labels=["alarm", "state"],
    )
    for name, view in alarms.items():
        for state in AlarmState:
            states.add_metric([name, state.value], view.state is state)
    yield states


def _of_outputs(outputs: OutputStatistics) -> Iterator[Metric]:
    yield _plain(
        "alb_kept_output_bytes",
        "What containers wrote that are removed, kept while their tasks are told.",
        outputs.kept_bytes,
    )
    yield CounterMetricFamily(
        "alb_kept_output_dropped_bytes_total",
        "What could not be kept of it: the disk took nothing.",
        outputs.dropped_bytes,
    )


def _with_prefix(counters: Counters, prefix: str) -> Iterator[tuple[str, int]]:
    for name, total in counters.totals.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), total


def _plain(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value)
