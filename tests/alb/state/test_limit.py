"""One cap, held by several workers that share nothing but memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alb.model import Target, TargetId
from alb.policies import Concurrency
from alb.state.limit import Limit
from alb.state.shared_counts import SIZE, SharedCounts, cells_of, clear
from alb.state.targets import TargetState

CAP = 3


class Lock:
    """Says whether it was ever entered twice; rings are counted."""

    def __init__(self) -> None:
        self.inside = 0
        self.rung = 0

    def enter(self) -> None:
        self.inside += 1
        assert self.inside == 1

    def leave(self) -> None:
        self.inside -= 1

    def ring(self) -> None:
        self.rung += 1


class Worker:
    """What one worker has of a group with one target."""

    def __init__(self, memory: memoryview, column: int, lock: Lock) -> None:
        counts = SharedCounts(cells_of(memory), column)
        self.target = TargetState(Target(TargetId("t"), "h", 1))
        self.target.tally = counts.open(self.target.id)
        self.limit = Limit(counts, lock, counts.open(TargetId("queue of web")))
        self.limit.policy = Concurrency(CAP, queue_length=9)


class Waiting:
    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.went = False

    def on_room(self) -> bool:
        if self.worker.limit.take(self.worker.target):
            self.worker.limit.leave(self)
            self.went = True
        return self.went


def node(workers: int) -> tuple[list[Worker], memoryview, Lock]:
    memory, lock = memoryview(bytearray(SIZE)), Lock()
    return [Worker(memory, column, lock) for column in range(workers)], memory, lock


def at_target(workers: list[Worker]) -> int:
    return sum(worker.target.in_flight for worker in workers)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_no_order_of_events_passes_the_cap_or_refuses_room(
    story: list[tuple[int, bool]],
) -> None:
    workers, _, _ = node(4)
    for at, begins in story:
        worker, before = workers[at], at_target(workers)
        if begins:
            assert worker.limit.take(worker.target) is (before < CAP)
        elif worker.target.in_flight:
            worker.target.end()
        assert at_target(workers) <= CAP


def test_what_a_worker_held_is_free_when_it_has_died() -> None:
    (dead, alive), memory, _ = node(2)
    assert [dead.limit.take(dead.target) for _ in range(4)] == [True] * CAP + [False]
    assert not alive.limit.take(alive.target)
    clear(cells_of(memory), 0)
    assert [alive.limit.take(alive.target) for _ in range(4)] == [True] * CAP + [False]


def test_those_who_wait_go_in_the_order_they_came() -> None:
    (worker,), _, _ = node(1)
    for _ in range(CAP):
        worker.limit.take(worker.target)
    queue = [Waiting(worker) for _ in range(3)]
    for one in queue:
        worker.limit.join(one)
    for count in (1, 2, 3):
        worker.target.end()
        worker.limit.freed()
        assert [one.went for one in queue] == [True] * count + [False] * (3 - count)


def test_those_who_wait_elsewhere_hear_of_room_and_have_their_turn() -> None:
    (here, there), _, lock = node(2)
    for _ in range(CAP):
        here.limit.take(here.target)
    here.limit.freed()
    assert lock.rung == 0, "nobody waits"
    queue = [Waiting(here), Waiting(here)]
    for one in queue:
        here.limit.join(one)
    there.limit.join(Waiting(there))

    for _ in range(2):
        here.target.end()
        here.limit.freed()

    assert lock.rung == 2
    assert [one.went for one in queue] == [True, False], "every other one is theirs"
    there.limit.serve()
    assert there.target.in_flight == 1
    assert at_target([here, there]) == CAP


def test_a_cap_that_is_lowered_lets_nobody_in_until_it_holds() -> None:
    (worker,), _, _ = node(1)
    for _ in range(CAP):
        worker.limit.take(worker.target)
    worker.limit.policy = Concurrency(1)
    worker.target.end()
    assert not worker.limit.take(worker.target)
    worker.limit.policy = Concurrency()
    assert worker.limit.take(worker.target), "no cap any more"


def test_a_worker_without_shared_memory_holds_the_cap_for_itself() -> None:
    target = TargetState(Target(TargetId("t"), "h", 1))
    limit = Limit(None, None, None)
    limit.policy = Concurrency(2)
    assert [limit.take(target) for _ in range(3)] == [True, True, False]
