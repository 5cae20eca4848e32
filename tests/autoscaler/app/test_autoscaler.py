"""The autoscaler in virtual time: load rises and falls, restarts, failures."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from autoscaler.app.autoscaler import RECORDS, Autoscaler
from autoscaler.decide.utilization import cpu_metric
from autoscaler.model import (
    ActivityStatus,
    AdjustmentType,
    Alarm,
    AlarmState,
    Capacity,
    Comparison,
    Cooldown,
    Metric,
    MissingData,
    ScalableTarget,
    Statistic,
    StepAdjustment,
    StepScalingPolicy,
)
from foundation.clock import VirtualClock
from foundation.journal import CommitFailed, MemoryJournal

CPU = cpu_metric("demo", "web")
START_S = 4.0
"""How long a task takes until it is healthy."""


def out(cooldown_s: float = 15.0, adjustment: int = 1) -> StepScalingPolicy:
    alarm = Alarm("web-out", CPU, Statistic.AVERAGE, 10, 1, 1, Comparison.GREATER, 75.0)
    steps = (StepAdjustment(adjustment, 0.0, None),)
    kind = AdjustmentType.CHANGE_IN_CAPACITY
    return StepScalingPolicy("out", alarm, kind, steps, cooldown_s)


def back(cooldown_s: float = 15.0) -> StepScalingPolicy:
    alarm = Alarm("web-in", CPU, Statistic.AVERAGE, 10, 3, 3, Comparison.LESS, 30.0)
    steps = (StepAdjustment(-1, None, 0.0),)
    kind = AdjustmentType.CHANGE_IN_CAPACITY
    return StepScalingPolicy("in", alarm, kind, steps, cooldown_s)


TARGET = ScalableTarget("web", 1, 6, (out(), back()))


@dataclass
class Tasks:
    """Services in memory: new tasks are healthy after START_S."""

    clock: VirtualClock
    counts: dict[str, int] = field(default_factory=lambda: {"web": 1})
    version: int = 1
    deploying: bool = False
    refusing: Callable[[], None] | None = None
    log: list[tuple[float, int]] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    changed_s: float = -1e9

    def observe(self) -> Mapping[str, Capacity]:
        reached = self.clock.now_s() - self.changed_s >= START_S
        return {
            name: Capacity(count, count, count, self.deploying, reached, self.version)
            for name, count in self.counts.items()
        }

    async def set_desired(
        self,
        resource: str,
        desired: int,
        if_version: int,
        activity_id: str,
        reason: str,
    ) -> bool:
        assert reason
        if self.refusing is not None:
            self.refusing()
        if activity_id in self.done:
            return True
        if if_version != self.version:
            return False
        self.done.add(activity_id)
        self.put(resource, desired)
        return True

    def put(self, resource: str, desired: int) -> None:
        self.counts[resource] = desired
        self.version += 1
        self.changed_s = self.clock.now_s()
        self.log.append((self.changed_s, desired))


class World:
    """A clock, a journal, tasks, and one autoscaler at a time over them."""

    def __init__(self, target: ScalableTarget = TARGET) -> None:
        self.clock = VirtualClock()
        self.journal = MemoryJournal()
        self.tasks = Tasks(self.clock)
        self.target = target
        self.autoscaler = self.start()

    def start(self) -> Autoscaler:
        self.autoscaler = Autoscaler(
            clock=self.clock,
            journal=self.journal,
            capacities=self.tasks,
            records={kind: dict(self.journal.of(kind)) for kind in RECORDS},
        )
        self.autoscaler.configure([self.target])
        return self.autoscaler

    async def pass_s(self, seconds: int, cpu: Callable[[float], float | None]) -> None:
        """Let seconds pass; `cpu` is the utilization at a time, None for no sample."""
        for _ in range(seconds):
            value = cpu(self.clock.now_s())
            if value is not None:
                self.autoscaler.record(CPU, self.clock.unix_s(), value)
            self.clock.advance(1.0)
            await self.autoscaler.look()

    def alarm(self, name: str) -> AlarmState:
        return self.autoscaler.alarms()[name].state

    def told(self) -> str:
        return "\n".join(message for _, _, message in self.autoscaler.events())


def busy(_: float) -> float:
    return 90.0


def idle(_: float) -> float:
    return 10.0


def silent(_: float) -> None:
    return None


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

    assert (AlarmState.ALARM, before.since_unix_s) == (kept.state, kept.since_unix_s)
    assert world.alarm("web-out") is AlarmState.INSUFFICIENT_DATA


@pytest.mark.parametrize(
    ("jump_s", "at_least_s", "at_most_s"),
    [(0.0, 15.0, 30.0), (-3600.0, 15.0, 30.0)],
    ids=["the clock runs on", "the clock is set back an hour"],
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


async def test_every_status_has_its_message() -> None:
    world = World()
    await world.pass_s(11, busy)
    (activity,) = world.autoscaler.activities()

    messages = {
        replace(activity, status=status).status_message for status in ActivityStatus
    }

    assert len(messages) == len(ActivityStatus)
    assert all(messages)


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


def test_metrics_nobody_watches_are_not_kept() -> None:
    world = World()
    world.autoscaler.record(Metric("n", "x"), world.clock.unix_s(), 1.0)

    assert world.autoscaler.statistics().unwatched == 1
