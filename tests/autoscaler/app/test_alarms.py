"""Named alarms in virtual time: states, history, actions, and people who interfere."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.actions import AlarmActions, Command, Webhook
from autoscaler.app.alarms import HISTORY_MAX, NOTICES_MAX
from autoscaler.app.by_hand import Wish
from autoscaler.app.composites import children_first
from autoscaler.model import (
    Alarm,
    AlarmState,
    Comparison,
    CompositeAlarm,
    Metric,
    MetricQuery,
    Statistic,
)
from foundation.journal import CommitFailed
from tests.support.scaling import CPU, TARGET, World, busy, idle, out, silent

PAGER = Webhook("http://pager.test/alarms")
LAMP = Command(("/usr/bin/lamp", "red"))
CALM = Webhook("http://pager.test/calm")
ACTIONS = AlarmActions(ok=(CALM,), alarm=(PAGER, LAMP))
HIGH = Alarm(
    "cpu-high",
    CPU,
    Statistic.AVERAGE,
    10,
    2,
    2,
    Comparison.GREATER,
    75.0,
    actions=ACTIONS,
)


def world_of(
    alarms: Sequence[Alarm] = (HIGH,),
    composites: Sequence[CompositeAlarm] = (),
) -> World:
    world = World(replace(TARGET, policies=()))
    world.alarms, world.composites = tuple(alarms), tuple(composites)
    world.start()
    return world


def waiting(world: World) -> list[tuple[str, str]]:
    return [(one.state, one.action.name) for one in world.autoscaler.notices()]


def history(world: World, name: str = "cpu-high") -> list[str]:
    return [item.summary for item in world.autoscaler.alarm_history(name)]


async def test_a_change_of_state_is_kept_and_its_actions_wait_to_be_run() -> None:
    world = world_of()
    await world.pass_s(30, busy)

    assert world.alarm("cpu-high") is AlarmState.ALARM
    assert waiting(world) == [("ALARM", PAGER.name), ("ALARM", "/usr/bin/lamp red")]
    assert history(world) == [
        'Alarm "cpu-high" created',
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
    ]
    message = json.loads(world.autoscaler.notices()[0].message)
    assert message["AlarmName"] == "cpu-high"
    assert message["OldStateValue"] == "INSUFFICIENT_DATA"
    assert message["NewStateValue"] == "ALARM"
    assert message["NewStateReason"].startswith("Threshold Crossed: 2 out of the last")
    assert message["Trigger"]["MetricName"] == "CPUUtilization"
    assert message["Trigger"]["Statistic"] == "AVERAGE"
    assert message["Trigger"]["Threshold"] == 75.0
    assert message["AlarmActions"] == [PAGER.name, "/usr/bin/lamp red"]


async def test_actions_run_on_a_change_and_not_while_a_state_lasts() -> None:
    world = world_of()
    await world.pass_s(180, busy)
    await world.pass_s(60, idle)

    states = [state for state, _ in waiting(world)]
    assert states == ["ALARM", "ALARM", "OK"]


async def test_history_and_waiting_actions_survive_a_restart() -> None:
    world = world_of()
    await world.pass_s(30, busy)
    before = (waiting(world), world.autoscaler.alarm_history(""))

    world.start()

    assert before == (waiting(world), world.autoscaler.alarm_history(""))


async def test_a_decision_that_was_not_written_down_runs_nothing() -> None:
    world = world_of()
    await world.pass_s(10, busy)
    world.journal.failing = True
    await world.pass_s(5, busy)
    during = waiting(world)
    world.journal.failing = False
    await world.pass_s(1, busy)

    assert not during
    assert len(waiting(world)) == 2
    assert history(world).count("Alarm updated from INSUFFICIENT_DATA to ALARM") == 1


async def test_a_changed_alarm_keeps_its_state_and_says_what_changed() -> None:
    world = world_of()
    await world.pass_s(30, busy)
    world.alarms = (replace(HIGH, threshold=95.0, description="hot"),)
    world.configure()
    record = world.autoscaler.alarms()["cpu-high"].record
    await world.pass_s(1, silent)

    item = world.autoscaler.alarm_history("cpu-high")[2]
    assert item.summary == 'Alarm "cpu-high" updated'
    assert json.loads(item.data) == {
        "version": "1.0",
        "type": "Update",
        "changed": ["threshold", "description"],
    }
    assert record.state is AlarmState.ALARM
    assert world.alarm("cpu-high") is AlarmState.OK, "evaluated by the new threshold"


async def test_history_is_bounded() -> None:
    world = world_of([replace(HIGH, actions=AlarmActions())])
    for _ in range(HISTORY_MAX):
        await world.pass_s(21, busy)
        await world.pass_s(21, idle)

    kept = world.autoscaler.alarm_history("cpu-high")
    assert len(kept) == HISTORY_MAX
    assert "created" not in kept[0].summary
    assert len(world.journal.of("alarm_history")) == HISTORY_MAX


async def test_actions_that_nobody_runs_do_not_pile_up() -> None:
    world = world_of()
    for _ in range(NOTICES_MAX):
        await world.pass_s(21, busy)
        await world.pass_s(21, idle)

    assert len(waiting(world)) <= NOTICES_MAX
    assert "alarm cpu-high: actions not run, 50 still wait" in world.told()


async def test_what_is_no_longer_configured_leaves_nothing() -> None:
    world = world_of(composites=[CompositeAlarm("any", "ALARM(cpu-high)")])
    await world.pass_s(30, busy)
    world.alarms, world.composites = (), ()
    world.configure()
    await world.pass_s(1, busy)

    assert not world.autoscaler.alarms()
    assert not world.autoscaler.notices()
    assert not world.autoscaler.alarm_history("")
    kinds = ("alarm", "alarm_history", "alarm_notice")
    assert not any(world.journal.of(kind) for kind in kinds)


# --- by hand --------------------------------------------------------------------------


async def test_a_state_set_by_hand_acts_and_lasts_until_the_next_evaluation() -> None:
    world = world_of()
    await world.pass_s(30, idle)
    wish = Wish(AlarmState.ALARM, "a drill")
    await world.autoscaler.set_alarm_state("cpu-high", wish)
    during = world.alarm("cpu-high")
    acted = waiting(world)
    await world.pass_s(2, idle)

    assert during is AlarmState.ALARM
    assert acted[1:] == [("ALARM", PAGER.name), ("ALARM", "/usr/bin/lamp red")]
    assert "alarm cpu-high OK -> ALARM: a drill" in world.told()
    assert world.alarm("cpu-high") is AlarmState.OK
    assert waiting(world)[-1] == ("OK", CALM.name)


async def test_a_state_set_by_hand_scales_by_the_value_given_with_it() -> None:
    world = World(replace(TARGET, policies=(out(),)))
    await world.pass_s(30, idle)
    data = json.dumps({"recentDatapoints": [99.0]})
    wish = Wish(AlarmState.ALARM, "a drill", data)

    await world.autoscaler.set_alarm_state("web-out", wish)
    await world.pass_s(10, idle)

    assert world.tasks.counts["web"] == 2
    assert "CPUUtilization 99 against the threshold 75" in world.told()
    assert len(world.tasks.log) == 1


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e308", "9" * 400])
async def test_a_value_given_that_no_sample_may_be_is_none(value: str) -> None:
    world = World(replace(TARGET, policies=(out(),)))
    await world.pass_s(30, idle)
    wish = Wish(AlarmState.ALARM, "a drill", f'{{"recentDatapoints": [{value}]}}')

    await world.autoscaler.set_alarm_state("web-out", wish)
    await world.pass_s(10, idle)

    assert world.alarm("web-out") is AlarmState.OK
    assert world.tasks.counts["web"] == 1


async def test_changes_within_one_moment_are_told_each() -> None:
    world = world_of()
    await world.pass_s(30, idle)
    told = len(history(world))
    for state in (AlarmState.ALARM, AlarmState.OK, AlarmState.ALARM):
        await world.autoscaler.set_alarm_state("cpu-high", Wish(state, "a drill"))

    assert len(history(world)) == told + 3
    states = [state for state, _ in waiting(world)]
    assert states == ["OK", "ALARM", "ALARM", "OK", "ALARM", "ALARM"]


async def test_the_state_that_it_has_already_changes_nothing() -> None:
    world = world_of()
    await world.pass_s(30, idle)
    before = (waiting(world), history(world))

    await world.autoscaler.set_alarm_state("cpu-high", Wish(AlarmState.OK, "as it is"))

    assert before == (waiting(world), history(world))


async def test_disabled_actions_do_not_run_and_nothing_scales_by_them() -> None:
    alarm = replace(out().alarm, actions=ACTIONS)
    world = World(replace(TARGET, policies=(replace(out(), alarm=alarm),)))
    await world.pass_s(1, busy)
    await world.autoscaler.enable_alarm_actions("web-out", enabled=False)
    await world.pass_s(60, busy)
    during = (world.alarm("web-out"), world.tasks.counts["web"], waiting(world))
    world.start()
    kept = world.autoscaler.actions_enabled()
    await world.autoscaler.enable_alarm_actions("web-out", enabled=True)
    await world.pass_s(30, busy)

    assert during == (AlarmState.ALARM, 1, [])
    assert kept == {"web-out": False}
    assert world.tasks.counts["web"] > 1
    assert 'Alarm "web-out" updated' in history(world, "web-out")


async def test_commands_about_alarms_that_are_not_there_are_refused() -> None:
    world = world_of()
    await world.pass_s(1, idle)

    with pytest.raises(KeyError):
        await world.autoscaler.set_alarm_state("none", Wish(AlarmState.OK, ""))
    with pytest.raises(KeyError):
        await world.autoscaler.enable_alarm_actions("none", enabled=True)
    world.journal.failing = True
    with pytest.raises(CommitFailed):
        await world.autoscaler.enable_alarm_actions("cpu-high", enabled=False)
    assert world.autoscaler.actions_enabled() == {"cpu-high": True}


# --- composite alarms -----------------------------------------------------------------

LOW = replace(HIGH, name="cpu-low", comparison=Comparison.LESS, threshold=20.0)
QUIET = (replace(HIGH, actions=AlarmActions()), replace(LOW, actions=AlarmActions()))
EITHER = CompositeAlarm(
    "either", 'ALARM("cpu-high") OR ALARM("cpu-low")', actions=ACTIONS
)
ABOVE = CompositeAlarm("above", "ALARM(either) AND NOT ALARM(cpu-low)")


async def test_composite_alarms_follow_their_children_in_the_same_look() -> None:
    world = world_of(QUIET, [ABOVE, EITHER])
    await world.pass_s(10, busy)
    before = world.alarm("either"), world.alarm("above")
    await world.pass_s(1, busy)
    hot = world.alarm("either"), world.alarm("above")
    await world.pass_s(60, idle)
    cold = world.alarm("either"), world.alarm("above")

    assert before == (AlarmState.OK, AlarmState.OK)
    assert hot == (AlarmState.ALARM, AlarmState.ALARM)
    assert cold == (AlarmState.ALARM, AlarmState.OK)
    reasons = [
        json.loads(item.data)["newState"]["stateReason"]
        for item in world.autoscaler.alarm_history("either")[1:]
    ]
    arn = "arn:aws:cloudwatch:local:000000000000:alarm:"
    assert reasons[0] == f"{arn}either was created and its alarm rule evaluates to OK"
    assert reasons[1].startswith(f"{arn}cpu-high transitioned to ALARM at Friday 15")
    data = json.loads(world.autoscaler.alarms()["either"].record.reason_data)
    assert data["triggeringAlarms"][0]["state"]["value"] == "ALARM"


async def test_a_suppressor_holds_actions_back() -> None:
    never = CompositeAlarm("maintenance", "FALSE")
    held = replace(EITHER, suppressor="maintenance", wait_s=30.0, extension_s=60.0)
    world = world_of(QUIET, [held, never])
    await world.pass_s(5, silent)
    world.composites = (held, replace(never, rule="TRUE"))
    world.configure()
    await world.pass_s(60, busy)
    suppressed = waiting(world)
    view = world.autoscaler.alarms()["either"]
    world.composites = (held, never)
    world.configure()
    await world.pass_s(60, busy)
    extended = waiting(world)
    await world.pass_s(2, busy)

    assert view.state is AlarmState.ALARM
    assert view.record.suppression is not None
    assert "alarm either: actions suppressed by Alarm" in world.told()
    assert not [one for one in (*suppressed, *extended) if one[0] == "ALARM"]
    assert ("ALARM", PAGER.name) in waiting(world)


async def test_a_suppressor_holds_back_what_is_set_by_hand_too() -> None:
    held = replace(EITHER, suppressor="maintenance")
    world = world_of(QUIET, [held, CompositeAlarm("maintenance", "TRUE")])
    await world.pass_s(5, silent)
    wish = Wish(AlarmState.ALARM, "a drill")

    await world.autoscaler.set_alarm_state("either", wish)

    assert world.alarm("either") is AlarmState.ALARM
    assert not waiting(world)


async def test_another_suppressor_ends_what_the_first_held_back() -> None:
    never = CompositeAlarm("never", "FALSE")
    held = replace(EITHER, suppressor="never", wait_s=600.0)
    world = world_of(QUIET, [held, never])
    await world.pass_s(15, busy)
    before = world.autoscaler.alarms()["either"].record.suppression
    world.composites = (replace(held, suppressor="cpu-low"), never)
    world.configure()
    await world.pass_s(1, busy)

    assert before is not None
    assert world.autoscaler.alarms()["either"].record.suppression is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://hooks.test/services/T0/B0/secret", "https://hooks.test/…"),
        ("http://me:secret@hooks.test:8080/", "http://hooks.test:8080/"),
        ("https://hooks.test?token=secret", "https://hooks.test"),
    ],
)
def test_what_follows_a_webhooks_host_is_not_told(url: str, name: str) -> None:
    assert name == Webhook(url).name


async def test_a_composite_alarm_that_changes_says_so() -> None:
    world = world_of(QUIET, [EITHER])
    await world.pass_s(5, silent)
    world.composites = (replace(EITHER, rule="TRUE"),)
    world.configure()
    await world.pass_s(1, silent)

    record = world.autoscaler.alarms()["either"].record
    assert record.reason.endswith("was updated and its alarm rule evaluates to ALARM")
    wish = Wish(AlarmState.OK, "a drill")
    await world.autoscaler.set_alarm_state("either", wish)
    assert world.alarm("either") is AlarmState.OK
    await world.pass_s(1, silent)
    assert world.alarm("either") is AlarmState.ALARM


@given(st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=8))
def test_children_come_first_whatever_the_order(names: list[set[int]]) -> None:
    """Each names only those after it; the last nobody."""
    alarms = [
        CompositeAlarm(
            f"a{place}",
            " OR ".join(f"OK(a{n})" for n in sorted(named) if n > place) or "TRUE",
        )
        for place, named in enumerate(names)
    ]

    order = [alarm.name for alarm in children_first(alarms)]

    assert sorted(order) == [alarm.name for alarm in alarms]
    for place, named in enumerate(names):
        for n in named:
            if place < n < len(names):
                assert order.index(f"a{n}") < order.index(f"a{place}")


# --- metric math, clocks --------------------------------------------------------------


async def test_metric_math_watches_what_it_reckons_with() -> None:
    other = Metric("AWS/ECS", "Requests")
    queries = (
        MetricQuery("cpu", CPU, return_data=False),
        MetricQuery("requests", other, Statistic.SUM, return_data=False),
        MetricQuery("e1", expression="IF(requests > 100, cpu)", label="busy cpu"),
    )
    math = replace(HIGH, metric=Metric("", "busy cpu"), queries=queries)
    world = world_of([math])
    states = []
    for second in range(90):
        count = 20.0 if second < 30 else 5.0
        world.autoscaler.record(other, world.clock.unix_s(), count)
        await world.pass_s(1, busy)
        states.append(world.alarm("cpu-high"))

    assert AlarmState.ALARM in states[:30]
    assert states[-1] is AlarmState.INSUFFICIENT_DATA
    assert world.autoscaler.statistics().metrics == 2


@settings(max_examples=20)
@given(st.lists(st.integers(-90_000, 90_000), max_size=6))
async def test_a_wall_clock_that_jumps_changes_no_state(jumps: list[int]) -> None:
    """The same samples at the same steady seconds: the same states."""
    still, jumping = world_of(), world_of()
    states = []
    for world, steps in ((still, []), (jumping, jumps)):
        seen = []
        for second in range(40):
            if second < len(steps):
                world.clock.epoch_unix_s += steps[second]
            load = busy if second < 25 else idle
            await world.pass_s(1, load)
            seen.append(world.alarm("cpu-high"))
        states.append(seen)

    assert states[0] == states[1]
