"""The hosts our live tests stand on: real engines, of our own, gone afterwards."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.engines import Engine, engines_apart, run
from tests.support.images import import_busybox, import_python

needs_docker = pytest.mark.needs("docker")
needs_engines = pytest.mark.needs("engines")

PORT = 20_001
SERVE = """CMD ["sh", "-c", "echo ready >index.html; exec httpd -f -p 8080"]"""


@contextmanager
def task(engine: Engine, port: int = PORT) -> Iterator[str]:
    """A container that serves "ready" on the engine's address."""
    if not engine.docker("images", "--quiet", "alb-test/httpd:1"):
        import_busybox(engine, "alb-test/httpd:1", "WORKDIR /tmp", SERVE)
    publish = f"{engine.address}:{port}:8080"
    name = engine.docker(
        "run", "--detach", "--init", "--publish", publish, "alb-test/httpd:1"
    )
    yield name
    engine.docker("rm", "--force", name)


def get(address: str, port: int = PORT) -> str:
    """GET / with attempts while the task starts listening, at most 5 s."""
    last: OSError = OSError("never tried")
    for _ in range(50):
        try:
            with socket.create_connection((address, port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if answer := connection.makefile("rb").read():
                    return answer.decode().rpartition("\n\r\n")[2].strip()
        except OSError as refused:
            last = refused
        signal.sigtimedwait((), 0.1)
    raise last


@needs_docker
def test_a_container_answers_on_the_engines_address(engine: Engine) -> None:
    with task(engine):
        assert get(engine.address) == "ready"


@needs_docker
def test_a_dead_container_refuses(engine: Engine) -> None:
    with task(engine) as name:
        get(engine.address)
        engine.docker("kill", name)
        with (
            pytest.raises(ConnectionRefusedError),
            socket.create_connection((engine.address, PORT), timeout=5),
        ):
            pass


@needs_docker
def test_an_image_of_this_python_runs_without_a_registry(engine: Engine) -> None:
    import_python(engine, "alb-test/python:1")
    program = "import ssl, json, asyncio; print('runs')"

    assert (
        engine.docker("run", "--rm", "alb-test/python:1", "python3", "-c", program)
        == "runs"
    )


@needs_engines
def test_containers_outlive_their_engine_where_live_restore_says_so(
    short_path: Path,
) -> None:
    hosts = engines_apart(1, short_path / "hosts", ["--live-restore"])
    with hosts as (engine,), task(engine):
        get(engine.address)
        engine.stop()
        assert get(engine.address) == "ready"
        engine.start()
        assert get(engine.address) == "ready"


@needs_engines
@pytest.mark.timeout(120)
def test_three_hosts_have_an_address_each(three_engines: list[Engine]) -> None:
    for engine in three_engines:
        with task(engine):
            assert get(engine.address) == "ready"
    assert len({engine.address for engine in three_engines}) == 3


@needs_engines
def test_nothing_is_left_even_of_a_host_that_was_killed(short_path: Path) -> None:
    before = run("ip", "-brief", "link")
    home = short_path / "hosts"
    with engines_apart(1, home) as (host,), task(host):
        host.stop(signal.SIGKILL)
        host.start()

    assert list(home.iterdir()) == []
    assert str(home) not in Path("/proc/self/mountinfo").read_text()
    assert run("ip", "-brief", "link") == before
    assert not [
        cmdline
        for cmdline in Path("/proc").glob("[0-9]*/cmdline")
        if str(home).encode() in cmdline.read_bytes()
    ]
