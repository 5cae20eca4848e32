"""Statuses of the load balancer's own, logs and metrics."""

from __future__ import annotations

from tests.parity.rows import Section, absent, live

FAILURES = "alb/app/test_failures.py"
REFUSALS = "alb/app/test_refusals.py"
REFUSED = f"{REFUSALS}::test_what_is_ambiguous_is_refused_and_closed"
SHOWN = "controlplane/test_metrics.py::test_what_was_measured_is_shown"
EACH = "alb/app/test_errors.py::test_each_status_has_its_cause_and_its_reason"
LOGGED = "alb/app/test_access_log.py::test_each_ending_is_told_once"

ANSWERS = Section(
    "Statuses that the load balancer makes",
    "ALB user guide, troubleshooting",
    (
        live("400: malformed, too large, blocked", REFUSED),
        live("400: a body that is malformed", f"{REFUSALS}::test_a_malformed_chunked_body_is_400_and_ends"),
        live("400: the client closed inside its body", EACH, differs="only logged: it is gone"),
        live("405: TRACE", REFUSED),
        live("408: the head does not come", f"{FAILURES}::test_a_head_trickled_past_its_deadline_is_408",
             differs="an absolute deadline, `alb.head_timeout.timeout_seconds`"),
        live("408: the body does not come", f"{FAILURES}::test_a_body_that_stops_coming_is_408"),
        live("414: the request line is too long", REFUSED),
        live("460: the client closed", f"{FAILURES}::test_the_client_leaving_frees_the_target"),
        live("463: more than 30 addresses", f"{REFUSALS}::test_at_most_30_forwarders_may_have_gone_before"),
        absent("464: protocol versions", "not over HTTP/1.1"),
        live("500: a transform failed",
             "alb/app/test_transforms.py::test_what_cannot_be_rewritten_is_answered_500_and_never_sent"),
        live("501: a transfer coding", REFUSED),
        live("502: the target's connection or answer", f"{FAILURES}::test_what_is_no_response_is_502"),
        live("503: no target", f"{FAILURES}::test_nothing_registered_is_503"),
        live("504: the target does not answer", f"{FAILURES}::test_a_silent_target_is_504_after_the_idle_timeout"),
        live("505: another version of HTTP", REFUSED),
        live("507: the redirect is too long", "alb/decide/test_redirect.py::test_a_location_that_is_too_long_is_refused"),
        absent("401, 561", "needs an identity provider"),
        absent("403", "needs AWS itself: WAF"),
        live("each failure has a reason of ours", EACH,
             differs="beyond ALB: in JSON lines and metrics"),
    ),
)  # fmt: skip

LOGS = Section(
    "Logs",
    "ALB user guide, access logs, connection logs, health check logs",
    (
        live("error_reason AWSALBTGCookieInvalid",
             "alb/app/test_group_stickiness.py::test_a_group_cookie_that_is_not_ours_is_told_of_in_the_log",
             differs="the request is served, by a new choice"),
        live("access log, all 34 fields",
             "alb/decide/test_access_log.py::test_a_forwarded_request_fills_all_fields_in_their_order"),
        live("a file each five minutes, named as ALB's", "alb/app/test_access_log.py::test_each_five_minutes_have_a_file"),
        live("no client can forge a line", "alb/decide/test_access_log.py::test_no_client_can_forge_a_line_or_a_field"),
        live("each request stands in it once", "live/test_logs.py::test_every_request_stands_in_the_log_once"),
        live("classification and its reason", LOGGED),
        live("TLS in the access log: type, cipher, protocol, server name, certificate", "alb/app/test_https.py::test_the_access_log_tells_of_tls", differs="the certificate's file in place of its ARN"),
        live("TLS in the connection log", "alb/app/test_https.py::test_the_connection_log_tells_of_handshakes", differs="a failed one has no cipher"),
        live("connection log", "alb/app/test_access_log.py::test_each_connection_is_told_and_joins_its_requests"),
        live("JSON lines", "alb/decide/test_access_log.py::test_json_says_why_it_failed"),
        live("a slow or full disk costs lines, never a request",
             "alb/app/test_access_log.py::test_a_disk_that_hangs_costs_lines_and_never_waits",
             differs="beyond ALB: lost lines are counted"),
        live("health check log", "alb/decide/test_health_log.py::test_a_check_is_told_in_awss_words",
             differs="a refused connection is told as ConnectionReset"),
    ),
)  # fmt: skip

METRICS = Section(
    "Metrics of AWS/ApplicationELB",
    "ALB user guide, CloudWatch metrics",
    (
        *(
            live(name, SHOWN, differs=f"`{ours}`")
            for name, ours in (
                ("ActiveConnectionCount", "alb_client_connections"),
                ("NewConnectionCount", "alb_client_connections_accepted_total"),
                ("ProcessedBytes", "alb_received_bytes_total, alb_sent_bytes_total"),
                ("RequestCount", "alb_target_group_requests_total"),
                ("RuleEvaluations", "alb_rule_evaluations_total"),
                ("HTTP_Fixed_Response_Count", "alb_fixed_responses_total"),
                ("HTTP_Redirect_Count", "alb_redirects_total"),
                ("HTTP_Redirect_Url_Limit_Exceeded_Count", "alb_refusals_total, RedirectUrlTooLong"),
                ("HTTPCode_ELB_3XX/4XX/5XX_Count", "alb_elb_responses_total"),
                ("HTTPCode_Target_2XX/3XX/4XX/5XX_Count", "alb_target_group_responses_total"),
                ("TargetResponseTime", "alb_target_response_time_seconds"),
                ("TargetConnectionErrorCount", "alb_target_group_connection_errors_total"),
                ("ClientTLSNegotiationErrorCount", "alb_client_tls_negotiation_errors_total"),
                ("TargetTLSNegotiationErrorCount", "alb_target_group_tls_negotiation_errors_total"),
                ("HealthyHostCount, UnHealthyHostCount", "alb_targets"),
                ("DesyncMitigationMode_NonCompliant_Request_Count", "alb_non_compliant_requests_total"),
                ("DroppedInvalidHeaderRequestCount", "alb_dropped_invalid_header_requests_total"),
                ("ForwardedInvalidHeaderRequestCount", "alb_forwarded_invalid_header_requests_total"),
                ("RequestCountPerTarget", "alb_target_group_requests_total by alb_targets"),
                ("target metrics by availability zone", "alb_registered_target_requests_total and the others, summed"),
                ("in flight and latency of each target, which ALB lacks",
                 "alb_registered_target_requests_in_flight, alb_registered_target_response_time_seconds"),
            )
        ),
        live(
            "RejectedConnectionCount",
            "live/test_slow_and_many.py::test_connections_beyond_what_may_be_open_are_rejected_and_counted",
            differs="`alb_client_connections_rejected_total`: beyond three quarters of the open files that a worker may have",
        ),
        live(
            "NonStickyRequestCount, AppCookieNonStickinessCount",
            "alb/app/test_stickiness.py::test_a_cookie_that_means_nothing_leads_to_a_new_choice",
            differs="`alb_non_sticky_requests_total`, `alb_app_cookie_non_sticky_requests_total`",
        ),
        live(
            "AnomalousHostCount, MitigatedHostCount",
            SHOWN,
            differs="`alb_target_group_anomalous_targets`, `alb_target_group_mitigated_targets`: where any worker says so",
        ),
        *(
            live(name, proof, differs=f"`alb_target_group_{ours}`")
            for name, ours, proof in (
                ("HealthyStateRouting", "healthy_state_routing",
                 "controlplane/test_portrait.py::test_whether_enough_targets_are_healthy"),
                ("UnhealthyStateRouting", "unhealthy_state_routing",
                 "controlplane/test_portrait.py::test_whether_enough_targets_are_healthy"),
                ("UnhealthyRoutingRequestCount", "unhealthy_routing_requests_total",
                 "alb/state/test_table.py::test_what_is_sent_while_too_few_are_healthy_is_counted_apart"),
            )
        ),
        live(
            "IPv6RequestCount, IPv6ProcessedBytes",
            "alb/app/test_dualstack.py::test_what_comes_over_ipv6_is_counted_apart_and_with_the_rest",
            differs="`alb_ipv6_requests_total, alb_ipv6_bytes_total`",
        ),
        absent("HealthyStateDNS, UnhealthyStateDNS", "needs AWS itself: its DNS"),
        absent("LCUs, LowReputation*, BYoIP*", "needs AWS itself"),
        absent("Lambda*, ELBAuth*, TargetControl*", "needs what they measure"),
        absent("GrpcRequestCount", "not over HTTP/1.1"),
    ),
)  # fmt: skip

SECTIONS = (ANSWERS, LOGS, METRICS)
