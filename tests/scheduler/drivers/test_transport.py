"""The way to an engine, and the one sentence that tells why there is none."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from foundation.clock import SystemClock
from scheduler.drivers.docker import DockerRuntime
from scheduler.drivers.docker_transport import (
    SshForward,
    TlsFilesBad,
    context_of,
    ssh_problem,
)
from scheduler.errors import HostNotReached
from scheduler.instance import EndpointTls
from tests.support.certificates import pair
from tests.support.ways import Sshd, certificates, relay, sshd

# fmt: off
SSH_SAYS = [
    ("", "No ED25519 host key is known for x.\nHost key verification failed.\r\n", "host key is not known", "a host that nobody has met"),
    ("", "me@x: Permission denied (publickey).", "does not accept our key", "a key that is not let in"),
    ("", "ssh: Could not resolve hostname x: Name or service not known", "cannot be resolved", "a name that is none"),
    ("", "ssh: connect to host x port 22: Connection refused", "nothing listens", "no sshd"),
    ("", "ssh: connect to host x port 22: Connection timed out", "does not answer", "a host that is silent"),
    ("alb-not-allowed", "", "group docker", "a user who is not in the group"),
    ("alb-no-socket", "", "no Docker Engine", "no engine"),
    ("", "kex_exchange: odd\nlast words", "ssh: last words", "anything else in ssh's own words"),
    ("", "", "without a word", "or in none"),
]
# fmt: on


@pytest.mark.parametrize(
    ("word", "told", "problem"),
    [row[:3] for row in SSH_SAYS],
    ids=[row[3] for row in SSH_SAYS],
)
def test_what_ssh_says_is_told_in_one_sentence(
    word: str, told: str, problem: str
) -> None:
    found = ssh_problem(word, told)

    assert problem in found
    assert "\n" not in found


async def test_ssh_is_called_so_that_it_asks_nothing_and_notices_silence() -> None:
    forward = SshForward("ssh://me@[fd00::1]:2222/run/other.sock")
    command = forward.command()
    await forward.close()

    assert {
        "-oBatchMode=yes",
        "-oExitOnForwardFailure=yes",
        "-oServerAliveInterval=5",
    } <= set(command)
    assert ["-l", "me", "-p", "2222"] == command[command.index("-l") :][:4]
    assert "fd00::1" == command[-2]
    assert command[command.index("-L") + 1].endswith(":/run/other.sock")


# --- TLS ------------------------------------------------------------------------------


async def reached(endpoint: str, tls: EndpointTls | None = None) -> str:
    """Why an engine is not reached, by both of its clients, who agree."""
    runtime = DockerRuntime("a", endpoint, "uid", clock=SystemClock(), tls=tls)
    with pytest.raises(HostNotReached) as failed:
        await runtime.status()
    with pytest.raises(HostNotReached) as again:
        async for _ in runtime.changes():
            pass
    await runtime.close()
    assert failed.value.detail == again.value.detail
    return failed.value.detail


def files(directory: Path, made: str, key: str = "") -> tuple[str, str]:
    (directory / "x.pem").write_text(made)
    (directory / "x.key").write_text(key)
    return str(directory / "x.pem"), str(directory / "x.key")


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    tls = EndpointTls(ca=str(tmp_path / "gone.pem"))

    assert "tls.ca: " in await reached("tcp://127.0.0.1:1", tls)


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    cert, key = files(tmp_path, pair("a").certificate, pair("b").key)

    with pytest.raises(TlsFilesBad, match="do not fit each other"):
        context_of(EndpointTls(cert=cert, key=key))


def test_a_key_with_a_password_is_told(tmp_path: Path) -> None:
    locked = pair("a", password=b"secret")
    cert, key = files(tmp_path, locked.certificate, locked.key)

    with pytest.raises(TlsFilesBad, match="encrypted"):
        context_of(EndpointTls(cert=cert, key=key))


def test_an_authority_that_is_no_certificate_is_told(tmp_path: Path) -> None:
    ca, _ = files(tmp_path, "nothing")

    with pytest.raises(TlsFilesBad, match=r"tls.ca: .* holds no PEM"):
        context_of(EndpointTls(ca=ca))


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """A Unix socket behind which no engine is."""
    return str(tmp_path / "none.sock")


async def test_an_engine_with_another_certificate_is_told(
    tmp_path: Path, nobody: str
) -> None:
    tls, context = certificates(tmp_path / "tls")
    other, _ = files(tmp_path, pair("127.0.0.1").certificate)
    with relay(nobody, context) as port:
        told = await reached(f"tcp://127.0.0.1:{port}", replace(tls, ca=other))

    assert f"tcp://127.0.0.1:{port}: its certificate is not accepted: " in told


def answering(listener: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    """Answer one connection after another, on a thread, until the listener closes."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    answer(client)

    threading.Thread(target=serve, daemon=True).start()


async def test_an_engine_that_refuses_ours_is_told(tmp_path: Path) -> None:
    tls, context = certificates(tmp_path / "tls")

    def refuse(client: socket.socket) -> None:
        raw = client.dup()
        with contextlib.suppress(ssl.SSLError), raw:
            try:
                context.wrap_socket(client, server_side=True)
            finally:
                raw.settimeout(5)
                while raw.recv(4096):
                    pass  # what was sent before the alert was read

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering(listener, refuse)
        endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        told = await reached(endpoint, replace(tls, cert="", key=""))

    assert "it refuses our certificate, tls.cert" in told


async def test_an_engine_that_speaks_no_tls_is_told(tmp_path: Path) -> None:
    tls, _ = certificates(tmp_path / "tls")

    def answer(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering(listener, answer)
        told = await reached(f"tcp://127.0.0.1:{listener.getsockname()[1]}", tls)

    assert "it does not speak TLS as we do" in told


# --- SSH, with an sshd ------------------------------------------------------------------

needs_sshd = pytest.mark.needs("sshd")


@pytest.fixture
def server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        monkeypatch.setenv("PATH", f"{running.bin}:{os.environ['PATH']}")
        yield running


@needs_sshd
async def test_a_host_key_that_is_not_known_is_told(server: Sshd, nobody: str) -> None:
    server.forget_host()

    assert "host key is not known" in await reached(server.endpoint(nobody))


@needs_sshd
async def test_a_key_that_is_not_let_in_is_told(server: Sshd, nobody: str) -> None:
    server.forget_key()

    assert "does not accept our key" in await reached(server.endpoint(nobody))


@needs_sshd
async def test_a_host_without_an_engine_is_told(server: Sshd, nobody: str) -> None:
    assert "no Docker Engine has its socket there" in await reached(
        server.endpoint(nobody)
    )


@needs_sshd
async def test_a_forward_that_was_lost_is_opened_again(
    server: Sshd, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = str(tmp_path_factory.mktemp("s") / "engine.sock")
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(path)
        engine.listen()
        forward = SshForward(server.endpoint(path))
        try:
            await forward.ready("a", "look")
            first = forward.pid
            assert first is not None
            os.kill(first, 9)
            await forward.lost()
            await forward.ready("a", "look")
            assert forward.pid not in {None, first}
        finally:
            await forward.close()
