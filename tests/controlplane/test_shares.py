"""Rules that deployments share out: exact parts, everybody else's weight kept."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.model import (
    FixedResponse,
    Forward,
    Listener,
    LoadBalancer,
    Rule,
    WeightedGroup,
)
from controlplane.errors import InvalidParameter
from controlplane.shares import require_nobodys, shared, with_shares
from scheduler.configuration import AdvancedConfiguration
from scheduler.model import Service, ServiceLoadBalancer, TaskDefinition


def forward(**weights: int) -> Forward:
    return Forward(tuple(WeightedGroup(n, w) for n, w in weights.items()))


# fmt: off
SHARED = [
    ({"blue": 1, "green": 0},               {"blue": 0, "green": 100},   {"blue": 0, "green": 1},   "all of it, in the file's numbers"),
    ({"blue": 80, "green": 0, "old": 20},   {"blue": 0, "green": 100},   {"blue": 0, "green": 80, "old": 20}, "another group keeps its weight"),
    ({"blue": 1, "green": 0},               {"blue": 95, "green": 5},    {"blue": 19, "green": 1},  "as small as whole numbers can be"),
    ({"blue": 1, "green": 0, "old": 1},     {"blue": 95, "green": 5},    {"blue": 19, "green": 1, "old": 20}, "and its part"),
    ({"blue": 1, "green": 0},               {"blue": 99.9, "green": 0.1}, {"blue": 999, "green": 1}, "a thousandth"),
    ({"blue": 3, "green": 6},               {"blue": 100, "green": 0},   {"blue": 9, "green": 0},   "what they have together"),
    ({"blue": 1, "old": 2},                 {"blue": 0, "green": 100},   {"blue": 1, "old": 2},     "the rule does not have who serves: it is left"),
    ({"old": 2},                            {"blue": 100, "green": 0},   {"old": 2},                "nor any of them"),
]
# fmt: on


@pytest.mark.parametrize("row", SHARED, ids=[row[-1] for row in SHARED])
def test_what_the_groups_have_is_divided(
    row: tuple[dict[str, int], Mapping[str, float], dict[str, int], str],
) -> None:
    weights, percents, expected, _ = row
    assert forward(**expected) == shared(forward(**weights), percents)


@given(
    blue=st.integers(0, 999),
    green=st.integers(0, 999),
    old=st.integers(0, 999),
    tenths=st.integers(0, 1000),
)
def test_parts_are_exact_and_never_nothing(
    blue: int, green: int, old: int, tenths: int
) -> None:
    percent = tenths / 10
    percents = {"green": percent, "blue": round(100 - percent, 1)}
    before = forward(blue=blue, green=green, old=old)
    after = shared(before, percents)
    assert isinstance(after, Forward)
    b, g, o = (group.weight for group in after.groups)
    if blue + green:
        assert b + g > 0
        assert Fraction(g, b + g) == Fraction(tenths, 1000)
        assert Fraction(o, b + g) == Fraction(old, blue + green)
    else:
        assert (b, g) == (0, 0)


def test_only_the_rules_that_are_named_are_touched() -> None:
    rules = (
        Rule(10, (), forward(blue=1, green=0)),
        Rule(20, (), forward(blue=1, green=0)),
        Rule(30, (), FixedResponse(200)),
    )
    front = LoadBalancer(
        "front", listeners=(Listener(80, forward(blue=1, green=0), rules),)
    )
    moved = {"blue": 0.0, "green": 100.0}
    found = with_shares(front, {"80/10": moved, "80/30": moved})
    [listener] = found.listeners
    assert forward(blue=0, green=1) == listener.rules[0].action
    assert rules[1:] == listener.rules[1:]
    assert forward(blue=1, green=0) == listener.default_action
    [listener] = with_shares(front, {"80/default": moved}).listeners
    assert forward(blue=0, green=1) == listener.default_action
    assert rules == listener.rules
    assert front is with_shares(front, {})


PAIR = AdvancedConfiguration("green", "80/10", "81/default")
WEB = Service(
    "web",
    TaskDefinition("web", ()),
    1,
    (ServiceLoadBalancer("blue", "web", 80, 0, PAIR),),
)
MESSAGE = (
    "weights: blue and green are shared out by the deployments of service web: "
    "`alb deploy web` or `alb rollback web` moves requests"
)


@pytest.mark.parametrize("place", ["80/10", "81/default"])
@pytest.mark.parametrize("group", ["blue", "green"])
def test_there_is_one_owner(place: str, group: str) -> None:
    with pytest.raises(InvalidParameter) as told:
        require_nobodys([WEB], place, ["old", group])
    assert MESSAGE == str(told.value)


def test_what_is_nobodys_may_be_changed() -> None:
    require_nobodys([WEB], "80/10", ["old"])
    require_nobodys([WEB], "80/20", ["blue"])
