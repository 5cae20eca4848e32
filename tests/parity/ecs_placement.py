"""ECS: where tasks go, and which go first, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section, live, not_yet

_PLACEMENT = "scheduler/decide/test_placement.py"

FIT: Final = Section(
    "Where a task fits",
    "ECS developer guide, task placement; ECS API reference, Resource",
    (
        live(
            "CPU, memory and static ports remain on the instance",
            f"{_PLACEMENT}::test_a_refusal_says_why_in_ecs_words",
        ),
        not_yet("at most 100 static ports on an instance"),
        live(
            "an unplaceable task is told, with the closest instance",
            f"{_PLACEMENT}::test_the_closest_is_the_one_that_failed_last",
        ),
        live(
            "it is placed as soon as there is room",
            "scenarios/test_scheduler_faults.py"
            "::test_what_does_not_fit_is_said_and_started_when_there_is_room",
        ),
    ),
)

CONSTRAINTS: Final = Section(
    "Placement constraints",
    "ECS API reference, PlacementConstraint; ECS developer guide, cluster query "
    "language",
    (
        not_yet("distinctInstance"),
        not_yet("memberOf with a cluster query"),
        not_yet("constraints of a task definition"),
    ),
)

STRATEGIES: Final = Section(
    "Placement strategies",
    "ECS API reference, PlacementStrategy",
    (
        live("spread", f"{_PLACEMENT}::test_spread"),
        not_yet("binpack"),
        not_yet("random"),
        not_yet("strategies one after the other"),
        live("zone balance where there is none", f"{_PLACEMENT}::test_spread"),
    ),
)

SCALE_IN: Final = Section(
    "Scale-in and rebalancing",
    "ECS developer guide, scale-in protection, Availability Zone rebalancing",
    (
        live(
            "the fullest zone, then the fullest instance",
            f"{_PLACEMENT}::test_scale_in",
        ),
        not_yet("binpack: where most is left"),
        not_yet("UpdateTaskProtection"),
        not_yet("availabilityZoneRebalancing"),
    ),
)

SECTIONS: Final = (FIT, CONSTRAINTS, STRATEGIES, SCALE_IN)
