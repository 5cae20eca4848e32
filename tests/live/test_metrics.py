"""What a running cluster measures: of its load balancer, its tasks, and from anyone."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from controlplane.clean import clean
from tests.support.control import RunningCluster, cluster_file, run_cluster


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[RunningCluster]:
    async with run_cluster(tmp_path) as running:
        yield running
    await asyncio.to_thread(clean, tmp_path)


async def metrics(cluster: RunningCluster, **query: object) -> Mapping[str, Any]:
    status, text = await cluster.ask(
        "GET", f"/v1/metrics?{urlencode(query, doseq=True)}"
    )
    assert status == 200, text
    found: Mapping[str, Any] = json.loads(text)
    return found


async def summed(cluster: RunningCluster, name: str, statistic: str = "Sum") -> float:
    """The statistic of a metric of the load balancer, over all that was measured."""
    [listed] = [
        one
        for one in (await metrics(cluster, metricName=name))["Metrics"]
        if len(one["Dimensions"]) == 1
    ] or [None]
    if listed is None:
        return 0.0
    [dimension] = listed["Dimensions"]
    told = await metrics(
        cluster,
        namespace=listed["Namespace"],
        metricName=name,
        dimension=f"{dimension['Name']}={dimension['Value']}",
        statistics=statistic,
        period=3600,
    )
    return float(sum(point[statistic] for point in told["Datapoints"]))


async def test_what_happens_is_measured_and_survives_a_restart(
    cluster: RunningCluster,
) -> None:
    await cluster.apply(cluster_file(cluster.port))
    await cluster.healthy(2)
    async with asyncio.timeout(10):
        while not await summed(cluster, "RequestCount", "SampleCount"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    for _ in range(20):
        assert (200, "hello\n") == await cluster.get()
    async with asyncio.timeout(10):
        while await summed(cluster, "RequestCount") < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    orders = {"MetricName": "Orders", "Value": 7}
    status, answer = await cluster.ask(
        "POST", "/v1/metrics", {"Namespace": "Shop", "MetricData": [orders]}
    )
    assert status == 200, answer

    assert await summed(cluster, "RequestCount") == 20
    assert await summed(cluster, "TargetResponseTime", "SampleCount") == 20
    assert await summed(cluster, "HTTPCode_Target_2XX_Count") == 20
    names = {
        (one["Namespace"], one["MetricName"])
        for one in (await metrics(cluster))["Metrics"]
    }
    assert {
        ("AWS/ApplicationELB", "HealthyHostCount"),
        ("AWS/ECS", "CPUReservation"),
        ("ECS/ContainerInsights", "RunningTaskCount"),
        ("Shop", "Orders"),
    } <= names

    ended = cluster.control_pid
    os.kill(ended, signal.SIGTERM)
    await cluster.answers(unlike_pid=ended)
    await cluster.healthy(2)

    assert await summed(cluster, "RequestCount") == 20
    told = await metrics(
        cluster, namespace="Shop", metricName="Orders", statistics="Sum"
    )
    assert [7.0] == [point["Sum"] for point in told["Datapoints"]]
