"""What happens to a request on its way, and what attributes change of it."""

from __future__ import annotations

from tests.parity.rows import Row, Section, absent, live

REQUESTS = "alb/app/test_requests.py"
RESPONSES = "alb/app/test_responses.py"
FAILURES = "alb/app/test_failures.py"
ATTRIBUTES = "alb/app/test_attributes.py"
HTTPS_TESTS = "alb/app/test_https.py"
DESYNC = "alb/decide/test_desync.py"
ALLOWED = f"{DESYNC}::test_what_a_mode_allows_is_written_anew_and_the_rest_refused"
NEVER = f"{DESYNC}::test_what_has_no_single_reading_is_refused_in_every_mode"

REQUEST = Section(
    "Requests and responses",
    "ALB user guide, HTTP headers, request tracing, connection idle timeout",
    (
        live(
            "Host: lower case, port by the listener's",
            f"{ATTRIBUTES}::test_host_is_passed_on_as_it_came_or_canonical",
            differs="a request of HTTP/1.0 without Host gets the listener's address",
        ),
        live(
            "absolute-form: the URI's host wins",
            "alb/decide/test_head.py::test_what_has_one_meaning_is_read",
        ),
        live(
            "X-Forwarded-Proto and -Port overwritten",
            f"{REQUESTS}::test_a_request_arrives_with_what_is_ours_to_say",
        ),
        live(
            "X-Amzn-Trace-Id",
            "alb/decide/test_trace.py::test_trace_id",
        ),
        live(
            "Expect: 100-continue answered at once",
            f"{REQUESTS}::test_expect_is_answered_at_once_and_ends_here",
            differs="any other Expect is 417",
        ),
        live(
            "hop-by-hop headers end here",
            f"{REQUESTS}::test_hop_by_hop_headers_end_here",
        ),
        live(
            "header case and order kept",
            f"{RESPONSES}::test_response_headers_pass_in_order_and_unfolded",
        ),
        live(
            "client connections share those to targets",
            f"{REQUESTS}::test_connections_to_targets_are_reused",
        ),
        live(
            "pipelined requests answered in order",
            f"{REQUESTS}::test_a_pipeline_is_answered_in_order",
        ),
        live(
            "no retry of what was sent",
            "alb/app/test_exchange.py::"
            "test_a_refused_connection_is_tried_elsewhere_three_times",
            differs="what was not sent is tried on up to three targets",
        ),
        live(
            "retries by status or after a reset, where the group wants them",
            "alb/app/test_retries.py::test_when_all_targets_fail_they_get_a_fifth_more_to_do",
            differs="beyond ALB: `alb.retry.*`, within a budget",
        ),
        live(
            "a refused upgrade is an ordinary answer",
            f"{RESPONSES}::test_a_refused_upgrade_is_an_ordinary_answer",
        ),
        live(
            "connect to target: 10 s, then 504; refused: 502",
            f"{FAILURES}::test_when_all_go_on_refusing_it_is_502",
            differs="the last attempt waits up to 1 s before 502",
        ),
    ),
)


def _tier(tier: str, reasons: str, test: str, differs: str = "") -> Row:
    return live(f"{tier}: {reasons}", test, differs=differs)


MITIGATION = Section(
    "Desync mitigation",
    "ALB user guide, desync mitigation mode; aws/http-desync-guardian",
    (
        _tier(
            "Acceptable",
            "SpaceInUri, NonCompliantHeader, NonCompliantVersion (1.2-1.9)",
            ALLOWED,
            "a space is sent as %20, a header that nobody may send is left out",
        ),
        _tier("Acceptable", "GetHeadZeroContentLength", ALLOWED, "not sent on"),
        _tier(
            "Acceptable",
            "NonCrLfLineTermination",
            ALLOWED,
            "in monitor mode alone, where no line ends otherwise",
        ),
        _tier("Acceptable", "NonCompliantVersion (0.9)", NEVER, "refused"),
        _tier(
            "Ambiguous",
            "EmptyHeader, AmbiguousUri, MultilineHeader, MissingHeaderColon",
            ALLOWED,
            "folded lines are joined, odd octets encoded, the others left out",
        ),
        _tier(
            "Ambiguous",
            "UndefinedContentLengthSemantics, UndefinedTransferEncodingSemantics",
            ALLOWED,
            "chunks in HTTP/1.0 are refused; closed in monitor mode too",
        ),
        _tier(
            "Ambiguous",
            "DuplicateContentLength, BothTeClPresent, SuspiciousHeader",
            ALLOWED,
            "in monitor mode alone, one framing sent on, and closed",
        ),
        _tier(
            "Severe",
            "BadHeader, BadMethod, BadVersion, BadContentLength, BadTransferEncoding,"
            " MultipleContentLength, MultipleTransferEncodingChunked",
            NEVER,
            "refused in monitor mode too",
        ),
        live(
            "never two requests at a target for one sent",
            "alb/test_desync_corpus.py::"
            "test_a_target_never_sees_two_requests_for_one_sent",
        ),
    ),
)

NO_DNS = "needs AWS itself: its DNS"
LOAD_BALANCER = Section(
    "Attributes of the load balancer",
    "ELBv2 API reference, LoadBalancerAttribute",
    (
        live(
            "`idle_timeout.timeout_seconds`",
            f"{FAILURES}::test_a_silent_target_is_504_after_the_idle_timeout",
        ),
        live(
            "`client_keep_alive.seconds`",
            "alb/app/test_exchange.py::test_an_answered_request_leaves_a_clean_connection",
        ),
        live(
            "`routing.http.desync_mitigation_mode`",
            "alb/test_desync_corpus.py::test_a_mode_serves_what_awss_does_or_less",
            differs="see desync mitigation",
        ),
        live(
            "`routing.http.drop_invalid_header_fields.enabled`",
            f"{ATTRIBUTES}::test_headers_with_odd_names_pass_or_are_dropped_and_counted",
            differs="a name that is no token is dropped always",
        ),
        live(
            "`routing.http.preserve_host_header.enabled`",
            f"{ATTRIBUTES}::test_host_is_passed_on_as_it_came_or_canonical",
            differs="two Hosts are refused",
        ),
        live(
            "`routing.http.xff_header_processing.mode`",
            f"{ATTRIBUTES}::test_x_forwarded_for_as_the_mode_has_it",
        ),
        live(
            "`routing.http.xff_client_port.enabled`",
            f"{ATTRIBUTES}::test_x_forwarded_for_as_the_mode_has_it",
        ),
        live(
            "`routing.http.x_amzn_tls_version_and_cipher_suite.enabled`",
            f"{HTTPS_TESTS}::test_targets_hear_version_and_cipher_from_us_alone",
        ),
        *(
            live(
                f"`{log}.s3.{part}`",
                "alb/decide/test_names.py::test_a_log_file_lies_where_s3_has_it",
                differs="a folder of this machine",
            )
            for log in ("access_logs", "connection_logs", "health_check_logs")
            for part in ("enabled", "bucket", "prefix")
        ),
        absent("`routing.http2.enabled`", "not over HTTP/1.1"),
        absent("`deletion_protection.enabled`", "needs AWS itself: its API"),
        absent("`load_balancing.cross_zone.enabled`", "always on, as for every ALB"),
        absent("`waf.fail_open.enabled`", "needs AWS itself: WAF"),
        absent("`zonal_shift.config.enabled`", NO_DNS),
        absent("`ipv6.deny_all_igw_traffic`", "needs AWS itself: its network"),
    ),
)

RESPONSE_HEADERS = (
    *("strict_transport_security", "access_control_allow_origin"),
    *("access_control_allow_methods", "access_control_allow_headers"),
    *("access_control_allow_credentials", "access_control_expose_headers"),
    *("access_control_max_age", "content_security_policy"),
    *("x_content_type_options", "x_frame_options"),
)
CLIENT_CERTIFICATE = (
    *("", "_serial_number", "_issuer", "_subject", "_validity", "_leaf"),
)
SET = f"{ATTRIBUTES}::test_a_listener_sets_response_headers_whatever_the_target_says"
LISTENER = Section(
    "Attributes of listeners",
    "ELBv2 API reference, ListenerAttribute",
    (
        live("`routing.http.response.server.enabled`", SET),
        *(
            live(f"`routing.http.response.{name}.header_value`", SET)
            for name in RESPONSE_HEADERS
        ),
        *(
            absent(
                f"`routing.http.request.x_amzn_mtls_clientcert{part}.header_name`",
                "needs a mutual-TLS client",
            )
            for part in CLIENT_CERTIFICATE
        ),
        *(
            live(
                f"`routing.http.request.x_amzn_tls_{what}.header_name`",
                f"{HTTPS_TESTS}::test_the_headers_that_tell_of_tls_may_have_other_names",
            )
            for what in ("version", "cipher_suite")
        ),
    ),
)

HTTPS = Section(
    "HTTPS listeners",
    "ALB user guide, HTTPS listeners, security policies",
    (
        live(
            "HTTPS listeners",
            f"{HTTPS_TESTS}::test_many_requests_and_pipelined_ones_share_a_connection",
            differs="certificates are PEM files; only http/1.1 is agreed on",
        ),
        live(
            "WebSocket over TLS",
            f"{HTTPS_TESTS}::test_a_websocket_is_a_tunnel_that_may_end_one_way_first",
        ),
        live(
            "certificates by SNI, the default one, wildcards",
            "alb/decide/test_certificates.py::test_choice",
            differs="an exact name comes before a wildcard",
        ),
        live(
            "smart selection: RSA or ECDSA as the client can verify",
            f"{HTTPS_TESTS}::test_of_two_types_of_key_a_client_gets_the_one_it_can_verify",
        ),
        live(
            "security policies by AWS's names",
            f"{HTTPS_TESTS}::test_a_policy_agrees_to_its_versions_and_no_others",
            differs="where TLS 1.3 is allowed all three of its suites are offered, under FIPS names too; "
            "DES-CBC3-SHA of TLS-1-0-2015-04 is in no OpenSSL of today; the default is TLS13-1-2-2021-06",
        ),
        absent(
            "post-quantum security policies (…-PQ-2025-09)",
            "Python's ssl chooses no key exchange",
        ),
        live(
            "certificates replaced while serving",
            "controlplane/tls/test_certificates.py::test_a_pair_that_is_replaced_is_served_without_a_command",
            differs="when the files change, and by `alb apply`",
        ),
        live(
            "no redirect from HTTPS to HTTP",
            "controlplane/cluster_file/test_mistakes.py::test_a_mistake_is_told_in_these_words",
        ),
        absent("mutual TLS", "needs a mutual-TLS client"),
    ),
)

SECTIONS = (REQUEST, MITIGATION, LOAD_BALANCER, LISTENER, HTTPS)
