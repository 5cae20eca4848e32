"""Private Docker Engines for tests: started, used, and gone without a trace.

    own_network()           this process gets a network of its own
    private_engine(dir)     one engine in this network: ports answer on its bridge
    engines_apart(n, dir)   n hosts, each a network namespace behind a veth pair

Two engines in one network namespace fight over docker0 and iptables, so
whoever starts an engine either owns the namespace or makes one for it. A
namespace here has no name: a sleeping process holds it, and when that process
ends, its interfaces, addresses and rules end with it.

Absent: images from a registry. Tests import their own, see `images`.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

START_DEADLINE_S: Final = 30.0
STOP_DEADLINE_S: Final = 20.0
CLONE_NEWNET: Final = 0x40000000
API_PORT: Final = 2375

HOST_NUMBERS: Final = itertools.count()

Enter = tuple[str, ...]
"""The command that enters a network namespace; empty for this process's own."""


def ping(unix_socket: Path | str, timeout_s: float = 1.0) -> bool:
    """Say whether a Docker Engine answers on this Unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(unix_socket))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def own_network() -> None:
    """Move this process (and what it starts from now on) into a network of its own.

    Loopback is up and nothing else is there, so engines, bridges and rules of
    several test runs on one machine never meet. Needs root. It ends with us.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace for this process")
    run("ip", "link", "set", "lo", "up")


@dataclass(slots=True)
class Engine:
    """A Docker Engine. One we started (it has a `directory`) can stop and start.

    `address` is where its published ports answer: the bridge's gateway for an
    engine in our network, the host's address for one apart.
    """

    endpoint: str
    address: str = ""
    directory: Path | None = None
    options: tuple[str, ...] = ()
    enter: Enter = ()
    front: str = ""
    """Where its containers reach this process; empty: its bridge's gateway."""
    _daemon: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def tcp_endpoint(self) -> str:
        """The same engine over plain TCP; only engines apart listen there."""
        return f"tcp://{self.address}:{API_PORT}"

    @property
    def pid(self) -> int:
        """The pid of dockerd, to freeze (SIGSTOP) or kill it."""
        assert self._daemon is not None, "not an engine of ours, or it is stopped"
        return self._daemon.pid

    @property
    def log(self) -> Path:
        assert self.directory is not None, "not an engine of ours"
        return self.directory / "dockerd.log"

    def docker(self, *arguments: str) -> str:
        """Run the docker command against this engine; return what it prints."""
        return run("docker", "--host", self.endpoint, *arguments)

    def start(self) -> None:
        """Start dockerd and wait until it answers."""
        assert self.directory is not None, "not an engine of ours"
        at = self.directory
        unix_socket = at / "docker.sock"
        _forget_a_dead_containerd(at / "exec/containerd/containerd.pid")
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(
                [*self.enter, *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while not ping(unix_socket):
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                last = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"dockerd did not start:\n{last}")
            time.sleep(0.05)
        self.address = self.address or self.gateway()

    def _command(self) -> tuple[str, ...]:
        at = self.directory
        # fmt: off
        command = (
            "dockerd", "--data-root", f"{at}/data", "--exec-root", f"{at}/exec",
            "--pidfile", f"{at}/dockerd.pid", "--host", self.endpoint,
        )
        # fmt: on
        return (*command, *self.options)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End dockerd and wait for its exit. Its containers live on if it was
        started with --live-restore, or killed."""
        assert self._daemon is not None, "not an engine of ours, or it is stopped"
        self._daemon.send_signal(how)
        self._daemon.send_signal(signal.SIGCONT)
        try:
            self._daemon.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
        self._daemon = None

    def gateway(self) -> str:
        """The bridge's own address; a port published there refuses once its task died.

        An engine that has never restarted tells the subnet only; the bridge
        then has its first address.
        """
        asked = "{{range .IPAM.Config}}{{.Gateway}}|{{.Subnet}}{{end}}"
        told = self.docker("network", "inspect", "bridge", "--format", asked)
        gateway, _, subnet = told.partition("|")
        return gateway or subnet.partition("/")[0].rpartition(".")[0] + ".1"

    def clear(self) -> None:
        """Remove every container, even those of a dockerd that is gone."""
        if self._daemon is None:
            self.start()
        self._daemon_must_run()
        if names := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", "--volumes", *names)

    def _daemon_must_run(self) -> None:
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGCONT)
        if self._daemon.poll() is not None:
            self._daemon = None
            self.start()


@contextlib.contextmanager
def private_engine(directory: Path, options: Sequence[str] = ()) -> Iterator[Engine]:
    """Run the one engine of this process's network. Call `own_network` before."""
    endpoint = f"unix://{directory / 'docker.sock'}"
    engine = Engine(endpoint, directory=directory, options=tuple(options))
    with _running(engine):
        yield engine


@contextlib.contextmanager
def engines_apart(
    count: int, directory: Path, options: Sequence[str] = ()
) -> Iterator[list[Engine]]:
    """Run `count` engines, each a host of its own behind a veth pair.

    Host i has the address 10.213.i.2, we are 10.213.i.1 to it (`front`); `ip
    link set alb-i down` cuts it off. A number is used once in a process.
    """
    with contextlib.ExitStack() as stack:
        engines = []
        for number in itertools.islice(HOST_NUMBERS, count):
            home = directory / f"host-{number}"
            holder = stack.enter_context(_namespace(number))
            address = f"10.213.{number}.2"
            engine = Engine(
                f"unix://{home / 'docker.sock'}",
                address,
                home,
                (*options, "--host", f"tcp://{address}:{API_PORT}", "--tls=false"),
                enter=_entering(holder),
                front=f"10.213.{number}.1",
            )
            engines.append(stack.enter_context(_running(engine)))
        yield engines


@contextlib.contextmanager
def _namespace(number: int) -> Iterator[int]:
    """Hold a network namespace joined to ours by the veth pair alb-NUMBER; yield the
    holder's pid."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()  # it is in its namespace once it has spoken
        inside, ours = _entering(holder.pid), f"alb-{number}"
        # fmt: off
        run("ip", "link", "add", ours, "type", "veth",
            "peer", "name", "eth0", "netns", str(holder.pid))
        run("ip", "address", "add", f"10.213.{number}.1/24", "dev", ours)
        run("ip", "link", "set", ours, "up")
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "address", "add", f"10.213.{number}.2/24", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "route", "add", "default", "via", f"10.213.{number}.1")
        # fmt: on
        yield holder.pid
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            run("ip", "link", "delete", f"alb-{number}")
        holder.kill()
        holder.communicate()


def _entering(pid: int) -> Enter:
    return ("nsenter", f"--net=/proc/{pid}/ns/net", "--")


@contextlib.contextmanager
def _running(engine: Engine) -> Iterator[Engine]:
    """Run an engine; afterwards nothing of it is left, whatever was done to it."""
    assert engine.directory is not None
    engine.directory.mkdir(parents=True, exist_ok=True)
    try:
        engine.start()
        yield engine
        engine.clear()
    finally:
        if engine._daemon is not None:  # noqa: SLF001 - its own lifecycle
            engine.stop()
        _end_what_runs_under(engine.directory)
        _unmount_under(engine.directory)
        shutil.rmtree(engine.directory)


def _forget_a_dead_containerd(pidfile: Path) -> None:
    """dockerd trusts this file's pid, even that of a zombie nobody has reaped."""
    if pidfile.exists():
        cmdline = Path("/proc", pidfile.read_text(), "cmdline")
        if not cmdline.exists() or not cmdline.read_bytes():
            pidfile.unlink()


def _end_what_runs_under(directory: Path) -> None:
    """Kill what a killed dockerd left: containerd and shims name our directory."""
    mine = os.fsencode(str(directory) + "/")
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mine in status.read_bytes():
                os.kill(int(status.parent.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue


def _unmount_under(directory: Path) -> None:
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    mounts = [line.split()[4] for line in table]
    for mount in reversed(mounts):
        if mount.startswith(f"{directory}/"):
            run("umount", "--lazy", mount)


def run(*command: str) -> str:
    """Run a command to its end; return what it printed, or raise with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise subprocess.CalledProcessError(
            done.returncode, command, done.stdout, done.stderr
        )
    return done.stdout.strip()
