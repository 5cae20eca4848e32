"""What is told of a group is what its workers do."""

import pytest

from alb.model import HealthState, LoadBalancer, MinimumHealthy, TargetGroup
from controlplane.routing import group_routing

STATES = {
    "h": HealthState.HEALTHY,
    "x": HealthState.UNAVAILABLE,
    "u": HealthState.UNHEALTHY,
    "i": HealthState.INITIAL,
    "d": HealthState.DRAINING,
    "n": HealthState.UNUSED,
}

# fmt: off
YES, NO, UNTOLD = {"web": True}, {"web": False}, dict[str, bool]()
ROUTING = [  # targets, minimum count and percentage, whether enough are healthy
    ("hu",  1, 0,  YES,    "one is enough unless the group asks for more"),
    ("hu",  2, 0,  NO,     "here it asks for two"),
    ("xx",  2, 0,  YES,    "where checks are off, targets count as healthy"),
    ("hhu", 1, 70, NO,     "or for more than two thirds"),
    ("hhd", 1, 70, YES,    "who drains does not count"),
    ("hhi", 1, 70, NO,     "who waits for a check does"),
    ("uu",  1, 0,  NO,     "none is too few"),
    ("nn",  1, 0,  UNTOLD, "nobody forwards there"),
    ("dd",  1, 0,  UNTOLD, "nobody is left"),
]
# fmt: on


@pytest.mark.parametrize(
    ("drawing", "count", "percentage", "told"),
    [row[:4] for row in ROUTING],
    ids=[row[4] for row in ROUTING],
)
def test_whether_enough_targets_are_healthy(
    drawing: str, count: int, percentage: int, told: dict[str, bool]
) -> None:
    group = TargetGroup("web", minimum_healthy=MinimumHealthy(count, percentage))
    states = {STATES[letter]: drawing.count(letter) for letter in drawing}

    assert told == group_routing({"web": states}, LoadBalancer("demo", groups=(group,)))


def test_a_group_that_the_file_lacks_has_awss_minimum() -> None:
    assert group_routing({"gone": {HealthState.HEALTHY: 1}}, None) == {"gone": True}
