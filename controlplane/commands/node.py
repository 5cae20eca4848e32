"""The processes behind a state directory, seen from outside: start, find, wait.

The keeper's lock tells whether it lives, as a pid alone cannot. Every wait has
a deadline, says what it waits for, and shows the log when what it waits for
died.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controlplane.client import ClientError, Control, UnixAddress
from controlplane.commands.terminal import complain
from controlplane.state_dir import StateDir

LOOK_S: Final = 0.05
PATIENCE_S: Final = 3.0
"""A wait that lasts longer says what it waits for."""
LOG_LINES: Final = 20
DRAIN_TIMEOUT_S: Final = 300.0
SOCKET_PATH_MAX: Final = 103
"""Bytes of a Unix socket's path: 108 on Linux, 104 on macOS, with its end."""


class NodeFailed(Exception):
    """A process did not start, answer or end as it must. `log` is what it wrote."""

    def __init__(self, what: str, log: str = "") -> None:
        super().__init__(what, log)
        self.what = what
        self.log = log

    def __str__(self) -> str:
        return f"{self.what}\n{self.log}" if self.log else self.what


@dataclass(frozen=True, slots=True)
class Node:
    """One state directory's keeper and control."""

    state_dir: StateDir

    @property
    def control(self) -> Control:
        return Control(UnixAddress(self.state_dir.control_socket))

    @property
    def keeper_pid_file(self) -> Path:
        return self.state_dir.path / "keeper.pid"

    @property
    def logs(self) -> Path:
        return self.state_dir.path / "log"

    def make_directory(self) -> None:
        """Make the directory, 0700. Raises NodeFailed when sockets cannot be there."""
        path = self.state_dir.control_socket
        if len(os.fsencode(path)) > SOCKET_PATH_MAX:
            raise NodeFailed(
                f"{path} is longer than a Unix socket's path may be"
                f" ({SOCKET_PATH_MAX} bytes): choose a shorter --state-dir"
            )
        self.state_dir.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.state_dir.path.chmod(0o700)
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def keeper_lives(self) -> bool:
        """Return whether a keeper holds this directory's lock."""
        return is_locked(self.state_dir.path / "keeper.lock")

    @property
    def keeper_pid(self) -> int | None:
        """The running keeper's pid, if it lives and wrote it down."""
        return _pid_in(self.keeper_pid_file) if self.keeper_lives() else None

    @property
    def control_pid(self) -> int | None:
        """The running control's pid, if there is one."""
        lock = self.state_dir.lock
        return _pid_in(lock) if is_locked(lock) else None

    def start_keeper(
        self,
        workers: int,
        control_address: tuple[str, int],
        drain_timeout_s: float = DRAIN_TIMEOUT_S,
    ) -> subprocess.Popen[bytes]:
        """Start a keeper in a session of its own; it starts everything else."""
        directory = str(self.state_dir.path)
        control = [sys.executable, "-P", "-m", "controlplane.control"]
        host, port = control_address
        control += ["--state-dir", directory, "--control-address", f"{host}:{port}"]
        command = [
            sys.executable,
            "-P",
            "-m",
            "alb.app.keeper_process",
            "--state-dir",
            directory,
        ]
        command += ["--workers", str(workers), "--control-command", json.dumps(control)]
        command += ["--drain-timeout", str(drain_timeout_s)]
        with (self.logs / "keeper.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own modules
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                close_fds=True,
            )

    def answers(self) -> bool:
        """Return whether control answers."""
        try:
            status, _ = self.control.status("/healthz", timeout_s=2.0)
        except ClientError:
            return False
        return status == 200  # noqa: PLR2004 - HTTP

    def unready_because(self) -> str:
        """Return why the cluster is not ready, or nothing when it is."""
        try:
            status, text = self.control.status("/readyz", timeout_s=5.0)
        except ClientError as error:
            return str(error)
        return "" if status == 200 else text or "not ready"  # noqa: PLR2004 - HTTP

    def log_tail(self) -> str:
        """Return the last lines of what keeper and control wrote."""
        told = []
        for log in sorted(self.logs.glob("*.log")):
            lines = _last_lines(log)
            if lines:
                told += [f"--- {log}", *lines]
        return "\n".join(told)

    def terminate_keeper(self) -> None:
        """Ask the keeper to drain its workers and end; containers stay."""
        _signal(self.keeper_pid, signal.SIGTERM)

    def upgrade_keeper(self) -> None:
        """Tell the keeper to become the program that is installed now."""
        _signal(self.keeper_pid, signal.SIGUSR2)

    def kill_control(self) -> None:
        """End control at once. Nothing is lost: what it decided is written down."""
        _signal(self.control_pid, signal.SIGKILL)

    def kill(self) -> None:
        """End keeper and control at once; workers end by themselves."""
        _signal(self.keeper_pid, signal.SIGKILL)
        self.kill_control()

    def remove_leftovers(self) -> None:
        """Remove sockets and pid files of processes that are gone."""
        for path in (
            self.state_dir.control_socket,
            self.state_dir.node_socket,
            self.state_dir.control_address,
            self.keeper_pid_file,
        ):
            path.unlink(missing_ok=True)


def is_locked(path: Path) -> bool:
    """Return whether a living process holds the lock at `path`."""
    try:
        lock = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _pid_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _signal(pid: int | None, number: signal.Signals) -> None:
    """Signal a process whose lock proved a moment ago that the pid is its own."""
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_until(
    what: str, within_s: float, is_so: Callable[[], bool], log: Callable[[], str]
) -> None:
    """Wait for `is_so`, saying what for when it lasts. Raises NodeFailed too late."""
    began = time.monotonic()
    told = False
    while not is_so():
        waited = time.monotonic() - began
        if waited > within_s:
            raise NodeFailed(f"waited {within_s:.0f} s in vain: {what}", log())
        if waited > PATIENCE_S and not told:
            complain(f"waiting: {what}")
            told = True
        time.sleep(LOOK_S)


def _last_lines(log: Path) -> list[str]:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        text = file.read().decode("utf-8", "replace")
    return text.splitlines()[-LOG_LINES:]
