"""What was imported runs: the same file, on the process runtime, with requests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.live.test_configs import free_port

ROOT = Path(__file__).parents[2]
READY_S = 60.0
PAUSE_S = 0.1

SERVER = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.environ['NAME']} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""

COMPOSE = """\
name: shop
services:
  proxy:
    image: traefik:v3.1
    command: [--entrypoints.web.address=:80, --providers.docker.exposedbydefault=false]
    ports: ["{port}:80"]
  web:
    image: shop/web
    command: ["{python}", server.py]
    environment: {{NAME: "web of ${{PLACE:-here}}"}}
    mem_limit: 64m
    deploy: {{replicas: 2}}
    networks: [front]
    labels:
      traefik.enable: "true"
      traefik.http.routers.web.rule: PathPrefix(`/`)
      traefik.http.services.web.loadbalancer.server.port: "3000"
  api:
    image: shop/api
    command: "{python} server.py"
    environment: [NAME=api]
    mem_limit: 64m
    labels:
      - traefik.enable=true
      - traefik.http.routers.api.rule=PathPrefix(`/api/`) && Method(`GET`)
      - traefik.http.routers.api.middlewares=strip
      - traefik.http.middlewares.strip.stripprefix.prefixes=/api
      - traefik.http.services.api.loadbalancer.server.port=5000
"""


async def alb(directory: Path, *words: str) -> str:
    """Run a command to its end; return what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controlplane.cli", *words,
        stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    output, _ = await process.communicate()
    assert 0 == process.returncode, output.decode()
    return output.decode()


@asynccontextmanager
async def up(directory: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controlplane.cli", "up", "--workers", "1",
        stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": "unix:///none.sock"},
    )  # fmt: skip
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()
    assert 0 == process.returncode, output.decode()


async def answer(port: int, path: str) -> str:
    """Ask until a task answers."""
    url = f"http://127.0.0.1:{port}{path}"
    async with asyncio.timeout(READY_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return await response.text()
            except aiohttp.ClientConnectionError:
                pass  # not listening yet
            await asyncio.sleep(PAUSE_S)  # another process's doing


@pytest.mark.timeout(180)
async def test_a_compose_stack_behind_traefik_runs_as_it_was_imported(
    short_path: Path,
) -> None:
    port = free_port()
    (short_path / "server.py").write_text(SERVER)
    text = COMPOSE.format(port=port, python=sys.executable)
    (short_path / "compose.yaml").write_text(text)

    told = await alb(short_path, "import", "compose", "compose.yaml", "-o", "alb.yaml")
    assert "services.web.networks" in told
    with (short_path / "alb.yaml").open("a") as file:  # other clusters run here too
        file.write(f'control: {{address: "127.0.0.1:{free_port()}"}}\n')
    await alb(short_path, "validate")

    async with up(short_path):
        assert "web of here /x" == await answer(port, "/x")
        assert "api /x?q=1" == await answer(port, "/api/x?q=1")
