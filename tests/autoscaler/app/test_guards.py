"""What fails unexpectedly ends one alarm's look, one target's or one notice's alone."""

import asyncio
import logging
from dataclasses import replace

import pytest

from autoscaler.actions import AlarmActions, Notice, Webhook
from autoscaler.app import scaling
from autoscaler.app.messenger import Messenger
from autoscaler.decide import alarm as deciding
from autoscaler.model import AlarmState
from autoscaler.ports import Ran
from tests.support.scaling import TARGET, World, busy, idle, out

CALM = replace(out().alarm, name="calm")
PAGER = Webhook("http://pager.test/alarms")


def failing_for(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    evaluate = deciding.evaluate_alarm

    def failing(alarm, *rest):  # type: ignore[no-untyped-def]
        if alarm.name == name:
            raise OverflowError("too much")
        return evaluate(alarm, *rest)

    monkeypatch.setattr(deciding, "evaluate_alarm", failing)


async def test_an_alarm_that_fails_keeps_its_state_and_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.alarms = (CALM,)
    world.configure()
    await world.pass_s(30, busy)
    with monkeypatch.context() as patched:
        failing_for(patched, "calm")
        await world.pass_s(30, idle)
        during = world.alarm("calm"), world.alarm("web-out")
    await world.pass_s(1, idle)

    assert during == (AlarmState.ALARM, AlarmState.OK)
    assert world.alarm("calm") is AlarmState.OK
    told = "alarm calm stays as it is: deciding failed: OverflowError('too much')"
    assert world.told().count(told) == 1
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.exc_info


async def test_a_target_that_fails_decides_nothing_and_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(replace(TARGET, policies=(out(),)))

    def failing(*seen):  # type: ignore[no-untyped-def]
        *_, outcome = seen
        outcome.cooldowns["web"] = None
        outcome.actions.append(None)
        raise OverflowError("too much")

    with monkeypatch.context() as patched:
        patched.setattr(scaling, "scale", failing)
        await world.pass_s(15, busy)
        during = world.tasks.counts["web"], world.alarm("web-out")
    await world.pass_s(15, busy)

    assert during == (1, AlarmState.ALARM)
    assert world.tasks.counts["web"] == 2
    assert world.told().count("target web stays as it is: deciding failed") == 1


async def test_a_notice_that_fails_ends_and_the_next_is_sent() -> None:
    class Failing:
        sent = 0

        async def run(self, notice: Notice) -> Ran:
            self.sent += 1
            if self.sent == 1:
                raise UnicodeError("no host")
            return Ran("")

    world = World(replace(TARGET, policies=()))
    actions = AlarmActions(alarm=(PAGER,), ok=(PAGER,))
    world.alarms = (replace(CALM, actions=actions),)
    world.configure()
    await world.pass_s(15, busy)
    await world.pass_s(15, idle)
    assert len(world.autoscaler.notices()) == 2
    running = asyncio.ensure_future(Messenger(world.autoscaler, Failing()).run())
    async with asyncio.timeout(5):
        while world.autoscaler.notices():
            assert not running.done()
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert world.told().count("it failed unexpectedly: UnicodeError") == 1
