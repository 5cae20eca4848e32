"""Autoscaling: alarms, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section, absent, live, not_yet

_ALARM = "autoscaler/decide/test_alarm.py"
_APP = "autoscaler/app/test_alarms.py"
_MATH = "autoscaler/decide/test_metric_math.py::test_what_an_expression_comes_to"
_RULE = "autoscaler/decide/test_alarm_rule.py"
_LIVE = "live/test_alarms.py"
_API = "controlplane/api/test_alarms.py"
_MISTAKE = "controlplane/cluster_file/test_mistakes.py"
_TOLD = f"{_MISTAKE}::test_a_mistake_is_told_in_these_words"

EVALUATION: Final = Section(
    "Evaluation of alarms",
    "CloudWatch user guide, Using Amazon CloudWatch alarms; PutMetricAlarm",
    (
        live("the four comparisons with a threshold", f"{_ALARM}::test_comparisons"),
        live("M of N (DatapointsToAlarm)", f"{_ALARM}::test_points"),
        live("TreatMissingData, all 40 cells", f"{_ALARM}::test_missing_data"),
        live("the premature alarm rule", f"{_ALARM}::test_points"),
        live(
            "the evaluation range",
            f"{_ALARM}::test_three_periods_fetch_five_datapoints",
            differs="a third more than N, at least two; AWS does not say how many",
        ),
        live(
            "EvaluateLowSampleCountPercentile",
            f"{_ALARM}::test_few_samples_of_a_percentile_change_nothing_where_"
            "they_are_ignored",
            differs="the state is kept while any datapoint that decides has too few",
        ),
        live(
            "extended statistics",
            f"{_ALARM}::test_few_samples_of_a_percentile_change_nothing_where_"
            "they_are_ignored",
        ),
        live(
            "evaluated every minute, short periods every 10 s; actions of policies "
            "repeat every minute",
            f"{_ALARM}::test_timing",
            differs="so under strictAwsLimits; else periods under 60 s slide by a second "
            "and repeat once a period",
        ),
        live(
            "StateReason",
            f"{_ALARM}::test_a_transition_says_why_in_cloudwatchs_words",
        ),
        live(
            "StateReasonData, version 1.0",
            f"{_ALARM}::test_reason_data_is_cloudwatchs_version_1",
        ),
        live(
            "an update leaves the state as it is",
            f"{_APP}::test_a_changed_alarm_keeps_its_state_and_says_what_changed",
        ),
        live(
            "period x evaluationPeriods of at most a day, a week from an hour on",
            _TOLD,
        ),
        absent("anomaly detection bands", "a model of its own; not in the plan"),
        absent("PromQL and Metrics Insights alarms", "of many series at once"),
        not_yet("EvaluationWindow wall-clock, WarmUpConfiguration"),
    ),
)

MATH: Final = Section(
    "Metric math",
    "CloudWatch user guide, Metric math syntax and functions",
    (
        live(
            "Metrics: up to ten, one returns the data, one period",
            f"{_ALARM}::test_metric_math_is_what_an_alarm_may_watch",
        ),
        live(
            "a mistake is told before",
            "autoscaler/decide/test_metric_math.py::test_a_mistake_is_told_with_its_place",
            differs="with its character",
        ),
        live("+ - * / ^ and comparisons, AND, OR", _MATH),
        live("ABS CEIL FLOOR LOG LOG10", _MATH),
        live(
            "AVG MAX MIN SUM STDDEV DATAPOINT_COUNT",
            _MATH,
            differs="STDDEV is of all values, AWS does not say of which",
        ),
        live("DIFF DIFF_TIME RATE RUNNING_SUM PERIOD TIME_SERIES", _MATH),
        live("FILL with a number, a series, REPEAT, LINEAR", _MATH),
        live("IF", _MATH, differs="nothing where the condition is missing"),
        live("METRICS FIRST LAST SORT SLICE", _MATH),
        live("MINUTE HOUR DAY DATE MONTH YEAR EPOCH", _MATH),
        absent("SEARCH", "an alarm names its metrics"),
        absent("ANOMALY_DETECTION_BAND", "see above"),
        absent("LAMBDA, INSIGHT_RULE_METRIC, SERVICE_QUOTA, DB_PERF_INSIGHTS", "AWS's"),
        not_yet("REMOVE_EMPTY"),
    ),
)

COMPOSITES: Final = Section(
    "Composite alarms",
    "CloudWatch API reference, PutCompositeAlarm",
    (
        live("AlarmRule", f"{_RULE}::test_a_rule"),
        live(
            "at most 100 alarms",
            f"{_RULE}::test_a_mistake_is_told_with_its_place",
            differs="and names that are not there, and circles, are told at validate",
        ),
        live(
            "they follow their children",
            f"{_APP}::test_composite_alarms_follow_their_children_in_the_same_look",
        ),
        live(
            "ActionsSuppressor, WaitPeriod, ExtensionPeriod",
            "autoscaler/decide/test_suppression.py::test_the_guides_examples",
        ),
        live("they scale nothing", _TOLD),
        live(
            "ECS deployments watch them too",
            "controlplane/test_adapters.py::"
            "test_a_deployment_may_watch_alarms_of_every_kind",
        ),
    ),
)

ACTIONS: Final = Section(
    "Actions and history",
    "CloudWatch API reference, PutMetricAlarm, SetAlarmState, DescribeAlarmHistory",
    (
        live(
            "OKActions, AlarmActions, InsufficientDataActions on a change",
            f"{_APP}::test_actions_run_on_a_change_and_not_while_a_state_lasts",
            differs="a webhook or a command, where AWS has ARNs",
        ),
        live(
            "the message that a topic gets",
            f"{_LIVE}::test_a_webhook_receives_the_message_of_the_alarm",
            differs="as with raw delivery; account 000000000000, region local",
        ),
        live(
            "EnableAlarmActions, DisableAlarmActions",
            f"{_APP}::test_disabled_actions_do_not_run_and_nothing_scales_by_them",
        ),
        live(
            "SetAlarmState",
            f"{_APP}::test_a_state_set_by_hand_acts_and_lasts_until_the_next_evaluation",
        ),
        live("DescribeAlarms", f"{_API}::test_alarms_are_told_as_describe_alarms_does"),
        live(
            "DescribeAlarmHistory",
            f"{_API}::test_a_state_is_set_and_its_history_told",
            differs="the newest 100 items of each alarm; of actions those that are "
            "called, scaling is in the activities",
        ),
        live(
            "history survives a restart",
            f"{_APP}::test_history_and_waiting_actions_survive_a_restart",
            differs="not that the alarm is removed",
        ),
        absent("actions on EC2 instances, Systems Manager, Lambda", "AWS's own"),
    ),
)

SECTIONS: Final = (EVALUATION, MATH, COMPOSITES, ACTIONS)
