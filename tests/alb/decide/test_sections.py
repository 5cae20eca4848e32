"""A snapshot in sections is the same snapshot, and a small change of it is small."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from alb.decide.sections import RULES_PER_BLOCK, parts, rule_blocks, whole
from alb.model import (
    FixedResponse,
    GroupTargets,
    Listener,
    PathPattern,
    Rule,
    Target,
    TargetGroup,
    TargetId,
)

ANSWER = FixedResponse(200)
GROUP = GroupTargets(TargetGroup("web"), (Target(TargetId("a"), "127.0.0.1", 1),))
priorities = st.sets(st.integers(1, 50_000), max_size=300)


def rule(priority: int, path: str = "/") -> Rule:
    return Rule(priority, (PathPattern((path,)),), ANSWER)


def front(of: set[int], port: int = 80) -> Listener:
    return Listener(port, ANSWER, tuple(rule(priority) for priority in sorted(of)))


@given(priorities, priorities)
def test_what_was_taken_apart_is_whole_again(one: set[int], other: set[int]) -> None:
    listeners, groups = whole(parts((front(one), front(other, 81), GROUP)))
    assert [front(one), front(other, 81)] == [
        replace(bare, rules=tuple(rule for block in blocks for rule in block.rules))
        for bare, blocks in listeners
    ]
    assert (GROUP,) == groups


@given(priorities)
def test_a_section_has_no_rules_or_is_a_block_of_them(of: set[int]) -> None:
    first, *blocks = parts([front(of)])
    assert first == replace(front(of), rules=())
    assert bool(blocks) == bool(of)


def changed_blocks(before: Listener, after: Listener) -> int:
    return len(set(rule_blocks(after)) - set(rule_blocks(before)))


@given(priorities, st.integers(1, 50_000))
def test_one_rule_more_or_less_changes_two_blocks_at_most(
    of: set[int], priority: int
) -> None:
    without, with_it = front(of - {priority}), front(of | {priority})
    assert changed_blocks(without, with_it) <= 2
    assert changed_blocks(with_it, without) <= 2


@given(st.sets(st.integers(1, 50_000), min_size=1, max_size=300), st.data())
def test_a_rule_that_leads_elsewhere_changes_one_block(
    of: set[int], data: st.DataObject
) -> None:
    at = data.draw(st.sampled_from(sorted(of)))
    before = front(of)
    rules = tuple(
        rule(r.priority, "/x") if r.priority == at else r for r in before.rules
    )
    assert changed_blocks(before, replace(before, rules=rules)) == 1


def test_blocks_are_small_whatever_step_priorities_have() -> None:
    for step in (1, 2, 5, 10, 16, 32, 50):
        blocks = [
            len(b.rules)
            for b in rule_blocks(front(set(range(step, step * 1000, step))))
        ]
        assert max(blocks) <= 8 * RULES_PER_BLOCK, step
        assert len(blocks) <= 2 * 1000 / RULES_PER_BLOCK, step


@given(priorities)
def test_blocks_of_the_same_rules_are_the_same_blocks(of: set[int]) -> None:
    before = front(of)
    known = [*parts([before])]
    again = [*parts([replace(before, default_action=FixedResponse(404))], known)]
    assert all(one is other for one, other in zip(known[1:], again[1:], strict=True))
