"""Keep one process task while control comes and goes. Floor 3, a script of its own.

Run as ``python -I -S shim.py DIRECTORY [DESCRIPTOR...]``; the standard library only,
and no import of ours, so that it starts in milliseconds and outlives an upgrade. It
reads ``spec.json``, starts the command in a session of its own, copies its
output to a bounded log, and writes down how it ended. The descriptors are what keeps
the task's ports ours: open as long as it runs, and not its own. Else the files are
the whole interface:

    spec.json   argv, environment, directory, labels       written by control
    lock        flock held while a shim lives: a second one sees it and leaves
    run.json    pid and start time of shim and task        before the exec
    log, log.1  the newest output, and what came before    each up to LOG_BYTES_MAX
    exit.json   exit code, or why it could not start       after the last process

When the task ends, whatever it left running is killed, as the end of PID 1 ends
a container. When the shim itself is killed the kernel kills the task (Linux).
Absent: the network, restarts, a choice of any kind.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
from typing import Any, Final, NoReturn

LOG_BYTES_MAX: Final = 8 << 20
READ_BYTES: Final = 64 << 10
PIPE_BYTES_MAX: Final = 1 << 20  # /proc/sys/fs/pipe-max-size, Linux's default
PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER: Final = 36
NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of a command that could not be run, as POSIX shells give them."""
STARTED, TAKEN = "started", "taken"


def main(directory: str, held: list[int]) -> None:
    os.chdir("/")
    for descriptor in held:
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    lock = os.open(f"{directory}/lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        report(TAKEN)
        return
    if os.path.exists(f"{directory}/run.json"):
        report(TAKEN)
        return
    with open(f"{directory}/spec.json", encoding="utf-8") as file:
        spec = json.load(file)
    supervise(directory, spec, held)


def report(word: str) -> None:
    """Answer whoever started us, and let go of them."""
    with contextlib.suppress(OSError):
        os.write(1, word.encode())
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)


def supervise(directory: str, spec: dict[str, Any], held: list[int]) -> None:
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake = wake_on_signals()
    output, output_end = os.pipe()
    task, go, failure = fork_task(spec, output_end)
    os.close(output_end)
    write_json(directory, "run.json", {"shim": identity(), "task": identity(task)})
    os.write(go, b"!")
    os.close(go)
    if problem := read_all(failure):
        os.waitpid(task, 0)
        code = NOT_FOUND if "No such file" in problem else NOT_EXECUTABLE
        end(directory, held, {"exitCode": code, "error": problem})
        report(problem)
        return
    report(STARTED)
    log = Log(directory)
    code = copy_until_ended(task, output, wake, log)
    kill_the_rest(task)
    log.drain(output)
    end(directory, held, {"exitCode": code})


def end(directory: str, held: list[int], outcome: dict[str, object]) -> None:
    """Let go of the ports, then say so: whoever reads it may want them at once."""
    for descriptor in held:
        os.close(descriptor)
    write_json(directory, "exit.json", outcome)


# --- the task -------------------------------------------------------------------


def fork_task(spec: dict[str, Any], output: int) -> tuple[int, int, int]:
    """Fork a child that waits; return its pid, what lets it go, why it failed.

    The child executes only after a byte on `go`: so ``run.json`` names every
    command that ever ran. `failure` ends empty when the exec succeeded, because
    the kernel closes the descriptor then.
    """
    shim = os.getpid()
    gate, go = os.pipe()
    failure, failure_end = os.pipe()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    task = os.fork()
    if task == 0:
        become_task(spec, shim, (gate, go, output, failure_end))
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    os.close(gate)
    os.close(failure_end)
    return task, go, failure


def become_task(spec: dict[str, Any], shim: int, pipes: tuple[int, ...]) -> NoReturn:
    gate, go, output, failure = pipes
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(go)
        if os.getppid() != shim or os.read(gate, 1) != b"!":
            os._exit(NOT_EXECUTABLE)
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in enumerate((null, output, output)):
            os.dup2(source, target)
        os.chdir(spec["cwd"])
        os.execvpe(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606
    except (OSError, ValueError) as failed:
        os.write(failure, explain(failed, spec).encode())
    os._exit(NOT_FOUND)


def explain(failed: OSError | ValueError, spec: dict[str, Any]) -> str:
    if not isinstance(failed, OSError):
        return str(failed)
    return f"{failed.strerror}: {failed.filename or spec['argv'][0]}"


def copy_until_ended(task: int, output: int, wake: int, log: Log) -> int:
    """Copy output until the task ends; return its exit code."""
    poll = select.poll()
    poll.register(wake, select.POLLIN)
    poll.register(output, select.POLLIN)
    while True:
        ready = dict(poll.poll())
        if output in ready and not log.copy(output):
            poll.unregister(output)
        if wake in ready:
            numbers = os.read(wake, READ_BYTES)
            if signal.SIGTERM in numbers:
                send(task, signal.SIGTERM)
            if (code := reap(task)) is not None:
                return code


def reap(task: int) -> int | None:
    """Collect every child that ended; return the task's exit code once it has."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == task:
                code = os.waitstatus_to_exitcode(status)
    return code if code is None or code >= 0 else 128 - code


def kill_the_rest(task: int) -> None:
    """Kill what the task left behind: its group, then whoever became our child."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(task, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in children():
                send(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


def children() -> list[int]:
    """Return our direct children; orphans of the task are ours (subreaper)."""
    if not os.path.isdir("/proc/self"):
        return []
    me = str(os.getpid())
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if stat_fields(pid)[1:2] == [me]]


def send(pid: int, number: signal.Signals) -> None:
    """Signal a child of ours that was not waited for: its pid cannot be another's."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


# --- files and facts ------------------------------------------------------------


class Log:
    """Two files of bounded size; a full disk loses output, never the task."""

    def __init__(self, directory: str) -> None:
        self.path = f"{directory}/log"
        self.file = -1
        self.size = 0

    def copy(self, source: int) -> bool:
        """Copy what is there; False when nobody can write any more."""
        chunk = os.read(source, READ_BYTES)
        with contextlib.suppress(OSError):
            self._write(chunk)
        return bool(chunk)

    def drain(self, source: int) -> None:
        """Copy what the pipe still holds; whoever escaped may go on writing."""
        os.set_blocking(source, False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(PIPE_BYTES_MAX // READ_BYTES):
                if not self.copy(source):
                    break

    def _write(self, chunk: bytes) -> None:
        if self.file < 0 or self.size + len(chunk) > LOG_BYTES_MAX:
            self._rotate()
        self.size += os.write(self.file, chunk)

    def _rotate(self) -> None:
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
            os.replace(self.path, f"{self.path}.1")
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
        self.file = os.open(self.path, flags, 0o600)
        self.size = 0


def write_json(directory: str, name: str, value: object) -> None:
    """Write a file whole or not at all."""
    part = f"{directory}/.{name}"
    with open(part, "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(part, f"{directory}/{name}")


def identity(pid: int | None = None) -> dict[str, object]:
    """Return pid and start time; together they are never another process's."""
    me = pid or os.getpid()
    return {"pid": me, "started": start_time(me)}


def start_time(pid: int) -> str:
    """Return ``BOOT/TICKS`` on Linux, else what ps says; empty: no such process."""
    if stat := stat_fields(pid):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()}/{stat[19]}"
    if os.path.isdir("/proc/self"):
        return ""
    with os.popen(f"LC_ALL=C ps -o lstart= -p {int(pid)}") as answer:  # noqa: S605
        return answer.read().strip()


def stat_fields(pid: int) -> list[str]:
    """Return /proc/PID/stat after the name: [0] is field 3, the state (proc(5))."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def wake_on_signals() -> int:
    """Make SIGCHLD and SIGTERM readable; a terminal's hang-up is not our affair."""
    wake, wake_end = os.pipe()
    os.set_blocking(wake_end, False)
    signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    return wake


def prctl(option: int, value: int) -> None:
    """Ask the Linux kernel; elsewhere nobody can be asked."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - costs start-up time where it is not needed

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def read_all(descriptor: int) -> str:
    with open(descriptor, encoding="utf-8", errors="replace") as file:
        return file.read()


if __name__ == "__main__":
    main(sys.argv[1], [int(word) for word in sys.argv[2:]])
