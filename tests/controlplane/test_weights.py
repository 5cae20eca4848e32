"""Weights of a running forward: found by place, changed by hand, kept from the file."""

from __future__ import annotations

import pytest

from alb.model import (
    FixedResponse,
    Forward,
    Listener,
    LoadBalancer,
    Rule,
    WeightedGroup,
)
from controlplane.cluster_file import ClusterFile
from controlplane.cluster_file.ownership import live_of, merge
from controlplane.cluster_file.plan import line_of
from controlplane.errors import ControlError
from controlplane.weights import (
    Weights,
    difference,
    reweighted,
    weighted_at,
    with_weights,
)


def split(stable: int = 1, canary: int = 1) -> Forward:
    return Forward((WeightedGroup("stable", stable), WeightedGroup("canary", canary)))


def balancer(rule: Forward, default: Forward | None = None) -> LoadBalancer:
    rules = (
        Rule(10, (), rule, "shop"),
        Rule(20, (), Forward((WeightedGroup("stable"),))),
        Rule(30, (), FixedResponse(200), "10"),
    )
    front = Listener(8080, default or split(), rules)
    return LoadBalancer("front", listeners=(front,))


FILE = balancer(split(9, 1))


# fmt: off
PLACES = [
    ("8080",      "",     "8080/default", "a port alone is the default action"),
    ("http-8080", "",     "8080/default", "so is a listener's name"),
    ("8080",      "10",   "8080/10",      "a rule by its priority, before another's name"),
    ("8080",      "shop", "8080/10",      "or by its name"),
]
MISTAKES = [
    ("80",   "",    {"canary": 1},    'no listener "80"; there is 8080'),
    ("8080", "shp", {"canary": 1},    'listener 8080 has no rule "shp"; did you mean "shop"?'),
    ("8080", "20",  {"stable": 1},    "rule: rule 20 of listener 8080 forwards to stable alone: nothing to weigh"),
    ("8080", "30",  {"stable": 1},    "rule: rule 10 of listener 8080 does not forward"),
    ("8080", "",    {"cannary": 1},   'weights: the default action of listener 8080 does not forward to "cannary"; it has stable, canary'),
    ("8080", "",    {"canary": 1000}, "weights: canary must be 0-999 (got 1000)"),
    ("8080", "",    {"canary": -1},   "weights: canary must be 0-999 (got -1)"),
    ("8080", "",    {},               "weights: must name a target group at least"),
]
# fmt: on


@pytest.mark.parametrize(
    ("listener", "rule", "place"), [r[:-1] for r in PLACES], ids=[r[-1] for r in PLACES]
)
def test_where_an_action_is(listener: str, rule: str, place: str) -> None:
    assert place == weighted_at(FILE, listener, rule).place


@pytest.mark.parametrize(("listener", "rule", "weights", "message"), MISTAKES)
def test_what_cannot_be_weighed_is_told(
    listener: str, rule: str, weights: Weights, message: str
) -> None:
    with pytest.raises(ControlError) as caught:
        reweighted(weighted_at(FILE, listener, rule), weights)
    assert message == str(caught.value)


def test_groups_that_are_not_named_keep_their_weight() -> None:
    found = weighted_at(FILE, "8080", "shop")
    assert {"stable": 9, "canary": 3} == reweighted(found, {"canary": 3})


def test_what_runs_is_the_file_and_what_differs_from_it() -> None:
    runs = balancer(split(5, 5), split(0, 1))
    differing = difference(FILE, runs)
    assert {
        "8080/10": {"stable": 5, "canary": 5},
        "8080/default": {"stable": 0, "canary": 1},
    } == differing
    assert runs == with_weights(FILE, differing)
    assert {} == difference(FILE, FILE)
    assert {} == difference(None, FILE)


def file(one: LoadBalancer) -> ClusterFile:
    return ClusterFile("c", control_address=("127.0.0.1", 0), load_balancer=one)


DRIFT = "! listeners[8080].rules[10].actions.targetGroups[{}].weight: runs 5, file says {} (stays)"

# fmt: off
OWNED = [  # the file before, the file now, what was commanded -> what runs, and the plan
    ((9, 1), (9, 1), {},                           (9, 1), [], "nobody touched it"),
    ((9, 1), (9, 1), {"stable": 5, "canary": 5},   (5, 5),
     [DRIFT.format("stable", 9), DRIFT.format("canary", 1)], "a person's weights stay, and the plan shows it"),
    ((9, 1), (0, 1), {"stable": 5, "canary": 5},   (0, 5),
     ["~ listeners[8080].rules[10].actions.targetGroups[stable].weight: 5 -> 0", DRIFT.format("canary", 1)],
     "of what the file changed the file wins"),
    ((9, 1), (5, 5), {"stable": 5, "canary": 5},   (5, 5), [], "both say the same"),
]
# fmt: on


@pytest.mark.parametrize(
    ("last", "now", "commanded", "runs", "told"),
    [r[:-1] for r in OWNED],
    ids=[r[-1] for r in OWNED],
)
def test_who_owns_a_weight(
    last: tuple[int, int],
    now: tuple[int, int],
    commanded: Weights,
    runs: tuple[int, int],
    told: list[str],
) -> None:
    before = file(balancer(split(*last)))
    live = live_of(before, {}, {"8080/10": commanded} if commanded else {})
    merged = merge(before, file(balancer(split(*now))), live)
    assert balancer(split(*runs)) == merged.result.load_balancer
    assert told == [line_of(change) for change in merged.changes]
