"""Whatever a snapshot changes, what is checked is as if it were the first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alb.decide.health import NOT_IN_USE
from alb.decide.probing import Probed
from alb.decide.sections import Whole
from alb.model import (
    Action,
    FixedResponse,
    Forward,
    GroupTargets,
    Listener,
    Rule,
    RuleBlock,
    Target,
    TargetGroup,
    TargetId,
    WeightedGroup,
)
from alb.state.assignments import Assignments

NAMES = ("a", "b", "c")


def to(name: str) -> Action:
    return Forward((WeightedGroup(name),)) if name else FixedResponse(200)


def block(name: str) -> RuleBlock:
    return RuleBlock("http-80", (Rule(1, (), to(name)),))


def targets(name: str, count: int) -> GroupTargets:
    members = [Target(TargetId(f"{name}{n}"), "192.0.2.1", n + 1) for n in range(count)]
    return GroupTargets(TargetGroup(name), tuple(members))


BLOCKS = [block(name) for name in (*NAMES, "")]
CONTENTS = {name: [targets(name, count) for count in range(3)] for name in NAMES}
snapshots = st.builds(
    lambda default, blocks, counts: Whole(
        ((Listener(80, to(default)), tuple(BLOCKS[at] for at in blocks)),),
        tuple(CONTENTS[name][count] for name, count in counts.items()),
    ),
    st.sampled_from(("", *NAMES)),
    st.lists(st.integers(0, 3), max_size=3, unique=True),
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2)),
)


@given(st.lists(snapshots, min_size=1, max_size=6))
def test_a_change_is_followed_as_if_nothing_had_been_before(seen: list[Whole]) -> None:
    registered = Assignments()
    followed = [registered.follow(snapshot) for snapshot in seen]
    assert [Assignments().follow(snapshot) for snapshot in seen] == followed


def test_what_did_not_change_is_answered_with_the_same() -> None:
    registered = Assignments()
    first = registered.follow(Whole((), (CONTENTS["a"][1], CONTENTS["b"][1])))
    second = registered.follow(Whole((), (CONTENTS["a"][1], CONTENTS["b"][2])))
    assert first[TargetId("a0")] is second[TargetId("a0")]


def test_a_target_is_checked_once_a_rule_leads_to_it() -> None:
    registered, groups = Assignments(), (CONTENTS["a"][1],)
    front = Listener(80, FixedResponse(200))
    assert {"a0": NOT_IN_USE} == registered.follow(Whole(((front, ()),), groups))
    led = registered.follow(Whole(((front, (BLOCKS[0],)),), groups))
    assert isinstance(led[TargetId("a0")], Probed)
