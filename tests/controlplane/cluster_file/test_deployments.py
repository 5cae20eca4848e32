"""What a file says about deployments arrives as the scheduler has it."""

import pytest

from controlplane.cluster_file import ClusterFile, load
from controlplane.problems import ConfigInvalid
from scheduler.configuration import (
    CircuitBreaker,
    DeploymentAlarms,
    DeploymentConfiguration,
    ThresholdType,
)

FILE = """\
cluster: demo
taskDefinitions:
  - {family: web, containerDefinitions: [{name: web, image: web, memory: 64}]}
services:
  - serviceName: web
    taskDefinition: web
    desiredCount: 2
    deploymentConfiguration: {%s}
    autoScaling:
      minCapacity: 1
      maxCapacity: 4
      policies:
        - policyName: out
          policyType: StepScaling
          alarm: {metricName: CPUUtilization, period: 10, evaluationPeriods: 1,
                  comparisonOperator: GreaterThanThreshold, threshold: 75}
          adjustmentType: ChangeInCapacity
          stepAdjustments: [{metricIntervalLowerBound: 0, scalingAdjustment: 1}]
"""


def with_deployment(text: str) -> ClusterFile:
    return load("alb.yaml", FILE % text, {})


# fmt: off
READ = [
    ("", DeploymentConfiguration()),
    ("deploymentCircuitBreaker: {enable: true, rollback: true}",
     DeploymentConfiguration(circuit_breaker=CircuitBreaker(enable=True, rollback=True))),
    ("deploymentCircuitBreaker: {enable: true, resetOnHealthyTask: false, "
     "thresholdConfiguration: {type: COUNT, value: 7}}",
     DeploymentConfiguration(circuit_breaker=CircuitBreaker(
         enable=True, reset_on_healthy_task=False,
         threshold_type=ThresholdType.COUNT, threshold_value=7))),
    ("alarms: {alarmNames: [web-out], enable: true, rollback: true}, bakeTimeInMinutes: 0.5",
     DeploymentConfiguration(
         alarms=DeploymentAlarms(("web-out",), enable=True, rollback=True),
         bake_time_in_minutes=0.5)),
]
WRONG = [
    ("deploymentCircuitBreaker: {rollback: true}", "rollback: needs enable: true"),
    ("deploymentCircuitBreaker: {thresholdConfiguration: {value: 101}}", "value: must be 1-100 percent (got 101)"),
    ("alarms: {enable: true}", "alarmNames is missing"),
    ("alarms: {alarmNames: [web-owt], enable: true}", 'alarmNames[0]: no alarm named "web-owt"; did you mean "web-out"?'),
    ("bakeTimeInMinutes: 2000", "bakeTimeInMinutes: must be 0-1440 minutes (got 2000)"),
]
# fmt: on


@pytest.mark.parametrize(("text", "expected"), READ)
def test_it_is_read(text: str, expected: DeploymentConfiguration) -> None:
    [service] = with_deployment(text).services
    assert expected == service.deployment


@pytest.mark.parametrize(("text", "problem"), WRONG)
def test_what_means_nothing_is_told(text: str, problem: str) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        with_deployment(text)
    assert problem in str(raised.value)


DAEMON = """\
cluster: demo
taskDefinitions:
  - {family: web, containerDefinitions: [{name: web, image: web, memory: 64}]}
services:
  - serviceName: web
    taskDefinition: web
    schedulingStrategy: DAEMON
"""


def test_a_daemon_has_its_own_percents_and_no_count() -> None:
    [service] = load("alb.yaml", DAEMON, {}).services
    assert service.is_daemon
    assert DeploymentConfiguration(0, 100) == service.deployment
    assert load("alb.yaml", DAEMON, {}).scaled_services == {"web"}


# fmt: off
NOT_A_DAEMON = [
    ("desiredCount: 2", "desiredCount: is not for a DAEMON"),
    ("placementStrategy: [{type: spread, field: instanceId}]", "placementStrategy: is not for a DAEMON"),
    ("deploymentConfiguration: {maximumPercent: 200}", "maximumPercent: must be 100 of a DAEMON"),
]
# fmt: on


@pytest.mark.parametrize(("text", "problem"), NOT_A_DAEMON)
def test_what_a_daemon_cannot_have_is_told(text: str, problem: str) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        load("alb.yaml", f"{DAEMON}    {text}\n", {})
    assert problem in str(raised.value)
