"""A worker tells what has grown, in pieces; together they tell everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alb.model import (
    NO_VERSION,
    GroupTargets,
    Target,
    TargetGroup,
    TargetId,
    Version,
)
from alb.ports import Counted, Counters, Telemetry, WorkerState
from alb.state.fleet import Fleet
from alb.state.table import Table
from alb.state.telemetry import COUNTERS_MAX, Told


class Node:
    """A worker's table, what it told, and a control that heard it."""

    def __init__(self) -> None:
        self.table = Table(0)
        self.told = Told()
        self.fleet = Fleet([WorkerState(0, 1, 1, NO_VERSION)])
        self.version = 0

    def serve(self, **counts: int) -> None:
        """Have a target group of each name, with so many targets."""
        self.version += 1
        groups = [
            GroupTargets(
                TargetGroup(name),
                tuple(
                    Target(TargetId(f"{name}{n}"), "192.0.2.1", n + 1)
                    for n in range(count)
                ),
            )
            for name, count in counts.items()
        ]
        self.table.swap(Version(1, self.version), groups, (), 0.0)

    def ask(self, group: str, number: int) -> None:
        target = self.table.groups[group].targets[TargetId(f"{group}{number}")]
        target.counters.requests += 1
        target.counters.by_class[2] += 1

    def report(self) -> list[Counted | Telemetry]:
        pieces = self.told.report(self.table)
        said: list[Counted | Telemetry] = [p for p in pieces if p is not None]
        said.append(self.told.ended(self.table, ({}, 0), 0.0))
        for message in said:
            self.fleet.said(0, 1, message)
        return said

    def counted(self) -> tuple[dict[str, Counters], dict[str, Counters]]:
        """What there is to know, as it stands in the table."""
        groups = self.table.groups.values()
        return (
            {name: group.report() for name, group in self.table.groups.items()},
            {t.id: t.counters.report() for g in groups for t in g.targets.values()},
        )


counts = st.dictionaries(st.sampled_from("abc"), st.integers(0, 4))
happenings = st.lists(
    st.one_of(counts, st.tuples(st.sampled_from("abc"), st.integers(0, 3)), st.none())
)


@given(happenings)
def test_control_knows_what_the_worker_counted(
    happened: list[dict[str, int] | tuple[str, int] | None],
) -> None:
    node = Node()
    for one in happened:
        if isinstance(one, dict):
            node.serve(**one)
        elif one is None:
            node.report()
        elif f"{one[0]}{one[1]}" in node.counted()[1]:
            node.ask(*one)
    node.report()
    totals = node.fleet.totals()
    assert node.counted() == (totals.groups, totals.targets)


def test_what_did_not_grow_is_not_told_again() -> None:
    node = Node()
    node.serve(a=3, b=2)
    node.report()
    node.ask("a", 1)
    counted, end = node.report()
    assert isinstance(counted, Counted)
    assert [{"a"}, {"a1"}] == [{*counted.groups}, {*counted.targets}]
    assert isinstance(end, Telemetry)
    assert [end] == node.report()


def test_to_somebody_new_everything_is_told() -> None:
    node = Node()
    node.serve(a=3)
    node.report()
    node.told.nothing()
    counted, _ = node.report()
    assert isinstance(counted, Counted)
    assert counted.fresh
    assert {"a0", "a1", "a2"} == {*counted.targets}


def test_many_targets_are_told_in_pieces() -> None:
    node = Node()
    node.serve(a=1000, b=5)
    pieces = [one for one in node.report() if isinstance(one, Counted)]
    assert max(len(p.groups) + len(p.targets) for p in pieces) <= COUNTERS_MAX
    assert [True] == [piece.fresh for piece in pieces if piece.fresh]
    assert pieces[0].fresh
