"""RuleEvaluations: how many rules were looked at, as ALB counts them."""

from __future__ import annotations

import pytest

from alb.model import FixedResponse, Forward, PathPattern, Rule, WeightedGroup
from tests.support.wires import World

ANSWER = FixedResponse(200)
RULES = (
    Rule(10, (PathPattern(("/a/*",)),), ANSWER),
    Rule(20, (PathPattern((), ("^/b",)),), ANSWER),
    Rule(30, (PathPattern(("*.php",)),), Forward((WeightedGroup("web"),))),
)

# fmt: off
EVALUATIONS = [  # rule 1 of every world is /fixed
    (["/fixed"],               1, "the first rule"),
    (["/a/b"],                 2, "the rules before one are counted with it"),
    (["/b"],                   3, "expressions like any other"),
    (["/x.php"],               4, "and rules that forward"),
    (["/none"],                4, "all of them where none matches, without the default"),
    (["/fixed", "/a/", "/b"],  6, "requests add up"),
]
# fmt: on


@pytest.mark.parametrize(
    ("paths", "expected"),
    [row[:2] for row in EVALUATIONS],
    ids=[row[2] for row in EVALUATIONS],
)
def test_rules_up_to_the_one_that_answers_are_counted(
    paths: list[str], expected: int
) -> None:
    world = World(rules=RULES)
    for path in paths:
        world.client(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    assert expected == world.door.report().totals["ruleEvaluations"]
    world.close()
