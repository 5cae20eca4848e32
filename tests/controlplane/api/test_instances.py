"""The cluster and its instances over the API: told, drained, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

Client = TestClient[web.Request, web.Application]
Owner = Mapping[str, str]
Cluster = Any  # the in-memory cluster of conftest.py, which tests cannot import

ACTIVE = {"containerInstanceArn": "x/a", "status": "ACTIVE"}
DRAINING = {"containerInstanceArn": "x/a", "status": "DRAINING"}
STATE = "/v1/container-instances/state"

# fmt: off
READ = [
    ("/v1/clusters",                      {"clusters": [{"clusterName": "demo"}], "failures": []},
     "the one there is"),
    ("/v1/clusters?cluster=x",            {"clusters": [{"clusterName": "demo"}], "failures": ["x"]},
     "by name"),
    ("/v1/container-instances",           {"containerInstances": [ACTIVE], "failures": []},
     "all instances"),
    ("/v1/container-instances?containerInstance=a&containerInstance=z",
     {"containerInstances": [ACTIVE], "failures": ["z"]},
     "some, and what is not there is a failure"),
    ("/v1/container-instances?status=DRAINING", {"containerInstances": [], "failures": []},
     "those that drain"),
]
REFUSED = [
    ({"status": "DRAINING"},                              "containerInstances: must be a list of names"),
    ({"containerInstances": "a", "status": "DRAINING"},   "containerInstances: must be a list of names"),
    ({"containerInstances": [], "status": "DRAINING"},    "containerInstances: must name 1-10 (got 0)"),
    ({"containerInstances": ["a"] * 11, "status": "ACTIVE"}, "containerInstances: must name 1-10 (got 11)"),
    ({"containerInstances": ["a"]},                       "status: must be ACTIVE or DRAINING (got None)"),
    ({"containerInstances": ["a"], "status": "INACTIVE"}, "status: must be ACTIVE or DRAINING (got INACTIVE)"),
]
# fmt: on


@pytest.mark.parametrize(
    ("path", "told"), [r[:2] for r in READ], ids=[r[2] for r in READ]
)
async def test_clusters_and_instances_are_told(
    client: Client, path: str, told: Mapping[str, Any]
) -> None:
    answer = await client.get(path)

    assert (200, told) == (answer.status, await answer.json())


async def test_an_instance_drains_and_is_active_again(
    client: Client, owner: Owner
) -> None:
    for status, told in (("DRAINING", DRAINING), ("ACTIVE", ACTIVE)):
        asked = {"containerInstances": ["a", "z"], "status": status}

        answer = await client.post(STATE, json=asked, headers=owner)

        document = await answer.json()
        assert ([told], ["z"]) == (
            document["containerInstances"],
            document["failures"],
        )


@pytest.mark.parametrize(("asked", "why"), REFUSED, ids=[r[1] for r in REFUSED])
async def test_what_means_nothing_is_refused(
    client: Client, cluster: Cluster, owner: Owner, asked: Mapping[str, Any], why: str
) -> None:
    answer = await client.post(STATE, json=asked, headers=owner)

    error = (await answer.json())["error"]
    assert (400, why) == (answer.status, error["message"])
    assert "ACTIVE" == cluster.instances.status.value


async def test_a_status_that_is_none_is_refused_where_it_selects(
    client: Client,
) -> None:
    assert 400 == (await client.get("/v1/container-instances?status=lost")).status
