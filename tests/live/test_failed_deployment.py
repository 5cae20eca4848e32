"""A release that cannot run is rolled back under load, and nobody notices.

Absent: what makes a deployment a failed one (tests/scenarios/test_deployments).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.evidence import Note
from tests.support.live import Document, Host, LiveCluster, live_cluster

pytestmark = [pytest.mark.timeout(180), pytest.mark.needs("time")]

BREAKER = {
    "enable": True,
    "rollback": True,
    "thresholdConfiguration": {"type": "COUNT", "value": 2},
}


@pytest.fixture(
    params=["process", pytest.param("docker", marks=pytest.mark.needs("docker"))]
)
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveCluster]:
    engine = request.getfixturevalue("engine") if request.param == "docker" else None
    host = Host(tmp_path_factory.mktemp("failed"), engine)
    with live_cluster(host, desired=3) as running:
        yield running


def break_release(cluster: LiveCluster) -> None:
    """Have the file want a release that ends as soon as it begins."""
    (definition,) = cluster.file["taskDefinitions"]
    (container,) = definition["containerDefinitions"]
    container["command"] = ["/bin/false"]


def outcome(state: Document) -> str:
    """Return what became of the deployment that was begun last."""
    (service,) = state["services"]
    newest = max(service["serviceDeployments"], key=lambda one: one["createdAt"])
    return str(newest["status"])


async def test_it_is_rolled_back_and_no_request_is_lost(
    cluster: LiveCluster, note: Note
) -> None:
    (service,) = cluster.file["services"]
    service["deploymentConfiguration"] = {"deploymentCircuitBreaker": BREAKER}
    await cluster.apply()
    before = await cluster.steady(3)

    async with cluster.load() as load, cluster.watching() as watched:
        break_release(cluster)
        await cluster.apply()
        await cluster.until(
            "it is rolled back", lambda state: outcome(state) == "ROLLBACK_SUCCESSFUL"
        )
        after = await cluster.steady(3)
        status, told = await cluster.try_alb("deploy", "web", "--wait")

    load.lost_nothing()
    note(load)
    assert before == after, "what served goes on serving"
    assert min(watched.healthy) >= 3
    assert max(watched.live) <= 6
    assert 1 == status
    assert "ROLLBACK_SUCCESSFUL: tasks failed to start" in told
    assert "exit code 1" in told or "CannotStartContainerError: " in told

    cluster.release("two")
    async with cluster.load() as load:
        await cluster.apply()
        await cluster.until("it is whole", lambda state: outcome(state) == "SUCCESSFUL")
        await cluster.steady(3)
        assert "two" == await cluster.release_seen()
        await cluster.alb("rollback", "web", "--wait")
        await cluster.steady(3)
        assert "one" == await cluster.release_seen()

    load.lost_nothing()
    note(load)
