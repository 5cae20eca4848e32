"""ECS: where tasks go, and which go first, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section, live, not_yet

_PLACEMENT = "scheduler/decide/test_placement.py"
_QUERY = "scheduler/decide/test_query.py"
_OVER_TIME = "scenarios/test_placement.py"
_FILE = "controlplane/cluster_file/test_placement.py"

FIT: Final = Section(
    "Where a task fits",
    "ECS developer guide, task placement; ECS API reference, Resource",
    (
        live(
            "CPU, memory and static ports remain on the instance",
            f"{_PLACEMENT}::test_no_task_goes_where_it_does_not_fit_or_must_not",
        ),
        live(
            "at most 100 static ports on an instance",
            f"{_PLACEMENT}::test_a_refusal_says_why_in_ecs_words",
        ),
        not_yet("attributes that a task definition requires: runtimePlatform"),
        live(
            "an unplaceable task is told, with the closest instance",
            f"{_PLACEMENT}::test_the_closest_is_the_one_that_failed_last",
        ),
        live(
            "it is placed as soon as there is room",
            "scenarios/test_scheduler_faults.py"
            "::test_what_does_not_fit_is_said_and_started_when_there_is_room",
        ),
        live(
            "a deployment that can never start or stop a task is told before",
            f"{_FILE}::test_what_can_never_move_is_told",
            differs="by `alb validate`; ECS tells it when it is stuck",
        ),
        live(
            "reason codes of RunTask: RESOURCE:CPU and the like",
            "scheduler/decide/test_overrides.py::test_a_failure_has_ecss_code",
        ),
    ),
)

CONSTRAINTS: Final = Section(
    "Placement constraints",
    "ECS API reference, PlacementConstraint; ECS developer guide, cluster query "
    "language",
    (
        live(
            "distinctInstance",
            f"{_PLACEMENT}::test_distinct_instances_take_one_task_each",
        ),
        live("memberOf", f"{_PLACEMENT}::test_members"),
        live(
            "constraints of a task definition",
            f"{_OVER_TIME}"
            "::test_a_constraint_of_the_task_definition_holds_and_moves_tasks",
        ),
        live(
            "at most ten, with those of the task definition",
            f"{_FILE}::test_constraints_are_counted_with_those_of_the_task_definition",
        ),
        live("attribute:NAME", f"{_QUERY}::test_an_expression_selects"),
        live(
            "task:group",
            f"{_QUERY}::test_an_expression_selects",
            differs="groups are service:NAME",
        ),
        live(
            "ec2InstanceId",
            f"{_QUERY}::test_an_expression_selects",
            differs="the name in containerInstances",
        ),
        live(
            "agentConnected, agentVersion",
            f"{_OVER_TIME}::test_constraints_hold",
            differs="the agent is this program",
        ),
        live(
            "registeredAt",
            f"{_OVER_TIME}::test_constraints_hold",
            differs="since a file names the instance",
        ),
        live("runningTasksCount", f"{_PLACEMENT}::test_members"),
        live(
            "== != > >= < <= exists in =~, their negations and their words",
            f"{_QUERY}::test_a_query_means_what_a_naive_evaluator_says",
            differs="a negation holds where the attribute is missing; numbers are "
            "compared as numbers",
        ),
        live(
            "and, or, not, parentheses",
            f"{_QUERY}::test_a_query_that_is_written_out_means_the_same",
        ),
        live(
            "patterns of java.util.regex, whole",
            f"{_QUERY}::test_what_makes_others_backtrack_takes_its_length",
            differs="in linear time: no lookaround, no backreferences; ASCII",
        ),
        live(
            "expressions of at most 2000 characters",
            f"{_QUERY}::test_a_mistake_is_told_with_its_character",
        ),
        not_yet("ListContainerInstances with a filter"),
    ),
)

STRATEGIES: Final = Section(
    "Placement strategies",
    "ECS API reference, PlacementStrategy",
    (
        live("spread over instances or an attribute", f"{_PLACEMENT}::test_spread"),
        live("binpack of cpu or memory", f"{_PLACEMENT}::test_a_chain_of_strategies"),
        live("random", f"{_PLACEMENT}::test_chance_is_even"),
        live(
            "strategies one after the other, at most five",
            f"{_PLACEMENT}::test_each_is_placed_where_a_look_at_all_would_place_it",
        ),
        live(
            "zone balance where there is none",
            f"{_PLACEMENT}::test_zones_differ_by_one_at_most_where_there_is_room",
        ),
        live(
            "strategies and constraints of RunTask",
            "scenarios/test_one_off.py::test_tasks_go_where_their_call_says",
            differs="without a strategy zones are balanced",
        ),
    ),
)

SCALE_IN: Final = Section(
    "Scale-in and rebalancing",
    "ECS developer guide, scale-in protection, Availability Zone rebalancing",
    (
        live(
            "the fullest zone, then the fullest instance",
            "scheduler/decide/test_scale_in.py"
            "::test_everybody_goes_once_and_zones_stay_even",
        ),
        live(
            "binpack: where most is left afterwards",
            "scheduler/decide/test_scale_in.py::test_scale_in",
        ),
        live(
            "UpdateTaskProtection: protectionEnabled, expiresInMinutes",
            f"{_OVER_TIME}::test_a_protected_task_outlives_scale_in_until_it_expires",
            differs="`alb protect TASK`, or `POST /v1/tasks/protection`",
        ),
        live(
            "a deployment waits for protected tasks, and says so",
            f"{_OVER_TIME}::test_a_deployment_waits_for_protected_tasks_and_says_so",
        ),
        live(
            "failures MISSING, TASK_NOT_VALID, DEPLOYMENT_BLOCKED",
            "scheduler/decide/test_protection.py::test_what_cannot_be_protected",
        ),
        not_yet("the agent's endpoint task-protection/v1/state"),
        live(
            "availabilityZoneRebalancing, ENABLED where nothing is said",
            f"{_OVER_TIME}"
            "::test_a_zone_that_comes_back_gets_its_share_and_no_limit_is_broken",
        ),
        live(
            "not with maximumPercent 100, nor another first strategy",
            "scheduler/decide/test_rebalance.py::test_who_can_be_rebalanced",
        ),
        live(
            "events of rebalancing: not balanced, balanced, no room in a zone",
            f"{_OVER_TIME}::test_a_zone_without_room_is_told_of_and_nothing_moves",
            differs="its tasks are told as started and stopped like others",
        ),
    ),
)

SECTIONS: Final = (FIT, CONSTRAINTS, STRATEGIES, SCALE_IN)
