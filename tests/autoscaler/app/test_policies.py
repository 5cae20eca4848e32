"""Policies over time: target tracking, ours, schedules and suspension, in virtual time."""

import itertools
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.decide.target_tracking import Tracked, alarms_of
from autoscaler.model import ActivityStatus, Alarm, AlarmState, Metric, Statistic
from autoscaler.policies import (
    FastMetric,
    FastTrackingPolicy,
    ScalableTarget,
    ScheduledAction,
    SuspendedState,
    TargetTrackingPolicy,
)
from tests.support.examples import examples
from tests.support.scaling import CPU, START_S, TARGET, World, back, busy, idle, out

PATH = Metric("alb/RequestPath", "InFlightPerTarget", (("TargetGroup", "web"),))
FAST = FastTrackingPolicy(
    "fast", FastMetric.IN_FLIGHT_PER_TARGET, PATH, 10.0, stabilization_s=120
)
BOTH_WAYS = SuspendedState(dynamic_scaling_in=True, dynamic_scaling_out=True)


def tracking(
    target: float = 50.0, *, period_s: int = 10, cooldown_s: float = 0.0
) -> TargetTrackingPolicy:
    tracked = Tracked(CPU, Statistic.AVERAGE, target, period_s, 1, 3)
    high, low = alarms_of(tracked, "service/demo/web", "0", aws_timing=False)
    return TargetTrackingPolicy("cpu", target, high, low, cooldown_s, cooldown_s)


def world(
    *policies: TargetTrackingPolicy | FastTrackingPolicy, most: int = 20
) -> World:
    return World(ScalableTarget("web", 1, most, policies))


def shared(made: World, demand: Callable[[float], float]) -> Callable[[float], float]:
    """Return the utilization of tasks that share `demand`, in percent of one task."""

    def cpu(now_s: float) -> float:
        return demand(now_s) / max(1, made.tasks.counts["web"])

    return cpu


def constant(load: float) -> Callable[[float], float]:
    return lambda _: load


async def pass_in_flight(
    made: World, seconds: int, in_flight: Callable[[float], float]
) -> None:
    for _ in range(seconds):
        value = in_flight(made.clock.now_s())
        made.autoscaler.record(PATH, made.clock.unix_s(), value)
        made.clock.advance(1.0)
        await made.autoscaler.look()


# --- target tracking --------------------------------------------------------------


async def test_target_tracking_goes_to_its_target_in_one_step_and_back() -> None:
    made = world(tracking())
    await made.pass_s(40, shared(made, lambda _: 380.0))
    up = made.tasks.counts["web"]
    await made.pass_s(60, shared(made, lambda _: 120.0))

    assert (8, 3) == (up, made.tasks.counts["web"])
    assert [8, 3] == [count for _, count in made.tasks.log]
    first = made.autoscaler.activities()[0]
    assert first.cause == (
        "monitor alarm TargetTracking-service/demo/web-AlarmHigh-0 in state ALARM"
        " triggered policy cpu"
    )
    assert "CPUUtilization 380 against the target 50 asks for 8" in first.details


async def test_target_tracking_shows_its_alarms() -> None:
    made = world(tracking())
    await made.pass_s(12, busy)

    high, low = made.autoscaler.alarms().values()
    assert (AlarmState.ALARM, AlarmState.OK) == (high.state, low.state)
    assert (50.0, 45.0) == tuple(
        view.definition.threshold
        for view in (high, low)
        if isinstance(view.definition, Alarm)
    )


async def test_without_data_it_never_scales() -> None:
    made = world(tracking())
    made.tasks.put("web", 5)
    await made.pass_s(300, lambda _: None)

    assert made.tasks.counts["web"] == 5
    assert made.alarm("TargetTracking-service/demo/web-AlarmLow-0") is (
        AlarmState.INSUFFICIENT_DATA
    )


async def test_a_step_down_that_tracking_would_take_back_is_anticipated() -> None:
    step = replace(back(0.0), name="down")
    quarter = replace(step.steps[0], scaling_adjustment=-3)
    eager = replace(step, steps=(quarter,))
    made = World(ScalableTarget("web", 1, 20, (tracking(25.0), eager)))
    made.tasks.put("web", 4)
    await made.pass_s(60, lambda _: 24.0)

    assert made.tasks.counts["web"] == 4
    (refused,) = (one for one in made.autoscaler.all_activities() if not one.scales)
    assert "Attempting to scale due to alarm triggered" == refused.description
    assert ["AutoScalingAnticipatedFlapping"] == [
        one.code.value for one in refused.not_scaled_reasons
    ]
    assert () == made.autoscaler.activities()


async def test_what_does_not_change_is_told_once_while_an_alarm_lasts() -> None:
    made = world(tracking())
    await made.pass_s(200, idle)

    assert made.alarm("TargetTracking-service/demo/web-AlarmLow-0") is AlarmState.ALARM
    (refused,) = made.autoscaler.all_activities()
    assert ["AlreadyAtDesiredCapacity"] == [
        one.code.value for one in refused.not_scaled_reasons
    ]


async def test_what_did_not_scale_is_kept_apart_and_bounded() -> None:
    made = World(replace(TARGET, max_capacity=1))
    for _ in range(120):
        await made.pass_s(11, busy)
        await made.pass_s(31, idle)

    kept = made.autoscaler.all_activities()
    assert 100 == len(kept) == len(made.journal.of("activity"))
    assert not made.autoscaler.activities()


# --- ours -------------------------------------------------------------------------


async def test_fast_tracking_is_there_within_seconds_of_a_step() -> None:
    made = world(FAST)
    made.tasks.put("web", 2)
    await pass_in_flight(made, 100, lambda _: 20.0)
    began_s = made.clock.now_s()
    await pass_in_flight(made, 10, lambda _: 100.0)

    reached_s = next(time for time, count in made.tasks.log if count == 10)
    assert reached_s - began_s <= FAST.panic_window_s
    first = made.autoscaler.activities()[0]
    assert first.cause == "policy fast follows InFlightPerTarget"
    assert "in panic with 2 ready" in first.details


async def test_fast_tracking_comes_down_after_its_stabilization() -> None:
    made = world(FAST)
    await pass_in_flight(made, 60, lambda _: 100.0)
    up = made.tasks.counts["web"]
    began_s = made.clock.now_s()
    await pass_in_flight(made, 400, lambda _: 20.0)

    assert (10, 2) == (up, made.tasks.counts["web"])
    first_down_s = next(time for time, count in made.tasks.log if time > began_s)
    assert first_down_s - began_s >= FAST.stabilization_s


async def test_fast_tracking_ends_another_policys_scale_in_cooldown() -> None:
    made = World(ScalableTarget("web", 1, 20, (back(60.0), FAST)))
    made.tasks.put("web", 4)
    await made.pass_s(45, idle)
    assert made.tasks.counts["web"] == 3
    assert made.journal.of("cooldown")
    await pass_in_flight(made, 6, lambda _: 200.0)

    assert made.tasks.counts["web"] > 3
    assert not made.journal.of("cooldown")


# --- suspension -------------------------------------------------------------------


async def test_what_is_suspended_does_not_scale_until_it_is_resumed() -> None:
    made = World()
    assert await made.autoscaler.suspend("web", BOTH_WAYS)
    await made.pass_s(60, busy)
    suspended = made.tasks.counts["web"]
    made.start()
    await made.pass_s(30, busy)
    after_a_restart = made.tasks.counts["web"]
    await made.autoscaler.suspend("web", SuspendedState())
    await made.pass_s(1, busy)

    assert (1, 1, 2) == (suspended, after_a_restart, made.tasks.counts["web"])
    assert "alb.Suspended" in made.told()
    assert not await made.autoscaler.suspend("api", BOTH_WAYS)


async def test_a_resumption_does_not_wait_for_the_next_minute() -> None:
    slow = replace(out(), alarm=replace(out().alarm, period_s=60))
    made = World(replace(TARGET, policies=(slow,)))
    await made.autoscaler.suspend("web", BOTH_WAYS)
    await made.pass_s(145, busy)
    await made.autoscaler.suspend("web", SuspendedState())
    await made.pass_s(1, busy)

    assert made.tasks.counts["web"] == 2


async def test_a_file_that_changes_what_is_suspended_wins() -> None:
    made = World()
    await made.autoscaler.suspend("web", BOTH_WAYS)
    made.autoscaler.configure(
        [replace(TARGET, suspended=SuspendedState(scheduled_scaling=True))]
    )
    await made.pass_s(12, busy)

    assert made.tasks.counts["web"] == 2
    assert not made.journal.of("scaling_suspension")


# --- schedules --------------------------------------------------------------------

EVERY_MINUTE = ScheduledAction("up", "rate(1 minute)", min_capacity=4)


def scheduled(*actions: ScheduledAction, **bounds: int) -> ScalableTarget:
    return replace(
        TARGET,
        policies=(),
        scheduled_actions=actions,
        **bounds,  # type: ignore[arg-type] # capacities are ints
    )


async def test_a_scheduled_action_sets_bounds_and_the_count_follows() -> None:
    made = World(scheduled(EVERY_MINUTE))
    await made.pass_s(59, idle)
    before = made.tasks.counts["web"]
    await made.pass_s(3, idle)

    assert (1, 4) == (before, made.tasks.counts["web"])
    bounds, count = made.autoscaler.activities()
    assert "Setting min capacity to 4 and max capacity to 6" == bounds.description
    assert "scheduled action name up was triggered" == bounds.cause
    assert (
        "Successfully set min capacity to 4 and max capacity to 6"
        == bounds.status_message
    )
    assert "minimum capacity was set to 4" == count.cause


async def test_scheduled_actions_run_in_order_and_ignore_cooldowns() -> None:
    down = ScheduledAction("down", "rate(1 minute)", min_capacity=1, max_capacity=2)
    made = World(replace(scheduled(EVERY_MINUTE, down), policies=(out(900.0),)))
    await made.pass_s(30, busy)
    assert made.journal.of("cooldown")
    await made.pass_s(40, busy)

    assert made.tasks.counts["web"] == 2
    causes = [one.cause for one in made.autoscaler.activities() if one.bounds]
    assert [
        "scheduled action name up was triggered",
        "scheduled action name down was triggered",
    ] == causes


async def test_missed_while_suspended_is_missed() -> None:
    made = World(scheduled(replace(EVERY_MINUTE, schedule="rate(2 minutes)")))
    await made.autoscaler.suspend("web", SuspendedState(scheduled_scaling=True))
    await made.pass_s(150, idle)
    await made.autoscaler.suspend("web", SuspendedState())
    await made.pass_s(60, idle)
    missed = made.tasks.counts["web"]
    await made.pass_s(60, idle)

    assert (1, 4) == (missed, made.tasks.counts["web"])


async def test_what_control_slept_through_is_made_good_by_its_last_time() -> None:
    made = World(scheduled(EVERY_MINUTE))
    await made.pass_s(1, idle)
    made.clock.advance(1000.0)
    made.start()
    await made.pass_s(1, idle)

    assert made.tasks.counts["web"] == 4
    assert 1 == sum(one.bounds is not None for one in made.autoscaler.activities())


async def test_a_new_action_does_not_run_for_times_before_it() -> None:
    daily = ScheduledAction("up", "cron(0 0 * * ? *)", min_capacity=4)
    made = World(scheduled(daily))
    await made.pass_s(60, idle)

    assert made.tasks.counts["web"] == 1


async def test_an_action_runs_between_its_start_and_its_end() -> None:
    """Each minute from 90 s on; the end is before the third."""
    started = replace(EVERY_MINUTE, start_unix_s=1_800_000_090.0)
    made = World(scheduled(replace(started, end_unix_s=1_800_000_155.0)))
    await made.pass_s(85, idle)
    before = made.tasks.counts["web"]
    await made.pass_s(300, idle)

    assert (1, 4) == (before, made.tasks.counts["web"])
    assert 2 == sum(one.bounds is not None for one in made.autoscaler.activities())


async def test_bounds_of_a_schedule_outlive_a_restart_and_not_a_changed_file() -> None:
    made = World(scheduled(replace(EVERY_MINUTE, end_unix_s=1_800_000_090.0)))
    await made.pass_s(120, idle)
    made.start()
    await made.pass_s(5, idle)
    kept = made.autoscaler.explain("web")
    made.autoscaler.configure([scheduled(min_capacity=2)])
    await made.pass_s(5, idle)
    changed = made.autoscaler.explain("web")

    assert kept is not None
    assert changed is not None
    assert (4, (1, 6)) == (kept.target.min_capacity, kept.of_file)
    assert (2, (2, 6)) == (changed.target.min_capacity, changed.of_file)


async def test_bounds_that_cross_fail_and_change_nothing() -> None:
    low = ScheduledAction("low", "rate(1 minute)", max_capacity=2)
    high = ScheduledAction("high", "rate(1 minute)", min_capacity=4)
    made = World(scheduled(low, high))
    await made.pass_s(62, idle)

    failed = made.autoscaler.activities()[-1]
    assert ActivityStatus.FAILED is failed.status
    assert (
        "Failed to set min capacity to 4 and max capacity to 2: the minimum, 4, would"
        " be above the maximum, 2" == failed.status_message
    )
    assert made.tasks.counts["web"] == 1


# --- why --------------------------------------------------------------------------


async def test_an_explanation_tells_what_each_policy_wants_and_what_follows() -> None:
    day = ScheduledAction(
        "day", "cron(0 8 ? * MON-FRI *)", "Europe/Berlin", max_capacity=9
    )
    policies = (out(300.0), back(), tracking(60.0), FAST)
    made = World(ScalableTarget("web", 1, 20, policies, (day,)))
    await made.pass_s(11, busy)
    begun = made.autoscaler.explain("web")
    await made.pass_s(10, busy)
    cooling = made.autoscaler.explain("web")

    assert begun is not None
    assert cooling is not None
    assert begun.decision.startswith("Setting desired count to 2.")
    step, down, cpu, fast = cooling.policies
    assert ("out", "StepScaling", "alb.Cooldown") == (
        step.name,
        step.type,
        step.not_scaled,
    )
    assert "web-in is OK: it wants nothing" == down.says
    assert ("TargetTrackingScaling", "alb.Cooldown") == (cpu.type, cpu.not_scaled)
    assert "no value in 60 s: it wants nothing" == fast.says
    assert cooling.cooldown is not None
    assert 290 < cooling.cooldown_left_s <= 300
    (planned,) = cooling.scheduled
    assert planned.next_unix_s is not None
    assert planned.next_unix_s > made.clock.unix_s()
    assert "desired count stays 2: no policy may have what it wants" == cooling.decision
    assert made.autoscaler.explain("api") is None


async def test_an_explanation_changes_nothing() -> None:
    made = World(replace(TARGET, scheduled_actions=(EVERY_MINUTE,)))
    await made.pass_s(70, busy)
    before = {kind: dict(made.journal.of(kind)) for kind in ("activity", "cooldown")}
    log = [*made.tasks.log]
    made.clock.advance(60.0)
    made.autoscaler.explain("web")

    after = {kind: dict(made.journal.of(kind)) for kind in ("activity", "cooldown")}
    assert (before, log) == (after, made.tasks.log)


# --- whatever happens -------------------------------------------------------------

SHORTEST_COOLDOWN_S = 15.0
LOADS = st.lists(st.floats(0, 900), min_size=4, max_size=4)
MIXES = st.sampled_from(
    [
        (out(20.0), back(20.0)),
        (tracking(cooldown_s=20.0),),
        (tracking(60.0, cooldown_s=15.0), out(20.0), back(20.0)),
    ]
)


@settings(max_examples=examples(25), deadline=None)
@given(loads=LOADS, policies=MIXES, jump_s=st.integers(-7200, 7200))
async def test_bounds_and_cooldowns_hold_and_the_walls_clock_changes_nothing(
    loads: list[float],
    policies: tuple[TargetTrackingPolicy, ...],
    jump_s: int,
) -> None:
    logs = []
    for jump in (0, jump_s):
        made = World(ScalableTarget("web", 2, 9, policies))
        made.tasks.put("web", 3)
        for load in loads:
            await made.pass_s(45, shared(made, constant(load)))
            made.clock.epoch_unix_s += jump
        logs.append(made.tasks.log)

    for (before_s, before), (at_s, count) in itertools.pairwise(logs[0]):
        assert 2 <= count <= 9
        if count < before and (before_s, before) != logs[0][0]:
            assert at_s - before_s >= START_S + SHORTEST_COOLDOWN_S
    assert logs[0] == logs[1]


@settings(max_examples=examples(20), deadline=None)
@given(load=st.floats(1, 900), start=st.integers(1, 12))
async def test_under_a_constant_load_nothing_flaps(load: float, start: int) -> None:
    made = world(tracking(), most=12)
    made.tasks.put("web", start)
    await made.pass_s(300, shared(made, lambda _: load))

    counts = [count for _, count in made.tasks.log]
    rises = [b > a for a, b in itertools.pairwise(counts)]
    assert len({*rises}) <= 1
    assert made.clock.now_s() - made.tasks.log[-1][0] >= 100
