"""Read where tasks that are run once may go: as the cluster file has it, in JSON.

Source: ECS API reference, RunTask, PlacementStrategy, PlacementConstraint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.errors import InvalidParameter
from scheduler.decide.query import ATTRIBUTE, parse_query
from scheduler.errors import QueryInvalid
from scheduler.model import (
    ConstraintType,
    PlacementConstraint,
    PlacementStrategy,
    StrategyType,
)

STRATEGIES_MAX: Final = 5
CONSTRAINTS_MAX: Final = 10
STRATEGIES: Final = {one.value: one for one in StrategyType}
CONSTRAINTS: Final = {one.value: one for one in ConstraintType}


def strategies_in(told: object) -> tuple[PlacementStrategy, ...]:
    """Read ``[{type, field}, ...]``. Raises InvalidParameter."""
    items = _objects("placementStrategy", told, STRATEGIES_MAX)
    return tuple(_strategy(item) for item in items)


def constraints_in(told: object) -> tuple[PlacementConstraint, ...]:
    """Read ``[{type, expression}, ...]``. Raises InvalidParameter."""
    items = _objects("placementConstraints", told, CONSTRAINTS_MAX)
    return tuple(_constraint(item) for item in items)


def _objects(name: str, told: object, most: int) -> Sequence[Mapping[str, object]]:
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise InvalidParameter(name, "must be a list of objects")
    if len(told) > most:
        raise InvalidParameter(name, f"must be at most {most} (got {len(told)})")
    return told


def _strategy(item: Mapping[str, object]) -> PlacementStrategy:
    kind, field = STRATEGIES.get(str(item.get("type"))), str(item.get("field", ""))
    if kind is None:
        message = f"type must be {', '.join(STRATEGIES)}"
        raise InvalidParameter("placementStrategy", message)
    if kind is StrategyType.RANDOM:
        return PlacementStrategy(kind)
    if kind is StrategyType.BINPACK:
        if field.lower() not in {"cpu", "memory"}:
            message = "field of binpack must be cpu or memory"
            raise InvalidParameter("placementStrategy", message)
        return PlacementStrategy(kind, field.lower())
    if field in {"instanceId", "host"}:
        return PlacementStrategy(kind, "instanceId")
    if not field.startswith(ATTRIBUTE) or field == ATTRIBUTE:
        message = "field of spread must be instanceId, host or attribute:NAME"
        raise InvalidParameter("placementStrategy", message)
    return PlacementStrategy(kind, field)


def _constraint(item: Mapping[str, object]) -> PlacementConstraint:
    kind, name = CONSTRAINTS.get(str(item.get("type"))), "placementConstraints"
    if kind is None:
        raise InvalidParameter(name, f"type must be {' or '.join(CONSTRAINTS)}")
    expression = str(item.get("expression", ""))
    if kind is ConstraintType.DISTINCT_INSTANCE:
        if expression:
            raise InvalidParameter(name, "distinctInstance has no expression")
        return PlacementConstraint(kind)
    try:
        parse_query(expression)
    except QueryInvalid as invalid:
        message = f"{invalid}, character {invalid.at} of {expression!r}"
        raise InvalidParameter(name, message) from invalid
    return PlacementConstraint(kind, expression)
