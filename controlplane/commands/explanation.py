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
        yield f"listener {listener}"
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
    for group in _objects(action, "targetGroups"):
        yield from _choice(group)
    transforms = action.get("transforms")
    if isinstance(transforms, Mapping):
        for each in _objects(transforms, "transforms"):
            to = each.get("replace") or "nothing"
            yield f"{each.get('type')}: {each.get('regex')} to {to}"
        yield f"transforms: {transforms.get('status') or 'nothing matched'}"
    request = action.get("request")
    if isinstance(request, Mapping):
        yield "sent:"
        yield f"  {request.get('line')}"
        headers = request.get("headers")
        for name, value in headers if isinstance(headers, list) else []:
            yield f"  {name}: {value}"


def _choice(group: Document) -> Iterator[str]:
    """Yield how a group chooses, and among which targets."""
    name = group.get("targetGroup")
    if algorithm := group.get("algorithm"):
        on = f", on {group['hashedOn']}" if group.get("hashedOn") else ""
        yield f"{name}: {algorithm}{on}"
    if group.get("failOpen"):
        yield f"{name}: too few are healthy, so all may be picked"
    rows = [_target(group, target) for target in _objects(group, "targets")]
    if not rows:
        yield f"{name}: no target"
    yield from table(("GROUP", "TARGET", "STATE", "PICKED", "IN FLIGHT"), rows)


def _target(group: Document, target: Document) -> tuple[object, ...]:
    state = str(target.get("state") or "not observed")
    if reason := target.get("reason"):
        state += f" ({reason})"
    eligible = target.get("eligible")
    picked = None if eligible is None else "yes" if eligible else "no"
    name, id_ = group.get("targetGroup"), target.get("id")
    return name, id_, state, picked, target.get("inFlight")


def _objects(document: Document, name: str) -> list[Document]:
    value = document.get(name)
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping)]
