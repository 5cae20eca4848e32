"""What an alarm may be about: all that is measured here, and anyone's own metrics."""

from pathlib import Path

import pytest

from autoscaler.decide.promql import PromQuery
from autoscaler.model import Alarm, Scrape
from controlplane.cluster_file import load
from controlplane.cluster_file.meaning.fed_metrics import FED
from controlplane.cluster_file.ownership import merge
from controlplane.problems import ConfigInvalid

VALID = (Path(__file__).parent / "valid.yaml").read_text()
VARIABLES = {"STAGE": "test"}
FRONT, WEB = ("LoadBalancer", "front"), ("TargetGroup", "web")
CLUSTER, SERVICE = ("ClusterName", "demo"), ("ServiceName", "web")


def alarm_about(written: str) -> Alarm:
    """Return the first alarm of the valid file, with this as what it is about."""
    text = VALID.replace("metricName: CPUUtilization", written, 1)
    return load("alb.yaml", text, VARIABLES).scalable_targets[0].alarms[0]


# fmt: off
ABOUT = [
    ("metricName: MemoryUtilization", (CLUSTER, SERVICE),
     "AWS/ECS is what is meant where nothing is said, and the alarm's own service"),
    ("metricName: MemoryReservation", (CLUSTER,),
     "reservations are the cluster's"),
    ("namespace: ECS/ContainerInsights, metricName: RunningTaskCount", (CLUSTER, SERVICE),
     "counts are the service's"),
    ("namespace: AWS/ApplicationELB, metricName: RequestCountPerTarget", (FRONT, WEB),
     "requests are those of the service's only target group"),
    ("namespace: AWS/ApplicationELB, metricName: RuleEvaluations", (FRONT,),
     "what only the load balancer has is its own"),
    ("namespace: alb, metricName: RequestsInFlight", (FRONT, WEB),
     "what AWS does not tell has our namespace"),
    ("namespace: AWS/ApplicationELB, metricName: RequestCountPerTarget, "
     "dimensions: [{name: TargetGroup, value: web}]", (WEB,),
     "a group may stand alone, as AWS has it for this metric"),
    ("namespace: Shop, metricName: Orders", (),
     "a metric of one's own has no dimensions unless it says so"),
    ("namespace: Shop, metricName: Orders, "
     "dimensions: [{name: ServiceName, value: nobody}, {name: Country, value: nl}]",
     (("Country", "nl"), ("ServiceName", "nobody")),
     "and any that it says, sorted"),
]
# fmt: on


@pytest.mark.parametrize(
    ("written", "dimensions"),
    [row[:-1] for row in ABOUT],
    ids=[row[-1] for row in ABOUT],
)
def test_an_alarm_is_about(
    written: str, dimensions: tuple[tuple[str, str], ...]
) -> None:
    assert dimensions == alarm_about(written).metric.dimensions


def test_each_fed_metric_has_a_place_with_the_names_of_this_file() -> None:
    for namespace, metrics in FED.items():
        for name in metrics:
            metric = alarm_about(f"namespace: {namespace}, metricName: {name}").metric
            assert frozenset(key for key, _ in metric.dimensions) in metrics[name]


def test_an_alarm_may_look_back_over_a_day() -> None:
    text = VALID.replace("evaluationPeriods: 2", "evaluationPeriods: 8640", 1)

    [alarm, *_] = load("alb.yaml", text, VARIABLES).scalable_targets[0].alarms

    assert alarm.period_s * alarm.evaluation_periods == 86_400


# --- metrics that are fetched ---------------------------------------------------------


def test_a_service_tells_where_its_tasks_have_their_metrics() -> None:
    text = VALID.replace(
        "    autoScaling:\n", "    metrics: {intervalSeconds: 5}\n    autoScaling:\n", 1
    )

    [scrape] = load("alb.yaml", text, VARIABLES).scrapes

    assert Scrape("web", "/metrics", "web", 8080, 5.0) == scrape


def test_queries_are_asked_of_a_prometheus_server() -> None:
    told = "\nprometheus:\n  endpoint: http://127.0.0.1:9090\n  queries: [{name: Jobs, query: sum(jobs)}]\n"

    file = load("alb.yaml", VALID + told, VARIABLES)

    assert (PromQuery("Jobs", "http://127.0.0.1:9090", "sum(jobs)", 10.0),) == (
        file.prometheus_queries
    )
    assert file.sources == file.prometheus_queries


# fmt: off
SOURCES = [
    ("endpoint: tcp://x, queries: [{name: a, query: b}]", "prometheus.endpoint: must be like http://127.0.0.1:9090 (got tcp://x)"),
    ('endpoint: "http://x"',                              "prometheus: queries is missing"),
    ('endpoint: "http://x", queries: [{name: a}]',        "prometheus.queries[0]: query is missing"),
    ('endpoint: "http://x", queries: [{name: a, query: b}, {name: a, query: c}]',
     "prometheus.queries[1].name: a is already used by prometheus.queries[0]"),
    ('endpoint: "http://x", queries: [{name: a, query: b, intervalSeconds: 0}]',
     "prometheus.queries[0].intervalSeconds: must be 1-3600 (got 0)"),
]
# fmt: on


@pytest.mark.parametrize(("written", "told"), SOURCES)
def test_a_mistake_in_a_query_is_told(written: str, told: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        load("alb.yaml", f"{VALID}\nprometheus: {{{written}}}\n", VARIABLES)

    [problem] = refused.value.problems
    assert told == f"{problem.path}: {problem.message}"


def test_a_port_that_the_tasks_have_not_is_told() -> None:
    text = VALID.replace(
        "    autoScaling:\n", "    metrics: {containerPort: 1}\n    autoScaling:\n", 1
    )

    with pytest.raises(ConfigInvalid, match="maps no port 1; it has 8080"):
        load("alb.yaml", text, VARIABLES)


def test_a_changed_source_is_a_line_of_the_plan() -> None:
    told = "\nprometheus: {endpoint: 'http://x', queries: [{name: Jobs, query: %s, intervalSeconds: %s}]}\n"
    before = load("alb.yaml", VALID + told % ("a", 1), VARIABLES)
    after = load("alb.yaml", VALID + told % ("b", 2), VARIABLES)
    scraped = VALID.replace(
        "    autoScaling:\n", "    metrics: {}\n    autoScaling:\n", 1
    )

    changed = {change.path for change in merge(before, after, before).changes}
    added = merge(before, load("alb.yaml", scraped, VARIABLES), before).changes

    assert changed == {
        "prometheus.queries[Jobs].query",
        "prometheus.queries[Jobs].intervalSeconds",
    }
    assert {"services[web].metrics", "prometheus.queries[Jobs]"} == {
        one.path for one in added
    }
