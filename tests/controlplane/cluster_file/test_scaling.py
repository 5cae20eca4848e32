"""What a cluster file says of scaling: policies that track, schedules, suspension."""

import pytest

from autoscaler.model import Comparison, Metric, Statistic
from autoscaler.policies import (
    FastMetric,
    FastTrackingPolicy,
    ScalableTarget,
    ScheduledAction,
    SuspendedState,
    TargetTrackingPolicy,
)
from controlplane.cluster_file import ClusterFile, load
from controlplane.cluster_file.ownership import merge
from controlplane.problems import ConfigInvalid

TRACK = (
    "{policyName: cpu, policyType: TargetTrackingScaling, targetValue: 60,"
    " predefinedMetricSpecification: {predefinedMetricType: "
    "ECSServiceAverageCPUUtilization}}"
)
FAST = (
    "{policyName: fast, policyType: FastTracking, metricType: InFlightPerTarget,"
    " targetValue: 4}"
)
DAY = (
    "{scheduledActionName: day, schedule: 'cron(0 8 ? * MON-FRI *)',"
    " timezone: Europe/Berlin, scalableTargetAction: {minCapacity: 4}}"
)
FILE = """\
cluster: demo
taskDefinitions:
  - family: web
    containerDefinitions:
      - {{name: web, image: i, cpu: 256, memory: 64,
          portMappings: [{{containerPort: 80}}]}}
targetGroups: [{{name: web}}, {{name: api}}]
listeners:
  - port: 80
    defaultActions:
      - type: forward
        targetGroups: [{{targetGroup: web}}, {{targetGroup: api}}]
services:
  - serviceName: web
    taskDefinition: web
    loadBalancers: [{groups}]
    autoScaling:
      minCapacity: 1
      maxCapacity: 6
      {more}
{end}"""
ONE, TWO = "{targetGroup: web}", "{targetGroup: web}, {targetGroup: api}"


def loaded(more: str, groups: str = ONE, end: str = "") -> ClusterFile:
    return load("alb.yaml", FILE.format(more=more, groups=groups, end=end), {})


def target(more: str, groups: str = ONE) -> ScalableTarget:
    (found,) = loaded(more, groups).scalable_targets
    return found


def tracking(more: str, groups: str = ONE) -> TargetTrackingPolicy:
    (policy,) = target(f"policies: [{more}]", groups).policies
    assert isinstance(policy, TargetTrackingPolicy)
    return policy


def test_target_tracking_makes_awss_two_alarms() -> None:
    policy = tracking(TRACK)
    metric = Metric(
        "AWS/ECS",
        "CPUUtilization",
        (("ClusterName", "demo"), ("ServiceName", "web")),
    )

    assert (60.0, 300.0, 300.0, False) == (
        policy.target_value,
        policy.scale_out_cooldown_s,
        policy.scale_in_cooldown_s,
        policy.disable_scale_in,
    )
    for alarm, side, threshold, comparison, periods in (
        (policy.high, "High", 60.0, Comparison.GREATER, 3),
        (policy.low, "Low", 54.0, Comparison.LESS, 15),
    ):
        assert alarm.name.startswith(f"TargetTracking-service/demo/web-Alarm{side}-")
        assert (metric, Statistic.AVERAGE, 60) == (
            alarm.metric,
            alarm.statistic,
            alarm.period_s,
        )
        assert (threshold, comparison) == (alarm.threshold, alarm.comparison)
        assert (periods, periods) == (
            alarm.evaluation_periods,
            alarm.datapoints_to_alarm,
        )


def test_the_alarms_names_stay_the_same_and_are_their_own() -> None:
    other = TRACK.replace("policyName: cpu", "policyName: other")

    assert tracking(TRACK).high.name == tracking(TRACK).high.name
    assert tracking(TRACK).high.name != tracking(other).high.name


# fmt: off
TRACKED = [
    ("ECSServiceAverageMemoryUtilization", "MemoryUtilization", 60, "memory"),
    ("ECSServiceAverageCPUUtilizationHighResolution", "CPUUtilization", 20,
     "high resolution is 20 s"),
    ("ECSServiceAverageMemoryUtilizationHighResolution", "MemoryUtilization", 20,
     "of memory, too"),
    ("ALBRequestCountPerTarget", "RequestCountPerTarget", 60, "requests"),
]
# fmt: on


@pytest.mark.parametrize(
    ("kind", "metric", "period_s"),
    [row[:-1] for row in TRACKED],
    ids=[row[-1] for row in TRACKED],
)
def test_predefined_metrics(kind: str, metric: str, period_s: int) -> None:
    policy = tracking(TRACK.replace("ECSServiceAverageCPUUtilization", kind))

    assert (metric, period_s) == (policy.high.metric.name, policy.low.period_s)


@pytest.mark.parametrize(
    "label", ["api", "app/front/0123456789abcdef/targetgroup/api/73e2d6bc24d8a067"]
)
def test_requests_are_of_the_target_group_that_the_label_names(label: str) -> None:
    kind = f"ALBRequestCountPerTarget, resourceLabel: {label}"
    policy = tracking(TRACK.replace("ECSServiceAverageCPUUtilization", kind), TWO)

    front = (("LoadBalancer", "demo"), ("TargetGroup", "api"))
    assert Metric("AWS/ApplicationELB", "RequestCountPerTarget", front) == (
        policy.high.metric
    )
    assert Statistic.SUM is policy.high.statistic


def test_a_customized_metric_is_taken_as_it_is_written() -> None:
    mine = (
        "{policyName: mine, policyType: TargetTrackingScaling, targetValue: 5,"
        " customizedMetricSpecification: {namespace: Mine, metricName: Depth,"
        " statistic: Maximum, dimensions: [{name: Queue, value: jobs}]}}"
    )
    policy = tracking(mine)

    assert Metric("Mine", "Depth", (("Queue", "jobs"),)) == policy.high.metric
    assert (Statistic.MAXIMUM, 4.5) == (policy.low.statistic, policy.low.threshold)


def test_what_people_miss_at_aws_can_be_said() -> None:
    policy = tracking(
        TRACK.replace(
            "targetValue: 60",
            "targetValue: 60, period: 10, scaleOutDatapoints: 1,"
            " scaleInDatapoints: 6, tolerance: 25, disableScaleIn: true,"
            " scaleOutCooldown: 0, scaleInCooldown: 30",
        )
    )

    assert (10, 1, 6, 45.0) == (
        policy.high.period_s,
        policy.high.evaluation_periods,
        policy.low.evaluation_periods,
        policy.low.threshold,
    )
    assert (0.0, 30.0, True) == (
        policy.scale_out_cooldown_s,
        policy.scale_in_cooldown_s,
        policy.disable_scale_in,
    )


def test_fast_tracking_follows_the_services_target_group() -> None:
    (policy,) = target(f"policies: [{FAST}]").policies
    in_flight = FastMetric.IN_FLIGHT_PER_TARGET

    place = (("LoadBalancer", "demo"), ("TargetGroup", "web"))
    metric = Metric("alb", "RequestsInFlight", place)
    assert policy == FastTrackingPolicy("fast", in_flight, metric, 4.0)


PAIR = (
    "{targetGroup: web, advancedConfiguration: {alternateTargetGroupName: api,"
    ' productionListenerRule: "80"}}'
)
PER_TARGET = TRACK.replace(
    "ECSServiceAverageCPUUtilization", "ALBRequestCountPerTarget"
)
STEP = (
    "{policyName: out, policyType: StepScaling, adjustmentType: ChangeInCapacity,"
    " alarm: {namespace: AWS/ApplicationELB, metricName: RequestCountPerTarget,"
    " period: 60, evaluationPeriods: 1, threshold: 9,"
    " comparisonOperator: GreaterThanThreshold},"
    " stepAdjustments: [{metricIntervalLowerBound: 0, scalingAdjustment: 1}]}"
)


@pytest.mark.parametrize("policy", [FAST, PER_TARGET, STEP])
def test_a_service_that_deployments_move_is_followed_in_both_its_groups(
    policy: str,
) -> None:
    place = (
        ("AlternateTargetGroup", "api"),
        ("LoadBalancer", "demo"),
        ("TargetGroup", "web"),
    )
    found = target(f"policies: [{policy}]", PAIR)
    fast = [one.metric for one in found.fast]
    metrics = [*fast, *(alarm.metric for alarm in found.alarms)]
    assert {place} == {metric.dimensions for metric in metrics}


def test_scheduled_actions_and_what_is_suspended() -> None:
    once = (
        "{scheduledActionName: launch, schedule: 'at(2026-12-24T18:00:00)',"
        " startTime: '2026-12-01T00:00:00', endTime: '2027-01-01T00:00:00Z',"
        " timezone: America/New_York,"
        " scalableTargetAction: {minCapacity: 2, maxCapacity: 8}}"
    )
    found = target(
        f"scheduledActions: [{DAY}, {once}]\n"
        "      suspendedState: {dynamicScalingInSuspended: true}"
    )

    assert (
        ScheduledAction(
            "day", "cron(0 8 ? * MON-FRI *)", "Europe/Berlin", min_capacity=4
        ),
        ScheduledAction(
            "launch",
            "at(2026-12-24T18:00:00)",
            "America/New_York",
            1_796_101_200.0,  # midnight of 1 December in New York
            1_798_761_600.0,
            2,
            8,
        ),
    ) == found.scheduled_actions
    assert SuspendedState(dynamic_scaling_in=True) == found.suspended


def track(old: str, new: str) -> str:
    assert TRACK.count(old) == 1
    return f"policies: [{TRACK.replace(old, new)}]"


def fast(old: str, new: str) -> str:
    assert FAST.count(old) == 1
    return f"policies: [{FAST.replace(old, new)}]"


def day(old: str, new: str) -> str:
    assert DAY.count(old) == 1
    return f"scheduledActions: [{DAY.replace(old, new)}]"


_P, _S = (
    "services[0].autoScaling.policies[0]",
    ("services[0].autoScaling.scheduledActions[0]"),
)
# fmt: off
MISTAKES = [
    (track("targetValue: 60", "targetValue: 0"), f"{_P}.targetValue: must be above 0 (got 0)",
     "a target of nothing"),
    (track("predefinedMetricSpecification: {predefinedMetricType: "
           "ECSServiceAverageCPUUtilization}", "tolerance: 5"),
     f"{_P}: needs one of predefinedMetricSpecification and "
     "customizedMetricSpecification (got 0)", "nothing to track"),
    (track("targetValue: 60", "targetValue: 60, "
           "customizedMetricSpecification: {metricName: a, namespace: b}"),
     f"{_P}: needs one of predefinedMetricSpecification and "
     "customizedMetricSpecification (got 2)", "two things to track"),
    (track("ECSServiceAverageCPUUtilization",
           "ECSServiceAverageCPUUtilization, resourceLabel: web"),
     f"{_P}.predefinedMetricSpecification.resourceLabel: "
     "is of ALBRequestCountPerTarget alone", "a label of the wrong metric"),
    (track("ECSServiceAverageCPUUtilization",
           "ALBRequestCountPerTarget, resourceLabel: wep"),
     f'{_P}.predefinedMetricSpecification.resourceLabel: "web" is in no target group '
     '"wep"; did you mean "web"?', "a group that is not the service's"),
    (track("ECSServiceAverageCPUUtilization", "ECSServiceAverageCpuUtilization"),
     f"{_P}.predefinedMetricSpecification.predefinedMetricType: must be "
     "ECSServiceAverageCPUUtilization, ECSServiceAverageMemoryUtilization, "
     "ALBRequestCountPerTarget, ECSServiceAverageCPUUtilizationHighResolution or "
     "ECSServiceAverageMemoryUtilizationHighResolution (got "
     'ECSServiceAverageCpuUtilization); did you mean "ECSServiceAverageCPUUtilization"?',
     "a metric that is none"),
    (fast("targetValue: 4", "targetValue: -1"), f"{_P}.targetValue: must be above 0 (got -1)",
     "less than nothing"),
    (fast("targetValue: 4", "targetValue: 4, stableWindow: 10, panicWindow: 11"),
     f"{_P}.panicWindow: must not be longer than stableWindow, 10 (got 11)",
     "a panic that takes longer than calm"),
    (fast("targetValue: 4", "targetValue: 4, targetGroup: db"),
     f'{_P}.targetGroup: "web" is in no target group "db"', "another's group"),
    (day("'cron(0 8 ? * MON-FRI *)'", "every day"),
     f"{_S}.schedule: must be at(...), rate(...) or cron(...)", "a schedule in words"),
    (day("cron(0 8 ? * MON-FRI *)", "cron(0 8 30 2 ? *)"),
     f"{_S}.schedule: never comes in Europe/Berlin", "the 30th of February"),
    (day("cron(0 8 ? * MON-FRI *)", "at(2027-03-28T02:30:00)"),
     f"{_S}.schedule: never comes in Europe/Berlin", "a time that clocks leave out"),
    (day("Europe/Berlin", "Europe/Berlni"),
     f'{_S}.timezone: no time zone named "Europe/Berlni"; did you mean "Europe/Berlin"?',
     "a zone that is none"),
    (day("timezone:", "startTime: '2026-13-01T00:00:00Z', timezone:"),
     f"{_S}.startTime: is no time (got 2026-13-01T00:00:00Z)", "a thirteenth month"),
    (day("timezone:", "startTime: '2026-02-01T00:00:00Z', "
         "endTime: '2026-01-01T00:00:00Z', timezone:"),
     f"{_S}.endTime: must be after startTime", "an end before its start"),
    (day("{minCapacity: 4}", "{}"),
     f"{_S}.scalableTargetAction: needs minCapacity, maxCapacity or both",
     "an action that does nothing"),
    (day("minCapacity: 4", "minCapacity: 7"),
     f"{_S}.scalableTargetAction.minCapacity: the minimum, 7, would be above the "
     "maximum, 6", "bounds that cross"),
    (f"scheduledActions: [{DAY}, {DAY}]",
     "services[0].autoScaling.scheduledActions[1].scheduledActionName: day is already "
     f"used by {_S}", "one name twice"),
]
# fmt: on


@pytest.mark.parametrize(
    ("more", "line"), [row[:-1] for row in MISTAKES], ids=[row[-1] for row in MISTAKES]
)
def test_a_mistake_is_told_where_it_stands(more: str, line: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        loaded(more)

    assert [line] == [f"{one.path}: {one.message}" for one in refused.value.problems]


def test_a_service_in_two_groups_must_say_which() -> None:
    with pytest.raises(ConfigInvalid, match='targetGroup is missing; "web" is in web'):
        loaded(f"policies: [{FAST}]", TWO)


def test_what_only_scales_out_is_warned_of() -> None:
    slow = FAST.replace("InFlightPerTarget", "TargetResponseTimeP95")
    alone = loaded(f"policies: [{slow}]").warnings
    paired = loaded(f"policies: [{slow}, {TRACK}]").warnings

    assert ["TargetResponseTimeP95 only scales out: add a policy that scales in"] == [
        one.message for one in alone
    ]
    assert () == paired


def test_under_strict_limits_there_is_what_aws_has() -> None:
    many = ", ".join(FAST.replace("fast", f"f{n}") for n in range(51))
    days = ", ".join(DAY.replace("day", f"d{n}") for n in range(201))
    ours = TRACK.replace("targetValue: 60", "targetValue: 60, tolerance: 5")
    for more, message in (
        (f"policies: [{ours}]", "is not AWS's: not under strictAwsLimits"),
        (f"policies: [{many}]", "must have at most 50 under strictAwsLimits (got 51)"),
        (
            f"scheduledActions: [{days}]",
            "must have at most 200 under strictAwsLimits (got 201)",
        ),
    ):
        loaded(more)
        with pytest.raises(ConfigInvalid) as refused:
            loaded(more, end="strictAwsLimits: true\n")
        assert message in [one.message for one in refused.value.problems]


def test_a_plan_names_what_changed_of_a_policy() -> None:
    before = loaded(f"policies: [{TRACK}, {FAST}]\n      scheduledActions: [{DAY}]")
    after = loaded(
        f"policies: [{TRACK.replace('60', '70')}, {FAST.replace('4', '8')}]\n"
        f"      scheduledActions: [{DAY.replace('minCapacity: 4', 'minCapacity: 5')}]"
    )
    scaling = "services[web].autoScaling"

    assert {
        f"{scaling}.policies[cpu].targetValue",
        f"{scaling}.policies[cpu].alarmHigh.threshold",
        f"{scaling}.policies[cpu].alarmLow.threshold",
        f"{scaling}.policies[fast].targetValue",
        f"{scaling}.scheduledActions[day].scalableTargetAction.minCapacity",
    } == {change.path for change in merge(before, after, before).changes}
