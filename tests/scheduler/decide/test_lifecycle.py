"""A task only moves forward, and drains before it is told to stop."""

import itertools

import pytest

from scheduler.decide.lifecycle import MOVES, move, stop
from scheduler.errors import IllegalMove
from scheduler.model import StopCode, TaskStatus
from tests.support.tasks import NOW, task

ORDER = list(TaskStatus)
EVERY_PAIR = list(itertools.product(TaskStatus, repeat=2))


@pytest.mark.parametrize(("current", "wanted"), EVERY_PAIR)
def test_only_moves_of_the_table_are_made(
    current: TaskStatus, wanted: TaskStatus
) -> None:
    if wanted in MOVES[current]:
        assert ORDER.index(current) < ORDER.index(wanted)
        assert move(task(status=current), wanted, NOW).status is wanted
    else:
        with pytest.raises(IllegalMove, match=f"{current.value} -> {wanted.value}"):
            move(task(status=current), wanted, NOW)


def test_every_task_can_reach_stopped_and_nothing_leaves_it() -> None:
    for status in TaskStatus:
        reached = {status}
        for _ in TaskStatus:
            reached |= {after for before in reached for after in MOVES[before]}
        assert TaskStatus.STOPPED in reached
    assert not MOVES[TaskStatus.STOPPED]


def test_times_are_written_once_each() -> None:
    serving = move(task(status=TaskStatus.ACTIVATING), TaskStatus.RUNNING, NOW)
    assert serving.started_at_unix_s == NOW
    draining = move(serving, TaskStatus.DEACTIVATING, NOW + 1)
    stopping = move(draining, TaskStatus.STOPPING, NOW + 2)
    assert stopping.stopping_at_unix_s == NOW + 1, "when it was decided"
    stopped = move(stopping, TaskStatus.STOPPED, NOW + 3)
    assert stopped.stopped_at_unix_s == NOW + 3


@pytest.mark.parametrize(
    ("status", "first"),
    [
        (TaskStatus.PENDING, TaskStatus.STOPPING),
        (TaskStatus.ACTIVATING, TaskStatus.DEACTIVATING),
        (TaskStatus.RUNNING, TaskStatus.DEACTIVATING),
    ],
)
def test_what_may_be_registered_is_drained_before_sigterm(
    status: TaskStatus, first: TaskStatus
) -> None:
    after = stop(task(status=status), StopCode.USER_INITIATED, "by hand", NOW)
    assert first is after.status
    assert (StopCode.USER_INITIATED, "by hand") == (
        after.stop_code,
        after.stopped_reason,
    )
