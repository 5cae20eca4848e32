"""Scaling over the API: why, what was done, and who may stop it."""

from collections.abc import Mapping

import pytest

from autoscaler.policies import SuspendedState
from tests.controlplane.api.conftest import Client, MemoryCluster

WEB = "/v1/services/web/scaling"


async def test_an_explanation_and_the_activities(
    client: Client, owner: Mapping[str, str]
) -> None:
    why = await client.get(WEB, headers=owner)
    scaled = await client.get(f"{WEB}/activities", headers=owner)
    every = await client.get(
        f"{WEB}/activities?includeNotScaledActivities=true", headers=owner
    )

    assert {"serviceName": "web", "decision": "desired count stays 2"} == (
        await why.json()
    )
    assert {"scalingActivities": ["scaled"]} == await scaled.json()
    assert {"scalingActivities": ["scaled", "not scaled"]} == await every.json()


async def test_what_is_left_out_stays_as_it_was(
    client: Client, cluster: MemoryCluster, owner: Mapping[str, str]
) -> None:
    cluster.scaling.state = SuspendedState(scheduled_scaling=True)
    asked = {"suspendedState": {"dynamicScalingInSuspended": True}}
    answer = await client.post(WEB, json=asked, headers=owner)

    assert 200 == answer.status
    assert {
        "dynamicScalingInSuspended": True,
        "dynamicScalingOutSuspended": False,
        "scheduledScalingSuspended": True,
    } == (await answer.json())["suspendedState"]


# fmt: off
REFUSED = [
    ("GET",  "/v1/services/wep/scaling", None, 404, 'did you mean "web"?'),
    ("GET",  "/v1/services/api/scaling", None, 404, "api does not scale: it has no"),
    ("GET",  f"{WEB}/activities?includeNotScaledActivities=1", None, 400,
     'must be true or false (got "1")'),
    ("POST", WEB, {}, 400, "suspendedState: must be an object"),
    ("POST", WEB, {"suspendedState": {"in": True}}, 400, 'no "in"; there is dynamic'),
    ("POST", WEB, {"suspendedState": {"scheduledScalingSuspended": 1}}, 400,
     "suspendedState.scheduledScalingSuspended: must be true or false"),
]
# fmt: on


@pytest.mark.parametrize(("method", "path", "body", "status", "message"), REFUSED)
async def test_what_means_nothing_is_refused(  # noqa: PLR0913, PLR0917 - a row
    client: Client,
    owner: Mapping[str, str],
    method: str,
    path: str,
    body: object,
    status: int,
    message: str,
) -> None:
    answer = await client.request(method, path, json=body, headers=owner)

    assert status == answer.status
    assert message in (await answer.json())["error"]["message"]
