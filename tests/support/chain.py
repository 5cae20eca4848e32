"""nginx and HAProxy, in front of a node and behind it. Needs "peers".

client -> peer -> node -> witness        client -> node -> peer -> witness
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.support.needs import peer
from tests.support.node import until

NGINX: Final = """
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    underscores_in_headers on;
    ignore_invalid_headers off;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    upstream node {{ server 127.0.0.1:{node}; keepalive 16; }}
    upstream witness {{ server 127.0.0.1:{witness}; keepalive 16; }}
    server {{ listen 127.0.0.1:{front}; location / {{ proxy_pass http://node; }} }}
    server {{ listen 127.0.0.1:{back}; location / {{ proxy_pass http://witness; }} }}
}}
"""
"""As careless as it can be told to be."""

HAPROXY: Final = """
global
    nbthread 1
    log stderr local0 emerg
defaults
    mode http
    timeout connect 2s
    timeout client 20s
    timeout server 20s
    http-reuse always
    option accept-invalid-http-request
listen front
    bind 127.0.0.1:{front}
    server node 127.0.0.1:{node}
listen back
    bind 127.0.0.1:{back}
    server witness 127.0.0.1:{witness}
"""

PEERS: Final = {"nginx": NGINX, "haproxy": HAPROXY}


@contextlib.asynccontextmanager
async def run_peer(name: str, directory: Path, **ports: int) -> AsyncIterator[None]:
    """Run nginx or haproxy; `ports` are front, node, back and witness."""
    program = peer(name)
    assert program is not None, name
    user = "user root;" if os.geteuid() == 0 else ""
    config = directory / f"{name}.conf"
    config.write_text(PEERS[name].format(directory=directory, user=user, **ports))
    options = ("-c", str(config)) if name == "nginx" else ("-db", "-f", str(config))
    with (directory / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, *options, stdout=log, stderr=log
        )
    try:
        for port in (ports["front"], ports["back"]):
            await until_open(port)
        yield
    finally:
        process.terminate()
        await process.wait()


async def until_open(port: int) -> None:
    opened = False

    async def knock() -> None:
        nonlocal opened
        while not opened:
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                opened = True
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(knock())
        await until(lambda: opened, f"port {port} is open")
