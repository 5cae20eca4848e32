"""Say which way a request would go, and why: every rule in order.

    question -> the request as a worker reads it -> reasons -> passage

The applied configuration and the health that was last seen decide; the request
is read by the scanner that workers use, written as it was asked. Nothing is sent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from alb.decide.desync import MODES, scan
from alb.decide.request import RequestHead
from alb.errors import Refused
from alb.model import Listener, LoadBalancer, Rule, TargetId, TargetObservation
from controlplane.api.ports import Document, Question
from controlplane.errors import InvalidParameter, NotApplied
from controlplane.reasons import Asked, reason_of

PORTS: Final = {"http": 80, "https": 443}

Observed = Mapping[TargetId, TargetObservation]


def explain(
    load_balancer: LoadBalancer | None, observed: Observed, question: Question
) -> Document:
    """Return the way of `question`. Raises InvalidParameter, NotApplied."""
    if load_balancer is None or not load_balancer.listeners:
        raise NotApplied
    from controlplane.passage import passage_of  # noqa: PLC0415 - a worker's code: slow

    parts = _split(question.url)
    listener = _listener(load_balancer.listeners, parts)
    peer_ip = _peer(question.source_ip)
    told: dict[str, object] = {
        "url": question.url,
        "method": question.method,
        "sourceIp": peer_ip,
        "listener": listener.name,
    }
    try:
        asked = Asked(_read(question, parts, listener), peer_ip)
    except Refused as refused:
        refusal = {"statusCode": refused.status, "reason": refused.reason}
        return {**told, "rules": [], "action": {"type": "refused", **refusal}}
    if asked.head.classification:
        told["classification"] = asked.head.classification
        told["classificationReason"] = asked.head.reason
    looked, chosen = _look(listener, asked)
    return {
        **told,
        "rules": looked,
        "rule": {"priority": chosen.priority, "name": chosen.name}
        if chosen
        else "default",
        "ruleEvaluations": len(looked),
        "action": passage_of(load_balancer, listener, chosen, asked, dict(observed)),
    }


def _look(listener: Listener, asked: Asked) -> tuple[list[Document], Rule | None]:
    """Return what was looked at, up to the rule that matches, and that rule."""
    looked: list[Document] = []
    for rule in sorted(listener.rules, key=lambda rule: rule.priority):
        told = reason_of(listener, rule, asked)
        looked.append(told)
        if told["matched"]:
            return looked, rule
    return looked, None


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


def _peer(source_ip: str) -> str:
    try:
        return str(ipaddress.ip_address(source_ip))
    except ValueError:
        raise InvalidParameter("sourceIp", f'"{source_ip}" is no address') from None


def _read(question: Question, parts: SplitResult, listener: Listener) -> RequestHead:
    """Write the request down and read it as a worker does. Raises Refused."""
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    host = parts.netloc.rpartition("@")[2] or f"{listener.addresses[0]}:{listener.port}"
    lines = [f"{question.method} {target} HTTP/1.1"]
    if not any(name.lower() == "host" for name, _ in question.headers):
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in question.headers]
    if any("\r" in line or "\n" in line for line in lines):
        raise InvalidParameter("header", "must be one line")
    written = "\r\n".join([*lines, "\r\n"]).encode("utf-8", "surrogateescape")
    found = scan(written, MODES[listener.attributes.desync_mitigation_mode])
    assert found is not None, "a whole head was written"
    return found[0]
