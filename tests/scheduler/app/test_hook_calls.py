"""A call of a lifecycle hook ends in an answer, whatever it comes to."""

from __future__ import annotations

import asyncio
import logging

import pytest

from scheduler.app.hook_calls import HookCalls
from scheduler.configuration import HookStage, HookTarget, LifecycleHook
from scheduler.decide.actions import CallHook
from scheduler.takeover import HookStatus

HOOK = LifecycleHook(
    HookTarget.WEBHOOK, (HookStage.POST_SCALE_UP,), url="http://hook.test/SECRET"
)
KEY = "ecs-svc/1/POST_SCALE_UP/0/0/1"


class Broken:
    """Asks nobody: fails as nobody has thought of."""

    async def call(self, hook: LifecycleHook, payload: str) -> str:
        raise ZeroDivisionError


async def test_a_call_that_fails_unforeseen_fails_its_hook_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []
    calls = HookCalls(Broken(), lambda: told.append("answered"))
    with caplog.at_level(logging.ERROR):
        async with asyncio.TaskGroup() as group:
            calls.begin(group, CallHook(KEY, HOOK, "{}"))
    answer = calls.answers[KEY]
    assert HookStatus.FAILED is answer.status
    assert "http://hook.test/…: ZeroDivisionError" == answer.why
    assert ["answered"] == told
    assert not calls.busy
    assert KEY in caplog.text
