"""`up` and `down` with real processes in front of a fixed target."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controlplane.commands.node import Node
from controlplane.state_dir import StateDir

DEADLINE_S = 40.0

FILE = """\
cluster: up-down
targetGroups:
  - name: fixed
    targets: [{{id: 127.0.0.1, port: {target}}}]
listeners:
  - port: {listener}
    protocol: HTTP
    defaultActions: [{{type: forward, targetGroup: fixed}}]
"""


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args: object) -> None:
        del args


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(what: str, is_so: Callable[[], bool]) -> None:
    """Look until it is so; fail when the deadline passes."""
    end = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@dataclass
class Cluster:
    """A directory with a file, and the `alb` that is run there."""

    directory: Path
    port: int
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def node(self) -> Node:
        return Node(StateDir(self.directory / ".alb"))

    def alb(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*words),
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start `alb` and return it when it told the first address."""
        process = subprocess.Popen(
            self._command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        assert process.stdout is not None
        while not (line := process.stdout.readline()).startswith("http://"):
            assert line, "up ended early"
        return process

    def get(self) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read()
        finally:
            connection.close()

    def _command(self, *words: str) -> list[str]:
        file = str(self.directory / "alb.yaml")
        return [sys.executable, "-m", "controlplane.cli", "-f", file, *words]

    def end(self) -> None:
        for process in self.running:
            process.kill()
            process.communicate()
        tasks = self.node.state_dir.tasks
        if self.node.keeper_lives() or any(tasks.glob("*/*")):
            self.alb("down", "--wait", "10")


@pytest.fixture
def target() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def cluster(tmp_path: Path, target: int) -> Iterator[Cluster]:
    port = free_port()
    text = FILE.format(target=target, listener=port)
    (tmp_path / "alb.yaml").write_text(text)
    cluster = Cluster(tmp_path, port)
    yield cluster
    cluster.end()


def test_up_serves_and_down_leaves_nothing(cluster: Cluster) -> None:
    up = cluster.alb("up", "-d", "--workers", "1", "--output", "json")
    assert up.returncode == 0, up.stderr
    told = json.loads(up.stdout)
    assert told["listeners"][0]["port"] == cluster.port
    assert told["control"].startswith("http://127.0.0.1:")
    assert cluster.get() == b"hello"
    assert (cluster.directory / ".alb").stat().st_mode & 0o777 == 0o700

    down = cluster.alb("down")

    assert (down.returncode, down.stdout) == (0, "down\n")
    assert not cluster.node.keeper_lives()
    assert not list((cluster.directory / ".alb").glob("*.sock"))
    assert not list((cluster.directory / ".alb").glob("*.pid"))
    with pytest.raises(ConnectionRefusedError):
        cluster.get()


def test_a_second_up_changes_the_running_cluster(cluster: Cluster) -> None:
    cluster.alb("up", "-d", "--workers", "1")
    before = (cluster.node.keeper_pid, cluster.node.control_pid)
    file = cluster.directory / "alb.yaml"
    action = "[{type: fixed-response, statusCode: '404'}]"
    file.write_text(
        file.read_text().replace("[{type: forward, targetGroup: fixed}]", action)
    )

    up = cluster.alb("up", "-d", "--workers", "1")

    assert up.returncode == 0, up.stderr
    assert before == (cluster.node.keeper_pid, cluster.node.control_pid)
    until("the new action", lambda: cluster.get() != b"hello")


def test_ctrl_c_is_an_orderly_down(cluster: Cluster) -> None:
    up = cluster.begin("up", "--workers", "1")

    os.kill(up.pid, signal.SIGINT)
    out, _ = up.communicate(timeout=DEADLINE_S)

    assert up.returncode == 0, out
    assert out.endswith("down\n")
    assert not cluster.node.keeper_lives()


STUBBORN = """\
containerInstances: [{{name: local, runtime: process}}]
taskDefinitions:
  - family: stubborn
    containerDefinitions:
      - name: stubborn
        command: ["{python}", "-c", "{program}"]
        cpu: 64
        memory: 64
        stopTimeout: 100
services:
  - {{serviceName: stubborn, taskDefinition: stubborn, desiredCount: 1}}
"""
IGNORES_SIGTERM = (
    "import os, signal as s; s.signal(s.SIGTERM, s.SIG_IGN);"
    "open('{pid}', 'w').write(str(os.getpid())); s.pause()"
)


def test_a_second_ctrl_c_stops_at_once_and_leaves_no_task(cluster: Cluster) -> None:
    pid_file = cluster.directory / "task.pid"
    program = IGNORES_SIGTERM.format(pid=pid_file)
    with (cluster.directory / "alb.yaml").open("a") as file:
        file.write(STUBBORN.format(python=sys.executable, program=program))
    up = cluster.begin("up", "--workers", "1")
    until("the task runs", lambda: pid_file.exists() and pid_file.read_text() != "")
    task = int(pid_file.read_text())
    assert up.stdout is not None

    os.kill(up.pid, signal.SIGINT)
    while "Ctrl-C again" not in (line := up.stdout.readline()):
        assert line, "up ended early"
    os.kill(up.pid, signal.SIGINT)
    up.communicate(timeout=DEADLINE_S)

    assert up.returncode == 1
    assert not cluster.node.keeper_lives()
    with pytest.raises(ProcessLookupError):
        os.kill(task, 0)


JOB = """\
containerInstances: [{name: local, runtime: process}]
taskDefinitions:
  - family: job
    containerDefinitions:
      - name: prepare
        command: [sh, -c, "sleep 0.5; echo 7 > code"]
        memory: 8
        essential: false
      - name: main
        command: [sh, -c, "exit 1"]
        memory: 8
        dependsOn: [{containerName: prepare, condition: SUCCESS}]
"""


def test_run_waits_for_a_task_and_ends_as_it_does(cluster: Cluster) -> None:
    with (cluster.directory / "alb.yaml").open("a") as file:
        file.write(JOB)
    assert 0 == cluster.alb("up", "-d", "--workers", "1").returncode
    command = ("--wait", "-e", "MORE=1", "--", "sh", "-c", "exit $(($(cat code)+MORE))")

    plain = cluster.alb("run", "job", "--wait")
    other = cluster.alb("run", "job", "-c", "main", *command)
    first = cluster.alb("run", "job", *command)
    nobody = cluster.alb("run", "joob")

    assert 1 == plain.returncode, plain.stderr
    assert "STOPPED  Essential container in task exited\n" in plain.stdout
    assert 8 == other.returncode, other.stderr
    assert 8 == first.returncode, "without -c: the first essential container"
    assert 1 == nobody.returncode
    assert 'no task definition "joob"; did you mean "job"?' in nobody.stderr
    assert 0 == cluster.alb("down").returncode


def test_sigterm_leaves_everything_running(cluster: Cluster) -> None:
    up = cluster.begin("up", "--workers", "1")

    up.terminate()
    out, _ = up.communicate(timeout=DEADLINE_S)

    assert up.returncode == 0, out
    assert "left running" in out
    assert cluster.node.keeper_lives()
    assert cluster.get() == b"hello"


def test_a_foreground_up_survives_controls_death(cluster: Cluster) -> None:
    up = cluster.begin("up", "--workers", "1")
    control = cluster.node.control_pid
    assert control is not None
    os.kill(control, signal.SIGKILL)

    def another() -> bool:
        return cluster.node.control_pid != control and cluster.node.answers()

    until("another control", another)

    assert up.poll() is None
    assert cluster.get() == b"hello"


def test_down_without_a_cluster_is_done_already(cluster: Cluster) -> None:
    down = cluster.alb("down")

    assert (down.returncode, down.stdout) == (0, "down\n")
    assert not (cluster.directory / ".alb").exists()


def test_down_ends_a_node_whose_control_is_stuck(cluster: Cluster) -> None:
    cluster.alb("up", "-d", "--workers", "1")
    control = cluster.node.control_pid
    assert control is not None
    os.kill(control, signal.SIGSTOP)

    down = cluster.alb("down")

    assert down.returncode == 0
    assert "stopping without it" in down.stderr
    assert not cluster.node.keeper_lives()


def test_a_file_with_problems_starts_nothing(cluster: Cluster) -> None:
    (cluster.directory / "alb.yaml").write_text("cluster: x\nlistener: []\n")

    up = cluster.alb("up", "-d")

    assert up.returncode == 2
    assert 'did you mean "listeners"?' in up.stderr
    assert not (cluster.directory / ".alb").exists()


def test_a_taken_port_is_told_and_what_was_started_stops(cluster: Cluster) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", cluster.port))
        taken.listen()
        up = cluster.alb("up", "-d", "--workers", "1", "--wait", "5")

    assert up.returncode == 1
    assert str(cluster.port) in up.stderr


def test_a_keeper_that_cannot_start_shows_its_log(cluster: Cluster) -> None:
    directory = cluster.directory / ".alb"
    (directory / "keeper.lock").mkdir(parents=True)

    up = cluster.alb("up", "-d")

    (directory / "keeper.lock").rmdir()
    assert up.returncode == 1
    assert "the keeper ended with status 1" in up.stderr
    assert "keeper.log" in up.stderr


def test_a_state_directory_too_deep_for_a_socket_is_told(cluster: Cluster) -> None:
    deep = str(cluster.directory / ("x" * 120))

    up = cluster.alb("up", "-d", "--state-dir", deep)

    assert up.returncode == 1
    assert "choose a shorter --state-dir" in up.stderr
