"""Tasks over the API: what is run, stopped and told, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from controlplane.api.ports import TaskRun
from scheduler.decide.overrides import ContainerOverride
from scheduler.model import (
    ConstraintType,
    PlacementConstraint,
    PlacementStrategy,
    StrategyType,
)

Client = TestClient[web.Request, web.Application]
Owner = Mapping[str, str]
Cluster = Any  # the in-memory cluster of conftest.py, which tests cannot import

# fmt: off
READ = [
    ("/v1/tasks",                        {"tasks": [{"taskArn": "x/abc"}]},      "all"),
    ("/v1/tasks?family=db",              {"tasks": []},                          "of a family"),
    ("/v1/tasks/ab",                     {"task": {"taskArn": "x/abc"}},         "one, by how it begins"),
    ("/v1/task-definitions?familyPrefix=w", {"taskDefinitions": [{"family": "web"}]}, "definitions"),
    ("/v1/task-definitions/web:2",       {"taskDefinition": {"family": "web:2"}}, "a revision"),
]
# fmt: on


@pytest.mark.parametrize(
    ("path", "told"), [r[:2] for r in READ], ids=[r[2] for r in READ]
)
async def test_tasks_are_told(
    client: Client, path: str, told: Mapping[str, Any]
) -> None:
    answer = await client.get(path)

    assert (200, told) == (answer.status, await answer.json())


async def test_a_task_is_run_with_what_differs(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    override = {
        "name": "web",
        "command": ["migrate"],
        "environment": [{"name": "A", "value": "b"}],
        "cpu": 128,
        "memory": 64,
        "memoryReservation": 32,
    }
    asked = {
        "taskDefinition": "web",
        "count": 2,
        "startedBy": "me",
        "overrides": {"containerOverrides": [override]},
    }

    answer = await client.post("/v1/tasks", json=asked, headers=owner)

    assert 2 == len((await answer.json())["tasks"])
    wanted = ContainerOverride("web", ("migrate",), (("A", "b"),), 128, 64, 32)
    assert [TaskRun("web", 2, (wanted,), "me")] == cluster.tasks.ran


async def test_a_task_is_stopped_with_a_reason(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    path = "/v1/tasks/abc/stop"
    answer = await client.post(path, json={"reason": "enough"}, headers=owner)

    assert 200 == answer.status
    assert [("abc", "enough")] == cluster.tasks.stopped


# fmt: off
REFUSED: list[tuple[str, dict[str, Any], int, str, str]] = [
    ("/v1/tasks", {}, 400, "taskDefinition: must be a string", "no definition"),
    ("/v1/tasks", {"taskDefinition": "wbe"}, 404, 'no task definition "wbe"; did you mean "web"?', "unknown"),
    ("/v1/tasks", {"taskDefinition": "web", "count": 11}, 400, "count: must be 1-10 (got 11)", "too many"),
    ("/v1/tasks", {"taskDefinition": "web", "count": "2"}, 400, "count: must be a whole number", "a text"),
    ("/v1/tasks", {"taskDefinition": "web", "overrides": []}, 400, "overrides: must be an object", "a list"),
    ("/v1/tasks", {"taskDefinition": "web", "overrides": {"containerOverrides": [{"command": ["x"]}]}}, 400,
     "name: must be a string", "an override of nobody"),
    ("/v1/tasks", {"taskDefinition": "web", "overrides": {"containerOverrides": [{"name": "a", "command": "x"}]}}, 400,
     "command: must be a list of strings", "a command line"),
    ("/v1/tasks/zz/stop", {}, 404, 'no task "zz"', "no such task"),
]
# fmt: on


@pytest.mark.parametrize("row", REFUSED, ids=[row[4] for row in REFUSED])
async def test_what_means_nothing_is_refused(
    client: Client, owner: Owner, row: tuple[str, dict[str, Any], int, str, str]
) -> None:
    path, asked, status, message, _ = row
    answer = await client.post(path, json=asked, headers=owner)

    told = (await answer.json())["error"]["message"]
    assert (status, message) == (answer.status, told)


async def test_running_needs_the_token(client: Client, cluster: Cluster) -> None:
    answer = await client.post("/v1/tasks", json={"taskDefinition": "web"})

    assert (401, []) == (answer.status, cluster.tasks.ran)


PLACED = {
    "placementStrategy": [
        {"type": "spread", "field": "host"},
        {"type": "binpack", "field": "MEMORY"},
        {"type": "spread", "field": "attribute:disk"},
        {"type": "random"},
    ],
    "placementConstraints": [
        {"type": "distinctInstance"},
        {"type": "memberOf", "expression": "attribute:disk == ssd"},
    ],
}


async def test_tasks_are_placed_as_asked(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    told = {"taskDefinition": "web", **PLACED}
    answer = await client.post("/v1/tasks", json=told, headers=owner)
    assert 200 == answer.status
    [ran] = cluster.tasks.ran
    assert (
        PlacementStrategy(StrategyType.SPREAD, "instanceId"),
        PlacementStrategy(StrategyType.BINPACK, "memory"),
        PlacementStrategy(StrategyType.SPREAD, "attribute:disk"),
        PlacementStrategy(StrategyType.RANDOM),
    ) == ran.strategy
    assert (
        PlacementConstraint(ConstraintType.DISTINCT_INSTANCE),
        PlacementConstraint(ConstraintType.MEMBER_OF, "attribute:disk == ssd"),
    ) == ran.constraints


# fmt: off
NO_PLACES = [
    ({"placementStrategy": {}}, "placementStrategy: must be a list of objects"),
    ({"placementStrategy": [{"type": "even"}]}, "placementStrategy: type must be spread, binpack, random"),
    ({"placementStrategy": [{"type": "binpack"}]}, "placementStrategy: field of binpack must be cpu or memory"),
    ({"placementStrategy": [{"type": "spread", "field": "zone"}]}, "placementStrategy: field of spread must be instanceId, host or attribute:NAME"),
    ({"placementStrategy": [{"type": "random"}] * 6}, "placementStrategy: must be at most 5 (got 6)"),
    ({"placementConstraints": [{"type": "near"}]}, "placementConstraints: type must be distinctInstance or memberOf"),
    ({"placementConstraints": [{"type": "distinctInstance", "expression": "x"}]}, "placementConstraints: distinctInstance has no expression"),
    ({"placementConstraints": [{"type": "memberOf", "expression": "a =="}]}, "placementConstraints: "),
]
# fmt: on


@pytest.mark.parametrize(("told", "message"), NO_PLACES)
async def test_what_is_no_place_is_told(
    client: Client,
    cluster: Cluster,
    owner: Owner,
    told: Mapping[str, object],
    message: str,
) -> None:
    asked = {"taskDefinition": "web", **told}
    answer = await client.post("/v1/tasks", json=asked, headers=owner)
    assert 400 == answer.status
    assert (await answer.json())["error"]["message"].startswith(message)
    assert [] == cluster.tasks.ran
