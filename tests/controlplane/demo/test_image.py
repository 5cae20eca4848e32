"""The demo's image has what Python needs to run the task, and little more."""

import gc
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.demo import image
from controlplane.demo.image import ImageUnavailable, ensure_image, write_rootfs
from tests.support.engines import Engine

SIZE_MAX = 80_000_000

linux = pytest.mark.skipif(sys.platform != "linux", reason="imports Linux's Python")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "rootfs.tar"
    with path.open("wb") as target:
        write_rootfs(target)
    return path


@linux
def test_it_has_the_loader_the_libraries_and_the_task(archive: Path) -> None:
    with tarfile.open(archive) as tree:
        names = set(tree.getnames())

    python = str(Path(sys.executable).resolve()).lstrip("/")
    assert {python, "usr/local/bin/python", "app/controlplane/demo/task.py"} <= names
    assert any("libc.so" in name or "ld-musl" in name for name in names)
    assert any(Path(name).name.startswith("ld-") for name in names)


@linux
def test_it_is_small_and_leaves_out_what_no_server_needs(archive: Path) -> None:
    with tarfile.open(archive) as tree:
        parts = {part for name in tree.getnames() for part in Path(name).parts}

    assert archive.stat().st_size < SIZE_MAX
    assert not parts & {"idlelib", "tkinter", "test", "ensurepip", "site-packages"}


@pytest.mark.needs("root")
@linux
def test_the_task_runs_in_it_with_nothing_else(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as tree:
        tree.extraction_filter = lambda member, _: member  # no argument in 3.11.2
        tree.extractall(tmp_path)  # noqa: S202 - ours
    task = subprocess.Popen(
        ["/usr/sbin/chroot", tmp_path, "/usr/local/bin/python", *image.COMMAND[1:]],
        env={"PYTHONPATH": "/app", "PORT": "0", "HOST": "127.0.0.1"},
        stdout=subprocess.PIPE,
    )
    with task:
        assert task.stdout
        line = task.stdout.readline().decode()
        task.terminate()
    assert line.startswith("listening on 127.0.0.1:")
    assert 0 == task.returncode


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_engine_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageUnavailable, match=r"nowhere\.sock"):
        ensure_image(f"unix://{tmp_path}/nowhere.sock")
    gc.collect()  # docker-py forgets the socket that could not connect


@pytest.fixture
def container(engine: Engine) -> Iterator[list[str]]:
    started: list[str] = []
    yield started
    for name in started:
        engine.docker("rm", "--force", name)


@pytest.mark.needs("docker")
def test_an_engine_runs_it_as_pid_1_and_stops_it_at_once(
    engine: Engine, container: list[str]
) -> None:
    made = ensure_image(engine.endpoint, "alb-demo/task:test", "127.0.0.1:1/no:1")
    again = ensure_image(engine.endpoint, "alb-demo/task:test", None)
    assert "this machine's Python: 127.0.0.1:1/no:1 could not be had" in made.origin
    assert "is there already" in again.origin

    name = engine.docker("run", "--detach", "-p", "0:8080", made.tag).strip()
    container.append(name)
    port = int(engine.docker("port", name, "8080").split()[0].rpartition(":")[2])
    assert b" 200 OK\r\n" in _ask(engine.address or "127.0.0.1", port)

    began_s = time.monotonic()
    engine.docker("stop", name)
    assert time.monotonic() - began_s < 5, "SIGTERM was not handled"
    assert "0" == engine.docker("inspect", "-f", "{{.State.ExitCode}}", name).strip()


def _ask(host: str, port: int) -> bytes:
    """Ask for health until the task answers, at most 10 s long."""
    deadline_s = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection((host, port), timeout=2) as sock:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
                return b"".join(iter(lambda: sock.recv(65536), b""))
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)
