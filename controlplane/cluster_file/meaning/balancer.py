"""The load balancer, its listeners and target groups, as `alb.model` has them. Pure.

Source: ELBv2 API reference; ALB user guide, quotas.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from alb.model import (
    Forward,
    HealthCheck,
    Listener,
    LoadBalancer,
    LoadBalancerAttributes,
    LogFiles,
    Rule,
    Target,
    TargetGroup,
    TargetId,
)
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.meaning.actions import PORT_MAX, action
from controlplane.cluster_file.meaning.algorithms import (
    algorithm,
    minimum_healthy,
    slow_start_s,
)
from controlplane.cluster_file.meaning.beyond import concurrency, retry_policy
from controlplane.cluster_file.meaning.certificates import (
    certificates,
    check_redirect,
    ssl_policy,
    tls_header_names,
    warn_untrusted,
)
from controlplane.cluster_file.meaning.codes import Codes, code_ranges
from controlplane.cluster_file.meaning.conditions import conditions
from controlplane.cluster_file.meaning.stickiness import stickiness
from controlplane.cluster_file.meaning.transforms import transforms
from controlplane.cluster_file.record import Findings, Record

LOOPBACK: Final = ("127.0.0.1", "::1")
EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - what internet-facing means
HEALTH_CHECK_TIMEOUT_S: Final = 5
LISTENERS_QUOTA: Final = 50
GROUPS_QUOTA: Final = 100
RULES_QUOTA: Final = 100
TARGETS_QUOTA: Final = 1000
_RESPONSE_HEADERS: Final = {
    "strict_transport_security": "Strict-Transport-Security",
    "access_control_allow_origin": "Access-Control-Allow-Origin",
    "access_control_allow_methods": "Access-Control-Allow-Methods",
    "access_control_allow_headers": "Access-Control-Allow-Headers",
    "access_control_allow_credentials": "Access-Control-Allow-Credentials",
    "access_control_expose_headers": "Access-Control-Expose-Headers",
    "access_control_max_age": "Access-Control-Max-Age",
    "content_security_policy": "Content-Security-Policy",
    "x_content_type_options": "X-Content-Type-Options",
    "x_frame_options": "X-Frame-Options",
}
MATCHER: Final = Codes(200, 499, '"200", "200,202" or "200-299"')


def load_balancer(root: Record, findings: Findings) -> LoadBalancer | None:
    """Return the front door of the file, or None when it has none."""
    parts = ("loadBalancer", "targetGroups", "listeners")
    if all(root.absent(part) for part in parts):
        return None
    record = root.record("loadBalancer")
    name = record.text("name") or root.text("cluster")[:32]
    if record.has("name") and name.startswith("internal-"):
        message = f"must not start with internal- (got {name})"
        findings.error(record.at("name"), record.path_of("name"), message)
    internet_facing = record.text("scheme") == "internet-facing"
    settings = _attributes(record, name)
    groups = [_group(group, findings) for group in root.records("targetGroups")]
    check_unique(root.records("targetGroups"), "name", findings)
    by_name = {group.name: group for group in groups}
    addresses = EVERYWHERE if internet_facing else LOOPBACK
    kinds = 1 if record.text("ipAddressType") == "ipv4" else len(addresses)
    listeners = [
        _listener(listener, by_name, findings) for listener in root.records("listeners")
    ]
    check_unique(root.records("listeners"), "port", findings)
    if internet_facing:
        for listener in root.records("listeners"):
            warn_untrusted(listener, findings)
    _check_quotas(root, findings)
    return LoadBalancer(
        name,
        internet_facing,
        settings,
        tuple(
            replace(listener, addresses=addresses[:kinds], attributes=settings)
            for listener in listeners
        ),
        tuple(groups),
        {
            group.text("name"): targets
            for group in root.records("targetGroups")
            if (targets := _targets(group, findings))
        },
    )


def used_groups(balancer: LoadBalancer) -> frozenset[str]:
    """Return the names of the groups that some action forwards to."""
    actions = [
        chosen
        for listener in balancer.listeners
        for chosen in (listener.default_action, *(r.action for r in listener.rules))
    ]
    return frozenset(
        group.target_group
        for chosen in actions
        if isinstance(chosen, Forward)
        for group in chosen.groups
    )


def _attributes(record: Record, balancer: str) -> LoadBalancerAttributes:
    written = record.record("attributes")
    return LoadBalancerAttributes(
        float(written.whole("idle_timeout.timeout_seconds")),
        float(written.whole("client_keep_alive.seconds")),
        float(written.whole("alb.head_timeout.timeout_seconds")),
        access_log=_log_files(written, "access_logs", balancer),
        connection_log=_log_files(written, "connection_logs", balancer),
        health_check_log=_log_files(written, "health_check_logs", balancer),
        desync_mitigation_mode=written.text("routing.http.desync_mitigation_mode"),
        drop_invalid_header_fields=written.flag(
            "routing.http.drop_invalid_header_fields.enabled"
        ),
        preserve_host_header=written.flag("routing.http.preserve_host_header.enabled"),
        xff_header_processing=written.text("routing.http.xff_header_processing.mode"),
        xff_client_port=written.flag("routing.http.xff_client_port.enabled"),
        tls_headers=written.flag(
            "routing.http.x_amzn_tls_version_and_cipher_suite.enabled"
        ),
    )


def _log_files(written: Record, log: str, balancer: str) -> LogFiles | None:
    """Return where that log is written, as far as the file says, or None."""
    if not written.flag(f"{log}.s3.enabled"):
        return None
    folders = (
        written.text(f"alb.{log}.directory"),
        written.text(f"{log}.s3.bucket"),
        written.text(f"{log}.s3.prefix"),
    )
    directory = "/".join(folder for folder in folders if folder)
    is_json = log != "connection_logs" and written.text(f"alb.{log}.format") == "json"
    return LogFiles(directory, balancer, is_json)


def check_unique(records: list[Record], name: str, findings: Findings) -> None:
    """Tell of records whose field `name` repeats an earlier one's."""
    first_use: dict[str, str] = {}
    for record in records:
        if not record.has(name):
            continue
        value = record.text(name)
        used = first_use.setdefault(value, record.path)
        if used != record.path:
            message = f"{quoted(value)} is already used by {used}"
            findings.error(record.at(name), record.path_of(name), message)


def _check_quotas(root: Record, findings: Findings) -> None:
    if not findings.strict:
        return
    listeners = root.records("listeners")
    rules = sum(len(listener.records("rules")) for listener in listeners)
    groups = len(root.records("targetGroups"))
    targets = sum(len(one.records("targets")) for one in root.records("targetGroups"))
    for part, what, count, quota in (
        ("listeners", "listeners", len(listeners), LISTENERS_QUOTA),
        ("listeners", "rules", rules, RULES_QUOTA),
        ("targetGroups", "target groups", groups, GROUPS_QUOTA),
        ("targetGroups", "targets", targets, TARGETS_QUOTA),
    ):
        if count > quota:
            message = f"at most {quota} {what} under strictAwsLimits (got {count})"
            findings.error(root.at(part), part, message)


# --- listeners ----------------------------------------------------------------------


def _listener(
    record: Record, groups: Mapping[str, TargetGroup], findings: Findings
) -> Listener:
    rules = record.records("rules")
    check_unique(rules, "priority", findings)
    check_unique(rules, "name", findings)
    decoded = [
        Rule(
            rule.whole("priority"),
            conditions(rule, findings),
            action(rule, "actions", groups, findings),
            rule.text("name"),
            transforms(rule, findings),
        )
        for rule in rules
    ]
    default = action(record, "defaultActions", groups, findings)
    policy = ssl_policy(record, findings)
    if policy:
        check_redirect(record, "defaultActions", default, findings)
        for rule, read in zip(rules, decoded, strict=True):
            check_redirect(rule, "actions", read.action, findings)
    attributes = record.record("attributes")
    return Listener(
        record.whole("port"),
        default,
        tuple(sorted(decoded, key=lambda rule: rule.priority)),
        record.text("protocol"),
        response_headers=_response_headers(attributes),
        server_header=attributes.flag("routing.http.response.server.enabled"),
        ssl_policy=policy,
        certificates=certificates(record, policy, findings),
        tls_header_names=tls_header_names(attributes),
    )


def _response_headers(attributes: Record) -> tuple[tuple[str, str], ...]:
    """Return what responses are to say, by the names that headers have."""
    written = (
        (header, attributes.text(f"routing.http.response.{field}.header_value"))
        for field, header in _RESPONSE_HEADERS.items()
    )
    return tuple((header, value) for header, value in written if value)


# --- target groups --------------------------------------------------------------------


def _group(record: Record, findings: Findings) -> TargetGroup:
    attributes = record.record("attributes")
    return TargetGroup(
        record.text("name"),
        _health_check(record, findings),
        float(attributes.whole("deregistration_delay.timeout_seconds")),
        record.whole_or_none("port"),
        record.text("protocol"),
        algorithm(attributes, findings),
        minimum_healthy(attributes),
        stickiness(attributes, findings),
        retry=retry_policy(attributes, findings),
        concurrency=concurrency(attributes),
        slow_start_s=slow_start_s(attributes, findings),
    )


def _health_check(record: Record, findings: Findings) -> HealthCheck:
    interval = record.whole("healthCheckIntervalSeconds")
    timeout = min(HEALTH_CHECK_TIMEOUT_S, interval)
    if record.has("healthCheckTimeoutSeconds"):
        timeout = record.whole("healthCheckTimeoutSeconds")
        if timeout > interval and "healthCheckIntervalSeconds" not in record.broken:
            name = "healthCheckTimeoutSeconds"
            message = f"must be at most the interval, {interval} (got {timeout})"
            findings.error(record.at(name), record.path_of(name), message)
    return HealthCheck(
        record.text("healthCheckPath"),
        _health_check_port(record, findings),
        float(interval),
        float(timeout),
        record.whole("healthyThresholdCount"),
        record.whole("unhealthyThresholdCount"),
        code_ranges(record.record("matcher"), "httpCode", MATCHER, findings),
        record.text("healthCheckProtocol"),
    )


def _health_check_port(record: Record, findings: Findings) -> int | None:
    text = record.text("healthCheckPort")
    if text == "traffic-port":
        return None
    if re.fullmatch("[1-9][0-9]{0,4}", text) and int(text) <= PORT_MAX:
        return int(text)
    message = f"must be traffic-port or 1-{PORT_MAX} (got {quoted(text)})"
    name = "healthCheckPort"
    findings.error(record.at(name), record.path_of(name), message)
    return None


# --- fixed targets ------------------------------------------------------------------


def _targets(group: Record, findings: Findings) -> tuple[Target, ...]:
    name = group.text("name")
    found: dict[str, Target] = {}
    for record in group.records("targets"):
        host = _address(record, group.text("ipAddressType"), findings)
        port = record.whole_or_none("port") or group.whole_or_none("port")
        if port is None:
            if not record.broken and "port" not in group.broken:
                message = f'port is missing, and target group "{name}" has none'
                findings.error(record.node, record.path, message)
            continue
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if shown in found:
            findings.error(record.node, record.path, f"{shown} is listed already")
        found[shown] = Target(TargetId(f"fixed/{name}/{shown}"), host, port)
    return tuple(found.values())


def _address(record: Record, kind: str, findings: Findings) -> str:
    """Return the target's address in its one spelling; `kind`: ipv4, ipv6 or any."""
    text = record.text("id")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        if record.has("id"):
            hint = "; write 127.0.0.1" if text == "localhost" else ""
            message = f"must be an IP address (got {quoted(text)}){hint}"
            findings.error(record.at("id"), record.path_of("id"), message)
        return text
    if kind and kind != f"ipv{address.version}":
        name = kind.replace("ip", "IP")
        message = f"must be an {name} address, by the group's ipAddressType"
        findings.error(
            record.at("id"), record.path_of("id"), f"{message} (got {quoted(text)})"
        )
    return str(address)


def warn_unused_groups(
    root: Record,
    balancer: LoadBalancer,
    needed: Mapping[str, Record],
    findings: Findings,
) -> None:
    """Tell of groups that no action forwards to: nothing probes or reaches them.

    `needed` are the groups that services register in; those cannot become
    healthy, so there it is an error, as ECS has it.
    """
    used = used_groups(balancer)
    for record in root.records("targetGroups"):
        name = record.text("name")
        if not record.has("name") or name in used:
            continue
        if name in needed:
            by = needed[name]
            message = f'no listener forwards to target group "{name}"'
            findings.error(by.at("targetGroup"), by.path_of("targetGroup"), message)
        else:
            findings.warn(
                record.at("name"),
                record.path_of("name"),
                "no listener forwards to this group",
            )
