"""Placement of a service's tasks, as `scheduler.model` has it. Pure.

What is right by itself may leave a deployment no move: that is told here too.

Source: ECS API reference, PlacementConstraint and PlacementStrategy; ECS
developer guide, Availability Zone rebalancing and deployments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.fields.placement import CONSTRAINTS_MAX
from controlplane.cluster_file.record import Findings, Place, Record
from controlplane.cluster_file.source import Scalar
from scheduler.configuration import Strategy
from scheduler.decide.board import RESERVED_PORTS, Room, needs_of, room_of
from scheduler.decide.matching import matcher
from scheduler.decide.query import (
    ATTRIBUTE,
    Comparison,
    Not,
    Query,
    parse_query,
)
from scheduler.decide.rebalance import may_rebalance
from scheduler.decide.rollout import limits
from scheduler.errors import QueryInvalid
from scheduler.instance import ContainerInstanceStatus
from scheduler.model import (
    ConstraintType,
    ContainerInstance,
    PlacementConstraint,
    PlacementStrategy,
    Service,
    StrategyType,
)

ENABLED: Final = "ENABLED"
HOSTS_OWN: Final = frozenset(
    f"{ATTRIBUTE}ecs.{name}" for name in ("os-type", "os-family", "cpu-architecture")
)
"""Attributes that a host says of itself: the file need not have them."""


def constraints(record: Record, findings: Findings) -> tuple[PlacementConstraint, ...]:
    """Return the placementConstraints of a service or of a task definition."""
    found: list[PlacementConstraint] = []
    for item in record.records("placementConstraints"):
        kind = ConstraintType(item.tag)
        if kind is ConstraintType.MEMBER_OF and item.has("expression"):
            _check_expression(item, findings)
        expression = item.text("expression") if "expression" in item.values else ""
        found.append(PlacementConstraint(kind, expression))
    return tuple(found)


def _check_expression(item: Record, findings: Findings) -> None:
    text = item.text("expression")
    try:
        parse_query(text)
    except QueryInvalid as invalid:
        node = item.at("expression")
        plain = isinstance(node, Scalar) and node.plain
        place = Place(node.line, node.column + invalid.at - plain)
        message = f"{invalid}, character {invalid.at} of {quoted(text)}"
        findings.error(place, item.path_of("expression"), message)


def strategies(record: Record, findings: Findings) -> tuple[PlacementStrategy, ...]:
    """Return the placementStrategy of a service."""
    return tuple(
        _strategy(item, findings) for item in record.records("placementStrategy")
    )


def _strategy(item: Record, findings: Findings) -> PlacementStrategy:
    kind = StrategyType(item.tag)
    if kind is StrategyType.RANDOM:
        return PlacementStrategy(kind)
    field = item.text("field")
    if kind is StrategyType.BINPACK:
        return PlacementStrategy(kind, field.lower())
    if field in {"instanceId", "host"}:
        return PlacementStrategy(kind, "instanceId")
    if item.has("field") and (
        not field.startswith(ATTRIBUTE) or len(field) == len(ATTRIBUTE)
    ):
        message = f"must be instanceId, host or attribute:NAME (got {quoted(field)})"
        findings.error(item.at("field"), item.path_of("field"), message)
    return PlacementStrategy(kind, field)


def rebalances(record: Record, wanted: Service, findings: Findings) -> bool:
    """Tell whether zones are rebalanced: by default where that is possible."""
    name = "availabilityZoneRebalancing"
    enabled = record.text(name) == ENABLED
    why_not = may_rebalance(wanted.placement_strategy, wanted.deployment)
    if enabled and why_not and record.has(name):
        findings.error(record.at(name), record.path_of(name), why_not)
    return enabled and not why_not


def check_placement(
    record: Record,
    wanted: Service,
    instances: Sequence[ContainerInstance],
    findings: Findings,
) -> None:
    """Tell of constraints that are too many, or that nothing fulfils."""
    name = "placementConstraints"
    of_task = wanted.task_definition.placement_constraints
    own = len(wanted.placement_constraints)
    count = own + len(of_task)
    if count > CONSTRAINTS_MAX >= own:
        message = (
            f"must have at most {CONSTRAINTS_MAX} with those of its task definition"
            f" (got {count})"
        )
        findings.error(record.at(name), record.path_of(name), message)
    if instances and wanted.desired_count and not _eligible(wanted, instances):
        active = any(map(_is_active, instances))
        message = "no container instance of this file is a member"
        if not active:
            message = "every container instance of this file is DRAINING"
        findings.warn(record.at(name), record.path_of(name), message)
    needed = needs_of(wanted.task_definition).ports
    for _, port in sorted(one for one in needed if one[1] in RESERVED_PORTS):
        message = (
            f"no task can be placed: hostPort {port} is reserved on every instance"
        )
        findings.warn(record.at("taskDefinition"), record.path, message)


def warn_stuck(
    record: Record,
    wanted: Service,
    instances: Sequence[ContainerInstance],
    findings: Findings,
) -> None:
    """Tell when no deployment can ever start a task nor stop one.

    Source: ECS developer guide: the lower limit is rounded up, the upper down.
    """
    desired = wanted.desired_count
    lower, upper = limits(desired, wanted.deployment)
    rolls = wanted.deployment.strategy is Strategy.ROLLING
    if not desired or (rolls and lower < desired):
        return
    name = "deploymentConfiguration"
    if rolls and upper <= desired:
        message = (
            f"a deployment of {desired} tasks can neither start nor stop one: "
            f"at least {lower} and at most {upper} may run"
        )
        findings.warn(record.at(name), record.path_of(name), message)
    elif instances and desired >= len(_eligible(wanted, instances)):
        if needs_of(wanted.task_definition).ports:
            message = (
                "a deployment cannot start a task: its hostPort is taken on every "
                "instance"
            )
            findings.warn(record.at("taskDefinition"), record.path, message)
        elif _is_distinct(wanted):
            message = (
                "a deployment cannot start a task: every instance has one, and "
                "distinctInstance allows no other"
            )
            message += "; write a lower minimumHealthyPercent" if rolls else ""
            where = "placementConstraints"
            findings.warn(record.at(where), record.path_of(where), message)


def _is_distinct(wanted: Service) -> bool:
    return any(
        one.type is ConstraintType.DISTINCT_INSTANCE
        for one in wanted.placement_constraints
    )


def _is_active(instance: ContainerInstance) -> bool:
    return instance.status is ContainerInstanceStatus.ACTIVE


def _eligible(wanted: Service, instances: Iterable[ContainerInstance]) -> list[Room]:
    """Return the instances that may be members, as far as the file tells."""
    rooms = [room_of(one, None) for one in instances if _is_active(one)]
    for constraint in (
        *wanted.placement_constraints,
        *wanted.task_definition.placement_constraints,
    ):
        if constraint.type is ConstraintType.DISTINCT_INSTANCE:
            continue
        try:
            query = parse_query(constraint.expression)
        except QueryInvalid:
            continue  # told already
        if _is_told_by_the_file(query):
            matches = matcher(query)
            rooms = [room for room in rooms if matches(room)]
    return rooms


def _is_told_by_the_file(query: Query) -> bool:
    if isinstance(query, Comparison):
        own = query.subject.startswith(ATTRIBUTE) and query.subject not in HOSTS_OWN
        return own or query.subject == "ec2InstanceId"
    if isinstance(query, Not):
        return _is_told_by_the_file(query.of)
    return all(map(_is_told_by_the_file, query.of))
