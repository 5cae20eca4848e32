"""Listeners, rules, conditions, transforms, actions."""

from __future__ import annotations

from tests.parity.rows import Section, absent, live

MISTAKES = "controlplane/cluster_file/test_mistakes.py"
RULES = "alb/decide/test_rules.py"
REQUESTS = "alb/app/test_requests.py"
GROUP_STICKINESS = "alb/app/test_group_stickiness.py"
TRANSFORMED = "alb/app/test_transforms.py"
TOLD = f"{MISTAKES}::test_a_mistake_is_told_in_these_words"

OBJECTS = Section(
    "Objects and quotas",
    "ALB user guide, quotas; ELBv2 API reference",
    (
        live(
            "load balancer, listeners, rules, target groups, targets",
            "controlplane/cluster_file/test_load.py::"
            "test_rules_stand_in_the_order_of_their_priorities",
            differs="one load balancer in a cluster; a group may be used by every"
            " listener",
        ),
        live(
            "a target in several groups, with several ports",
            "alb/state/test_registrations.py::"
            "test_the_snapshot_is_every_listener_and_every_group",
        ),
        live(
            "ipAddressType ipv4 and dualstack, targets of either kind",
            "alb/app/test_dualstack.py::test_targets_may_have_addresses_of_ipv6",
            differs="a group that names no ipAddressType may have both kinds",
        ),
        absent(
            "ipAddressType dualstack-without-public-ipv4",
            "which addresses are public is AWS's to say",
        ),
        live("priorities 1-50000, unique in a listener", TOLD),
        live(
            "quotas: listeners, rules, groups, targets, values, wildcards",
            TOLD,
            differs="refused under strictAwsLimits alone",
        ),
        live("names of load balancers and groups", TOLD),
        live(
            "request line 16 K, header 16 K, head 64 K",
            "alb/decide/test_head.py::test_limits_are_reached_and_not_passed",
            differs="at most 256 headers as well",
        ),
        live(
            "response head 32 K",
            "alb/decide/test_response.py::test_a_head_of_32_k_is_read",
        ),
        live(
            "bodies without limit, streamed",
            "alb/app/test_hostile_clients.py::"
            "test_a_body_larger_than_memory_streams_flat_both_ways",
        ),
        live(
            "HTTP/1.1 and HTTP/1.0 clients",
            "alb/app/test_responses.py::test_http_1_0_is_served_and_closed",
        ),
        absent("HTTP/0.9 clients", "no headers say where a body ends: 400"),
        absent("HTTP/2 clients", "not over HTTP/1.1"),
        live(
            "WebSocket and other upgrades",
            "alb/app/test_responses.py::"
            "test_a_websocket_is_a_tunnel_from_the_first_byte",
        ),
        live(
            "methods of any name but TRACE",
            "alb/app/test_refusals.py::test_what_is_ambiguous_is_refused_and_closed",
            differs="CONNECT is 405 too",
        ),
        absent("Lambda targets", "needs AWS itself"),
        absent("WAF, Cognito, Global Accelerator", "needs AWS itself"),
    ),
)

CONDITIONS = Section(
    "Rules and conditions",
    "ALB user guide, listener rules, condition types",
    (
        live(
            "the lowest priority that matches answers",
            f"{RULES}::test_the_lowest_priority_wins_however_they_are_written",
        ),
        live("the default rule", f"{RULES}::test_without_rules_the_default_answers"),
        live("all conditions must hold", f"{RULES}::test_all_conditions_must_hold"),
        live(
            "one host, path, method and source-ip condition in a rule",
            TOLD,
        ),
        live("host-header, any case, `*` and `?`", f"{RULES}::test_condition"),
        live(
            "path-pattern, case matters, on the normalised path",
            "alb/decide/test_path_spellings.py::test_what_is_protected_is_reached_by_no_spelling",
            differs="a path that servers read in ways with different rules is sent "
            "in one spelling; `#` in a path is refused",
        ),
        live(
            "http-header, any case, each occurrence",
            f"{RULES}::test_condition",
        ),
        live("http-request-method, exact", f"{RULES}::test_condition"),
        live(
            "query-string pairs, any case, `\\*` and `\\?` literal",
            f"{RULES}::test_several_conditions_may_read_the_query",
        ),
        live("source-ip, of the TCP peer", f"{RULES}::test_condition"),
        live(
            "wildcards cost no more than the text is long",
            "alb/decide/test_wildcard.py::test_no_pattern_hangs",
        ),
        live(
            "regexValues of hosts, paths and headers",
            "alb/decide/test_regex.py::"
            "test_what_makes_others_backtrack_only_takes_its_length",
        ),
        live(
            "RuleEvaluations",
            "alb/app/test_rule_evaluations.py::"
            "test_rules_up_to_the_one_that_answers_are_counted",
        ),
    ),
)

TRANSFORMS = Section(
    "Transforms",
    "ALB user guide, transforms",
    (
        live("host-header-rewrite", f"{TRANSFORMED}::test_a_target_receives"),
        live(
            "url-rewrite, of path and query",
            f"{TRANSFORMED}::test_a_target_receives",
            differs="of the normalised path, so that no spelling gets round it",
        ),
        live(
            "a transform that fails is 500",
            f"{TRANSFORMED}::"
            "test_what_cannot_be_rewritten_is_answered_500_and_never_sent",
        ),
        live(
            "applied once the rule is chosen, never routed again",
            f"{TRANSFORMED}::test_a_rewritten_request_is_not_routed_again",
        ),
        live("never on the default rule, at most one of each", TOLD),
    ),
)

ACTIONS = Section(
    "Actions",
    "ALB user guide, rule action types",
    (
        live(
            "forward to one group",
            f"{REQUESTS}::test_a_request_arrives_with_what_is_ours_to_say",
        ),
        live(
            "forward to weighted groups, 1-5, weights 0-999",
            "alb/decide/test_balance.py::"
            "test_a_whole_round_gives_each_group_its_weight",
        ),
        live(
            "weights change while requests are served",
            "live/test_weights.py::test_weights_change_under_load_and_are_kept",
            differs="by `alb weight` or the file, not by ModifyRule",
        ),
        live(
            "a weighted group without targets keeps its share: 503",
            "alb/state/test_table.py::"
            "test_a_group_that_is_missing_or_weighs_nothing_is_not_chosen",
        ),
        live(
            "group stickiness, AWSALBTG and AWSALBTGCORS",
            f"{GROUP_STICKINESS}::test_a_client_stays_in_its_group_and_not_with_a_target",
        ),
        live(
            "a group of weight 0 keeps the clients it has",
            f"{GROUP_STICKINESS}::test_a_group_that_weighs_nothing_now_keeps_the_clients_it_has",
        ),
        live(
            "group stickiness must be on where a target group of several is sticky",
            "controlplane/cluster_file/test_mistakes.py::test_a_mistake_is_told_in_these_words",
        ),
        live(
            "spilling over to other groups, which ALB lacks",
            f"{GROUP_STICKINESS}::test_what_an_empty_group_cannot_serve_goes_to_the_others_by_weight",
            differs="`spillOver: true` in the forward action",
        ),
        live(
            "redirect, all keywords, 301 and 302",
            "alb/decide/test_redirect.py::test_location",
        ),
        live(
            "a redirect that changes nothing is refused",
            TOLD,
        ),
        live(
            "Location over 8 K is 507",
            "alb/decide/test_redirect.py::test_a_location_that_is_too_long_is_refused",
        ),
        live(
            "fixed-response",
            "alb/decide/test_fixed.py::test_a_fixed_response_says_what_the_action_says",
        ),
        absent("authenticate-oidc, jwt-validation", "needs an identity provider"),
        absent("authenticate-cognito", "needs AWS itself"),
    ),
)

SECTIONS = (OBJECTS, CONDITIONS, TRANSFORMS, ACTIONS)
