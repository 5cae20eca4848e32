"""A real cluster for tests: keeper, workers, prober, control; tasks as processes.

async with run_cluster(state_dir) as cluster:
    await cluster.apply(services=2)
    status, body = await cluster.get("/")
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.node import free_port, until

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0

TASK = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = (os.environ.get("WORD", "hello") + "\\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
print("listening, front door", os.environ["ALB_URL"], flush=True)
address = "127.0.0.1", int(os.environ["PORT"])
http.server.ThreadingHTTPServer(address, Page).serve_forever()
"""


def cluster_file(port: int, *, desired: int = 2, word: str = "hello") -> str:
    """Return a cluster file with one service whose tasks answer `word`."""
    container = {
        "name": "web",
        "command": [sys.executable, "-c", TASK],
        "cpu": 64,
        "memory": 32,
        "environment": [{"name": "WORD", "value": word}],
        "portMappings": [{"containerPort": 8080}],
    }
    return json.dumps(  # JSON is YAML
        {
            "cluster": "test",
            "containerInstances": [{"name": "here", "runtime": "process"}],
            "taskDefinitions": [{"family": "web", "containerDefinitions": [container]}],
            "targetGroups": [
                {
                    "name": "web",
                    "healthCheckIntervalSeconds": 1,
                    "attributes": {"deregistration_delay.timeout_seconds": 3},
                }
            ],
            "listeners": [
                {
                    "port": port,
                    "protocol": "HTTP",
                    "defaultActions": [{"type": "forward", "targetGroup": "web"}],
                }
            ],
            "services": [
                {
                    "serviceName": "web",
                    "taskDefinition": "web",
                    "desiredCount": desired,
                    "loadBalancers": [{"targetGroup": "web"}],
                }
            ],
        }
    )


@dataclass
class RunningCluster:
    state_dir: Path
    keeper: asyncio.subprocess.Process
    port: int

    @property
    def control_pid(self) -> int:
        return int(json.loads((self.state_dir / "control.json").read_text())["pid"])

    async def ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> tuple[int, str]:
        """Ask control over its Unix socket."""
        connector = aiohttp.UnixConnector(str(self.state_dir / "control.sock"))
        async with (
            aiohttp.ClientSession("http://control", connector=connector) as session,
            session.request(
                method, path, json=body, timeout=aiohttp.ClientTimeout(DEADLINE_S)
            ) as answer,
        ):
            return answer.status, await answer.text()

    async def state(self) -> dict[str, Any]:
        _, text = await self.ask("GET", "/v1/state")
        state: dict[str, Any] = json.loads(text)
        return state

    async def apply(self, text: str) -> tuple[int, dict[str, Any]]:
        body = {"file": "alb.yaml", "text": text, "variables": {}}
        status, answer = await self.ask("POST", "/v1/apply", body)
        return status, json.loads(answer)

    async def get(self, path: str = "/") -> tuple[int, str]:
        """Ask the front door, on a connection of its own."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def tasks(self) -> list[str]:
        """Return the ids of the running tasks that are healthy."""
        return sorted(
            task["taskId"]
            for task in (await self.state())["tasks"]
            if task["lastStatus"] == "RUNNING" and task["health"] == "healthy"
        )

    async def healthy(self, count: int) -> list[str]:
        """Wait until exactly `count` tasks serve and nothing else is left."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    state = await self.state()
                    steady = all(one["steady"] for one in state["services"])
                    tasks = await self.tasks()
                    if len(tasks) == count and steady and state["node"]["ready"]:
                        return tasks
                await asyncio.sleep(0.05)

    async def answers(self, unlike_pid: int = 0) -> None:
        """Wait until control answers, another than the one of `unlike_pid`."""
        path = self.state_dir / "control.json"
        await until(
            lambda: path.exists() and self.control_pid != unlike_pid, "control answers"
        )


@contextlib.asynccontextmanager
async def run_cluster(state_dir: Path) -> AsyncIterator[RunningCluster]:
    """Start everything; at the end command `down` and see the keeper end."""
    control = [sys.executable, "-m", "controlplane.control"]
    control += ["--state-dir", str(state_dir)]
    control += ["--control-address", f"127.0.0.1:{free_port()}"]
    keeper = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "alb.app.keeper_process", "--state-dir", str(state_dir)),
        *("--workers", "2", "--control-command", json.dumps(control)),
        cwd=ROOT,
    )
    cluster = RunningCluster(state_dir, keeper, free_port())
    try:
        await cluster.answers()
        yield cluster
        if keeper.returncode is None:
            await cluster.ask("POST", "/v1/down", {})
            async with asyncio.timeout(DEADLINE_S):
                await keeper.wait()
    finally:
        if keeper.returncode is None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                os.kill(cluster.control_pid, signal.SIGKILL)
            keeper.kill()
            await keeper.wait()
