"""Weights of forward actions that were changed while they run. Pure.

    load balancer + LISTENER[/RULE] --> the action --> its new weights
    weights by place <--> load balancer as it runs

The file says what weights a rule begins with. What a person made of them since is
kept by place, a listener's port and a rule's priority, until the file changes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from alb.model import Action, Forward, Listener, LoadBalancer, Rule
from controlplane.errors import InvalidParameter, ListenerNotFound, RuleNotFound

WEIGHT_MAX: Final = 999
DEFAULT: Final = "default"

Weights = Mapping[str, int]
"""By target group."""


@dataclass(frozen=True, slots=True)
class LiveWeights:
    """What differs from the file, by place: ``8080/10`` or ``8080/default``."""

    version: int = 0
    """One more with every change."""
    by_place: Mapping[str, Weights] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WeightChange:
    """A command. An empty `rule` is the default action."""

    listener: str
    """Its port, or its name such as ``http-8080``."""
    rule: str
    """Its priority or its name."""
    weights: Weights
    if_version: int | None = None


@dataclass(frozen=True, slots=True)
class Weighted:
    """An action, where it is, and how a person calls that."""

    place: str
    shown: str
    action: Forward

    @property
    def weights(self) -> Weights:
        return {one.target_group: one.weight for one in self.action.groups}


def weighted_at(balancer: LoadBalancer, listener: str, rule: str) -> Weighted:
    """Return the weighted forward there.

    Raises ListenerNotFound, RuleNotFound, or InvalidParameter for an action that
    has no weights to change.
    """
    found = _listener(balancer, listener)
    if rule:
        one = _rule(found, rule)
        place, action = f"{found.port}/{one.priority}", one.action
        shown = f"rule {one.name or one.priority} of listener {found.port}"
    else:
        place, action = f"{found.port}/{DEFAULT}", found.default_action
        shown = f"the default action of listener {found.port}"
    if not isinstance(action, Forward):
        raise InvalidParameter("rule", f"{shown} does not forward")
    if len(action.groups) == 1:
        (only,) = action.groups
        message = f"{shown} forwards to {only.target_group} alone: nothing to weigh"
        raise InvalidParameter("rule", message)
    return Weighted(place, shown, action)


def _listener(balancer: LoadBalancer, asked: str) -> Listener:
    for listener in balancer.listeners:
        if asked in (str(listener.port), listener.name):
            return listener
    raise ListenerNotFound(asked, [str(one.port) for one in balancer.listeners])


def _rule(listener: Listener, asked: str) -> Rule:
    """Return a rule by its priority, else by its name."""
    for rule in listener.rules:
        if asked == str(rule.priority):
            return rule
    for rule in listener.rules:
        if asked == rule.name:
            return rule
    known = [one.name or str(one.priority) for one in listener.rules]
    raise RuleNotFound(asked, listener.port, known)


def reweighted(weighted: Weighted, wanted: Weights) -> Weights:
    """Return all weights of the action; groups that are not named keep theirs.

    Raises InvalidParameter for a group that it does not have, or a weight that is
    none.
    """
    before = weighted.weights
    if not wanted:
        raise InvalidParameter("weights", "must name a target group at least")
    for group, weight in wanted.items():
        if group not in before:
            message = f'{weighted.shown} does not forward to "{group}"; '
            raise InvalidParameter("weights", message + f"it has {', '.join(before)}")
        if not 0 <= weight <= WEIGHT_MAX:
            message = f"{group} must be 0-{WEIGHT_MAX} (got {weight})"
            raise InvalidParameter("weights", message)
    return {**before, **wanted}


def with_weights(
    balancer: LoadBalancer, by_place: Mapping[str, Weights]
) -> LoadBalancer:
    """Return `balancer` as it runs with these weights."""
    if not by_place:
        return balancer
    listeners = tuple(_weighed(one, by_place) for one in balancer.listeners)
    return replace(balancer, listeners=listeners)


def _weighed(listener: Listener, by_place: Mapping[str, Weights]) -> Listener:
    port = listener.port
    rules = tuple(
        replace(rule, action=_changed(rule.action, by_place[place]))
        if (place := f"{port}/{rule.priority}") in by_place
        else rule
        for rule in listener.rules
    )
    default = _changed(listener.default_action, by_place.get(f"{port}/{DEFAULT}", {}))
    return replace(listener, rules=rules, default_action=default)


def _changed(action: Action, weights: Weights) -> Action:
    if not isinstance(action, Forward):
        return action
    groups = tuple(
        replace(one, weight=weights.get(one.target_group, one.weight))
        for one in action.groups
    )
    return replace(action, groups=groups)


def difference(
    file: LoadBalancer | None, runs: LoadBalancer | None
) -> Mapping[str, Weights]:
    """Return the weights by place where what runs differs from the file."""
    written = _forwards(file)
    return {
        place: {one.target_group: one.weight for one in action.groups}
        for place, action in _forwards(runs).items()
        if place in written and written[place].groups != action.groups
    }


def _forwards(balancer: LoadBalancer | None) -> dict[str, Forward]:
    listeners: Iterable[Listener] = balancer.listeners if balancer else ()
    actions = {
        f"{listener.port}/{where}": action
        for listener in listeners
        for where, action in (
            (DEFAULT, listener.default_action),
            *((str(rule.priority), rule.action) for rule in listener.rules),
        )
    }
    return {p: action for p, action in actions.items() if isinstance(action, Forward)}


def shown(weights: Weights) -> str:
    """Return ``stable 90, canary 10``."""
    return ", ".join(f"{group} {weight}" for group, weight in weights.items())
