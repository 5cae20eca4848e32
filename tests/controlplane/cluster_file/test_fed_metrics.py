"""What an alarm may be about: all that is measured here, and anyone's own metrics."""

from pathlib import Path

import pytest

from autoscaler.model import Alarm
from controlplane.cluster_file import load
from controlplane.cluster_file.meaning.fed_metrics import FED

VALID = (Path(__file__).parent / "valid.yaml").read_text()
VARIABLES = {"STAGE": "test"}
FRONT, WEB = ("LoadBalancer", "front"), ("TargetGroup", "web")
CLUSTER, SERVICE = ("ClusterName", "demo"), ("ServiceName", "web")


def alarm_about(written: str) -> Alarm:
    """Return the first alarm of the valid file, with this as what it is about."""
    text = VALID.replace("metricName: CPUUtilization", written, 1)
    return load("alb.yaml", text, VARIABLES).scalable_targets[0].policies[0].alarm


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

    [policy, *_] = load("alb.yaml", text, VARIABLES).scalable_targets[0].policies

    assert policy.alarm.period_s * policy.alarm.evaluation_periods == 86_400
