"""Say which way a request would go, and why: every rule in order.

Uses the very rules that workers match with, one at a time, over the applied
configuration and the health that was last seen. Nothing is sent. Absent: the
round-robin turn and the weighted draw, which only a worker knows.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never
from urllib.parse import SplitResult, urlsplit

from alb.decide.balance import eligible_targets
from alb.decide.rules import DEFAULT_RULE, CompiledRules, compile_rules
from alb.model import (
    Action,
    Condition,
    FixedResponse,
    Forward,
    HealthState,
    HostHeader,
    HttpHeader,
    HttpRequestMethod,
    Listener,
    LoadBalancer,
    PathPattern,
    QueryString,
    Redirect,
    Rule,
    SourceIp,
    Target,
    TargetId,
    TargetObservation,
)
from controlplane.api.ports import Document, Question
from controlplane.errors import InvalidParameter, NotApplied

PEER: Final = "127.0.0.1"
PORTS: Final = {"http": 80, "https": 443}

Observed = Mapping[TargetId, TargetObservation]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's facts in the form that rules look at."""

    method: bytes
    host: bytes
    path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    def matched_by(self, rules: CompiledRules) -> bool:
        position = rules.match(
            self.method, self.host, self.path, self.query, self.headers, PEER
        )
        return position != DEFAULT_RULE


def explain(
    load_balancer: LoadBalancer | None, observed: Observed, question: Question
) -> Document:
    """Return the way of `question`. Raises InvalidParameter, NotApplied."""
    if load_balancer is None or not load_balancer.listeners:
        raise NotApplied
    parts = _split(question.url)
    listener = _listener(load_balancer.listeners, parts)
    asked = _facts(question, parts)
    rules = sorted(listener.rules, key=lambda rule: rule.priority)
    looked: list[Document] = []
    for rule in rules:
        told = _look(listener, rule, asked)
        looked.append(told)
        if told["matched"]:
            return _way(question, listener, looked, (rule.action, rule), observed)
    default = listener.default_action
    return _way(question, listener, looked, (default, None), observed)


def _split(url: str) -> SplitResult:
    """Return the URL's parts; a bare path means the first listener."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidParameter("url", str(error)) from error
    if parts.scheme not in {"", *PORTS}:
        raise InvalidParameter("url", f'"{url}" is not an http or https URL')
    return parts


def _listener(listeners: Sequence[Listener], parts: SplitResult) -> Listener:
    if not parts.netloc:
        return listeners[0]
    port = parts.port or PORTS.get(parts.scheme or "http")
    for listener in listeners:
        if listener.port == port:
            return listener
    known = ", ".join(str(listener.port) for listener in listeners)
    raise InvalidParameter("url", f"no listener on port {port}; there is {known}")


def _facts(question: Question, parts: SplitResult) -> Asked:
    headers = [
        (name.lower().encode("latin-1", "replace"), value.encode("utf-8"))
        for name, value in question.headers
    ]
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts:
        headers.append((b"host", parts.netloc.rpartition("@")[2].encode()))
    host = hosts[0] if hosts else (parts.hostname or "").encode()
    return Asked(
        question.method.encode(),
        _without_port(host),
        parts.path.encode() or b"/",
        parts.query.encode(),
        tuple(headers),
    )


def _without_port(host: bytes) -> bytes:
    if host.startswith(b"["):
        return host.partition(b"]")[0].lower() + b"]"
    return host.partition(b":")[0].lower()


def _look(listener: Listener, rule: Rule, asked: Asked) -> Document:
    """Say of one rule whether it matches, condition by condition."""
    conditions: list[Document] = [
        {
            **_condition(condition),
            "matched": asked.matched_by(_alone(listener, rule, (condition,))),
        }
        for condition in rule.conditions
    ]
    matched = asked.matched_by(_alone(listener, rule, rule.conditions))
    return {
        "priority": rule.priority,
        "name": rule.name,
        "matched": matched,
        "conditions": conditions,
    }


def _alone(
    listener: Listener, rule: Rule, conditions: tuple[Condition, ...]
) -> CompiledRules:
    only = replace(rule, conditions=conditions)
    return compile_rules(replace(listener, rules=(only,)))


def _condition(condition: Condition) -> dict[str, object]:
    match condition:
        case HostHeader(values):
            return {"field": "host-header", "values": list(values)}
        case PathPattern(values):
            return {"field": "path-pattern", "values": list(values)}
        case HttpHeader(name, values):
            return {
                "field": "http-header",
                "httpHeaderName": name,
                "values": list(values),
            }
        case HttpRequestMethod(values):
            return {"field": "http-request-method", "values": list(values)}
        case QueryString(pairs):
            shown = [{"key": pair.key, "value": pair.value} for pair in pairs]
            return {"field": "query-string", "values": shown}
        case SourceIp(values):
            return {"field": "source-ip", "values": list(values)}
        case _:
            assert_never(condition)


def _way(
    question: Question,
    listener: Listener,
    looked: Sequence[Document],
    chosen: tuple[Action, Rule | None],
    observed: Observed,
) -> Document:
    action, rule = chosen
    return {
        "url": question.url,
        "method": question.method,
        "listener": listener.name,
        "rules": list(looked),
        "rule": {"priority": rule.priority, "name": rule.name} if rule else "default",
        "action": _action(action, observed),
        "note": f"source-ip was asked about {ipaddress.ip_address(PEER)}",
    }


def _action(action: Action, observed: Observed) -> Document:
    match action:
        case Forward(groups):
            total = sum(group.weight for group in groups)
            shown = [
                {
                    "targetGroup": group.target_group,
                    "weight": group.weight,
                    "share": group.weight / total if total else 0.0,
                    **_targets(group.target_group, observed),
                }
                for group in groups
            ]
            return {"type": "forward", "targetGroups": shown}
        case Redirect():
            return {
                "type": "redirect",
                "statusCode": action.status_code,
                "location": f"{action.protocol}://{action.host}:{action.port}"
                f"{action.path}?{action.query}",
            }
        case FixedResponse():
            return {
                "type": "fixed-response",
                "statusCode": action.status_code,
                "contentType": action.content_type,
            }
        case _:
            assert_never(action)


def _targets(group: str, observed: Observed) -> Document:
    """Say which registered targets of a group may be picked, as a worker would."""
    registered = [
        Target(target_id, "", 0, draining=seen.health.state is HealthState.DRAINING)
        for target_id, seen in observed.items()
        if seen.group == group
    ]
    overlay = {target_id: seen.health for target_id, seen in observed.items()}
    eligible = [target.id for target in eligible_targets(registered, overlay)]
    healthy = [one for one in eligible if overlay[one].state is HealthState.HEALTHY]
    return {
        "eligibleTargets": eligible,
        "failOpen": bool(eligible) and not healthy,
    }
