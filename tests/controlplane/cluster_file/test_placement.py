"""Placement as the file says it, and what it says that can never move."""

from __future__ import annotations

from pathlib import Path

import pytest

from controlplane.cluster_file import load
from controlplane.problems import ConfigInvalid
from scheduler.model import (
    ConstraintType,
    PlacementConstraint,
    PlacementStrategy,
    Service,
    StrategyType,
)

VALID = (Path(__file__).parent / "valid.yaml").read_text()
ONE = "    desiredCount: 1\n"
DISTINCT = "distinctInstance"
SPREAD = '[{type: spread, field: "attribute:ecs.availability-zone"}]'


def api(count: int = 1, *more: str, text: str = VALID) -> tuple[Service, list[str]]:
    """Return the second service with more lines, and the file's warnings."""
    lines = "".join(f"    {line}\n" for line in (f"desiredCount: {count}", *more))
    loaded = load("alb.yaml", text.replace(ONE, lines), {})
    return loaded.services[1], [str(warning.message) for warning in loaded.warnings]


def limited(*constraints: str) -> str:
    told = (
        "{type: distinctInstance}"
        if one == DISTINCT
        else f"{{type: memberOf, expression: '{one}'}}"
        for one in constraints
    )
    return f"placementConstraints: [{', '.join(told)}]"


def test_constraints_of_the_service_and_of_its_tasks() -> None:
    text = VALID.replace(
        "  - family: api\n",
        "  - family: api\n    " + limited("attribute:a exists") + "\n",
    )
    service, _ = api(1, limited(DISTINCT, "attribute:disk == ssd"), text=text)

    assert (
        PlacementConstraint(ConstraintType.DISTINCT_INSTANCE),
        PlacementConstraint(ConstraintType.MEMBER_OF, "attribute:disk == ssd"),
    ) == service.placement_constraints
    assert (
        PlacementConstraint(ConstraintType.MEMBER_OF, "attribute:a exists"),
    ) == service.task_definition.placement_constraints


def test_strategies_in_their_order() -> None:
    service, _ = api(
        1,
        "placementStrategy: [{type: spread, field: host}, {type: binpack, field: CPU},"
        " {type: random}]",
    )
    assert (
        PlacementStrategy(StrategyType.SPREAD, "instanceId"),
        PlacementStrategy(StrategyType.BINPACK, "cpu"),
        PlacementStrategy(StrategyType.RANDOM),
    ) == service.placement_strategy


# fmt: off
BALANCED = [
    ((),                                            True,  "by default"),
    (("availabilityZoneRebalancing: DISABLED",),    False, "unless it says no"),
    (("placementStrategy: [{type: random}]",),      False, "or its strategy does not allow it"),
    ((f"placementStrategy: {SPREAD}",),             True,  "zones first do"),
    (("deploymentConfiguration: {minimumHealthyPercent: 0, maximumPercent: 100}",), False,
     "or there is never room for one more"),
]
# fmt: on


@pytest.mark.parametrize(
    ("lines", "balanced"), [row[:2] for row in BALANCED], ids=[r[2] for r in BALANCED]
)
def test_zones_are_rebalanced(lines: tuple[str, ...], *, balanced: bool) -> None:
    service, warnings = api(1, *lines)

    assert balanced is service.availability_zone_rebalancing
    assert [] == warnings


HALF = "deploymentConfiguration: {minimumHealthyPercent: 50}"
TAKEN = "its hostPort is taken on every instance"
EVERY = "every instance has one"
NOBODY = "no container instance of this file is a member"
# fmt: off
STUCK = [  # desired, more lines, a static port, the warning, because
    (2, (limited(DISTINCT),),                          False, EVERY,  "two instances, a task on each"),
    (1, (limited(DISTINCT),),                          False, None,   "the other one takes the new task"),
    (2, (limited(DISTINCT), HALF),                     False, None,   "one may stop first"),
    (1, (limited(DISTINCT, "attribute:disk == ssd"),), False, EVERY,  "only one is a member"),
    (2, (limited("attribute:disk == ssd"),),           False, None,   "a member takes several"),
    (1, (limited("attribute:disk == nvme"),),          False, NOBODY, "nobody has it"),
    (1, (limited("not attribute:disk == nvme"),),      False, None,   "everybody has it not"),
    (1, (limited("attribute:ecs.os-type == linux"),),  False, None,   "a host says so of itself"),
    (1, (limited("runningTasksCount > 3"),),           False, None,   "that changes"),
    (0, (limited("attribute:disk == nvme"),),          False, None,   "nothing is wanted"),
    (2, (),                                            True,  TAKEN,  "a static port on both"),
    (1, (),                                            True,  None,   "the other one is free"),
    (1, (limited("attribute:disk exists"),),           True,  TAKEN,  "the other one is no member"),
    (2, (HALF,),                                       True,  None,   "one may give its port first"),
]
# fmt: on


@pytest.mark.parametrize("row", STUCK, ids=[row[-1] for row in STUCK])
def test_what_can_never_move_is_told(
    row: tuple[int, tuple[str, ...], bool, str | None, str],
) -> None:
    count, lines, static, expected, _ = row
    text = VALID
    if static:
        text = text.replace("8080}, {", "8080, hostPort: 81}, {")
    _, warnings = api(count, *lines, text=text)

    assert (expected is None) is (warnings == [])
    assert all(expected is not None and expected in warning for warning in warnings)


def test_constraints_are_counted_with_those_of_the_task_definition() -> None:
    six = limited(*["attribute:a exists"] * 6)
    text = VALID.replace("  - family: api\n", f"  - family: api\n    {six}\n")

    with pytest.raises(ConfigInvalid) as told:
        api(1, six, text=text)

    [problem] = told.value.problems
    assert "must have at most 10 with those of its task definition (got 12)" == (
        problem.message
    )
