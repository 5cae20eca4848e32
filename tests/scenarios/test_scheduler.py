"""Hours in the life of a service, in virtual time.

At every commit of every scenario the cluster itself checks what must always
hold: the rollout's two limits, no port leased twice or too early; and in the
end: no task with two containers, no SIGTERM before its targets were drained.
"""

from __future__ import annotations

from tests.support.cluster import Cluster
from tests.support.virtual import run


def test_one_task_becomes_six_and_one_again() -> None:
    async def scenario() -> None:
        cluster = Cluster(hosts=2)
        async with cluster.running() as scheduler:
            await cluster.until(lambda: cluster.steady(1), within_s=10)
            assert await scheduler.set_desired("web", 6, 1, "act-1", "alarm out")
            await cluster.until(lambda: cluster.steady(6), within_s=10)
            assert [3, 3] == [len(host.running()) for host in cluster.hosts.values()]
            assert await scheduler.set_desired("web", 1, 2, "act-2", "alarm in")
            await cluster.until(lambda: cluster.steady(1), within_s=20)
        assert len(cluster.balancer.targets) == 1

    run(scenario())
