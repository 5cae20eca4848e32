"""Lifecycle hooks: asked at the end of their stage, and what their answers do."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from scheduler.configuration import (
    HookStage,
    HookTarget,
    LifecycleHook,
    LifecycleStage,
    Strategy,
    TimeoutAction,
)
from scheduler.errors import HookFailed, NothingUnderWay, NothingWaits
from scheduler.model import RolloutState, Service
from scheduler.takeover import HookStatus, Takeover
from tests.scenarios.test_deployments import (
    change,
    images,
    in_virtual_time,
    newest,
    running,
)
from tests.scenarios.test_takeovers import moved, production, settled
from tests.support.cluster import Cluster

TESTED = HookStage.POST_TEST_TRAFFIC_SHIFT


def hooked(
    image: str,
    *hooks: LifecycleHook,
    strategy: Strategy = Strategy.BLUE_GREEN,
) -> Service:
    service = moved(image, strategy)
    config = replace(service.deployment, hooks=hooks)
    return replace(service, deployment=config)


def webhook(*stages: HookStage, minutes: float = 1440.0) -> LifecycleHook:
    return LifecycleHook(
        HookTarget.WEBHOOK,
        stages,
        url="http://127.0.0.1/",
        details='{"who": "me"}',
        timeout_in_minutes=minutes,
    )


def pause(action: TimeoutAction, minutes: float) -> LifecycleHook:
    return LifecycleHook(
        HookTarget.PAUSE,
        (TESTED,),
        timeout_in_minutes=minutes,
        timeout_action=action,
    )


def taking_over(cluster: Cluster) -> Takeover:
    takeover = newest(cluster).takeover
    assert takeover is not None
    return takeover


@in_virtual_time
async def test_each_stage_asks_its_hooks_once_and_tells_them_where_it_is() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        service = hooked("web:2", webhook(*HookStage), strategy=Strategy.CANARY)
        await change(cluster, service)
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=120)
        green = newest(cluster).id
        asked = [
            (one["lifecycleStage"], one["productionTrafficWeights"].get(green, 0))  # type: ignore[attr-defined] # JSON
            for one in cluster.hooks.asked
        ]
        assert [
            ("RECONCILE_SERVICE", 0),
            ("PRE_SCALE_UP", 0),
            ("POST_SCALE_UP", 0),
            ("TEST_TRAFFIC_SHIFT", 0),
            ("POST_TEST_TRAFFIC_SHIFT", 0),
            ("PRE_PRODUCTION_TRAFFIC_SHIFT", 0),
            ("PRODUCTION_TRAFFIC_SHIFT", 10),
            ("PRE_PRODUCTION_TRAFFIC_SHIFT", 10),
            ("PRODUCTION_TRAFFIC_SHIFT", 100),
            ("POST_PRODUCTION_TRAFFIC_SHIFT", 100),
        ] == asked
        first = cluster.hooks.asked[0]
        assert (green, "web", {"who": "me"}) == (
            first["deploymentId"],
            first["serviceName"],
            first["hookDetails"],
        )


@in_virtual_time
async def test_green_that_a_hook_refuses_is_rolled_back_before_it_gets_requests() -> (
    None
):
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        blue = set(cluster.containers())
        cluster.hooks.reply = lambda *_: json.dumps({"hookStatus": "FAILED"})
        await change(cluster, hooked("web:2", webhook(TESTED)))
        await cluster.until(lambda: newest(cluster).failure != "", within_s=30)
        assert newest(cluster).failure == (
            "lifecycle hook at POST_TEST_TRAFFIC_SHIFT: it answered FAILED"
        )
        await cluster.until(lambda: settled(cluster, "web:1"), within_s=60)
        assert blue == set(cluster.containers())
        assert len(cluster.hooks.asked) == 1, "what comes back asks nobody"


@in_virtual_time
async def test_a_hook_that_cannot_be_asked_has_failed() -> None:
    def reply(*_: object) -> str:
        raise HookFailed("http://127.0.0.1/: status 500")

    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        cluster.hooks.reply = reply
        await change(cluster, hooked("web:2", webhook(TESTED)))
        await cluster.until(lambda: "status 500" in newest(cluster).failure, 30)
        await cluster.until(lambda: settled(cluster, "web:1"), within_s=60)


@in_virtual_time
async def test_a_hook_that_is_not_done_is_asked_again_with_what_it_said() -> None:
    answers = iter(
        [
            {"hookStatus": "IN_PROGRESS", "callBackDelay": 60, "hookDetails": {"n": 1}},
            {"hookStatus": "IN_PROGRESS"},
            {"hookStatus": "SUCCEEDED"},
        ]
    )
    times = []

    cluster = Cluster()

    def reply(*_: object) -> str:
        times.append(cluster.clock.now_s())
        return json.dumps(next(answers))

    async with running(cluster, moved("web:1")):
        cluster.hooks.reply = reply
        await change(cluster, hooked("web:2", webhook(TESTED)))
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=200)
    told = [one["hookDetails"] for one in cluster.hooks.asked]
    assert [{"who": "me"}, {"n": 1}, {"n": 1}] == told
    first, second, third = times
    assert second - first == pytest.approx(60, abs=1.5)
    assert third - second == pytest.approx(30, abs=1.5)


@in_virtual_time
async def test_a_hook_that_never_comes_to_an_end_is_given_up() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        cluster.hooks.reply = lambda *_: json.dumps({"hookStatus": "IN_PROGRESS"})
        await change(cluster, hooked("web:2", webhook(TESTED, minutes=5)))
        await asyncio.sleep(290)
        assert newest(cluster).failure == ""
        await cluster.until(lambda: newest(cluster).failure != "", within_s=30)
        assert "no outcome within 5 minutes" in newest(cluster).failure


@in_virtual_time
async def test_a_pause_waits_for_somebody() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")) as scheduler:
        with pytest.raises(NothingWaits):
            await scheduler.continue_deployment("web", TimeoutAction.CONTINUE, "")
        await change(cluster, hooked("web:2", pause(TimeoutAction.ROLLBACK, 60)))
        await asyncio.sleep(300)
        [run] = taking_over(cluster).hooks
        assert HookStatus.AWAITING_ACTION is run.status
        assert LifecycleStage.POST_TEST_TRAFFIC_SHIFT is taking_over(cluster).stage
        await scheduler.continue_deployment("web", TimeoutAction.CONTINUE, "")
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=60)
        await change(cluster, hooked("web:3", pause(TimeoutAction.ROLLBACK, 60)))
        await cluster.until(lambda: bool(taking_over(cluster).hooks), within_s=30)
        await scheduler.continue_deployment("web", TimeoutAction.ROLLBACK, "")
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=60)
        assert "rolled back by request" in newest(cluster).failure


@in_virtual_time
async def test_nobody_came_and_it_goes_on_or_back_as_the_file_says() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        await change(cluster, hooked("web:2", pause(TimeoutAction.CONTINUE, 2)))
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=200)
        await change(cluster, hooked("web:3", pause(TimeoutAction.ROLLBACK, 2)))
        await cluster.until(lambda: newest(cluster).failure != "", within_s=200)
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=60)


@in_virtual_time
async def test_a_control_that_ends_during_a_call_asks_again() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")):
        cluster.hooks.takes_s = 20.0
        await change(cluster, hooked("web:2", webhook(TESTED)))
        await cluster.until(lambda: len(cluster.hooks.asked) == 1, within_s=30)
    cluster.restart()
    async with cluster.running():
        await cluster.until(lambda: settled(cluster, "web:2"), within_s=100)
        first, second = cluster.hooks.asked
        assert first["executionId"] == second["executionId"]


@in_virtual_time
async def test_a_stopped_deployment_stays_where_it_is() -> None:
    cluster = Cluster()
    async with running(cluster, moved("web:1")) as scheduler:
        with pytest.raises(NothingUnderWay):
            await scheduler.stop_deployment("web")
        await change(cluster, hooked("web:2", pause(TimeoutAction.ROLLBACK, 60)))
        await cluster.until(lambda: bool(taking_over(cluster).hooks), within_s=30)
        await scheduler.stop_deployment("web")
        await asyncio.sleep(7200)
        assert RolloutState.FAILED is newest(cluster).rollout_state
        assert {"web:1", "web:2"} == images(cluster)
        assert production(cluster) == {"blue": 100.0, "green": 0.0}
        await scheduler.roll_back("web")
        await cluster.until(lambda: settled(cluster, "web:1"), within_s=60)
