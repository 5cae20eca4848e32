"""The exposition is what Prometheus reads, and is named as Prometheus wants."""

import re

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from alb.app.balancer import BalancerStatistics
from alb.model import HealthState, Version
from alb.ports import Counters, Telemetry, WorkerState
from alb.state.histogram import BUCKETS, bucket_of, upper_bound_us
from autoscaler.decide.utilization import cpu_metric
from autoscaler.model import (
    Alarm,
    AlarmRecord,
    AlarmState,
    AlarmView,
    Comparison,
    Statistic,
)
from controlplane.metrics import Picture, render
from controlplane.target_metrics import RegisteredTarget
from scheduler.model import InstanceStatus, Service, ServiceStatus, TaskDefinition
from scheduler.ports import OutputStatistics
from scheduler.told import ServiceView

LISTENER = Counters(
    {
        "requests": 12,
        "newConnections": 3,
        "redirects": 1,
        "tlsErrors": 3,
        "fixedResponses": 2,
        "bytesIn": 100,
        "bytesOut": 200,
        "elb.503": 4,
        "failure.NO_TARGET": 4,
        "refused.UndefinedTransferEncodingSemantics": 1,
    }
)
GROUP = Counters(
    {
        "requests": 7,
        "connectionErrors": 1,
        "tlsErrors": 2,
        "retries": 1,
        "cut": 0,
        "unhealthyRouting": 5,
        "target.2xx": 6,
    },
    ((bucket_of(100), 1), (bucket_of(5_000), 5), (BUCKETS - 1, 1)),
)
LATENCY_SUM_S = (
    sum(
        count * upper_bound_us(bucket_of(value))
        for value, count in ((100, 1), (5_000, 5))
    )
    + upper_bound_us(BUCKETS - 1)
) / 1e6
FIRST = {
    "target_group": "web",
    "target": "10.0.0.1:20000",
    "availability_zone": "a",
}
SECOND = {"target_group": "web", "target": "[fd00::1]:80", "availability_zone": ""}
VIEW = ServiceView(
    service=Service("web", TaskDefinition("web", ()), 2),
    status=ServiceStatus.ACTIVE,
    desired=3,
    running=2,
    pending=1,
    healthy=2,
    deploying=False,
    reached=False,
    fulfilled=False,
    serving=2,
    version=1,
    deployments=(),
    history=(),
    events=(),
)
ALARM = AlarmView(
    Alarm(
        "web-out",
        cpu_metric("demo", "web"),
        Statistic.AVERAGE,
        10,
        1,
        1,
        Comparison.GREATER,
        75.0,
    ),
    AlarmRecord(AlarmState.ALARM, "", 0.0),
    "web",
    80.0,
)


@pytest.fixture
def picture() -> Picture:
    return Picture(
        version="1.0",
        ready=True,
        commit_failed=False,
        balancer=BalancerStatistics(
            totals=Telemetry({"http-80": LISTENER}, {"web": GROUP}, {}, {}, 9),
            workers=(WorkerState(0, 1, 100), WorkerState(1, 2, 101)),
            worker_exits=5,
            health={},
            bound=(),
            version=Version(1, 1),
        ),
        group_states={"web": {HealthState.HEALTHY: 2}},
        group_in_flight={"web": 4},
        group_anomalous={"web": 1},
        group_mitigated={"web": 2},
        group_routing={"web": True, "old": False},
        targets=[
            RegisteredTarget(
                "web", "10.0.0.1:20000", "a", HealthState.HEALTHY, 3, GROUP
            ),
            RegisteredTarget(
                "web", "[fd00::1]:80", "", HealthState.DRAINING, 1, Counters()
            ),
        ],
        services={"web": VIEW},
        cpu_ratios={"web": 0.8},
        instances={
            "host-a": InstanceStatus(
                connected=True, cpu=2048, memory_mib=1024, address="127.0.0.1"
            )
        },
        alarms={"web-out": ALARM},
        outputs=OutputStatistics(2, 512, 7),
    )


def families(picture: Picture) -> list[Metric]:
    return list(text_string_to_metric_families(render(picture).decode()))


def test_what_was_measured_is_shown(picture: Picture) -> None:
    # fmt: off
    wanted = [
        ("alb_ready", {}, 1.0),
        ("alb_workers", {}, 2.0),
        ("alb_worker_exits_total", {}, 5.0),
        ("alb_client_connections", {}, 9.0),
        ("alb_requests_total", {"listener": "http-80"}, 12.0),
        ("alb_elb_responses_total", {"listener": "http-80", "code": "503"}, 4.0),
        ("alb_failures_total", {"listener": "http-80", "failure": "NO_TARGET"}, 4.0),
        ("alb_target_group_responses_total",
         {"target_group": "web", "class": "2xx"}, 6.0),
        ("alb_targets", {"target_group": "web", "state": "healthy"}, 2.0),
        ("alb_targets", {"target_group": "web", "state": "draining"}, 0.0),
        ("alb_target_group_requests_in_flight", {"target_group": "web"}, 4.0),
        ("alb_target_group_healthy_state_routing", {"target_group": "web"}, 1.0),
        ("alb_target_group_healthy_state_routing", {"target_group": "old"}, 0.0),
        ("alb_target_group_unhealthy_state_routing", {"target_group": "web"}, 0.0),
        ("alb_target_group_unhealthy_state_routing", {"target_group": "old"}, 1.0),
        ("alb_target_group_unhealthy_routing_requests_total",
         {"target_group": "web"}, 5.0),
        ("alb_target_group_anomalous_targets", {"target_group": "web"}, 1.0),
        ("alb_target_group_mitigated_targets", {"target_group": "web"}, 2.0),
        ("alb_registered_target_healthy", FIRST, 1.0),
        ("alb_registered_target_healthy", SECOND, 0.0),
        ("alb_registered_target_requests_in_flight", FIRST, 3.0),
        ("alb_registered_target_requests_in_flight", SECOND, 1.0),
        ("alb_registered_target_requests_total", FIRST, 7.0),
        ("alb_registered_target_connection_errors_total", FIRST, 1.0),
        ("alb_client_tls_negotiation_errors_total", {"listener": "http-80"}, 3.0),
        ("alb_target_group_tls_negotiation_errors_total", {"target_group": "web"}, 2.0),
        ("alb_registered_target_responses_total", {**FIRST, "class": "2xx"}, 6.0),
        ("alb_registered_target_response_time_seconds_count", FIRST, 7.0),
        ("alb_registered_target_response_time_seconds_sum", FIRST, LATENCY_SUM_S),
        ("alb_service_desired_tasks", {"service": "web"}, 3.0),
        ("alb_service_cpu_utilization_ratio", {"service": "web"}, 0.8),
        ("alb_container_instance_connected", {"container_instance": "host-a"}, 1.0),
        ("alb_alarm_state", {"alarm": "web-out", "state": "ALARM"}, 1.0),
        ("alb_alarm_state", {"alarm": "web-out", "state": "OK"}, 0.0),
        ("alb_kept_output_bytes", {}, 512.0),
        ("alb_kept_output_dropped_bytes_total", {}, 7.0),
    ]
    # fmt: on
    shown = [
        (sample.name, sample.labels, sample.value)
        for family in families(picture)
        for sample in family.samples
    ]
    for sample in wanted:
        assert sample in shown


def test_the_histogram_is_cumulative_in_seconds(picture: Picture) -> None:
    (family,) = (f for f in families(picture) if f.type == "histogram")
    buckets = {
        float(sample.labels["le"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }
    (count,) = (s.value for s in family.samples if s.name.endswith("_count"))

    assert (1.0, 1.0, 6.0, 6.0) == (
        buckets[0.000256],
        buckets[0.004096],
        buckets[0.008192],
        buckets[67.108864],
    )
    assert 7.0 == buckets[float("inf")] == count
    assert list(buckets.values()) == sorted(buckets.values())


UNITS = re.compile(r"_(milli|micro|ms|us|percent|minutes|hours|kib|mib)(_|$)")


def test_names_follow_prometheus(picture: Picture) -> None:
    """The rules of `promtool check metrics`, by hand."""
    for family in families(picture):
        name = family.name
        assert re.fullmatch(r"alb(_[a-z][a-z0-9]*)*", name), name
        assert family.documentation, f"{name} has no help"
        assert not UNITS.search(name), f"{name} is not in a base unit"
        assert family.type in {"counter", "gauge", "histogram", "summary"}, name
        assert name != "alb" or family.samples[0].name == "alb_info"
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name.endswith("_total"), sample.name
            else:
                assert not sample.name.endswith("_total"), sample.name
            if family.type == "gauge":
                assert not sample.name.endswith(("_count", "_sum", "_bucket"))


def test_labels_are_names_of_ours_or_of_the_file(picture: Picture) -> None:
    known = {
        "version", "listener", "code", "failure", "reason", "target_group", "class",
        "state", "le", "service", "container_instance", "alarm",
        "target", "availability_zone",
    }  # fmt: skip
    used = {
        label
        for family in families(picture)
        for sample in family.samples
        for label in sample.labels
    }

    assert known == used


def test_a_strange_name_cannot_break_the_exposition(picture: Picture) -> None:
    strange = 'we"b\nalb_fake_total 1\\'
    balancer = BalancerStatistics(
        Telemetry({}, {strange: GROUP}, {}, {}, 0), (), 0, {}, (), Version(1, 1)
    )
    shown = families(
        Picture("1", True, False, balancer, {strange: {}}, {strange: 1})  # noqa: FBT003
    )

    assert not [family for family in shown if "fake" in family.name]
    labels = [sample.labels for family in shown for sample in family.samples]
    assert {"target_group": strange} in labels
