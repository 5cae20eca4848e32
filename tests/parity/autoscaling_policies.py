"""Autoscaling: scalable targets, policies and scheduled actions, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section, absent, live, not_yet

_FILE = "controlplane/cluster_file/test_scaling.py"
_OVER_TIME = "autoscaler/app/test_policies.py"
_SHELL = "autoscaler/app/test_autoscaler.py"
_FAILURES = "autoscaler/app/test_failures.py"
_STEPS = "autoscaler/decide/test_step_scaling.py"
_TRACKING = "autoscaler/decide/test_target_tracking.py"
_TOGETHER = "autoscaler/decide/test_proposal.py"
_SCHEDULE = "autoscaler/decide/test_schedule.py"

TARGETS: Final = Section(
    "Scalable targets",
    "Application Auto Scaling API reference, RegisterScalableTarget, "
    "DescribeScalingActivities",
    (
        live(
            "MinCapacity, MaxCapacity: a change acts at once",
            f"{_SHELL}::test_a_count_outside_the_bounds_comes_back_at_once",
        ),
        live(
            "SuspendedState, in parts",
            f"{_OVER_TIME}::test_what_is_suspended_does_not_scale_until_it_is_resumed",
            differs="in the file and by `alb scaling`; a file that changes it wins",
        ),
        live(
            "after a resumption policies whose alarm is in ALARM act",
            f"{_OVER_TIME}::test_what_is_suspended_does_not_scale_until_it_is_resumed",
            differs="at once",
        ),
        live(
            "no scale-in during a deployment, scale-out goes on",
            f"{_SHELL}::test_scale_in_waits_for_a_deployment",
        ),
        live(
            "activities in AWS's words",
            f"{_SHELL}::test_activities_speak_application_auto_scalings_words",
            differs="the newest 100 per service, not six weeks",
        ),
        live(
            "every StatusCode has its message",
            f"{_SHELL}::test_every_status_has_its_message",
            differs="the words of Overridden, Unfulfilled and Failed are ours",
        ),
        live(
            "NotScaledReasons, on request",
            f"{_OVER_TIME}::test_a_step_down_that_tracking_would_take_back_is_anticipated",
            differs="codes of ours besides, as in alb.Cooldown",
        ),
        live(
            "50 policies, 200 scheduled actions",
            f"{_FILE}::test_under_strict_limits_there_is_what_aws_has",
            differs="under strictAwsLimits",
        ),
        absent("ScalableTargetARN, RoleARN, tags", "needs AWS itself"),
    ),
)

STEPS: Final = Section(
    "Step scaling",
    "Application Auto Scaling user guide, step scaling; API reference, "
    "StepScalingPolicyConfiguration",
    (
        live("the guide's worked example", f"{_STEPS}::test_documented_example"),
        live("bounds of steps", f"{_STEPS}::test_documented_example"),
        live("the three adjustment types", f"{_STEPS}::test_percent_rounding"),
        live("MinAdjustmentMagnitude", f"{_STEPS}::test_percent_rounding"),
        live(
            "MetricAggregationType",
            f"{_STEPS}::test_steps_are_measured_by_the_breaching_datapoints",
            differs="of the breaching datapoints that the alarm was judged by",
        ),
        live(
            "Cooldown out: only by how much a larger step exceeds",
            f"{_STEPS}::test_in_a_scale_out_cooldown_only_the_excess_of_a_larger_step"
            "_is_added",
        ),
        live(
            "Cooldown in: blocks, and a scale-out ends it",
            f"{_STEPS}::test_a_scale_in_cooldown_does_not_hold_back_scaling_out",
        ),
        live(
            "a cooldown counts from completion",
            f"{_STEPS}::test_a_cooldown_counts_from_completion",
        ),
        live(
            "a cooldown outlives a restart",
            f"{_FAILURES}"
            "::test_a_cooldown_survives_a_restart_and_passes_at_most_once_more",
        ),
        live(
            "the action repeats each minute in ALARM",
            f"{_SHELL}::test_a_longer_period_repeats_its_action_every_minute",
            differs="under a minute: each period, unless strictAwsLimits",
        ),
    ),
)

TRACKING: Final = Section(
    "Target tracking",
    "Application Auto Scaling user guide, target tracking; API reference, "
    "TargetTrackingScalingPolicyConfiguration",
    (
        live(
            "the two alarms, by AWS's names",
            f"{_FILE}::test_target_tracking_makes_awss_two_alarms",
        ),
        live(
            "they are seen among the alarms",
            f"{_OVER_TIME}::test_target_tracking_shows_its_alarms",
        ),
        live(
            "the proportion, rounded up",
            f"{_TRACKING}::test_the_count_is_the_least_that_meets_the_target",
            differs="AWS does not publish how it computes a count",
        ),
        live(
            "CPU, memory, ALBRequestCountPerTarget, HighResolution",
            f"{_FILE}::test_predefined_metrics",
        ),
        live(
            "ResourceLabel",
            f"{_FILE}::test_requests_are_of_the_target_group_that_the_label_names",
            differs="a target group's name does, too; of a blue/green pair, both count",
        ),
        live(
            "CustomizedMetricSpecification",
            f"{_FILE}::test_a_customized_metric_is_taken_as_it_is_written",
        ),
        not_yet("Metrics[]: metric math"),
        live(
            "ScaleOutCooldown, ScaleInCooldown",
            f"{_OVER_TIME}"
            "::test_bounds_and_cooldowns_hold_and_the_walls_clock_changes_nothing",
        ),
        live("DisableScaleIn", f"{_TOGETHER}::test_held_back"),
        live("out if any wants, in only if all do", f"{_TOGETHER}::test_together"),
        live("beside step scaling: the largest", f"{_TOGETHER}::test_together"),
        live(
            "INSUFFICIENT_DATA never scales",
            f"{_OVER_TIME}::test_without_data_it_never_scales",
        ),
        live(
            "anticipated flapping",
            f"{_OVER_TIME}::test_a_step_down_that_tracking_would_take_back_is_anticipated",
        ),
        live(
            "no flapping under a constant load",
            f"{_OVER_TIME}::test_under_a_constant_load_nothing_flaps",
        ),
        live(
            "period, datapoints, tolerance",
            f"{_FILE}::test_what_people_miss_at_aws_can_be_said",
            differs="ours alone: AWS has none of them",
        ),
    ),
)

SCHEDULED: Final = Section(
    "Scheduled actions",
    "Application Auto Scaling API reference, PutScheduledAction; EventBridge user "
    "guide, cron expressions",
    (
        live("at(…), rate(…), cron(…)", f"{_SCHEDULE}::test_next_time"),
        live("cron's ? L W #, lists, ranges, steps", f"{_SCHEDULE}::test_next_time"),
        live(
            "Timezone, and clocks that are changed",
            f"{_SCHEDULE}::test_clocks_that_are_changed",
            differs="as EventBridge Scheduler: what is left out is skipped, what comes "
            "twice counts once",
        ),
        live(
            "StartTime, EndTime",
            f"{_OVER_TIME}::test_an_action_runs_between_its_start_and_its_end",
        ),
        live(
            "bounds are set, and the count moves between them",
            f"{_OVER_TIME}::test_a_scheduled_action_sets_bounds_and_the_count_follows",
            differs="until the file changes them",
        ),
        live(
            "one after the other, whatever cooldown holds",
            f"{_OVER_TIME}::test_scheduled_actions_run_in_order_and_ignore_cooldowns",
        ),
        live(
            "missed while suspended is missed",
            f"{_OVER_TIME}::test_missed_while_suspended_is_missed",
        ),
        live(
            "missed while control did not run",
            f"{_OVER_TIME}"
            "::test_what_control_slept_through_is_made_good_by_its_last_time",
            differs="ours alone: made good by its last time, within a week",
        ),
        not_yet("predictive scaling"),
    ),
)

OURS: Final = Section(
    "FastTracking",
    "ours; Knative's panic mode, Kubernetes' HorizontalPodAutoscaler",
    (
        live(
            "a panic window of seconds",
            f"{_OVER_TIME}::test_fast_tracking_is_there_within_seconds_of_a_step",
            differs="AWS has none of it",
        ),
        live(
            "a stabilization window on the way down",
            f"{_OVER_TIME}::test_fast_tracking_comes_down_after_its_stabilization",
            differs="AWS has none of it",
        ),
        live(
            "bounded velocity",
            "autoscaler/decide/test_fast_tracking.py"
            "::test_its_bounds_hold_whatever_is_measured",
            differs="AWS has none of it",
        ),
        live(
            "why a count is what it is, in sentences",
            f"{_OVER_TIME}"
            "::test_an_explanation_tells_what_each_policy_wants_and_what_follows",
            differs="AWS has none of it",
        ),
    ),
)

SECTIONS: Final[tuple[Section, ...]] = (TARGETS, STEPS, TRACKING, SCHEDULED, OURS)
