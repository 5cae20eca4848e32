"""Target groups, targets and their health."""

from __future__ import annotations

from tests.parity.rows import Section, absent, live

HEALTH = "alb/decide/test_health.py"
PROBING = "alb/decide/test_probing.py"
HTTPS_TARGETS = "alb/app/test_https_targets.py"
PROBE = "alb/drivers/test_probe.py"
ALGORITHMS = "alb/app/test_algorithms.py"
SLOW_START = "alb/app/test_slow_start.py"
ANOMALY = "alb/app/test_anomaly.py"
STICKINESS = "alb/app/test_stickiness.py"
NODE = "live/test_node.py"
DOUBTS = "live/test_doubts.py"

GROUPS = Section(
    "Target groups",
    "ELBv2 API reference, CreateTargetGroup; ALB user guide, target groups",
    (
        live(
            "target types instance and ip",
            "controlplane/cluster_file/test_load.py::"
            "test_a_fixed_target_has_an_identity_of_its_own",
            differs="any address; tasks are registered by the scheduler",
        ),
        absent("target type lambda", "needs AWS itself"),
        absent("protocol versions HTTP2 and GRPC, 464", "not over HTTP/1.1"),
        live(
            "protocol HTTPS, certificates not validated",
            f"{HTTPS_TARGETS}::test_a_target_is_checked_and_reached_by_tls_and_its_connection_kept",
        ),
        live(
            "10 s for a target's TLS handshake, 504",
            f"{HTTPS_TARGETS}::test_a_target_that_never_finishes_its_handshake_is_a_504",
            differs="other targets are tried first",
        ),
        live(
            "a target's TLS handshake that fails, 502",
            f"{HTTPS_TARGETS}::test_a_target_that_speaks_no_tls_is_a_502_and_counted",
            differs="other targets are tried first",
        ),
        live(
            "round robin",
            "alb/decide/test_balance.py::"
            "test_nobody_is_picked_twice_while_another_that_stays_waits",
        ),
        live(
            "least outstanding requests",
            "live/test_algorithms.py::"
            "test_the_fewest_in_flight_are_counted_over_all_workers",
            differs="counted over all workers; what just failed counts a while longer",
        ),
        live(
            "weighted random",
            "alb/decide/test_choosers.py::test_shares_are_as_the_weights",
        ),
        live(
            "a WebSocket counts while it is open",
            f"{ALGORITHMS}::test_a_tunnel_counts_while_it_is_open",
        ),
        live(
            "the sooner of two by peak EWMA",
            "alb/decide/test_choosers.py::"
            "test_of_two_the_one_that_should_be_done_first",
            differs="beyond ALB",
        ),
        live(
            "consistent hashing",
            "alb/decide/test_rendezvous.py::test_nothing_moves_that_need_not",
            differs="beyond ALB",
        ),
        live(
            "a target that fails at once does not draw every request",
            f"{ALGORITHMS}::"
            "test_a_target_that_fails_at_once_does_not_draw_every_request",
            differs="beyond ALB",
        ),
        live(
            "deregistration: no new request once it is acknowledged",
            f"{NODE}::test_a_drained_target_gets_nothing_more_and_loses_nothing",
            differs="acknowledged by every worker, not some seconds later",
        ),
        live(
            "what outlives the deregistration delay is cut, 502",
            f"{NODE}::test_what_outlives_the_deregistration_delay_is_cut_and_counted",
        ),
        live(
            "registered again while draining",
            "alb/state/test_registrations.py::"
            "test_registering_while_draining_ends_the_draining",
        ),
        live(
            "slow start: when it begins, and when it does not",
            "alb/state/test_slow_start.py::test_who_is_eased_in",
        ),
        live(
            "anomaly detection, with three healthy targets and more",
            f"{ANOMALY}::test_without_mitigation_it_is_told_and_nothing_else",
            differs="AWS's maths are unpublished: ours are in decision 0020",
        ),
        live(
            "AnomalyDetection of a target's health",
            "live/test_algorithms.py::test_a_target_that_answers_500_is_told_and_gets_less",
            differs="in `/v1/state` and `alb status`",
        ),
        live("fail-open", "alb/decide/test_balance.py::test_eligible"),
        live(
            "no target registered: 503",
            "alb/app/test_failures.py::test_nothing_registered_is_503",
        ),
        absent("Target Optimizer", "needs AWS's agent; see `alb.max_concurrency`"),
        live(
            "at most so many requests at a target, 503 beyond",
            "alb/app/test_concurrency.py::"
            "test_four_workers_together_never_pass_the_cap",
            differs="beyond ALB: without an agent, with a queue if wanted",
        ),
        absent("zonal shift", "needs AWS itself: its DNS"),
    ),
)

ATTRIBUTES = Section(
    "Attributes of target groups",
    "ELBv2 API reference, TargetGroupAttribute",
    (
        live(
            "`deregistration_delay.timeout_seconds`",
            f"{NODE}::test_what_outlives_the_deregistration_delay_is_cut_and_counted",
        ),
        live(
            "`load_balancing.algorithm.type`",
            f"{ALGORITHMS}::test_requests_in_flight_are_level_over_targets",
            differs="besides `alb.peak_ewma` and `alb.consistent_hash`",
        ),
        live(
            "`load_balancing.algorithm.anomaly_mitigation`",
            f"{ANOMALY}::"
            "test_the_share_of_who_fails_falls_to_almost_nothing_and_comes_back",
            differs="by numbers of ours, in each worker",
        ),
        absent("`load_balancing.cross_zone.enabled`", "always on"),
        live(
            "`slow_start.duration_seconds`",
            f"{SLOW_START}::test_the_share_grows_to_a_full_one",
            differs="in each worker, from 1 s and with `weighted_random` too,"
            " unless strictAwsLimits",
        ),
        live(
            "`stickiness.enabled`",
            f"{STICKINESS}::test_a_client_stays_and_the_others_take_turns",
        ),
        live(
            "`stickiness.type`",
            f"{STICKINESS}::test_a_new_client_gets_a_pair_of_cookies_for_seven_days",
        ),
        live(
            "app_cookie: the client returns AWSALBAPP and the application's cookie",
            f"{STICKINESS}::test_a_client_must_send_both_cookies",
            differs="AWSALBAPP-0 alone: a value is never longer than one cookie",
        ),
        live(
            "`stickiness.lb_cookie.duration_seconds`",
            f"{STICKINESS}::test_the_duration_begins_anew_with_every_answer",
        ),
        live(
            "`stickiness.app_cookie.cookie_name`",
            f"{STICKINESS}::test_a_session_begins_when_the_target_sets_its_cookie",
        ),
        live(
            "`stickiness.app_cookie.duration_seconds`",
            f"{STICKINESS}::test_a_session_of_the_application_lasts_its_duration",
        ),
        live(
            "a session leaves who drains, is gone or is unhealthy, and stays where it went",
            f"{STICKINESS}::test_a_session_that_moved_stays_moved",
        ),
        live(
            "cookies are encrypted by rotating keys, the same on every node",
            "live/test_sessions.py::test_all_workers_keep_a_session_and_so_do_those_that_follow_them",
            differs="the same in every worker of one node",
        ),
        *(
            absent(
                f"`target_group_health.dns_failover.minimum_healthy_targets.{measure}`",
                "needs AWS itself: its DNS",
            )
            for measure in ("count", "percentage")
        ),
        *(
            live(
                "`target_group_health.unhealthy_state_routing."
                f"minimum_healthy_targets.{measure}`",
                "alb/decide/test_balance.py::test_too_few_healthy_fail_open",
                differs="targets before their first check get nothing",
            )
            for measure in ("count", "percentage")
        ),
        absent("`lambda.multi_value_headers.enabled`", "needs AWS itself"),
    ),
)

CHECKS = Section(
    "Health checks",
    "ALB user guide, health checks for target groups",
    (
        live(
            "healthCheckPath, Port, IntervalSeconds, TimeoutSeconds, thresholds",
            "controlplane/cluster_file/test_load.py::"
            "test_a_group_has_awss_defaults_where_the_file_is_silent",
            differs="intervals and timeouts from 1 s unless strictAwsLimits",
        ),
        live("matcher: codes, lists, ranges", f"{HEALTH}::test_matcher"),
        live(
            "healthCheckProtocol HTTPS",
            f"{HTTPS_TARGETS}::test_a_check_by_tls_fails_where_there_is_none",
        ),
        absent("healthCheckEnabled false", "AWS has it for Lambda targets alone"),
        absent("gRPC health checks", "not over HTTP/1.1"),
        live(
            "a new connection for each check, ELB-HealthChecker/2.0",
            f"{PROBE}::test_it_asks_as_the_balancer_of_aws_does",
        ),
        live(
            "each target is checked once per interval and node",
            "live/test_logs.py::"
            "test_a_target_is_checked_once_an_interval_by_however_many_workers",
            differs="one prober for all workers, each target in a phase of its own;"
            " more often while requests cannot reach it",
        ),
        live("the rate is fixed", f"{PROBING}::test_the_rate_is_fixed"),
        live(
            "healthy after its first passed check",
            f"{HEALTH}::test_streaks",
        ),
        live(
            "thresholds in a row",
            f"{HEALTH}::test_a_judged_target_changes_only_after_a_threshold_in_a_row",
        ),
        live(
            "a group nobody forwards to: unused, not checked",
            "alb/app/test_prober.py::test_a_group_nobody_forwards_to_is_not_checked",
        ),
        live(
            "states and reason codes",
            f"{HEALTH}::test_the_state_carries_its_reason",
        ),
        live(
            "our own stall is not the target's fault",
            f"{PROBE}::test_our_own_stall_is_not_the_targets_fault",
            differs="beyond ALB",
        ),
        live(
            "a server that starts late is noticed before an interval",
            "alb/app/test_prober.py::"
            "test_a_server_that_starts_late_is_noticed_long_before_an_interval",
            differs="beyond ALB: early checks do not count as failures",
        ),
        live(
            "what requests cannot reach is checked at once, and soon again",
            f"{DOUBTS}::"
            "test_a_dead_target_is_out_in_every_worker_at_once_and_soon_back",
            differs="beyond ALB: out in about a second, see decision 0021",
        ),
        live(
            "failures of requests alone never change a target's health",
            f"{DOUBTS}::test_what_is_a_doubt",
        ),
        live(
            "a blip takes nobody out, however soon it is looked at",
            "alb/decide/test_haste.py::test_no_blip_makes_a_target_unhealthy",
            differs="beyond ALB",
        ),
    ),
)

SECTIONS = (GROUPS, ATTRIBUTES, CHECKS)
