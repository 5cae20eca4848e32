"""Ways to an engine that listens on a Unix socket: TCP, TCP with TLS, SSH.

Each is real: a relay speaks TLS with certificates of its own, an sshd of ours
takes a throw-away key. All of it ends with the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scheduler.instance import EndpointTls
from tests.support.certificates import pair
from tests.support.engines import run

READY_S: Final = 15.0
SSHD: Final = "/usr/sbin/sshd"


@contextlib.contextmanager
def relay(unix_socket: str, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Carry connections to a port of loopback on to a Unix socket; yield the port.

    On a thread and a loop of its own, so that tests with loops of theirs share it.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        async def carry(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await _carry(unix_socket, reader, writer)

        return await asyncio.start_server(carry, "127.0.0.1", 0, ssl=context)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=READY_S)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(READY_S)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(READY_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _carry(
    unix_socket: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        back_reader, back_writer = await asyncio.open_unix_connection(unix_socket)
    except OSError:
        writer.close()
        return
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, back_writer))
            both.create_task(_copy(back_reader, writer))
    finally:
        back_writer.close()
        writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(65_536):
            sink.write(chunk)
            await sink.drain()
    sink.close()


def certificates(directory: Path) -> tuple[EndpointTls, ssl.SSLContext]:
    """Return what a client has to show, and a server that asks for just that."""
    directory.mkdir(parents=True, exist_ok=True)
    server, client = pair("127.0.0.1"), pair("alb")
    for name, made in (("server", server), ("client", client)):
        (directory / f"{name}.pem").write_text(made.certificate)
        (directory / f"{name}.key").write_text(made.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    context.load_verify_locations(directory / "client.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    files = EndpointTls(
        *(str(directory / name) for name in ("server.pem", "client.pem", "client.key"))
    )
    return files, context


@dataclass(frozen=True)
class Sshd:
    """An sshd of ours on loopback; `bin` has an `ssh` that knows its key."""

    port: int
    directory: Path

    @property
    def bin(self) -> Path:
        return self.directory / "bin"

    def endpoint(self, unix_socket: str, user: str = "root") -> str:
        return f"ssh://{user}@127.0.0.1:{self.port}{unix_socket}"

    def forget_host(self) -> None:
        (self.directory / "known_hosts").write_text("")

    def forget_key(self) -> None:
        (self.directory / "authorized_keys").write_text("")


@contextlib.contextmanager
def sshd(directory: Path) -> Iterator[Sshd]:
    """Run an sshd with throw-away keys until the end of the block. Needs root."""
    directory.mkdir(parents=True, exist_ok=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = directory / "authorized_keys"
    shutil.copy(directory / "user.pub", keys)
    host = (directory / "host.pub").read_text()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {host}")
    (directory / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {directory}/host\n"
        f"AuthorizedKeysFile {keys}\nStrictModes no\nUsePAM no\nPidFile none\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\n"
    )
    _client(directory)
    log = (directory / "sshd.log").open("wb")
    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(directory / "sshd_config")],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        _wait_for(port)
        yield Sshd(port, directory)
    finally:
        process.terminate()
        process.wait()
        log.close()


def _client(directory: Path) -> None:
    """Put an `ssh` into `bin` that uses our key and our known hosts alone."""
    (directory / "ssh_config").write_text(
        f"IdentityFile {directory}/user\nIdentitiesOnly yes\nIdentityAgent none\n"
        f"UserKnownHostsFile {directory}/known_hosts\nGlobalKnownHostsFile none\n"
    )
    program = directory / "bin" / "ssh"
    program.parent.mkdir()
    real = shutil.which("ssh") or sys.exit("no ssh")
    program.write_text(f'#!/bin/sh\nexec {real} -F {directory}/ssh_config "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "sshd did not start"
            time.sleep(0.05)
        else:
            return
