"""The rules that one router becomes on one listener. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from controlplane.cluster_file.fields.rules import VALUES_MAX
from controlplane.imports.given import Losses, Place
from controlplane.imports.interpolation import literal
from controlplane.imports.section import Section
from controlplane.imports.traefik.matching import Condition, Conditions
from controlplane.imports.traefik.middlewares import Treatment
from controlplane.imports.traefik.rule_language import RuleFlaw

NAME_MAX: Final = 255
EVERYTHING: Final = Condition("path-pattern", ("/*",))
_ANY_CASE = "keys and values of a query-string condition match in any case"


@dataclass(frozen=True, slots=True)
class Way:
    """One rule before it has its number. `action` None: a redirect takes its place."""

    name: str
    priority: int
    conditions: Conditions
    action: dict[str, object] | None
    losses: Losses
    place: Place
    order: int = 0
    transforms: tuple[dict[str, object], ...] = ()

    @property
    def is_any(self) -> bool:
        """Whether it takes every request and changes none."""
        return self.conditions == (EVERYTHING,) and not self.transforms

    def section(self, name: str, priority: int) -> Section:
        assert self.action is not None, "made by rules_of"
        rule = Section(self.place, name=name[:NAME_MAX], priority=priority)
        rule["conditions"] = [_literally(each.fields()) for each in self.conditions]
        rule["actions"] = [_literally(self.action)]
        rule.put("transforms", [_literally(one) for one in self.transforms], self.place)
        rule.losses.extend(self.losses)
        if any(condition.field == "query-string" for condition in self.conditions):
            rule.losses.add(self.place, _ANY_CASE)
        return rule


def no_router() -> dict[str, object]:
    """What Traefik answers where no router matches."""
    return {
        "type": "fixed-response",
        "statusCode": "404",
        "messageBody": "404 page not found",
    }


def forbidden() -> dict[str, object]:
    return {"type": "fixed-response", "statusCode": "403", "messageBody": "Forbidden"}


def rules_of(
    way: Way, alternatives: list[Conditions], treated: Treatment, protocol: str
) -> list[Way]:
    """Return the rules of a router, in order. Raises RuleFlaw."""
    transforms = tuple(_transforms(treated))
    found: list[Way] = []
    for conditions in alternatives:
        for one, action in _redirected(way, conditions, treated, protocol):
            if action is None:
                raise RuleFlaw("there is no service for what it does not redirect")
            rule = replace(
                way,
                conditions=one,
                action=action,
                transforms=transforms if action.get("type") == "forward" else (),
                losses=way.losses if not found else Losses(),
            )
            found.extend(_guarded(rule, treated.allowed))
    found = [small for rule in found for small in _small(rule)]
    return [replace(rule, order=index) for index, rule in enumerate(found)]


def _redirected(
    way: Way, conditions: Conditions, treated: Treatment, protocol: str
) -> Iterator[tuple[Conditions, dict[str, object] | None]]:
    """Yield conditions and their action; a redirect by host has a rule for each."""
    redirect = treated.redirect
    if redirect is None:
        yield conditions, way.action
    elif redirect.by_regex is None:
        yield conditions, redirect.action(protocol, None) or way.action
    else:
        hosts = next((c for c in conditions if c.field == "host-header"), None)
        if hosts is None or hosts.is_regex:
            raise RuleFlaw("its redirect depends on a host that its rule does not name")
        for host in hosts.values:
            narrowed = tuple(
                c._replace(values=(host,)) if c is hosts else c for c in conditions
            )
            action = redirect.action(protocol, str(host))
            if action is None:
                raise RuleFlaw(f"its redirect of {host} is more than ALB's can do")
            yield narrowed, action


def _guarded(rule: Way, allowed: tuple[str, ...]) -> Iterator[Way]:
    """Yield a rule for those who may pass, and one that answers the others."""
    if not allowed:
        yield rule
        return
    if any(condition.field == "source-ip" for condition in rule.conditions):
        raise RuleFlaw("a rule of ALB has one source-ip condition")
    blocks = tuple(_block(text) for text in allowed)
    passing = Condition("source-ip", blocks)
    yield replace(rule, conditions=(*rule.conditions, passing))
    yield replace(rule, action=forbidden(), transforms=(), losses=Losses())


def _small(rule: Way) -> Iterator[Way]:
    """Yield rules that together say the same, none with too many values."""
    counts = [len(condition.values) for condition in rule.conditions]
    if sum(counts) <= VALUES_MAX:
        yield rule
        return
    widest = counts.index(max(counts))
    if counts[widest] == 1:
        raise RuleFlaw(f"a rule of ALB has at most {VALUES_MAX} values")
    values = rule.conditions[widest].values
    middle = len(values) // 2
    for part, losses in ((values[:middle], rule.losses), (values[middle:], Losses())):
        conditions = list(rule.conditions)
        conditions[widest] = conditions[widest]._replace(values=part)
        yield from _small(replace(rule, conditions=tuple(conditions), losses=losses))


def _block(text: str) -> str:
    if "/" in text:
        return text
    return f"{text}/{128 if ':' in text else 32}"


def _transforms(treated: Treatment) -> Iterator[dict[str, object]]:
    if treated.host:
        rewrite = {"regex": "^.*$", "replace": treated.host}
        yield {"type": "host-header-rewrite", "rewrites": [rewrite]}
    if treated.url:
        regex, replacement = treated.url
        rewrite = {"regex": regex, "replace": replacement}
        yield {"type": "url-rewrite", "rewrites": [rewrite]}


def _literally(value: object) -> object:
    """Return a value whose texts the cluster file is to take as they are."""
    match value:
        case dict():
            return {key: _literally(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_literally(inner) for inner in value]
        case str():
            return literal(value)
        case _:
            return value
