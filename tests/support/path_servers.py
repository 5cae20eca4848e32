"""Servers that answer with the path they read: nginx, Node and Python's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.support.chain import until_open
from tests.support.needs import peer

NGINX: Final = """
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    merge_slashes {merge};
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "$uri"; }} }}
}}
"""
NODE: Final = """
require("http").createServer((request, response) => {
    let path = request.url;
    try { path = new URL(request.url, "http://here").pathname; } catch {}
    try { path = decodeURIComponent(path); } catch {}
    response.end(path);
}).listen(%d, "127.0.0.1");
"""
PYTHON: Final = """
from wsgiref.simple_server import WSGIRequestHandler, make_server
WSGIRequestHandler.log_request = lambda *_: None

def app(environ, start):
    start("200 OK", [])
    return [environ["PATH_INFO"].encode("latin-1")]

make_server("127.0.0.1", %d, app).serve_forever()
"""
SERVERS: Final = ("nginx", "nginx that counts", "node", "python")


def _command(name: str, port: int, directory: Path) -> tuple[str, ...]:
    if name == "node":
        return shutil.which("node") or "node", "-e", NODE % port
    if name == "python":
        return sys.executable, "-c", PYTHON % port
    user = "user root;" if os.geteuid() == 0 else ""
    config = directory / "nginx.conf"
    merge = "on" if name == "nginx" else "off"
    config.write_text(
        NGINX.format(directory=directory, user=user, port=port, merge=merge)
    )
    program = peer("nginx")
    assert program is not None
    return program, "-c", str(config)


@contextlib.asynccontextmanager
async def run_path_server(name: str, port: int, directory: Path) -> AsyncIterator[None]:
    with (directory / "server.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *_command(name, port, directory), stdout=log, stderr=log
        )
    try:
        await until_open(port)
        yield
    finally:
        process.terminate()
        await process.wait()
