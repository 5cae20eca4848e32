"""What a file says about deployments arrives as the scheduler has it."""

import pytest

from controlplane.cluster_file import ClusterFile, load
from controlplane.problems import ConfigInvalid
from scheduler.configuration import (
    AdvancedConfiguration,
    Canary,
    CircuitBreaker,
    DeploymentAlarms,
    DeploymentConfiguration,
    HookStage,
    HookTarget,
    LifecycleHook,
    Linear,
    Strategy,
    ThresholdType,
    TimeoutAction,
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


HOOK = "strategy: BLUE_GREEN, lifecycleHooks: [{lifecycleStages: [PRE_SCALE_UP], %s}]"

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
    ("strategy: BLUE_GREEN, bakeTimeInMinutes: 10",
     DeploymentConfiguration(strategy=Strategy.BLUE_GREEN, bake_time_in_minutes=10.0)),
    ("strategy: LINEAR, linearConfiguration: {stepPercent: 12.5}",
     DeploymentConfiguration(strategy=Strategy.LINEAR, linear=Linear(12.5, 6.0))),
    ("strategy: CANARY, canaryConfiguration: {canaryPercent: 0.1, canaryBakeTimeInMinutes: 0.5}",
     DeploymentConfiguration(strategy=Strategy.CANARY, canary=Canary(0.1, 0.5))),
    ("strategy: BLUE_GREEN, lifecycleHooks: [{targetType: WEBHOOK, url: http://x/, hookDetails: {a: b}, "
     "lifecycleStages: [POST_TEST_TRAFFIC_SHIFT, PRE_SCALE_UP]}, {targetType: PAUSE, lifecycleStages: "
     "[PRE_PRODUCTION_TRAFFIC_SHIFT], timeoutConfiguration: {timeoutInMinutes: 0.5, action: CONTINUE}}]",
     DeploymentConfiguration(strategy=Strategy.BLUE_GREEN, hooks=(
         LifecycleHook(HookTarget.WEBHOOK, (HookStage.POST_TEST_TRAFFIC_SHIFT, HookStage.PRE_SCALE_UP),
                       url="http://x/", details='{"a": "b"}'),
         LifecycleHook(HookTarget.PAUSE, (HookStage.PRE_PRODUCTION_TRAFFIC_SHIFT,),
                       timeout_in_minutes=0.5, timeout_action=TimeoutAction.CONTINUE)))),
]
WRONG = [
    ("deploymentCircuitBreaker: {rollback: true}", "rollback: needs enable: true"),
    ("deploymentCircuitBreaker: {thresholdConfiguration: {value: 101}}", "value: must be 1-100 percent (got 101)"),
    ("alarms: {enable: true}", "alarmNames is missing"),
    ("alarms: {alarmNames: [web-owt], enable: true}", 'alarmNames[0]: no alarm named "web-owt"; did you mean "web-out"?'),
    ("bakeTimeInMinutes: 2000", "bakeTimeInMinutes: must be 0-1440 minutes (got 2000)"),
    (HOOK % "targetType: PAUSE, url: http://x/", "url: is for targetType WEBHOOK (it is PAUSE)"),
    (HOOK % "targetType: WEBHOOK", "lifecycleHooks[0]: url is missing"),
    (HOOK % "targetType: WEBHOOK, url: x", "url: must begin with http:// or https://"),
    (HOOK % "targetType: COMMAND, command: [make, test]",
     "command: runs where control runs: needs allowPrivileged: true in the file"),
    (HOOK % "targetType: AWS_LAMBDA", "targetType: must be COMMAND, WEBHOOK or PAUSE"),
    (HOOK % "targetType: PAUSE, timeoutConfiguration: {timeoutInMinutes: 0}",
     "timeoutInMinutes: must be more than 0 and at most 20160 (got 0)"),
    ("lifecycleHooks: [{targetType: PAUSE, lifecycleStages: [PRE_SCALE_UP]}]",
     "lifecycleHooks: need strategy BLUE_GREEN, LINEAR or CANARY: ROLLING has no stages"),
    ("linearConfiguration: {stepPercent: 20}", "linearConfiguration: is for strategy LINEAR (it is ROLLING)"),
    ("strategy: LINEAR, canaryConfiguration: {}", "canaryConfiguration: is for strategy CANARY (it is LINEAR)"),
    ("strategy: LINEAR, linearConfiguration: {stepPercent: 2.9}", "stepPercent: must be 3-100 percent in tenths (got 2.9)"),
    ("strategy: CANARY, canaryConfiguration: {canaryPercent: 5.25}", "canaryPercent: must be 0.1-100 percent in tenths (got 5.25)"),
    ("strategy: CANARY, canaryConfiguration: {canaryBakeTimeInMinutes: 1441}", "canaryBakeTimeInMinutes: must be 0-1440 minutes (got 1441)"),
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
    ("deploymentConfiguration: {strategy: BLUE_GREEN}", "strategy: must be ROLLING of a DAEMON"),
]
# fmt: on


@pytest.mark.parametrize(("text", "problem"), NOT_A_DAEMON)
def test_what_a_daemon_cannot_have_is_told(text: str, problem: str) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        load("alb.yaml", f"{DAEMON}    {text}\n", {})
    assert problem in str(raised.value)


PAIRED = """\
cluster: demo
taskDefinitions:
  - family: web
    containerDefinitions:
      - {name: web, image: web, memory: 64, portMappings: [{containerPort: 80}]}
targetGroups:
  - {name: blue, attributes: {deregistration_delay.timeout_seconds: 5}}
  - {name: green, attributes: {deregistration_delay.timeout_seconds: 7}}
  - {name: old}
listeners:
  - port: 8080
    rules:
      - name: shop
        priority: 10
        conditions: [{field: path-pattern, values: [/shop]}]
        actions:
          - {type: forward, targetGroups: [{targetGroup: blue}, {targetGroup: green, weight: 0}, {targetGroup: old}]}
      - priority: 20
        conditions: [{field: path-pattern, values: [/none]}]
        actions:
          - {type: forward, targetGroups: [{targetGroup: blue, weight: 0}, {targetGroup: green, weight: 0}]}
      - priority: 30
        conditions: [{field: path-pattern, values: [/stays]}]
        actions:
          - type: forward
            targetGroups: [{targetGroup: blue}, {targetGroup: green}]
            targetGroupStickinessConfig: {enabled: true, durationSeconds: 60}
    defaultActions: [{type: forward, targetGroup: old}]
  - port: 8081
    defaultActions:
      - {type: forward, targetGroups: [{targetGroup: blue}, {targetGroup: green}]}
services:
  - serviceName: web
    taskDefinition: web
    desiredCount: 2
    deploymentConfiguration: {strategy: BLUE_GREEN}
    loadBalancers: [{targetGroup: blue%s}]
"""


def paired(advanced: str) -> ClusterFile:
    text = f", advancedConfiguration: {{{advanced}}}" if advanced else ""
    return load("alb.yaml", PAIRED % text, {})


@pytest.mark.parametrize("rule", ["8080/10", "8080/shop", "http-8080/shop"])
def test_two_groups_and_their_rules_are_read(rule: str) -> None:
    [service] = paired(
        f"alternateTargetGroupName: green, productionListenerRule: {rule}, "
        "testListenerRule: 8081"
    ).services
    [balancer] = service.load_balancers
    expected = AdvancedConfiguration("green", "8080/10", "8081/default", 7.0)
    assert expected == balancer.advanced
    assert ("blue", 5.0) == (balancer.target_group, balancer.deregistration_delay_s)


GREEN = "alternateTargetGroupName: green, "
WHERE = "services[0].loadBalancers[0].advancedConfiguration"

# fmt: off
UNPAIRED = [
    ("", "loadBalancers[0]: needs advancedConfiguration: strategy is BLUE_GREEN"),
    ("alternateTargetGroupName: gren, productionListenerRule: 8080/10",
     f'{WHERE}.alternateTargetGroupName: no target group named "gren"; did you mean "green"?'),
    ("alternateTargetGroupName: blue, productionListenerRule: 8080/10",
     f"{WHERE}.alternateTargetGroupName: is targetGroup itself: a deployment needs another one"),
    (GREEN + "testListenerRule: 8081", f"{WHERE}: productionListenerRule is missing"),
    (GREEN + "productionListenerRule: 8088", f'{WHERE}.productionListenerRule: no listener "8088"; there is 8080'),
    (GREEN + "productionListenerRule: 8080/shp", 'listener 8080 has no rule "shp"; did you mean "shop"?'),
    (GREEN + "productionListenerRule: 8080", "the default action of listener 8080 forwards to old alone"),
    (GREEN + "productionListenerRule: 8080/20", "rule 20 of listener 8080 gives blue and green no weight: one of them needs some"),
    (GREEN + "productionListenerRule: 8080/30", "rule 30 of listener 8080 has targetGroupStickinessConfig"),
    ("alternateTargetGroupName: old, productionListenerRule: 8081",
     "the default action of listener 8081 does not forward to old: its targetGroups need both groups"),
    (GREEN + "productionListenerRule: 8081, testListenerRule: 8081/",
     "testListenerRule: is a rule of service web already"),
]
# fmt: on


@pytest.mark.parametrize(("text", "problem"), UNPAIRED)
def test_groups_that_requests_cannot_be_shifted_between_are_told(
    text: str, problem: str
) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        paired(text)
    assert problem in str(raised.value)


def test_two_services_do_not_share_out_the_same_groups() -> None:
    one = f", advancedConfiguration: {{{GREEN}productionListenerRule: 8080/10}}"
    text = PAIRED % one
    other = text[text.index("  - serviceName") :].replace("Name: web", "Name: api", 1)
    with pytest.raises(ConfigInvalid) as raised:
        load("alb.yaml", text + other, {})
    told = str(raised.value)
    assert "productionListenerRule: is a rule of service web already" in told
    assert "targetGroup: belongs to the deployments of service api" in told


def test_a_deployment_that_needs_every_port_twice_is_told_of() -> None:
    one = f", advancedConfiguration: {{{GREEN}productionListenerRule: 8080/10}}"
    text = (PAIRED % one).replace(
        "containerPort: 80}", "containerPort: 80, hostPort: 80}"
    )
    hosts = "containerInstances: [{name: a, endpoint: unix:///a}, {name: b, endpoint: unix:///b}]\n"
    percents = "strategy: BLUE_GREEN, minimumHealthyPercent: 0"
    text = text.replace("strategy: BLUE_GREEN", percents)
    told = [one.message for one in load("alb.yaml", text + hosts, {}).warnings]
    assert any("its hostPort is taken on every instance" in one for one in told)


def test_a_file_may_allow_commands() -> None:
    text = FILE % (HOOK % "targetType: COMMAND, command: [make, test]")
    [service] = load("alb.yaml", text + "allowPrivileged: true\n", {}).services
    [hook] = service.deployment.hooks
    assert ("make", "test") == hook.command
