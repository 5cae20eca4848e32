"""Workers see each other's counts: at once, for the right target, and not for ever."""

from __future__ import annotations

import mmap

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alb.model import TargetId
from alb.state import shared_counts
from alb.state.shared_counts import SharedCounts, Tally

A, B = TargetId("a"), TargetId("b")


@pytest.fixture
def cells() -> shared_counts.Cells:
    return table()


def table() -> shared_counts.Cells:
    return shared_counts.cells_of(memoryview(mmap.mmap(-1, shared_counts.SIZE)))


def opened(counts: SharedCounts, target: TargetId) -> Tally:
    tally = counts.open(target)
    assert tally is not None
    return tally


def test_one_worker_sees_what_another_has(cells: shared_counts.Cells) -> None:
    one, other = SharedCounts(cells, 0), SharedCounts(cells, 5)
    mine, theirs = opened(one, A), opened(other, A)
    opened(other, B).put(9)
    one.refresh()

    theirs.put(3)

    assert mine.elsewhere() == 3
    mine.put(4)
    assert mine.elsewhere() == 3, "its own it knows itself"


def test_the_order_in_which_targets_are_met_does_not_matter(
    cells: shared_counts.Cells,
) -> None:
    one, other = SharedCounts(cells, 0), SharedCounts(cells, 1)
    first = opened(one, A), opened(one, B)
    second = opened(other, B), opened(other, A)
    second[0].put(2)
    second[1].put(1)

    one.refresh()

    assert [tally.elsewhere() for tally in first] == [1, 2]


def test_a_dead_worker_has_nothing_in_flight(cells: shared_counts.Cells) -> None:
    one, dead = SharedCounts(cells, 0), SharedCounts(cells, 1)
    mine = opened(one, A)
    opened(dead, A).put(7)
    one.refresh()
    assert mine.elsewhere() == 7

    shared_counts.clear(cells, 1)

    assert mine.elsewhere() == 0, "even before it looks"
    successor = SharedCounts(cells, 1)
    opened(successor, B).put(5)
    one.refresh()
    assert mine.elsewhere() == 0


def test_a_row_that_is_given_back_counts_for_nobody(cells: shared_counts.Cells) -> None:
    one, other = SharedCounts(cells, 0), SharedCounts(cells, 1)
    mine, theirs = opened(one, A), opened(other, A)
    theirs.put(3)
    one.refresh()

    other.close(theirs)
    opened(other, B).put(8)
    one.refresh()

    assert mine.elsewhere() == 0


def test_two_registrations_of_one_name_add_up(cells: shared_counts.Cells) -> None:
    """One has moved to another address, and its last requests still run."""
    one, other = SharedCounts(cells, 0), SharedCounts(cells, 1)
    mine = opened(one, A)
    former, present = opened(other, A), opened(other, A)
    former.put(2)
    present.put(1)
    one.refresh()
    assert mine.elsewhere() == 3
    other.close(former)
    one.refresh()
    assert mine.elsewhere() == 1


def test_rows_are_bounded(cells: shared_counts.Cells) -> None:
    counts = SharedCounts(cells, 0)
    tallies = [counts.open(TargetId(str(n))) for n in range(shared_counts.ROWS + 1)]
    assert tallies[-1] is None
    assert tallies[0] is not None
    counts.close(tallies[0])
    assert counts.open(B) is not None


NAMES = st.sampled_from([TargetId(name) for name in "abcd"])
WORKERS = st.integers(0, 2)


class Workers(RuleBasedStateMachine):
    """Three workers open, close, count, die: each always sees the others' sum."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = table()
        self.counts = [SharedCounts(self.cells, n) for n in range(3)]
        self.open: list[dict[TargetId, Tally]] = [{}, {}, {}]
        self.said: list[dict[TargetId, int]] = [{}, {}, {}]

    @rule(worker=WORKERS, name=NAMES, count=st.integers(0, 9))
    def count(self, worker: int, name: TargetId, count: int) -> None:
        if name not in self.open[worker]:
            self.open[worker][name] = opened(self.counts[worker], name)
        self.open[worker][name].put(count)
        self.said[worker][name] = count

    @rule(worker=WORKERS, name=NAMES)
    def leave(self, worker: int, name: TargetId) -> None:
        if name in self.open[worker]:
            self.counts[worker].close(self.open[worker].pop(name))
            del self.said[worker][name]

    @rule(worker=WORKERS)
    def die(self, worker: int) -> None:
        shared_counts.clear(self.cells, worker)
        self.counts[worker] = SharedCounts(self.cells, worker)
        self.open[worker], self.said[worker] = {}, {}

    @invariant()
    def each_sees_the_others(self) -> None:
        for worker, tallies in enumerate(self.open):
            self.counts[worker].refresh()
            others = [said for n, said in enumerate(self.said) if n != worker]
            for name, tally in tallies.items():
                assert tally.elsewhere() == sum(said.get(name, 0) for said in others)


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
