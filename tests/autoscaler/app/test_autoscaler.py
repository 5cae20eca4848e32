"""The autoscaler in virtual time: what it does as load rises and falls."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from autoscaler.app.autoscaler import Autoscaler
from autoscaler.app.remembering import RECORDS
from autoscaler.model import (
    ActivityStatus,
    AlarmState,
    Metric,
    MissingData,
)
from tests.support.scaling import START_S, TARGET, World, back, busy, idle, out, silent


async def test_tasks_follow_a_load_that_rises_and_falls() -> None:
    world = World()

    def shared(now_s: float) -> float:
        demand = 240.0 if 30 <= now_s < 150 else 20.0
        return demand / world.tasks.counts["web"]

    await world.pass_s(420, shared)

    counts = [count for _, count in world.tasks.log]
    assert counts == [2, 3, 4, 3, 2, 1]
    causes = [activity.cause for activity in world.autoscaler.activities()]
    assert causes[0] == "monitor alarm web-out in state ALARM triggered policy out"
    assert causes[-1] == "monitor alarm web-in in state ALARM triggered policy in"
    assert all(
        activity.status is ActivityStatus.SUCCESSFUL
        for activity in world.autoscaler.activities()
    )


async def test_activities_speak_application_auto_scalings_words() -> None:
    world = World()
    await world.pass_s(11, busy)
    (begun,) = world.autoscaler.activities()
    await world.pass_s(5, busy)
    (done,) = world.autoscaler.activities()

    assert begun.description == "Setting desired count to 2."
    assert begun.status is ActivityStatus.IN_PROGRESS
    assert "Waiting for change to be fulfilled by ecs." in begun.status_message
    assert done.status_message == (
        "Successfully set desired count to 2. Change successfully fulfilled by ecs."
    )
    assert "CPUUtilization 90 against the threshold 75 asks for +1" in world.told()
    assert "alarm web-out INSUFFICIENT_DATA -> ALARM: Threshold Crossed" in world.told()


async def test_scale_outs_keep_start_time_and_cooldown_between_them() -> None:
    world = World()

    await world.pass_s(120, busy)

    times = [time for time, _ in world.tasks.log]
    assert len(times) == 5
    gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert min(gaps) >= START_S + 15.0


async def test_a_longer_period_repeats_its_action_every_minute() -> None:
    alarm = replace(out().alarm, period_s=60)
    world = World(replace(TARGET, policies=(replace(out(0.0), alarm=alarm),)))

    await world.pass_s(300, busy)

    times = [world.clock.epoch_unix_s + time for time, _ in world.tasks.log]
    assert len(times) == 5
    assert {time % 60 for time in times} == {0}


async def test_at_the_maximum_the_refusal_is_told_once_per_alarm() -> None:
    world = World(replace(TARGET, max_capacity=1))
    await world.pass_s(120, busy)
    once = world.told().count("AlreadyAtMaxCapacity")
    await world.pass_s(30, idle)
    await world.pass_s(30, busy)

    assert once == 1
    assert world.told().count("AlreadyAtMaxCapacity") == 2
    assert not world.autoscaler.activities()


@pytest.mark.parametrize(
    ("count", "expected", "cause"),
    [
        (9, 6, "maximum capacity was set to 6"),
        (0, 1, "minimum capacity was set to 1"),
    ],
)
async def test_a_count_outside_the_bounds_comes_back_at_once(
    count: int, expected: int, cause: str
) -> None:
    world = World()
    world.tasks.put("web", count)

    await world.pass_s(1, silent)

    assert expected == world.tasks.counts["web"]
    assert cause == world.autoscaler.activities()[0].cause


async def test_scale_in_waits_for_a_deployment() -> None:
    world = World()
    world.tasks.put("web", 3)
    world.tasks.deploying = True
    await world.pass_s(60, idle)
    during = world.tasks.counts["web"]
    world.tasks.deploying = False
    await world.pass_s(30, idle)

    assert during == 3
    assert world.tasks.counts["web"] < 3
    assert "TargetServicePutResourceAsUnscalable" in world.told()


async def test_every_status_has_its_message() -> None:
    world = World()
    await world.pass_s(11, busy)
    (activity,) = world.autoscaler.activities()

    messages = {
        replace(activity, status=status).status_message for status in ActivityStatus
    }

    assert len(messages) == len(ActivityStatus)
    assert all(messages)


async def test_what_is_no_longer_configured_is_forgotten() -> None:
    world = World()
    await world.pass_s(20, busy)
    world.autoscaler.configure([])
    await world.pass_s(1, busy)

    assert not world.autoscaler.alarms()
    assert not world.autoscaler.activities()
    assert not any(world.journal.of(kind) for kind in RECORDS)


async def test_activities_kept_are_bounded() -> None:
    world = World(replace(TARGET, policies=()))
    for _ in range(130):
        world.tasks.put("web", 9)
        await world.pass_s(1, silent)

    assert len(world.autoscaler.activities()) == 100
    assert len(world.journal.of("activity")) == 100


async def test_a_service_that_is_not_there_yet_is_left_alone() -> None:
    world = World()
    world.tasks.counts.clear()

    await world.pass_s(15, busy)

    assert world.alarm("web-out") is AlarmState.ALARM
    assert not world.autoscaler.activities()


async def test_missing_data_that_is_judged_waits_for_all_periods() -> None:
    alarm = replace(back().alarm, treat_missing_data=MissingData.BREACHING)
    world = World(
        replace(TARGET, min_capacity=1, policies=(replace(back(), alarm=alarm),))
    )
    await world.pass_s(29, silent)
    early = world.alarm("web-in")
    await world.pass_s(3, silent)

    assert early is AlarmState.INSUFFICIENT_DATA
    assert world.alarm("web-in") is AlarmState.ALARM
    assert "alb.NoDatapoint" in world.told()


async def test_changes_are_announced() -> None:
    world = World()
    heard: list[int] = []
    world.autoscaler.on_change(lambda: heard.append(1))

    await world.pass_s(11, busy)

    assert len(heard) == len(world.autoscaler.events()) > 0


async def test_the_loop_looks_at_whole_seconds_until_cancelled() -> None:
    world = World()
    world.tasks.put("web", 9)
    world.clock.now = 0.99
    world.clock.epoch_unix_s = float(int(world.clock.epoch_unix_s))
    scaler = world.start()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await scaler.run()

    assert world.tasks.counts["web"] == 6


async def test_before_the_first_configuration_nothing_is_forgotten() -> None:
    world = World()
    await world.pass_s(12, busy)
    idle_one = Autoscaler(
        clock=world.clock,
        journal=world.journal,
        capacities=world.tasks,
        records={kind: dict(world.journal.of(kind)) for kind in RECORDS},
    )
    await idle_one.look()

    assert len(idle_one.activities()) == 1
    assert idle_one.statistics().metrics == 0
    assert world.journal.of("alarm")


def test_metrics_nobody_watches_are_kept_too() -> None:
    world = World()
    world.autoscaler.record(Metric("n", "x"), world.clock.unix_s(), 1.0)

    assert world.autoscaler.statistics().metrics == 2
