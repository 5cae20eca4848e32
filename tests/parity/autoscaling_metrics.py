"""Autoscaling: metrics and their statistics, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section, absent, live, not_yet

_STATISTICS = "autoscaler/decide/test_statistics.py"
_VALUES = f"{_STATISTICS}::test_a_statistic_of_ten_samples"
_SERIES = "autoscaler/state/test_series.py"
_ON_DISK = "autoscaler/drivers/test_history.py"
_ECS = "controlplane/test_ecs_metrics.py"
_SECOND = f"{_ECS}::test_one_second"
_ELB = "controlplane/test_elb_metrics.py"
_COUNTED = f"{_ELB}::test_what_happened_is_told_of_the_balancer_the_group_and_the_zone"
_PUT = "controlplane/api/test_samples.py"
_TAKEN = f"{_PUT}::test_what_is_taken"
_MISTAKE = f"{_PUT}::test_a_mistake_is_told_where_it_is"
_API = "controlplane/api/test_measured.py"
_ABOUT = "controlplane/cluster_file/test_fed_metrics.py::test_an_alarm_is_about"

STATISTICS: Final = Section(
    "Statistics",
    "CloudWatch user guide, CloudWatch statistics definitions",
    (
        live("SampleCount, Average, Sum, Minimum, Maximum", _VALUES),
        live("percentiles", _VALUES, differs="of many values at most 1 % off"),
        live("trimmed mean, TM and tm", _VALUES),
        live("interquartile mean", _VALUES),
        live("winsorized mean, WM and wm", _VALUES),
        live("percentile rank", _VALUES),
        live("trimmed count, TC and tc", _VALUES),
        live("trimmed sum, TS and ts", _VALUES),
        live(
            "percentiles need values, or a set whose minimum is its maximum",
            f"{_STATISTICS}::test_what_cannot_be_told_is_unknown",
        ),
        live(
            "no percentiles where a value is negative",
            f"{_STATISTICS}::test_what_cannot_be_told_is_unknown",
        ),
    ),
)

KEPT: Final = Section(
    "Metrics and how long they are kept",
    "CloudWatch user guide, metrics concepts",
    (
        live(
            "a namespace, a name and up to 30 dimensions are a metric",
            _TAKEN,
            differs="it has one unit: samples in another are refused",
        ),
        live(
            "seconds for three hours",
            f"{_SERIES}::test_seconds_go_after_three_hours"
            "_and_minutes_when_nobody_looks_back",
        ),
        live(
            "minutes for fifteen days",
            f"{_ON_DISK}::test_seconds_go_after_three_hours_and_minutes_after_fifteen_days",
        ),
        not_yet("five minutes for 63 days, hours for 455"),
        live(
            "a late sample counts in its time",
            f"{_SERIES}::test_a_late_sample_still_counts_in_its_second",
            differs="up to three hours late, not two weeks",
        ),
        live(
            "metrics survive a restart",
            "live/test_metrics.py::test_what_happens_is_measured_and_survives_a_restart",
        ),
        live(
            "an alarm may look back over a day",
            "autoscaler/app/test_keeping.py"
            "::test_an_alarm_over_a_day_finds_what_was_kept_before",
        ),
    ),
)

PUT: Final = Section(
    "PutMetricData, ListMetrics, GetMetricStatistics",
    "CloudWatch API reference",
    (
        live("Value, Values with Counts, StatisticValues", _TAKEN),
        live("limits of names, values, lists and times", _MISTAKE),
        live(
            "StorageResolution",
            _TAKEN,
            differs="seconds are kept either way",
        ),
        live(
            "a mistake refuses the request",
            f"{_PUT}::test_every_mistake_of_a_request_is_told_at_once",
            differs="the first mistake of every datum is told",
        ),
        live("ListMetrics", f"{_API}::test_what_is_listed"),
        live(
            "GetMetricStatistics",
            f"{_API}::test_statistics_of_several_kinds_by_period",
        ),
        live(
            "at most 1,440 datapoints",
            f"{_API}::test_a_question_that_means_nothing_is_told",
        ),
        not_yet("GetMetricData", "metric math is for alarms"),
        absent("metric streams, dashboards, anomaly bands", "Prometheus has them"),
    ),
)

ECS: Final = Section(
    "AWS/ECS and ECS/ContainerInsights",
    "ECS developer guide, CloudWatch metrics; Container Insights metrics",
    (
        live(
            "CPUUtilization and MemoryUtilization of a service",
            _SECOND,
            differs="a sample per task each second",
        ),
        live("CPUUtilization and MemoryUtilization of the cluster", _SECOND),
        live(
            "CPUReservation and MemoryReservation",
            f"{_ECS}::test_reservations_are_of_every_task_that_is_not_stopped",
        ),
        live(
            "DesiredTaskCount, RunningTaskCount, PendingTaskCount",
            f"{_ECS}::test_the_counts_of_a_service",
        ),
        absent("GPU, EBS and Service Connect metrics", "there are none of these here"),
    ),
)

ELB: Final = Section(
    "AWS/ApplicationELB",
    "Elastic Load Balancing user guide, CloudWatch metrics",
    (
        live(
            "RequestCount by load balancer, target group and zone",
            _COUNTED,
            differs="dimensions are names of the file, not ARNs",
        ),
        live("RequestCountPerTarget", _COUNTED),
        live(
            "TargetResponseTime",
            f"{_ELB}::test_the_mean_response_time_is_exact_and_each_value_within_a_sixteenth",
            differs="percentiles at most 6 % off; the average is exact",
        ),
        live("HTTPCode_Target_2XX_Count to 5XX", _COUNTED),
        live("HTTPCode_ELB_3XX_Count to 5XX, 500, 502, 503, 504", _COUNTED),
        live("HealthyHostCount, UnHealthyHostCount", _COUNTED),
        live("AnomalousHostCount, MitigatedHostCount", _COUNTED),
        live(
            "HealthyStateRouting, UnhealthyStateRouting, UnhealthyRoutingRequestCount",
            _COUNTED,
        ),
        live(
            "ActiveConnectionCount",
            _COUNTED,
            differs="of clients only; a level each second, so ask for its average",
        ),
        live("NewConnectionCount, RejectedConnectionCount, ProcessedBytes", _COUNTED),
        live("TargetConnectionErrorCount, TLS negotiation errors", _COUNTED),
        live("rules, redirects, fixed responses, stickiness, desync", _COUNTED),
        live(
            "what did not happen is not told; requests are while targets are registered",
            f"{_ELB}::test_an_idle_group_has_requests"
            "_and_one_without_targets_has_no_datapoint",
        ),
        live(
            "what was not counted is missing",
            f"{_ELB}::test_a_second_counts_once_every_worker_has_reported",
        ),
        absent("HealthyStateDNS, UnhealthyStateDNS", "there is no DNS of ours"),
        absent("ConsumedLCUs and its like", "nothing is billed"),
        absent("Lambda, authentication, WAF, target optimizer", "needs AWS itself"),
    ),
)

NAMED: Final = Section(
    "Metrics that an alarm may name",
    "CloudWatch API reference, PutMetricAlarm",
    (
        live("each that is fed here", _ABOUT),
        live("anyone's own namespace", _ABOUT),
        live(
            "a name or a dimension that is not there is told",
            "controlplane/cluster_file/test_mistakes.py"
            "::test_a_mistake_is_told_in_these_words",
            differs="CloudWatch waits for data that never comes",
        ),
        live(
            "PromQL",
            "live/test_prometheus.py"
            "::test_prometheus_finds_every_task_and_answers_for_alarms",
            differs="a query of the file's is a metric, which alarms name",
        ),
        live(
            "metrics that tasks tell in Prometheus's format",
            "controlplane/test_sources.py::test_what_tasks_tell_is_the_service_s",
            differs="the CloudWatch agent's, by a field of ours",
        ),
    ),
)

SECTIONS: Final = (STATISTICS, KEPT, PUT, ECS, ELB, NAMED)
