"""What a service's deployments need to take over from each other. Pure.

    two target groups, and the rule that forwards to both

Source: ECS API reference, AdvancedConfiguration; ECS developer guide, "Application
Load Balancer resources for blue/green, linear, and canary deployments".
"""

from __future__ import annotations

from collections.abc import Sequence

from alb.model import LoadBalancer
from controlplane.cluster_file.meaning.actions import check_group
from controlplane.cluster_file.meaning.surroundings import Surroundings
from controlplane.cluster_file.record import Findings, Record
from controlplane.errors import ControlError, InvalidParameter
from controlplane.weights import Weighted, weighted_at
from scheduler.configuration import AdvancedConfiguration, Strategy
from scheduler.model import Service

FIELD = "advancedConfiguration"
ALTERNATE = "alternateTargetGroupName"
PRODUCTION = "productionListenerRule"
TEST = "testListenerRule"


def advanced(
    item: Record, around: Surroundings, findings: Findings
) -> AdvancedConfiguration | None:
    """Return the advanced configuration of one of a service's load balancers."""
    if not item.has(FIELD):
        return None
    record = item.record(FIELD)
    delays_s, name = around.deregistration_delays_s, record.text(ALTERNATE)
    check_group(record, delays_s, findings, ALTERNATE)
    pair = (item.text("targetGroup"), name)
    if record.has(ALTERNATE) and len(set(pair)) == 1:
        message = "is targetGroup itself: a deployment needs another one"
        findings.error(record.at(ALTERNATE), record.path_of(ALTERNATE), message)
    known = all(group in delays_s for group in pair)
    balancer = around.load_balancer if known else None
    return AdvancedConfiguration(
        name,
        _place(record, PRODUCTION, pair, balancer, findings),
        _place(record, TEST, pair, balancer, findings),
        delays_s.get(name, 0.0),
    )


def _place(
    record: Record,
    field: str,
    pair: tuple[str, str],
    balancer: LoadBalancer | None,
    findings: Findings,
) -> str:
    """Return the place of the rule that is named; as it is written, if it is none."""
    text = record.text(field)
    if not record.has(field) or balancer is None:
        return text
    listener, _, rule = text.partition("/")
    try:
        found = weighted_at(balancer, listener, rule)
    except ControlError as wrong:
        told = wrong.message if isinstance(wrong, InvalidParameter) else str(wrong)
        findings.error(record.at(field), record.path_of(field), told)
        return text
    if problem := _problem(found, pair):
        message = f"{found.shown} {problem}"
        findings.error(record.at(field), record.path_of(field), message)
    return found.place


def _problem(found: Weighted, pair: tuple[str, str]) -> str:
    """Return why requests cannot be shifted there; empty: they can."""
    weights = found.weights
    for group in pair:
        if group not in weights:
            return f"does not forward to {group}: its targetGroups need both groups"
    if not sum(weights[group] for group in pair):
        return f"gives {' and '.join(pair)} no weight: one of them needs some"
    if found.action.stickiness.enabled and not found.action.spill_over:
        return (
            "has targetGroupStickinessConfig, which would keep clients in a group "
            "without tasks: write spillOver: true beside it"
        )
    return ""


def check_takeover(record: Record, wanted: Service, findings: Findings) -> None:
    """Tell of target groups whose requests cannot be shifted, where they have to be."""
    strategy = wanted.deployment.strategy
    if strategy is Strategy.ROLLING:
        return
    for item in record.records("loadBalancers"):
        if item.absent(FIELD):
            message = f"needs advancedConfiguration: strategy is {strategy.value}"
            findings.error(item.node, item.path, message)


def check_pairs(
    records: Sequence[Record], services: Sequence[Service], findings: Findings
) -> None:
    """Tell of rules and groups that two services would share out."""
    _check_rules(records, services, findings)
    items = [
        (service.text("serviceName"), item)
        for service in records
        for item in service.records("loadBalancers")
    ]
    paired = {
        group: name
        for name, item in items
        if item.has(FIELD)
        for group in (item.text("targetGroup"), item.record(FIELD).text(ALTERNATE))
    }
    for name, item in items:
        for field, owner in (("targetGroup", item), (ALTERNATE, item.record(FIELD))):
            other = paired.get(owner.text(field), name)
            if owner.has(field) and other != name:
                message = f"belongs to the deployments of service {other}"
                findings.error(owner.at(field), owner.path_of(field), message)


def _check_rules(
    records: Sequence[Record], services: Sequence[Service], findings: Findings
) -> None:
    taken: dict[str, str] = {}
    for record, service in zip(records, services, strict=True):
        items = record.records("loadBalancers")
        for item, balancer in zip(items, service.load_balancers, strict=False):
            if balancer.advanced is None:
                continue
            where, pair = item.record(FIELD), balancer.advanced
            for field, place in (
                (PRODUCTION, pair.production_listener_rule),
                (TEST, pair.test_listener_rule),
            ):
                if place and place in taken:
                    message = f"is a rule of service {taken[place]} already"
                    findings.error(where.at(field), where.path_of(field), message)
                taken[place] = service.name
