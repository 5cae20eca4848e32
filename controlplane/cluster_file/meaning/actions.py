"""Rule actions: from records to `alb.model.Action`. Pure.

Source: ELBv2 API reference, Action; ALB user guide, rule action types.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from alb.model import (
    Action,
    FixedResponse,
    Forward,
    Redirect,
    TargetGroup,
    WeightedGroup,
)
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.meaning.stickiness import (
    check_meeting,
    group_stickiness,
)
from controlplane.cluster_file.record import Findings, Record
from controlplane.problems import did_you_mean

PORT_MAX: Final = 65_535
NOWHERE: Final = FixedResponse(503)
"""Stands where an action had a problem; it never leaves this package."""

KEYWORDS: Final = {
    "protocol": (),
    "host": ("host",),
    "port": ("port",),
    "path": ("host", "port", "path"),
    "query": ("protocol", "host", "port", "path", "query"),
}
"""Which ``#{keyword}`` each part of a redirect may hold beside other text."""

_KEYWORD = re.compile(r"#\{([^{}]*)\}")


def action(
    owner: Record, name: str, groups: Mapping[str, TargetGroup], findings: Findings
) -> Action:
    """Return the one action of a rule or listener, read from its list `name`."""
    records = owner.records(name)
    if len(owner.items_at(name)) > 1 and len(records) > 1:
        message = "must be one forward, redirect or fixed-response (got {})"
        got = len(records)
        findings.error(owner.at(name), owner.path_of(name), message.format(got))
    if not records:
        return NOWHERE
    record = records[-1]
    match record.tag:
        case "forward":
            return _forward(record, groups, findings)
        case "redirect":
            return _redirect(record, findings)
        case _:
            return FixedResponse(
                int(record.text("statusCode") or 503),
                record.text("contentType"),
                record.text("messageBody"),
            )


def _forward(
    record: Record, groups: Mapping[str, TargetGroup], findings: Findings
) -> Forward:
    if record.absent("targetGroup") == record.absent("targetGroups"):
        message = "must have targetGroup or targetGroups, and not both"
        findings.error(record.node, record.path, message)
    if record.has("targetGroup"):
        check_group(record, groups, findings)
        sticky = group_stickiness(record, findings)
        return Forward((WeightedGroup(record.text("targetGroup")),), sticky)
    weighted: dict[str, WeightedGroup] = {}
    for item in record.records("targetGroups"):
        name = item.text("targetGroup")
        if name in weighted:
            message = f'"{quoted(name)}" is listed already'
            findings.error(item.at("targetGroup"), item.path_of("targetGroup"), message)
            continue
        check_group(item, groups, findings)
        weighted[name] = WeightedGroup(name, item.whole("weight"))
    if weighted and not any(group.weight for group in weighted.values()):
        message = "every weight is 0: nothing receives these requests"
        findings.warn(
            record.at("targetGroups"), record.path_of("targetGroups"), message
        )
    sticky = group_stickiness(record, findings)
    known = [groups[name] for name in weighted if name in groups]
    check_meeting(record, sticky, known, findings)
    return Forward(tuple(weighted.values()), sticky, record.flag("spillOver"))


def check_group(
    record: Record,
    groups: Collection[str],
    findings: Findings,
    field: str = "targetGroup",
) -> None:
    """Tell when the record's field names no target group of this file."""
    name = record.text(field)
    if record.has(field) and name not in groups:
        message = f'no target group named "{quoted(name)}"{did_you_mean(name, groups)}'
        findings.error(record.at(field), record.path_of(field), message)


# --- redirects ----------------------------------------------------------------------


def _redirect(record: Record, findings: Findings) -> Redirect:
    for part in KEYWORDS:
        if record.has(part) and (problem := _part_problem(part, record.text(part))):
            findings.error(record.at(part), record.path_of(part), problem)
    redirect = Redirect(
        int(record.text("statusCode").removeprefix("HTTP_") or 302),
        protocol=record.text("protocol"),
        host=record.text("host"),
        port=record.text("port"),
        path=record.text("path"),
        query=record.text("query"),
    )
    if not record.broken and not _changes(redirect):
        message = "must change the protocol, host, port or path: this one loops"
        findings.error(record.node, record.path, message)
    return redirect


def _part_problem(part: str, text: str) -> str:
    if text == f"#{{{part}}}" and part != "path":  # a path begins with its slash
        return ""
    rest = _KEYWORD.sub("", text)
    if "#{" in rest:
        return f'"#{{" has no matching "}}" (got {quoted(text)})'
    for keyword in _KEYWORD.findall(text):
        if keyword not in KEYWORDS:
            known = [f"#{{{name}}}" for name in KEYWORDS]
            return (
                f"unknown keyword #{{{quoted(keyword)}}}; known are {' '.join(known)}"
            )
        if keyword not in KEYWORDS[part]:
            return f"#{{{keyword}}} cannot stand in the {part} of a redirect"
    return _SHAPES[part](text)


def _protocol_problem(text: str) -> str:
    if text in {"HTTP", "HTTPS"}:
        return ""
    return f"must be HTTP, HTTPS or #{{protocol}} (got {quoted(text)})"


def _port_problem(text: str) -> str:
    if re.fullmatch("[1-9][0-9]{0,4}", text) and int(text) <= PORT_MAX:
        return ""
    return f"must be 1-{PORT_MAX} or #{{port}} (got {quoted(text)})"


def _host_problem(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9\-_.:\[\]]+", _KEYWORD.sub("h", text)):
        return ""
    return f"must be a host name (got {quoted(text)})"


def _path_problem(text: str) -> str:
    if not text.startswith("/"):
        return f"must start with / (got {quoted(text)})"
    return _visible_problem(text)


def _query_problem(text: str) -> str:
    if text.startswith("?"):
        return f"must be written without the leading ? (got {quoted(text)})"
    return _visible_problem(text)


def _visible_problem(text: str) -> str:
    if re.fullmatch("[!-~]*", text):
        return ""
    return f"must hold visible ASCII only, no spaces (got {quoted(text)})"


_SHAPES: Final = {
    "protocol": _protocol_problem,
    "host": _host_problem,
    "port": _port_problem,
    "path": _path_problem,
    "query": _query_problem,
}


def _changes(redirect: Redirect) -> bool:
    """Whether the answer can differ from the request in what ALB asks for."""
    original = Redirect(redirect.status_code)
    return (redirect.protocol, redirect.host, redirect.port, redirect.path) != (
        original.protocol,
        original.host,
        original.port,
        original.path,
    )
