"""The autoscaler in virtual time: restarts, failures and other people's changes."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.model import (
    ActivityStatus,
    AlarmState,
    Cooldown,
)
from foundation.journal import CommitFailed
from tests.support.examples import examples
from tests.support.scaling import TARGET, World, busy, out, silent


async def test_nothing_is_done_before_it_is_written_down() -> None:
    world = World()
    world.journal.failing = True
    await world.pass_s(30, busy)
    while_failing = world.tasks.counts["web"]
    told = world.told()
    world.journal.failing = False
    await world.pass_s(1, busy)

    assert while_failing == 1
    assert told.count("no decision is taken while commits fail") == 1
    assert world.tasks.counts["web"] == 2


async def test_a_restart_keeps_alarm_states_until_a_whole_period_was_seen() -> None:
    world = World()
    await world.pass_s(12, busy)
    before = world.autoscaler.alarms()["web-out"]
    world.start()
    await world.pass_s(8, silent)
    kept = world.autoscaler.alarms()["web-out"]
    await world.pass_s(4, silent)

    assert AlarmState.ALARM is kept.state
    assert before.record.since_unix_s == kept.record.since_unix_s
    assert world.alarm("web-out") is AlarmState.INSUFFICIENT_DATA


@pytest.mark.parametrize(
    ("jump_s", "at_least_s", "at_most_s"),
    [(0.0, 15.0, 30.0), (-3600.0, 15.0, 30.0), (3600.0, 15.0, 30.0)],
    ids=["the clock runs on", "it is set back an hour", "it is set forward"],
)
async def test_a_cooldown_survives_a_restart_and_passes_at_most_once_more(
    jump_s: float, at_least_s: float, at_most_s: float
) -> None:
    world = World(replace(TARGET, max_capacity=3))
    await world.pass_s(18, busy)
    (cooldown,) = world.journal.of("cooldown").values()
    assert isinstance(cooldown, Cooldown)
    assert cooldown.completed_unix_s is not None
    completed_s = cooldown.completed_unix_s - world.clock.epoch_unix_s
    world.clock.epoch_unix_s += jump_s
    restarted_s = world.clock.now_s()
    world.start()
    await world.pass_s(60, busy)

    second_s = world.tasks.log[1][0]
    assert second_s - completed_s >= at_least_s
    assert second_s - restarted_s <= at_most_s


@settings(max_examples=examples(40), deadline=None)
@given(
    cooldown_s=st.integers(5, 60),
    later_s=st.integers(0, 50),
    jump_s=st.integers(-86_400, 86_400),
)
async def test_a_cooldown_passes_at_least_and_at_most_once_more(
    cooldown_s: int, later_s: int, jump_s: int
) -> None:
    """Whenever control is started anew, and however far clocks were set."""
    policy = out(float(cooldown_s))
    world = World(replace(TARGET, max_capacity=3, policies=(policy,)))
    await world.pass_s(18, busy)
    (cooldown,) = world.journal.of("cooldown").values()
    assert isinstance(cooldown, Cooldown)
    assert cooldown.completed_unix_s is not None
    completed_s = cooldown.completed_unix_s - world.clock.epoch_unix_s
    await world.pass_s(min(later_s, cooldown_s - 5), busy)
    world.clock.epoch_unix_s += jump_s
    restarted_s = world.clock.now_s()
    world.start()
    await world.pass_s(cooldown_s + 30, busy)

    second_s = world.tasks.log[1][0]
    assert second_s >= completed_s + cooldown_s
    assert second_s <= restarted_s + cooldown_s + 2 * policy.alarm.period_s


async def test_a_clock_that_is_set_changes_no_cooldown() -> None:
    world = World()
    await world.pass_s(18, busy)
    world.clock.epoch_unix_s += 86_400
    await world.pass_s(8, busy)

    assert world.tasks.counts["web"] == 2


async def test_a_decision_that_crashed_before_acting_is_acted_on_once() -> None:
    world = World()

    def crash() -> None:
        raise ConnectionResetError

    world.tasks.refusing = crash
    with pytest.raises(ConnectionResetError):
        await world.pass_s(30, busy)
    world.tasks.refusing = None
    world.start()
    await world.pass_s(1, silent)

    assert world.tasks.counts["web"] == 2
    (activity,) = world.autoscaler.activities()
    assert activity.status is ActivityStatus.IN_PROGRESS


async def test_a_setting_that_could_not_be_written_is_repeated() -> None:
    world = World()

    def full() -> None:
        raise CommitFailed("disk full")

    world.tasks.refusing = full
    await world.pass_s(15, busy)
    world.tasks.refusing = None
    await world.pass_s(1, busy)

    assert world.tasks.counts["web"] == 2
    assert len(world.autoscaler.activities()) == 1


async def test_a_count_changed_meanwhile_fails_the_activity_and_its_cooldown() -> None:
    world = World()

    def meanwhile() -> None:
        world.tasks.refusing = None
        world.tasks.put("web", 3)

    world.tasks.refusing = meanwhile
    await world.pass_s(10, busy)

    (activity,) = world.autoscaler.activities()
    assert activity.status is ActivityStatus.FAILED
    assert not world.journal.of("cooldown")
    await world.pass_s(10, busy)
    assert world.tasks.counts["web"] == 4


async def test_a_bound_that_could_not_be_set_is_tried_again() -> None:
    world = World()
    world.tasks.put("web", 9)

    def meanwhile() -> None:
        world.tasks.refusing = None
        world.tasks.put("web", 8)

    world.tasks.refusing = meanwhile
    await world.pass_s(2, silent)

    statuses = [activity.status for activity in world.autoscaler.activities()]
    assert statuses == [ActivityStatus.FAILED, ActivityStatus.IN_PROGRESS]
    assert world.tasks.counts["web"] == 6


async def test_a_count_changed_by_hand_overrides_an_activity() -> None:
    world = World()
    await world.pass_s(11, busy)
    world.tasks.put("web", 5)
    await world.pass_s(1, busy)

    (activity,) = world.autoscaler.activities()
    assert activity.status is ActivityStatus.OVERRIDDEN
    assert not world.journal.of("cooldown")


async def test_a_change_that_is_never_reached_ends_unfulfilled() -> None:
    world = World(replace(TARGET, max_capacity=2))
    await world.pass_s(11, busy)
    for _ in range(601):
        world.tasks.changed_s = world.clock.now_s()
        await world.pass_s(1, busy)

    (activity,) = world.autoscaler.activities()
    assert activity.status is ActivityStatus.UNFULFILLED
