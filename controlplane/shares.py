"""Rules whose requests deployments share out. Pure.

    load balancer + percents by place --> the load balancer as it runs

A rule's weights are its file's, or a command's; two of its groups together keep what
they have, and a deployment says how it is divided between them. So there is one owner
of each number: who may not change it is told who may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm
from typing import Final

from alb.model import Action, Forward, LoadBalancer
from controlplane.errors import InvalidParameter
from controlplane.weights import DEFAULT
from scheduler.model import Service

Percents = Mapping[str, float]
"""By target group; together 100."""
THOUSANDTHS: Final = 1000
TENTHS: Final = 10


def with_shares(
    balancer: LoadBalancer, by_place: Mapping[str, Percents]
) -> LoadBalancer:
    """Return `balancer` as it runs while deployments share out these rules."""
    if not by_place:
        return balancer
    listeners = tuple(
        replace(
            listener,
            rules=tuple(
                replace(rule, action=shared(rule.action, by_place[place]))
                if (place := f"{listener.port}/{rule.priority}") in by_place
                else rule
                for rule in listener.rules
            ),
            default_action=shared(
                listener.default_action,
                by_place.get(f"{listener.port}/{DEFAULT}", {}),
            ),
        )
        for listener in balancer.listeners
    )
    return replace(balancer, listeners=listeners)


def shared(action: Action, percents: Percents) -> Action:
    """Return the action with what these groups have together divided between them.

    Exactly, to a tenth of a percent: all its weights are multiplied where whole
    numbers need it. Groups that the action does not have are passed over.
    """
    if not isinstance(action, Forward):
        return action
    ours = {one.target_group for one in action.groups} & percents.keys()
    if not any(percents[name] for name in ours):
        return action
    total = sum(one.weight for one in action.groups if one.target_group in ours)
    exact = [
        total * _part(percents[one.target_group])
        if one.target_group in ours
        else Fraction(one.weight)
        for one in action.groups
    ]
    scale = lcm(*(weight.denominator for weight in exact))
    whole = [int(weight * scale) for weight in exact]
    least = gcd(*whole) if scale > 1 else 1
    groups = tuple(
        replace(one, weight=weight // least)
        for one, weight in zip(action.groups, whole, strict=True)
    )
    return replace(action, groups=groups)


def _part(percent: float) -> Fraction:
    return Fraction(round(percent * TENTHS), THOUSANDTHS)


def require_nobodys(
    services: Iterable[Service], place: str, groups: Collection[str]
) -> None:
    """Raise InvalidParameter when deployments divide what these groups get there."""
    for service in services:
        for item in service.load_balancers:
            pair = item.advanced
            if pair is None:
                continue
            both = {item.target_group, pair.alternate_target_group}
            rules = (pair.production_listener_rule, pair.test_listener_rule)
            if place in rules and both & set(groups):
                message = (
                    f"{item.target_group} and {pair.alternate_target_group} are shared "
                    f"out by the deployments of service {service.name}: `alb deploy "
                    f"{service.name}` or `alb rollback {service.name}` moves requests"
                )
                raise InvalidParameter("weights", message)
