"""A worker tells at once whom it could not reach, and seldom again."""

from alb.model import Target, TargetId
from alb.state.doubts import AGAIN_S, Doubts
from alb.state.targets import TargetState


def target(name: str) -> TargetState:
    return TargetState(Target(TargetId(name), "192.0.2.1", 80))


def test_those_of_one_turn_are_told_together() -> None:
    doubts = Doubts()

    firsts = [doubts.add(target(name), 1.0) for name in ("b", "a", "c")]

    assert [True, False, False] == firsts
    assert ("a", "b", "c") == doubts.take()
    assert () == doubts.take()


def test_the_same_one_is_told_a_few_times_a_second_however_often_it_fails() -> None:
    doubts, one = Doubts(), target("a")
    told = 0

    for turn in range(1000):  # a second of failures
        told += doubts.add(one, turn / 1000)
        doubts.take()

    assert 1 / AGAIN_S == told


def test_one_that_drains_is_in_no_doubt() -> None:
    doubts, one = Doubts(), target("a")
    one.draining = True

    assert not doubts.add(one, 1.0)
    assert () == doubts.take()
