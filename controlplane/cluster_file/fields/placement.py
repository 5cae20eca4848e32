"""The field table of placement: which instances, and which of them first.

Source of names and ranges: ECS API reference (PlacementConstraint,
PlacementStrategy, CreateService, RegisterTaskDefinition).
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Shape,
    Text,
    Variants,
    shape,
)

CONSTRAINTS_MAX: Final = 10
"""Of a service and its task definition together."""
STRATEGIES_MAX: Final = 5
EXPRESSION_MAX: Final = 2000

_CONSTRAINT: Final = "ECS PlacementConstraint"
_STRATEGY: Final = "ECS PlacementStrategy"

_MEMBER_OF: Final[Shape] = shape(
    "memberOf",
    Field(
        "expression",
        Text(longest=EXPRESSION_MAX),
        _CONSTRAINT,
        required=True,
        note="in the cluster query language, such as attribute:disk == ssd",
    ),
)
SERVICE_CONSTRAINTS: Final = Each(
    Variants(
        "type",
        {"distinctInstance": shape("distinctInstance"), "memberOf": _MEMBER_OF},
    ),
    most=CONSTRAINTS_MAX,
)
TASK_CONSTRAINTS: Final = Each(
    Variants("type", {"memberOf": _MEMBER_OF}), most=CONSTRAINTS_MAX
)

STRATEGIES: Final = Each(
    Variants(
        "type",
        {
            "spread": shape(
                "spread",
                Field(
                    "field",
                    Text(),
                    _STRATEGY,
                    required=True,
                    note="instanceId, host or attribute:NAME",
                ),
            ),
            "binpack": shape(
                "binpack",
                Field(
                    "field",
                    Choice(("cpu", "memory", "CPU", "MEMORY")),
                    _STRATEGY,
                    required=True,
                ),
            ),
            "random": shape("random"),
        },
    ),
    most=STRATEGIES_MAX,
)
