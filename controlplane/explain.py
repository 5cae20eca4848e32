"""Say which way a request would go, and why: every rule in order.

    question -> the request as a worker reads it -> reasons -> passage

The applied configuration and the health that was last seen decide; the request
is read by the scanner that workers use, written as it was asked. Nothing is sent.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from alb.decide.certificates import TlsFacts
from alb.decide.desync import MODES, scan
from alb.decide.request import RequestHead
from alb.errors import Refused
from alb.model import Listener, LoadBalancer, Rule
from controlplane.api.ports import Document, Question
from controlplane.errors import InvalidParameter, NotApplied
from controlplane.known import Known
from controlplane.reasons import Asked, reason_of

PORTS: Final = {"http": 80, "https": 443}
PORT_MAX: Final = 65535
_TLS_WORD: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def explain(
    load_balancer: LoadBalancer | None, known: Known, question: Question
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
    tls = _tls(question.tls) if listener.is_secure else None
    if tls is not None:
        told["tls"] = {"version": question.tls[0], "cipherSuite": question.tls[1]}
    written = _written(question, parts, listener)
    try:
        head = _read(written, listener)
    except Refused as refused:
        refusal = {"statusCode": refused.status, "reason": refused.reason}
        return {**told, "rules": [], "action": {"type": "refused", **refusal}}
    if head.classification:
        told["classification"] = head.classification
        told["classificationReason"] = head.reason
    asked = Asked(head, peer_ip, written, _port(question.source_port), tls)
    looked, chosen = _look(listener, asked)
    return {
        **told,
        "rules": looked,
        "rule": {"priority": chosen.priority, "name": chosen.name}
        if chosen
        else "default",
        "ruleEvaluations": len(looked),
        "action": passage_of(load_balancer, listener, chosen, asked, known),
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


def _port(port: int) -> int:
    if not 0 < port <= PORT_MAX:
        raise InvalidParameter("sourcePort", f"must be 1 to {PORT_MAX} (got {port})")
    return port


def _tls(words: tuple[str, str]) -> TlsFacts:
    for word in words:
        if not _TLS_WORD.fullmatch(word):
            raise InvalidParameter("tls", f'"{word}" is no version or cipher suite')
    return TlsFacts(words[0].encode(), words[1].encode())


def _written(question: Question, parts: SplitResult, listener: Listener) -> bytes:
    """Write the request down as a client does."""
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
    return "\r\n".join([*lines, "\r\n"]).encode("utf-8", "surrogateescape")


def _read(written: bytes, listener: Listener) -> RequestHead:
    """Read a request as a worker does. Raises Refused."""
    found = scan(written, MODES[listener.attributes.desync_mitigation_mode])
    assert found is not None, "a whole head was written"
    return found[0]
