"""An explanation as a person reads it: what was asked of the request, what follows.

rule 20 (write) does not match
  yes  path-pattern /api/*: /api/x
  no   http-request-method POST: GET
-> default rule, after 1 evaluation: forward
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controlplane.client import Document
from controlplane.commands.terminal import table


def told(document: Document) -> Iterator[str]:
    """Yield an explanation: each rule that was asked, then what is done."""
    peer = document.get("sourceIp")
    from_peer = f" from {peer}" if peer else ""
    yield f"{document.get('method')} {document.get('url')}{from_peer}"
    if listener := document.get("listener"):
        tls = document.get("tls")
        over = ""
        if isinstance(tls, Mapping):
            over = f", over {tls.get('version')} with {tls.get('cipherSuite')}"
        yield f"listener {listener}{over}"
    if tier := document.get("classification"):
        yield f"{tier}: {document.get('classificationReason')}"
    for rule in _objects(document, "rules"):
        verdict = "matches" if rule.get("matched") else "does not match"
        yield f"rule {_named(rule)} {verdict}"
        for condition in _objects(rule, "conditions"):
            yield f"  {_condition(condition)}"
    action = document.get("action")
    if isinstance(action, Mapping):
        yield f"-> {_chosen(document)}{_action(action)}"
        for line in _details(action):
            yield f"   {line}"


def _named(rule: Document) -> str:
    name = f" ({rule['name']})" if rule.get("name") else ""
    return f"{rule.get('priority')}{name}"


def _condition(condition: Document) -> str:
    mark = "yes" if condition.get("matched") else "no "
    field = condition.get("field")
    if header := condition.get("httpHeaderName"):
        field = f"{field} {header}"
    if regexes := condition.get("regexValues"):
        field = f"{field} regex"
    values = _shown(regexes or condition.get("values"))
    seen = ", ".join(_shown(condition.get("seen"))) or "(none)"
    by = _shown(condition.get("matchedBy"))
    which = f", by {' and '.join(by)}" if by and len(values) > 1 else ""
    return f"{mark}  {field} {' or '.join(values)}: {seen}{which}"


def _shown(values: object) -> list[str]:
    return [_value(value) for value in values] if isinstance(values, list) else []


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        key = value.get("key")
        return f"{key}={value.get('value')}" if key else str(value.get("value"))
    return str(value)


def _chosen(document: Document) -> str:
    chosen = document.get("rule")
    if chosen is None:
        return ""
    rule = f"rule {_named(chosen)}" if isinstance(chosen, Mapping) else "default rule"
    count = document.get("ruleEvaluations")
    if not isinstance(count, int):
        return f"{rule}: "
    return f"{rule}, after {count} evaluation{'' if count == 1 else 's'}: "


def _action(action: Document) -> str:
    kind, status = action.get("type"), action.get("statusCode")
    reason = f" ({action['reason']})" if action.get("reason") else ""
    match kind:
        case "redirect" if not reason:
            return f"redirect {status} to {action.get('location')}"
        case "forward" if status is None:
            groups = _objects(action, "targetGroups")
            return "forward to " + ", ".join(map(_group, groups))
        case "fixed-response":
            return f"fixed-response {status} {action.get('contentType', '')}".strip()
        case _:
            return f"{kind}, answered {status}{reason}"


def _group(group: Document) -> str:
    share = group.get("share")
    percent = f", {share:.0%}" if isinstance(share, float) else ""
    return f"{group.get('targetGroup')} (weight {group.get('weight')}{percent})"


def _details(action: Document) -> Iterator[str]:
    """Yield what is to be known of a forward: targets, transforms, what is sent."""
    groups = action.get("groupStickiness")
    if isinstance(groups, Mapping):
        yield f"stays with its group for {_seconds(groups)}: {_held(groups)}"
    for group in _objects(action, "targetGroups"):
        yield from _choice(group)
    transforms = action.get("transforms")
    if isinstance(transforms, Mapping):
        for each in _objects(transforms, "transforms"):
            to = each.get("replace") or "nothing"
            yield f"{each.get('type')}: {each.get('regex')} to {to}"
        yield f"transforms: {transforms.get('status') or 'nothing matched'}"
    yield from map(_cookie, _objects(action, "setCookies"))
    request = action.get("request")
    if isinstance(request, Mapping):
        yield "sent:"
        yield f"  {request.get('line')}"
        headers = request.get("headers")
        for name, value in headers if isinstance(headers, list) else []:
            yield f"  {name}: {value}"


def _cookie(cookie: Document) -> str:
    words = ["sets cookie", str(cookie.get("name"))]
    if group := cookie.get("targetGroup"):
        words.append(f"of {group}")
    if when := cookie.get("when"):
        words.append(str(when))
    return f"{' '.join(words)} ({cookie.get('attributes')})"


def _seconds(sticky: Document) -> str:
    return f"{sticky.get('durationSeconds'):g} s"


def _held(sticky: Document) -> str:
    return f"{sticky.get('cookie')} {sticky.get('why')}"


def _choice(group: Document) -> Iterator[str]:
    """Yield how a group chooses, and among which targets."""
    name = group.get("targetGroup")
    if algorithm := group.get("algorithm"):
        on = f", on {group['hashedOn']}" if group.get("hashedOn") else ""
        yield f"{name}: {algorithm}{on}"
    if group.get("failOpen"):
        yield f"{name}: too few are healthy, so all may be picked"
    yield from (f"{name}: {line}" for line in _manner(group))
    rows = [_target(group, target) for target in _objects(group, "targets")]
    if not rows:
        yield f"{name}: no target"
    titles = ("GROUP", "TARGET", "STATE", "PICKED", "SHARE", "IN FLIGHT")
    yield from table(titles, rows)
    if target := group.get("target"):
        yield f"{name}: goes to {target} ({group.get('because')})"
    if status := group.get("statusCode"):
        yield f"{name}: answered {status} ({group.get('reason')})"


def _manner(group: Document) -> Iterator[str]:
    """Yield what a group does beyond choosing."""
    sticky = group.get("stickiness")
    if isinstance(sticky, Mapping):
        kind = sticky.get("type")
        yield f"sticky by {kind} for {_seconds(sticky)}: {_held(sticky)}"
    cap = group.get("maxConcurrency")
    if isinstance(cap, Mapping):
        queue = f"{cap.get('queueLength')} may wait in each worker"
        within = f"for {cap.get('queueTimeoutSeconds'):g} s"
        waits = ", so would this one" if cap.get("waits") else ""
        told = f"at most {cap.get('maxPerTarget')} requests a target, {queue} {within}"
        yield f"{told}; {cap.get('waiting')} wait now{waits}"
    retries = group.get("retries")
    if isinstance(retries, Mapping):
        yield from _again(retries)


def _again(retries: Document) -> Iterator[str]:
    """Yield when a request like this is sent to another target."""
    yield f"tried at {retries.get('attempts')} targets until one can be connected to"
    if "onReset" not in retries:
        return
    ranges = retries.get("onStatusCodes")
    statuses = [
        f"{low}" if low == high else f"{low}-{high}"
        for low, high in (ranges if isinstance(ranges, list) else [])
    ]
    causes = [
        *(["a reset before an answer"] if retries.get("onReset") else []),
        *(["an answer of " + ", ".join(statuses)] if statuses else []),
    ]
    if causes:
        budget = f"budget {retries.get('budgetPercent')}% of requests"
        yield f"sent again after {' and after '.join(causes)} ({budget})"
    else:
        yield "not sent again once a target may have seen it"


def _target(group: Document, target: Document) -> tuple[object, ...]:
    notes = [str(target.get("state") or "not observed")]
    if reason := target.get("reason"):
        notes[0] += f" ({reason})"
    for field, words in (
        ("slowStart", "slow start"),
        ("anomalyMitigation", "mitigated"),
    ):
        if isinstance(part := target.get(field), float):
            notes.append(f"{words} {part:.0%}")
    if target.get("full"):
        notes.append("full")
    eligible = target.get("eligible")
    picked = None if eligible is None else "yes" if eligible else "no"
    share = target.get("share")
    percent = f"{share:.1%}" if isinstance(share, float) else None
    name, id_ = group.get("targetGroup"), target.get("id")
    return name, id_, ", ".join(notes), picked, percent, target.get("inFlight")


def _objects(document: Document, name: str) -> list[Document]:
    value = document.get(name)
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping)]
