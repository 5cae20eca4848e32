"""Rule conditions: from records to `alb.model.Condition`. Pure.

Source: ELBv2 API reference, RuleCondition; ALB user guide, condition types.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Final

from alb.model import (
    Condition,
    HostHeader,
    HttpHeader,
    HttpRequestMethod,
    PathPattern,
    QueryPair,
    QueryString,
    SourceIp,
)
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.fields.rules import VALUES_MAX
from controlplane.cluster_file.record import Findings, Record
from controlplane.cluster_file.source import Node

WILDCARDS_MAX: Final = 5
ONCE_PER_RULE: Final = frozenset(
    {"host-header", "path-pattern", "http-request-method", "source-ip"}
)

_HOST = re.compile(r"[A-Za-z0-9\-_.*?]+")
_CLOUD_HOST = re.compile(r".*\.[A-Za-z*?]+")
_PATH = re.compile(r"""[A-Za-z0-9_\-.$/~"'@:+&*?]+""")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~-]+")
_VISIBLE = re.compile(r"[ -~]+")
_ProblemOf = Callable[[str], str]
"""From a value to what is wrong with it, or nothing."""

_BROADCAST = ipaddress.ip_network("255.255.255.255/32")


def conditions(rule: Record, findings: Findings) -> tuple[Condition, ...]:
    """Return a rule's conditions; how many may stand together is checked here."""
    records = rule.records("conditions")
    first_use: dict[str, str] = {}
    for record in records:
        kind = record.tag
        used = first_use.setdefault(kind, record.path)
        if kind in ONCE_PER_RULE and used != record.path:
            message = f"a rule has one {kind} condition; {used} is one already"
            findings.error(record.node, record.path, message)
    values = sum(len(record.items_at("values")) for record in records)
    if values > VALUES_MAX:
        message = f"a rule has at most {VALUES_MAX} condition values (got {values})"
        findings.error(rule.at("conditions"), rule.path_of("conditions"), message)
    _count_wildcards(rule, records, findings)
    return tuple(_condition(record, findings) for record in records)


def _count_wildcards(rule: Record, records: list[Record], findings: Findings) -> None:
    wildcards = sum(
        text.count("*") + text.count("?")
        for record in records
        if record.tag not in {"http-request-method", "source-ip"}
        for text in _texts(record)
    )
    if findings.strict and wildcards > WILDCARDS_MAX:
        message = (
            f"a rule has at most {WILDCARDS_MAX} wildcards under "
            f"strictAwsLimits (got {wildcards})"
        )
        findings.error(rule.at("conditions"), rule.path_of("conditions"), message)


def _texts(record: Record) -> Iterator[str]:
    yield from record.texts("values")
    for pair in record.records("values"):
        yield pair.text("key")
        yield pair.text("value")


def _condition(record: Record, findings: Findings) -> Condition:
    if record.absent("values") and "regexValues" not in record.broken:
        findings.error(record.node, record.path, "values is missing")
    values = record.texts("values")
    match record.tag:
        case "host-header":
            _check_each(record, findings, _host_problem)
            if findings.strict:
                _check_each(record, findings, _cloud_host_problem)
            return HostHeader(values)
        case "path-pattern":
            _check_each(record, findings, _path_problem)
            return PathPattern(values)
        case "http-header":
            _check_header_name(record, findings)
            _check_each(record, findings, _visible_problem)
            return HttpHeader(record.text("httpHeaderName"), values)
        case "http-request-method":
            return HttpRequestMethod(values)
        case "query-string":
            return QueryString(
                tuple(_pair(r, findings) for r in record.records("values"))
            )
        case _:
            _check_each(record, findings, _cidr_problem)
            return SourceIp(tuple(_network(value) for value in values))


def _check_each(record: Record, findings: Findings, problem_of: _ProblemOf) -> None:
    nodes: list[Node] = record.items_at("values")
    for index, text in enumerate(record.texts("values")):
        if problem := problem_of(text):
            path = f"{record.path_of('values')}[{index}]"
            findings.error(nodes[index], path, problem)


def _host_problem(text: str) -> str:
    if not _HOST.fullmatch(text):
        return f"a host pattern holds only A-Z a-z 0-9 - _ . * ? (got {quoted(text)})"
    return ""


def _cloud_host_problem(text: str) -> str:
    if _CLOUD_HOST.fullmatch(text):
        return ""
    return (
        "a host pattern must have a dot, and only letters after the last, "
        f"under strictAwsLimits (got {quoted(text)})"
    )


def _path_problem(text: str) -> str:
    if _PATH.fullmatch(text):
        return ""
    return (
        "a path pattern holds only A-Z a-z 0-9 _ - . $ / ~ \" ' @ : + & * ? "
        f"(got {quoted(text)})"
    )


def _visible_problem(text: str) -> str:
    if _VISIBLE.fullmatch(text):
        return ""
    return f"only visible ASCII is matched (got {quoted(text)})"


def _cidr_problem(text: str) -> str:
    network = _parsed(text)
    if network is None:
        return f"must be a CIDR block such as 10.0.0.0/8 (got {quoted(text)})"
    if "/" not in text:
        return f"must be a CIDR block; write {network} (got {text})"
    if network == _BROADCAST:
        return "255.255.255.255/32 is nobody's address"
    return ""


def _check_header_name(record: Record, findings: Findings) -> None:
    name = record.text("httpHeaderName")
    if not record.has("httpHeaderName"):
        return
    at, path = record.at("httpHeaderName"), record.path_of("httpHeaderName")
    if not _HEADER_NAME.fullmatch(name):
        message = f"must be a header name, without wildcards (got {quoted(name)})"
        findings.error(at, path, message)
    elif name.lower() == "host":
        findings.error(at, path, "Host is matched by a host-header condition")


def _pair(record: Record, findings: Findings) -> QueryPair:
    for name in ("key", "value"):
        text = record.text(name)
        if record.has(name) and not _VISIBLE.fullmatch(text):
            message = f"only visible ASCII is matched (got {quoted(text)})"
            findings.error(record.at(name), record.path_of(name), message)
    key = record.text("key") if record.has("key") else None
    return QueryPair(record.text("value"), key)


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _parsed(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _network(text: str) -> str:
    network = _parsed(text)
    return str(network) if network else text
