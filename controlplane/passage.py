"""What is done with a request: the answer, or the targets and what they receive.

What would be sent is written by the door that workers use, so it is theirs to
the header. Nothing is sent. Absent: the round-robin turn and the weighted draw,
which only a worker knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from alb.app.door import Door
from alb.app.exchange import Exchange
from alb.decide.balance import eligible_targets
from alb.decide.forwarded import has_too_many_addresses
from alb.decide.head import without_invalid_names
from alb.decide.redirect import CompiledRedirect
from alb.decide.request import RequestHead
from alb.decide.rewrite import Rewrite, settle
from alb.decide.rules import compile_rules
from alb.drivers.client import ClientConnection
from alb.model import (
    Action,
    FixedResponse,
    Forward,
    HealthState,
    HostHeaderRewrite,
    Listener,
    LoadBalancer,
    Redirect,
    Rule,
    Target,
    TargetGroup,
    TargetId,
    TargetObservation,
    Version,
)
from alb.state.sessions import Sessions
from alb.state.table import Table
from alb.state.targets import TargetState
from controlplane.api.ports import Document
from controlplane.reasons import Asked, text

Observed = dict[TargetId, TargetObservation]

_TRACE: Final = b"1-00000000-%024x" % 1
_TRACE_SHOWN: Final = b"1-TIME-UNIQUE"


class _Nowhere:
    """What a door needs of its worker, where nothing is ever sent."""

    def __init__(self) -> None:
        self.trace_prefix = b"0" * 12
        self.time_s: Callable[[], float] = float
        self.client_files_max = 1
        self.sessions = Sessions(float)

    def connect(self, exchange: Exchange, target: TargetState) -> None:
        raise AssertionError("nothing is sent")

    def doubt(self, target: TargetState) -> None:
        raise AssertionError("nobody is reached for")

    def on_drained(self, target: TargetState) -> None:
        raise AssertionError("nothing is in flight")


def passage_of(
    balancer: LoadBalancer,
    listener: Listener,
    rule: Rule | None,
    asked: Asked,
    observed: Observed,
) -> Document:
    """Return what `rule` (None: the default) does with the request."""
    action: Action = rule.action if rule else listener.default_action
    match action:
        case Forward():
            return _forwarded(balancer, listener, rule, action, asked, observed)
        case Redirect():
            return _redirected(listener, action, asked.head)
        case FixedResponse():
            return {
                "type": "fixed-response",
                "statusCode": action.status_code,
                "contentType": action.content_type,
                "messageBody": action.message_body,
            }
        case _:
            assert_never(action)


def _redirected(listener: Listener, action: Redirect, head: RequestHead) -> Document:
    location = CompiledRedirect(action).location(
        listener.protocol.lower().encode(),
        head.host or listener.addresses[0].encode(),
        b"%d" % listener.port,
        head.path,
        head.query,
    )
    if location is None:
        return _answered("redirect", 507, "RedirectUrlTooLong")
    return {
        "type": "redirect",
        "statusCode": action.status_code,
        "location": text(location),
    }


def _answered(kind: str, status: int, reason: str) -> Document:
    return {"type": kind, "statusCode": status, "reason": reason}


def _forwarded(  # noqa: PLR0913, PLR0917 - all there is to know of a forward
    balancer: LoadBalancer,
    listener: Listener,
    rule: Rule | None,
    action: Forward,
    asked: Asked,
    observed: Observed,
) -> Document:
    head = asked.head
    if head.forwarded_for and has_too_many_addresses(head.forwarded_for):
        return _answered("forward", 463, "TooManyForwardedAddresses")
    compile_rules(listener).match_request(head, head.pairs(), asked.peer_ip)
    transformed = _transformed(listener, rule, head)
    if (status := transformed.get("status")) and status != "TransformSuccess":
        return {**_answered("forward", 500, str(status)), "transforms": transformed}
    total = sum(group.weight for group in action.groups)
    groups = [
        {
            "targetGroup": group.target_group,
            "weight": group.weight,
            "share": group.weight / total if total else 0.0,
            **_targets(balancer, group.target_group, observed),
        }
        for group in action.groups
    ]
    told: dict[str, object] = {"type": "forward", "targetGroups": groups}
    if transformed:
        told["transforms"] = transformed
    if head.is_disputed:
        settle(head, None)
    told["request"] = _request_sent(listener, asked)
    return told


def _transformed(listener: Listener, rule: Rule | None, head: RequestHead) -> Document:
    """Do to `head` what the rule's transforms do, and tell of it."""
    if rule is None or not rule.transforms:
        return {}
    host = head.host or listener.addresses[0].encode()
    rewritten = Rewrite(rule.transforms).apply(head, host)
    written = [
        {
            "type": "host-header-rewrite"
            if isinstance(each, HostHeaderRewrite)
            else "url-rewrite",
            "regex": each.regex,
            "replace": each.replace,
        }
        for each in rule.transforms
    ]
    return {
        "transforms": written,
        "status": rewritten.status,
        "transformedHost": None if rewritten.host is None else text(rewritten.host),
        "transformedUri": None if rewritten.target is None else text(rewritten.target),
    }


def _request_sent(listener: Listener, asked: Asked) -> Document:
    """Return the head that a target would get, by the workers' own door."""
    head = asked.head
    if head.odd_names and listener.attributes.drop_invalid_header_fields:
        head.passed_on = without_invalid_names(head.passed_on)
    table = Table(0)
    table.swap(Version(0, 1), (), [(listener, compile_rules(listener))], 0.0)
    door = Door(_Nowhere(), table.listeners[listener.name], 0.0, 0.0)
    client = ClientConnection(door)
    client.peer_ip, client.peer = asked.peer_ip, asked.peer_ip.encode()
    door.opened(client)
    sent = door.onward.head(client, head).replace(_TRACE, _TRACE_SHOWN)
    line, *headers = text(sent).removesuffix("\r\n\r\n").split("\r\n")
    pairs = (header.partition(":") for header in headers)
    return {
        "line": line,
        "headers": [[name, value.strip()] for name, _, value in pairs],
    }


def _targets(balancer: LoadBalancer, group: str, observed: Observed) -> Document:
    """Say which registered targets of a group may be picked, as a worker would."""
    seen = {id_: each for id_, each in observed.items() if each.group == group}
    registered = [
        Target(id_, "", 0, draining=each.health.state is HealthState.DRAINING)
        for id_, each in seen.items()
    ]
    overlay = {id_: each.health for id_, each in seen.items()}
    groups = {one.name: one for one in balancer.groups}
    wanted = groups.get(group, TargetGroup(group))
    algorithm = wanted.algorithm
    found = eligible_targets(registered, overlay, wanted.minimum_healthy)
    eligible = [target.id for target in found]
    healthy = [one for one in eligible if overlay[one].state is HealthState.HEALTHY]
    told = [
        {
            "id": id_,
            "state": each.health.state.value,
            "reason": each.health.reason.value,
            "description": each.health.description,
            "inFlight": each.in_flight,
            "eligible": id_ in eligible,
        }
        for id_, each in seen.items()
    ]
    unseen = [
        {"id": target.id, "state": None, "eligible": None}
        for target in balancer.fixed_targets.get(group, ())
        if target.id not in seen
    ]
    return {
        "algorithm": algorithm.type,
        "hashedOn": algorithm.hash_on
        if algorithm.type == "alb.consistent_hash"
        else None,
        "eligibleTargets": eligible,
        "failOpen": len(healthy) < len(eligible),
        "targets": [*told, *unseen],
    }
