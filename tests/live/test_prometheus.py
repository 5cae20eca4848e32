"""A real Prometheus finds the tasks by http_sd, and its answers become metrics."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controlplane.clean import clean
from tests.support.control import RunningCluster, cluster_file, run_cluster
from tests.support.node import free_port

pytestmark = pytest.mark.needs("prometheus")

CONFIGURATION = """\
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: tasks
    http_sd_configs: [{url: "http://%s/v1/prometheus/sd", refresh_interval: 1s}]
    relabel_configs:
      - {source_labels: [__meta_alb_service], target_label: service}
"""


@asynccontextmanager
async def prometheus(directory: Path, control: str) -> AsyncIterator[int]:
    """Run a server that asks this control for its targets; yield its port."""
    file = directory / "prometheus.yml"
    await asyncio.to_thread(file.write_text, CONFIGURATION % control)
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    try:
        yield port
    finally:
        server.terminate()
        await server.wait()


async def get(url: str, **query: str) -> Any:
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, params=query) as answer,
        ):
            return await answer.json()
    except aiohttp.ClientConnectionError:
        return {}


def with_prometheus(text: str, port: int) -> str:
    """The cluster file, with queries to a server there and a service that is scraped."""
    told: dict[str, Any] = json.loads(text)
    told["services"][0]["metrics"] = {"intervalSeconds": 1}
    told["prometheus"] = {
        "endpoint": f"http://127.0.0.1:{port}",
        "queries": [
            {
                "name": "Found",
                "query": 'count(up{job="tasks"}) by (service)',
                "intervalSeconds": 1,
            },
            {"name": "Broken", "query": "sum(", "intervalSeconds": 1},
        ],
    }
    return json.dumps(told)


async def until_measured(cluster: RunningCluster, name: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            _, text = await cluster.ask("GET", f"/v1/metrics?metricName={name}")
            if found := json.loads(text)["Metrics"]:
                metric: dict[str, Any] = found[0]
                if metric["Latest"]["Average"] == 2:
                    return metric
            await asyncio.sleep(0.2)


@pytest.mark.timeout(150)
async def test_prometheus_finds_every_task_and_answers_for_alarms(
    tmp_path: Path, short_path: Path
) -> None:
    async with run_cluster(short_path) as cluster:
        control = json.loads((short_path / "control.json").read_text())
        address = str(control["control"]).removeprefix("http://")
        async with prometheus(tmp_path, address) as port:
            status, answer = await cluster.apply(
                with_prometheus(cluster_file(cluster.port), port)
            )
            assert status == 200, answer
            await cluster.healthy(2)

            found = await until_measured(cluster, "Found")

            service = {"Name": "service", "Value": "web"}
            assert ("Prometheus", [service]) == (
                found["Namespace"],
                found["Dimensions"],
            )
            targets = await get(f"http://127.0.0.1:{port}/api/v1/targets")
            discovered = [
                one["discoveredLabels"]["__meta_alb_task_id"]
                for one in targets["data"]["activeTargets"]
            ]
            assert await cluster.tasks() == sorted(discovered)
            _, events = await cluster.ask("GET", "/v1/events")
            assert "prometheus query Broken" in events
            assert "parse error" in events
            # Tasks that answer with something else are told, and stop nobody.
            assert "metrics of web" in events
    await asyncio.to_thread(clean, short_path)
