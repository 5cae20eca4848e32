"""The field table of the load balancer and its target groups.

Source of names, defaults and ranges: ELBv2 API reference
(LoadBalancerAttribute, CreateTargetGroup, TargetGroupAttribute).
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Flag,
    Status,
    Text,
    Whole,
    attributes,
    ignored,
    refused,
    shape,
)

ELB_NAME: Final = Text(
    "[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?",
    "be 1-32 of A-Z a-z 0-9 -, with no - at either end",
)

LOG_FOLDER: Final = Text(
    r"(?!.*AWSLogs)(?:[A-Za-z0-9!_'()*-][A-Za-z0-9!_.'()*-]*"
    r"(?:/[A-Za-z0-9!_'()*-][A-Za-z0-9!_.'()*-]*)*)?",
    "be names joined by /, none beginning with a dot, without AWSLogs",
    255,
    0,
)

_LB_ATTRIBUTE = "ELBv2 LoadBalancerAttribute"
_HTTP = "routing.http."
_IGNORED = Status.IGNORED
_REFUSED = Status.REFUSED

LOAD_BALANCER_ATTRIBUTES: Final = attributes(
    "LoadBalancerAttributes",
    Field("idle_timeout.timeout_seconds", Whole(1, 4000), _LB_ATTRIBUTE, 60),
    Field("client_keep_alive.seconds", Whole(60, 604_800), _LB_ATTRIBUTE, 3600),
    Field(
        "alb.head_timeout.timeout_seconds",
        Whole(1, 4000),
        "ours",
        60,
        note="from a request's first byte to the last of its head",
    ),
    Field(
        f"{_HTTP}desync_mitigation_mode",
        Choice(("defensive", "monitor", "strictest")),
        _LB_ATTRIBUTE,
        "defensive",
        note="what is Severe is refused in every mode",
    ),
    *(
        row
        for log in ("access_logs", "connection_logs", "health_check_logs")
        for row in (
            Field(f"{log}.s3.enabled", Flag(), _LB_ATTRIBUTE, default=False),
            Field(
                f"{log}.s3.bucket",
                LOG_FOLDER,
                _LB_ATTRIBUTE,
                "",
                note="a folder below the directory",
            ),
            Field(
                f"{log}.s3.prefix", LOG_FOLDER, _LB_ATTRIBUTE, "", note="folders below"
            ),
            Field(
                f"alb.{log}.directory",
                Text(),
                "ours",
                "logs",
                note="relative to the cluster file",
            ),
        )
    ),
    Field(
        "alb.access_logs.format",
        Choice(("text", "json")),
        "ours",
        "text",
        note="text: ALB's 34 fields; json: the same and why a request failed",
    ),
    Field(
        "alb.health_check_logs.format",
        Choice(("text", "json")),
        "ours",
        "text",
        note="text: ALB's 8 fields; json: the same and the load balancer",
    ),
    Field(
        "deletion_protection.enabled",
        Flag(),
        _LB_ATTRIBUTE,
        default=False,
        status=_IGNORED,
    ),
    Field(
        "load_balancing.cross_zone.enabled",
        Flag(),
        _LB_ATTRIBUTE,
        default=True,
        status=_IGNORED,
    ),
    Field(
        "waf.fail_open.enabled", Flag(), _LB_ATTRIBUTE, default=False, status=_IGNORED
    ),
    Field(
        "zonal_shift.config.enabled",
        Flag(),
        _LB_ATTRIBUTE,
        default=False,
        status=_IGNORED,
    ),
    Field(
        "routing.http2.enabled",
        Flag(),
        _LB_ATTRIBUTE,
        default=True,
        status=_IGNORED,
        note="HTTP/2 needs an HTTPS listener",
    ),
    Field(
        f"{_HTTP}x_amzn_tls_version_and_cipher_suite.enabled",
        Flag(),
        _LB_ATTRIBUTE,
        default=False,
        note="tells targets, and lets no client tell them",
    ),
    Field(
        "ipv6.deny_all_igw_traffic",
        Flag(),
        _LB_ATTRIBUTE,
        default=False,
        status=_REFUSED,
    ),
    Field(
        f"{_HTTP}drop_invalid_header_fields.enabled",
        Flag(),
        _LB_ATTRIBUTE,
        default=False,
        note="names other than A-Z a-z 0-9 -",
    ),
    Field(f"{_HTTP}preserve_host_header.enabled", Flag(), _LB_ATTRIBUTE, default=False),
    Field(
        f"{_HTTP}xff_client_port.enabled",
        Flag(),
        _LB_ATTRIBUTE,
        default=False,
        note="in mode append",
    ),
    Field(
        f"{_HTTP}xff_header_processing.mode",
        Choice(("append", "preserve", "remove")),
        _LB_ATTRIBUTE,
        "append",
    ),
)

_LB = "ELBv2 CreateLoadBalancer"
LOAD_BALANCER: Final = shape(
    "LoadBalancer",
    Field("name", ELB_NAME, _LB, note="the cluster's name where left out"),
    Field(
        "scheme",
        Choice(("internal", "internet-facing")),
        _LB,
        "internal",
        note="internal: loopback and the engines' gateways; "
        "internet-facing: all addresses",
    ),
    Field("type", Choice(("application",)), _LB, "application"),
    Field(
        "ipAddressType",
        Choice(("ipv4", "dualstack"), later=("dualstack-without-public-ipv4",)),
        _LB,
        "ipv4",
        note="dualstack: IPv6 loopback too, or all IPv6 addresses",
    ),
    Field("attributes", LOAD_BALANCER_ATTRIBUTES, "ELBv2 ModifyLoadBalancerAttributes"),
    refused("securityGroups", _LB),
    ignored("subnets", _LB),
    ignored("subnetMappings", _LB),
    ignored("tags", _LB),
)

_TG_ATTRIBUTE = "ELBv2 TargetGroupAttribute"
_ALGORITHM = "load_balancing.algorithm."
_HEALTH = "target_group_health."

TARGET_GROUP_ATTRIBUTES: Final = attributes(
    "TargetGroupAttributes",
    Field("deregistration_delay.timeout_seconds", Whole(0, 3600), _TG_ATTRIBUTE, 300),
    Field(
        f"{_ALGORITHM}type",
        Choice(
            (
                "round_robin",
                "least_outstanding_requests",
                "weighted_random",
                "alb.peak_ewma",
                "alb.consistent_hash",
            )
        ),
        _TG_ATTRIBUTE,
        "round_robin",
        note="those with alb. are ours",
    ),
    Field(
        "alb.consistent_hash.on",
        Text(
            "source-ip|path-and-query|header:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}"
            "|cookie:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}",
            "be source-ip, path-and-query, header:NAME or cookie:NAME",
        ),
        "ours",
        "source-ip",
        note="requests without that header or cookie go to the least loaded",
    ),
    Field(
        f"{_ALGORITHM}anomaly_mitigation",
        Choice(("off", "on")),
        _TG_ATTRIBUTE,
        "off",
        note="with weighted_random: less is sent to a target that fails more than"
        " its peers",
    ),
    Field(
        "load_balancing.cross_zone.enabled",
        Choice(("use_load_balancer_configuration", "true", "false")),
        _TG_ATTRIBUTE,
        "use_load_balancer_configuration",
        status=_IGNORED,
    ),
    Field(
        "slow_start.duration_seconds",
        Whole(0, 900),
        _TG_ATTRIBUTE,
        0,
        note="with round_robin and weighted_random; under strictAwsLimits 0 or from"
        " 30, with round_robin",
    ),
    Field("stickiness.enabled", Flag(), _TG_ATTRIBUTE, default=False),
    Field(
        "stickiness.type",
        Choice(("lb_cookie", "app_cookie")),
        _TG_ATTRIBUTE,
        "lb_cookie",
    ),
    Field(
        "stickiness.lb_cookie.duration_seconds",
        Whole(1, 604_800),
        _TG_ATTRIBUTE,
        86_400,
        note="since the last answer",
    ),
    Field(
        "stickiness.app_cookie.cookie_name",
        Text(shortest=0, longest=255),
        _TG_ATTRIBUTE,
        "",
        note="a cookie that the target sets; not AWSALB…",
    ),
    Field(
        "stickiness.app_cookie.duration_seconds",
        Whole(1, 604_800),
        _TG_ATTRIBUTE,
        86_400,
    ),
    *(
        Field(
            f"{_HEALTH}{name}.minimum_healthy_targets.{measure}",
            Text(pattern, must),
            _TG_ATTRIBUTE,
            default,
            status=status,
            note=note,
        )
        for name, status, note in (
            ("dns_failover", _IGNORED, ""),
            ("unhealthy_state_routing", Status.LIVE, "with fewer it fails open"),
        )
        for measure, default, pattern, must in (
            ("count", "1", "off|[1-9][0-9]{0,3}", "be off or a number from 1"),
            ("percentage", "off", "off|[1-9][0-9]?|100", "be off or 1-100"),
        )
    ),
    refused("lambda.multi_value_headers.enabled", _TG_ATTRIBUTE),
    Field(
        "alb.retry.on_reset",
        Flag(),
        "ours",
        default=False,
        note="a used connection ended without an answer: to another target, where"
        " the method may be repeated and there is no body",
    ),
    Field(
        "alb.retry.on_status_codes",
        Text(shortest=0),
        "ours",
        "",
        note="such as 502,503,504; to another target, with a body of up to 64 KiB",
    ),
    Field(
        "alb.retry.non_idempotent",
        Flag(),
        "ours",
        default=False,
        note="POST and PATCH too, by status",
    ),
    Field(
        "alb.retry.budget_percent",
        Whole(0, 100),
        "ours",
        20,
        note="of a worker's requests, sent again at most",
    ),
    Field(
        "alb.retry.budget_minimum",
        Whole(0, 1000),
        "ours",
        3,
        note="retries per second and worker that are free",
    ),
    Field(
        "alb.max_concurrency",
        Whole(0, 100_000),
        "ours",
        0,
        note="requests at one target, over all workers; 0: no limit",
    ),
    Field(
        "alb.max_concurrency.queue_length",
        Whole(0, 10_000),
        "ours",
        0,
        note="requests that wait in each worker when all are full; beyond: 503",
    ),
    Field(
        "alb.max_concurrency.queue_timeout_seconds",
        Whole(1, 4000),
        "ours",
        5,
        note="how long one waits; then 503",
    ),
)

_TARGET = "ELBv2 TargetDescription"
TARGET: Final = shape(
    "Target",
    Field("id", Text(), _TARGET, required=True, note="an IP address"),
    Field("port", Whole(1, 65_535), _TARGET, note="the group's where left out"),
    ignored("availabilityZone", _TARGET),
)

_TG = "ELBv2 CreateTargetGroup"
TARGET_GROUP: Final = shape(
    "TargetGroup",
    Field("name", ELB_NAME, _TG, required=True),
    Field(
        "protocol",
        Choice(("HTTP", "HTTPS")),
        _TG,
        "HTTP",
        note="HTTPS: the certificates of targets are not validated",
    ),
    Field("protocolVersion", Choice(("HTTP1",), later=("HTTP2", "GRPC")), _TG, "HTTP1"),
    Field("port", Whole(1, 65_535), _TG, note="of fixed targets that name none"),
    Field("targetType", Choice(("instance", "ip"), later=("lambda",)), _TG, "instance"),
    Field(
        "ipAddressType",
        Choice(("ipv4", "ipv6")),
        _TG,
        note="of fixed targets; either where left out",
    ),
    Field("healthCheckEnabled", Flag(), _TG, default=True, status=_REFUSED),
    Field("healthCheckProtocol", Choice(("HTTP", "HTTPS")), _TG, "HTTP"),
    Field(
        "healthCheckPath",
        Text("/[!-~]{0,1023}", "start with / and be at most 1024 visible characters"),
        _TG,
        "/",
    ),
    Field("healthCheckPort", Text(), _TG, "traffic-port"),
    Field("healthCheckIntervalSeconds", Whole(1, 300, strict=(5, 300)), _TG, 30),
    Field(
        "healthCheckTimeoutSeconds",
        Whole(1, 120, strict=(2, 120)),
        _TG,
        note="min(5, interval) where left out",
    ),
    Field("healthyThresholdCount", Whole(1, 10, strict=(2, 10)), _TG, 5),
    Field("unhealthyThresholdCount", Whole(1, 10, strict=(2, 10)), _TG, 2),
    Field(
        "matcher",
        shape(
            "Matcher",
            Field("httpCode", Text(), "ELBv2 Matcher", "200"),
            refused("grpcCode", "ELBv2 Matcher"),
        ),
        _TG,
    ),
    Field("attributes", TARGET_GROUP_ATTRIBUTES, "ELBv2 ModifyTargetGroupAttributes"),
    Field("targets", Each(TARGET), "ELBv2 RegisterTargets", note="fixed targets"),
    refused("targetControlPort", _TG),
    ignored("vpcId", _TG),
    ignored("tags", _TG),
)
