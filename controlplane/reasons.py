"""Why a rule takes a request or does not: each condition, by which of its values.

Uses the very rules that workers match with, one condition and one value at a
time. Absent: what is then done with the request (`passage`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from alb.decide.certificates import TlsFacts
from alb.decide.request import RequestHead
from alb.decide.rules import DEFAULT_RULE, CompiledRules, compile_rules
from alb.decide.uri import normalise_path, query_pairs
from alb.model import (
    Condition,
    HostHeader,
    HttpHeader,
    HttpRequestMethod,
    Listener,
    PathPattern,
    QueryString,
    Rule,
    SourceIp,
)
from controlplane.api.ports import Document


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a worker has read it, as it was written, and who sends it."""

    head: RequestHead
    peer_ip: str
    written: bytes = b""
    peer_port: int = 0
    tls: TlsFacts | None = None

    def matched_by(self, rules: CompiledRules) -> bool:
        head = self.head
        position = rules.match(
            head.method,
            head.host,
            head.path,
            head.query,
            head.pairs(),
            self.peer_ip,
            head.host_field,
        )
        return position != DEFAULT_RULE


def reason_of(listener: Listener, rule: Rule, asked: Asked) -> Document:
    """Say of one rule whether it matches, condition by condition."""
    conditions = [_told(listener, rule, each, asked) for each in rule.conditions]
    return {
        "priority": rule.priority,
        "name": rule.name,
        "matched": _holds(listener, rule, rule.conditions, asked),
        "conditions": conditions,
    }


def _told(
    listener: Listener, rule: Rule, condition: Condition, asked: Asked
) -> Document:
    matched_by = [
        shown
        for shown, alone in _each_value(condition)
        if _holds(listener, rule, (alone,), asked)
    ]
    return {
        **_described(condition),
        "matched": bool(matched_by),
        "matchedBy": matched_by,
        "seen": _seen(condition, asked),
    }


def _holds(
    listener: Listener, rule: Rule, conditions: tuple[Condition, ...], asked: Asked
) -> bool:
    only = replace(rule, conditions=conditions, transforms=())
    return asked.matched_by(compile_rules(replace(listener, rules=(only,))))


def _each_value(condition: Condition) -> Iterator[tuple[object, Condition]]:
    """Yield each value as it is shown, and the condition with it alone."""
    match condition:
        case QueryString(pairs):
            for pair in pairs:
                yield {"key": pair.key, "value": pair.value}, QueryString((pair,))
        case HostHeader() | PathPattern() | HttpHeader():
            for value in condition.values:
                yield value, replace(condition, values=(value,))
            for value in condition.regex_values:
                yield value, replace(condition, regex_values=(value,))
        case HttpRequestMethod() | SourceIp():
            for value in condition.values:
                yield value, replace(condition, values=(value,))
        case _:
            assert_never(condition)


def _described(condition: Condition) -> dict[str, object]:
    match condition:
        case HostHeader():
            return {"field": "host-header", **_values(condition)}
        case PathPattern():
            return {"field": "path-pattern", **_values(condition)}
        case HttpHeader(name):
            return {
                "field": "http-header",
                "httpHeaderName": name,
                **_values(condition),
            }
        case HttpRequestMethod(values):
            return {"field": "http-request-method", "values": list(values)}
        case QueryString():
            shown = [value for value, _ in _each_value(condition)]
            return {"field": "query-string", "values": shown}
        case SourceIp(values):
            return {"field": "source-ip", "values": list(values)}
        case _:
            assert_never(condition)


def _values(condition: HostHeader | PathPattern | HttpHeader) -> Document:
    if condition.regex_values:
        return {"regexValues": list(condition.regex_values)}
    return {"values": list(condition.values)}


def _seen(condition: Condition, asked: Asked) -> list[str]:
    """Return what the condition was asked about, as rules see it."""
    head = asked.head
    match condition:
        case HostHeader():
            return [text(head.host)]
        case PathPattern():
            return [text(normalise_path(head.path))]
        case HttpHeader(name):
            wanted = name.lower().encode()
            return [text(value) for each, value in head.pairs() if each == wanted]
        case HttpRequestMethod():
            return [text(head.method)]
        case QueryString():
            return [text(b"=".join(pair)) for pair in query_pairs(head.query)]
        case SourceIp():
            return [asked.peer_ip]
        case _:
            assert_never(condition)


def text(octets: bytes) -> str:
    """Return octets as a person reads them; what is not UTF-8 as ``\\xNN``."""
    return octets.decode("utf-8", "backslashreplace")
