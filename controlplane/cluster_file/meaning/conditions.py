"""Rule conditions: from records to `alb.model.Condition`. Pure.

Source: ELBv2 API reference, RuleCondition; ALB user guide, condition types.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
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
from foundation.regex import flaw_of

WILDCARDS_MAX: Final = 5
VALUES_PER_CONDITION_MAX: Final = 3
WITH_REGEX: Final = frozenset({"host-header", "path-pattern", "http-header"})
ONCE_PER_RULE: Final = frozenset(
    {"host-header", "path-pattern", "http-request-method", "source-ip"}
)

_HOST = re.compile(r"[A-Za-z0-9\-_.*?]+")
_CLOUD_HOST = re.compile(r".*\.[A-Za-z*?]+")
_PATH = re.compile(r"""[A-Za-z0-9_\-.$/~"'@:+&*?]+""")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~-]+")
_VISIBLE = re.compile(r"[ -~]+")
_WILDCARD = re.compile(r"\\[*?]|([*?])")
_ESCAPE = re.compile(r"%(?!25)[0-9A-Fa-f]{2}")
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
    _count_values(rule, records, findings)
    _count_wildcards(rule, records, findings)
    return tuple(_condition(record, findings) for record in records)


def _count_values(rule: Record, records: list[Record], findings: Findings) -> None:
    """AWS calls them match evaluations: so many of a rule, and of one condition."""
    counts = [
        len(record.items_at("values")) + len(record.items_at("regexValues"))
        for record in records
    ]
    if sum(counts) > VALUES_MAX:
        message = (
            f"a rule has at most {VALUES_MAX} condition values (got {sum(counts)})"
        )
        findings.error(rule.at("conditions"), rule.path_of("conditions"), message)
    for record, count in zip(records, counts, strict=True):
        if findings.strict and count > VALUES_PER_CONDITION_MAX:
            message = (
                f"a condition has at most {VALUES_PER_CONDITION_MAX} values under "
                f"strictAwsLimits (got {count})"
            )
            findings.error(record.node, record.path, message)


def _count_wildcards(rule: Record, records: list[Record], findings: Findings) -> None:
    wildcards = sum(
        len(list(filter(None, _WILDCARD.findall(text))))
        if record.tag == "query-string"
        else text.count("*") + text.count("?")
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
    regexes = _regexes(record, findings) if record.tag in WITH_REGEX else ()
    values = record.texts("values")
    match record.tag:
        case "host-header":
            _check_each(record, findings, _host_problem)
            if findings.strict:
                _check_each(record, findings, _cloud_host_problem)
            return HostHeader(values, regexes)
        case "path-pattern":
            _check_each(record, findings, _path_problem)
            return PathPattern(values, regexes)
        case "http-header":
            _check_header_name(record, findings)
            _check_each(record, findings, _visible_problem)
            return HttpHeader(record.text("httpHeaderName"), values, regexes)
        case "http-request-method":
            return HttpRequestMethod(values)
        case "query-string":
            return QueryString(
                tuple(_pair(r, findings) for r in record.records("values"))
            )
        case _:
            _check_each(record, findings, _cidr_problem)
            return SourceIp(tuple(_network(value) for value in values))


def _regexes(record: Record, findings: Findings) -> tuple[str, ...]:
    """Return the expressions; a condition has them or values, and not both."""
    if record.absent("values") == record.absent("regexValues"):
        message = "must have values or regexValues, and not both"
        findings.error(record.node, record.path, message)
    _check_each(record, findings, regex_problem, "regexValues")
    texts = record.texts("regexValues")
    if record.tag == "path-pattern":
        _warn_of_escapes(record, texts, findings)
    return texts


def regex_problem(text: str) -> str:
    """Return what is wrong with a regular expression, and at which character."""
    if not _VISIBLE.fullmatch(text):
        return f"only visible ASCII is matched (got {quoted(text)})"
    flaw = flaw_of(text)
    return (
        f"{quoted(flaw.message)} (character {flaw.at} of {quoted(text)})"
        if flaw
        else ""
    )


def _warn_of_escapes(record: Record, texts: Iterable[str], findings: Findings) -> None:
    """Paths are decoded before they are matched; ``values`` are decoded alike."""
    nodes: list[Node] = record.items_at("regexValues")
    for index, text in enumerate(texts):
        if found := _ESCAPE.search(text):
            path = f"{record.path_of('regexValues')}[{index}]"
            message = (
                f"{found.group()} never matches: paths are decoded before; "
                f"write \\x{found.group()[1:]}"
            )
            findings.warn(nodes[index], path, message)


def _check_each(
    record: Record, findings: Findings, problem_of: _ProblemOf, name: str = "values"
) -> None:
    nodes: list[Node] = record.items_at(name)
    for index, text in enumerate(record.texts(name)):
        if problem := problem_of(text):
            path = f"{record.path_of(name)}[{index}]"
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
