"""ECS: services and their deployments, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section, absent, live, not_yet

_STORIES = "scenarios/test_deployments.py"
_TAKEOVERS = "scenarios/test_takeovers.py"
_WORDS = "scheduler/decide/test_wording.py::test_lines"

SERVICES: Final = Section(
    "Services",
    "ECS API reference, CreateService, UpdateService, DeleteService",
    (
        live(
            "desiredCount tasks are kept",
            "scenarios/test_scheduler.py::test_one_task_becomes_six_and_one_again",
        ),
        live(
            "what starts a new deployment, and what does not",
            "scheduler/decide/test_revisions.py::test_what_replaces_tasks",
        ),
        live(
            "loadBalancers, at most five",
            "scenarios/test_scheduler.py"
            "::test_a_killed_task_is_replaced_and_leaves_the_load_balancer",
        ),
        live(
            "healthCheckGracePeriodSeconds",
            "scenarios/test_scheduler.py::test_a_grace_period_keeps_a_slow_starter",
        ),
        live(
            "a deleted service drains, then is gone",
            "scenarios/test_scheduler.py"
            "::test_a_removed_service_drains_and_is_forgotten",
            differs="one that the file does not name any more",
        ),
        live(
            "the latest 100 events",
            "scheduler/state/test_records.py"
            "::test_events_are_bounded_and_stay_in_order",
        ),
        live("service events in ECS's words", _WORDS),
        live(
            "the steady state is told again after hours",
            "scheduler/app/test_step.py"
            "::test_the_steady_state_is_told_again_after_hours",
        ),
        live(
            "schedulingStrategy DAEMON",
            "live/test_three_hosts.py"
            "::test_a_daemon_runs_once_on_each_host_that_takes_tasks",
        ),
        not_yet("propagateTags, tags"),
        not_yet("monitoring: metrics every 20 s"),
        not_yet("serviceRegistries, serviceConnectConfiguration"),
        absent("vpcLatticeConfigurations", "needs AWS itself"),
        absent("deploymentController CODE_DEPLOY, EXTERNAL", "needs AWS itself"),
    ),
)

DEPLOYMENTS: Final = Section(
    "Deployments",
    "ECS API reference, Deployment, DeploymentConfiguration",
    (
        live(
            "minimumHealthyPercent rounded up, maximumPercent rounded down",
            "scheduler/decide/test_rollout.py::test_limits_are_rounded_as_ecs_does",
        ),
        live(
            "neither is broken by any step",
            "scheduler/decide/test_rollout.py::test_no_step_breaks_a_promise",
        ),
        live(
            "PRIMARY and ACTIVE, IN_PROGRESS and COMPLETED",
            "scenarios/test_scheduler.py::test_a_rollout_ends_and_keeps_its_limits",
        ),
        live(
            "a deployment without room either way says so",
            "scenarios/test_scheduler.py"
            "::test_a_rollout_without_room_either_way_says_so_and_waits",
        ),
        live(
            "forceNewDeployment",
            "scenarios/test_scheduler.py"
            "::test_a_forced_deployment_replaces_tasks_of_the_same_revision",
        ),
        live(
            "healthy: in every target group; without one RUNNING for 40 s",
            "scheduler/decide/test_fitness.py"
            "::test_without_a_load_balancer_forty_seconds_count",
        ),
        live(
            "an unhealthy task is replaced, start first",
            "scenarios/test_scheduler.py"
            "::test_an_unhealthy_task_stays_until_its_replacement_is_healthy",
        ),
        live(
            "container health checks count",
            "scheduler/decide/test_fitness.py::test_container_checks",
        ),
        live(
            "when most tasks fail at once they are replaced one at a time",
            f"{_STORIES}::"
            "test_a_problem_in_front_of_the_tasks_does_not_restart_the_fleet",
            differs="ECS replaces them all",
        ),
        live(
            "ServiceDeployment: its status and reason",
            "scheduler/decide/test_deployments.py::test_status",
            differs="FAILED without rollback is STOPPED",
        ),
        live(
            "ListServiceDeployments, DescribeServiceDeployments",
            "controlplane/test_ecs_deployments.py"
            "::test_one_that_takes_over_is_told_with_its_stage_and_weights",
            differs="by service; groups and rules by name",
        ),
        live(
            "ServiceRevision",
            "controlplane/test_ecs_deployments.py"
            "::test_a_revision_is_what_it_was_begun_with",
            differs="one for each deployment",
        ),
        live(
            "StopServiceDeployment, ABORT and ROLLBACK",
            "scenarios/test_hooks.py::test_a_stopped_deployment_stays_where_it_is",
            differs="at once: STOP_REQUESTED and ROLLBACK_REQUESTED are never seen",
        ),
        live(
            "versionConsistency: digests pinned per deployment",
            f"{_STORIES}::test_a_deployment_runs_one_image_on_every_engine",
            differs="an image in no registry is pinned by its id",
        ),
        live(
            "BLUE_GREEN with advancedConfiguration and bakeTimeInMinutes",
            "live/test_takeovers.py::test_blue_green_and_back_and_a_killed_control",
            differs="groups and rules by name; the circuit breaker watches too",
        ),
        live(
            "lifecycle stages, RECONCILE_SERVICE to CLEAN_UP",
            f"{_TAKEOVERS}::"
            "test_all_of_green_is_healthy_before_requests_are_shifted_at_once",
        ),
        live(
            "a service deployment that begins while another is under way",
            f"{_TAKEOVERS}::test_what_has_its_canary_is_undone_before_the_next_begins",
        ),
        live(
            "CANARY",
            "live/test_takeovers.py::test_a_canary_gets_its_part_first",
            differs="bake times may be 0.5 minutes",
        ),
        live(
            "LINEAR",
            f"{_TAKEOVERS}::test_linear_goes_in_equal_steps",
            differs="bake times may be 0.5 minutes",
        ),
        live(
            "lifecycleHooks: SUCCEEDED, FAILED, IN_PROGRESS with callBackDelay",
            "scenarios/test_hooks.py"
            "::test_each_stage_asks_its_hooks_once_and_tells_them_where_it_is",
            differs="commands and webhooks instead of Lambda functions",
        ),
        live(
            "timeoutConfiguration of hooks",
            "scenarios/test_hooks.py"
            "::test_a_hook_that_never_comes_to_an_end_is_given_up",
        ),
        live(
            "PAUSE hooks, ContinueServiceDeployment",
            "scenarios/test_hooks.py::test_a_pause_waits_for_somebody",
        ),
        not_yet("earlySuccessCriteria"),
    ),
)

FAILURES: Final = Section(
    "Failures",
    "ECS developer guide, throttle logic, circuit breaker, deployment alarms",
    (
        live(
            "tasks that cannot start are throttled, a new definition resets",
            "scenarios/test_scheduler_faults.py"
            "::test_a_task_that_cannot_start_backs_off_and_a_new_definition_resets",
            differs="tasks that reached RUNNING and die at once are throttled too",
        ),
        live(
            "failedTasks, zero again once one is healthy",
            f"{_STORIES}::test_a_healthy_task_ends_the_row_of_failures",
        ),
        live(
            "deploymentCircuitBreaker with its threshold",
            "scheduler/decide/test_breaker.py::test_threshold",
            differs="a task that ends before it was ever healthy counts too",
        ),
        live(
            "rollback to what was completed last",
            f"{_STORIES}::test_a_deployment_whose_tasks_cannot_start_is_rolled_back",
            differs="`alb rollback` does it by hand",
        ),
        live(
            "deployment alarms and bake time",
            f"{_STORIES}::test_an_alarm_during_the_bake_time_rolls_back_what_was_whole",
        ),
        live(
            "a failed blue/green deployment gives blue its requests back at once",
            "live/test_takeovers.py::test_green_that_fails_and_green_that_is_given_up",
        ),
    ),
)

BALANCING: Final = Section(
    "With the load balancer",
    "ECS developer guide, service load balancing",
    (
        live(
            "targets are registered on RUNNING, drained before SIGTERM",
            "scheduler/decide/test_progress.py::test_next_turn",
        ),
        live(
            "a host port rests for the deregistration delay",
            "scenarios/test_scheduler_faults.py"
            "::test_a_port_rests_before_it_is_used_again",
            differs="and a minute; ECS may use it at once",
        ),
        live(
            "no request fails while tasks are replaced",
            "live/test_under_load.py::test_deploy_replaces_every_task",
        ),
        not_yet("targets of awsvpc tasks by IP address"),
    ),
)

METRICS: Final = Section(
    "Metrics",
    "ECS developer guide, AWS/ECS metrics",
    (
        live(
            "CPUUtilization of a service",
            "scheduler/decide/test_usage.py::test_units",
        ),
        live(
            "MemoryUtilization of a service and of a cluster",
            "controlplane/test_ecs_metrics.py::test_one_second",
        ),
        live(
            "CPUReservation, MemoryReservation of a cluster",
            "controlplane/test_ecs_metrics.py"
            "::test_reservations_are_of_every_task_that_is_not_stopped",
        ),
    ),
)

WAITERS: Final = Section(
    "Waiters",
    "botocore, waiters of ecs",
    (
        live(
            "ServicesStable, ServicesInactive, TasksRunning, TasksStopped",
            "controlplane/commands/test_deployment_commands.py"
            "::test_waiters_mean_what_the_sdks_mean",
            differs="`alb wait`; seen within half a second",
        ),
    ),
)

SECTIONS: Final = (SERVICES, DEPLOYMENTS, FAILURES, BALANCING, METRICS, WAITERS)
