"""What is done with a request: the answer, or the targets and what they receive.

A forward is rehearsed by the code that workers serve with (`rehearsal`), so what
would be sent is theirs to the byte. Nothing is sent. Absent: the round-robin turn
and the weighted draw, which only a worker knows.
"""

from __future__ import annotations

from typing import Final, assert_never

from alb.decide.redirect import CompiledRedirect
from alb.decide.request import RequestHead
from alb.decide.rewrite import Rewrite
from alb.decide.rules import compile_rules
from alb.model import (
    Action,
    FixedResponse,
    Forward,
    GroupTargets,
    HostHeaderRewrite,
    Listener,
    LoadBalancer,
    Redirect,
    Rule,
    TargetGroup,
)
from alb.state.table import ForwardTo
from controlplane.api.ports import Document
from controlplane.known import Known
from controlplane.prospects import Held, held_group, prospect, registered
from controlplane.reasons import Asked, text
from controlplane.rehearsal import Peer, Played, Stage, set_cookies

_TRACE: Final = b"1-00000000-%024x" % 1
_TRACE_SHOWN: Final = b"1-TIME-UNIQUE"


def passage_of(
    balancer: LoadBalancer,
    listener: Listener,
    rule: Rule | None,
    asked: Asked,
    known: Known,
) -> Document:
    """Return what `rule` (None: the default) does with the request."""
    action: Action = rule.action if rule else listener.default_action
    match action:
        case Forward():
            return _Forwarding(balancer, listener, rule, action, asked, known).told()
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
        reason = "RedirectUrlTooLong"
        return {"type": "redirect", "statusCode": 507, "reason": reason}
    return {
        "type": "redirect",
        "statusCode": action.status_code,
        "location": text(location),
    }


class _Forwarding:
    """A forward that is rehearsed: as a whole, and as if it were each group's."""

    def __init__(  # noqa: PLR0913, PLR0917 - all there is to know of a forward
        self,
        balancer: LoadBalancer,
        listener: Listener,
        rule: Rule | None,
        action: Forward,
        asked: Asked,
        known: Known,
    ) -> None:
        self._listener = listener
        self._rule = rule
        self._action = action
        self._asked = asked
        self._known = known
        self._peer = Peer(asked.peer_ip, asked.peer_port, asked.tls)
        groups = {one.name: one for one in balancer.groups}
        self._contents = {
            name: GroupTargets(
                groups.get(name, TargetGroup(name)),
                balancer.fixed_targets.get(name, ()),
            )
            for name in (one.target_group for one in action.groups)
        }
        rules = compile_rules(listener)
        present = [registered(one, known) for one in self._contents.values()]
        self._stage = Stage(listener, rules, present, known)
        head = asked.head
        position = rules.match_request(head, head.pairs(), asked.peer_ip)
        act = self._stage.state.acts[position]
        assert isinstance(act, ForwardTo), "the rule that was found"
        self._act = act

    def told(self) -> Document:
        """Return what the request meets, group by group, and what would be sent."""
        whole = self._play()
        transformed = _transformed(self._listener, self._rule, self._asked.head)
        told: dict[str, object] = {"type": "forward"}
        if transformed:
            told["transforms"] = transformed
        if whole.reason not in {"", "NO_TARGET", "OVERFLOW"}:  # whatever the group
            return {**told, "statusCode": whole.status, "reason": whole.reason}
        held = Held()
        if self._act.sticky:
            held = held_group(self._stage, self._act, self._asked)
            duration_s = self._action.stickiness.duration_s
            told["groupStickiness"] = {"durationSeconds": duration_s, **held.told()}
        plays = self._plays(whole)
        told["targetGroups"] = self._groups(plays, held)
        sole = held.to or self._sole()
        if sole:
            whole = plays[sole]
            told["targetGroup"] = sole
        if not [one for one in plays.values() if not one.status] or (
            sole and whole.status
        ):
            return {**told, "statusCode": whole.status, "reason": whole.reason}
        sent = whole if whole.head else next(p for p in plays.values() if p.head)
        if cookies := self._cookies(sole):
            told["setCookies"] = cookies
        told["request"] = _request_sent(sent.head)
        return told

    def _play(self, only: str = "", lines: bytes = b"") -> Played:
        return self._stage.play(self._asked.written, self._peer, only=only, lines=lines)

    def _plays(self, whole: Played) -> dict[str, Played]:
        """Return how the request fares in each group."""
        if len(self._contents) == 1:
            return dict.fromkeys(self._contents, whole)
        return {name: self._play(only=name) for name in self._contents}

    def _sole(self) -> str:
        """Return the group that gets every request, if there is one."""
        getting = [n for n, share in self._shares().items() if share == 1.0]
        return getting[0] if getting else ""

    def _shares(self) -> dict[str, float]:
        """Return each group's part of the requests, what spills over included."""
        weights = {one.target_group: one.weight for one in self._action.groups}
        groups = self._stage.table.groups
        if self._action.spill_over:
            able = {n: w if groups[n].eligible else 0 for n, w in weights.items()}
            weights = able if sum(able.values()) else weights
        total = sum(weights.values())
        return {n: w / total if total else 0.0 for n, w in weights.items()}

    def _groups(self, plays: dict[str, Played], held: Held) -> list[Document]:
        shares = self._shares()
        if held.to:
            shares = {name: float(name == held.to) for name in shares}
        return [
            {
                "targetGroup": one.target_group,
                "weight": one.weight,
                "share": shares[one.target_group],
                **prospect(
                    self._stage,
                    self._contents[one.target_group],
                    self._asked,
                    self._known,
                    plays[one.target_group],
                ),
            }
            for one in self._action.groups
        ]

    def _cookies(self, sole: str) -> list[Document]:
        """Return the cookies that come back with an answer, and on what condition."""
        told: dict[str, Document] = {}
        groups = self._stage.table.groups
        for name in [sole] if sole else [*self._contents]:
            only = "" if sole else name
            told |= _each(set_cookies(self._play(only).answer), name, only)
            app_cookie = groups[name].app_cookie.name
            if groups[name].sticky and app_cookie:
                line = b"\r\nSet-Cookie: %b=x" % app_cookie
                bound = set_cookies(self._play(only, line).answer)
                once = {n: a for n, a in bound.items() if n.encode() != app_cookie}
                when = f"when the target sets {app_cookie.decode()}"
                told |= {
                    key: {**one, "when": when}
                    for key, one in _each(once, name, only).items()
                    if key not in told
                }
        if self._act.sticky and not sole:
            told |= _each(set_cookies(self._play().answer), "", "")
        return [*told.values()]


def _each(cookies: dict[str, str], group: str, only: str) -> dict[str, Document]:
    """Tell of cookies; of those that one of several groups sets, of which."""
    of = {"targetGroup": group} if only else {}
    return {
        f"{only} {name}": {"name": name, "attributes": attributes, **of}
        for name, attributes in cookies.items()
    }


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


def _request_sent(head: bytes) -> Document:
    """Tell of the head that a target would get; `head` has a character an octet."""
    head = head.replace(_TRACE, _TRACE_SHOWN)
    line, *headers = text(head).removesuffix("\r\n\r\n").split("\r\n")
    pairs = (header.partition(":") for header in headers)
    return {
        "line": line,
        "headers": [[name, value.strip()] for name, _, value in pairs],
        "head": head.decode("latin-1"),
    }
