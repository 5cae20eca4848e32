"""The directory of a process container: who may create it, what it says. Floor 3.

A container exists when its directory does, and the directory appears whole, by
one rename. Everything else is read from the files its shim writes (see
`shim.py`); nothing is remembered here, so any control finds what the last one
left. Synchronous; called on threads.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scheduler.drivers.labels import task_id_of
from scheduler.drivers.process_table import MARK, Identity, marked
from scheduler.model import ContainerName, ContainerState, ContainerStatus

KILLED_EXIT_CODE: Final = 128 + signal.SIGKILL
BURY_ATTEMPTS: Final = 200
BURY_PAUSE_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended; `error` is why it could not even start."""

    exit_code: int | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """The two processes that were written down before the command ran."""

    shim: Identity
    task: Identity


@dataclass(frozen=True, slots=True)
class Record:
    """What the files of one container say."""

    name: ContainerName
    directory: Path
    labels: Mapping[str, str]
    running: Running | None
    """None: created, never started."""
    ended: Ended | None

    @property
    def has_begun(self) -> bool:
        """Whether a shim has started the command, or tried to."""
        return self.running is not None or self.ended is not None

    @property
    def status(self) -> ContainerStatus:
        return ContainerStatus(
            name=self.name,
            task_id=task_id_of(self.labels),
            state=self._state,
            exit_code=self.ended.exit_code if self.ended else None,
            labels=self.labels,
        )

    @property
    def _state(self) -> ContainerState:
        if self.ended:
            return ContainerState.EXITED
        return ContainerState.RUNNING if self.running else ContainerState.CREATED


def create(root: Path, name: ContainerName, spec: Mapping[str, object]) -> None:
    """Make the container's directory, whole; one that is there stays as it is."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
    descriptor = os.open(draft / "spec.json", os.O_CREAT | os.O_WRONLY, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(spec, file)
    try:
        os.rename(draft, root / name)
    except OSError as failed:
        shutil.rmtree(draft)
        if failed.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise


def surroundings(record: Record) -> tuple[dict[str, str], str]:
    """Return the variables and the directory that its command was given."""
    spec = _load(record.directory / "spec.json") or {}
    environment = dict(spec.get("environment", {}))
    environment.pop(MARK, None)  # what has it is taken for the task itself
    return environment, str(spec.get("cwd", "/"))


def read(root: Path, name: ContainerName) -> Record | None:
    """Return what is written; None when there is no such container."""
    directory = root / name
    spec = _load(directory / "spec.json")
    if spec is None:
        return None
    run, end = _load(directory / "run.json"), _load(directory / "exit.json")
    return Record(
        name=name,
        directory=directory,
        labels=spec["labels"],
        running=Running(Identity(**run["shim"]), Identity(**run["task"]))
        if run
        else None,
        ended=Ended(end["exitCode"], end.get("error", "")) if end else None,
    )


def read_settled(root: Path, name: ContainerName) -> Record | None:
    """Like `read`, but one whose shim was killed is ended first, by us."""
    record = read(root, name)
    if record is None or record.ended or not record.running:
        return record
    if not record.running.shim.alive:
        _bury(record)
        return read(root, name)
    return record


def list_settled(root: Path) -> Iterator[Record]:
    """Yield every container of the directory, whoever's it is."""
    names = os.listdir(root) if root.is_dir() else []
    for name in sorted(names):
        if not name.startswith("."):
            record = read_settled(root, ContainerName(name))
            if record:
                yield record


def remove(record: Record) -> None:
    """Delete the directory; it disappears at once, its files a little later."""
    grave = record.directory.with_name(f".old-{record.name}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(record.directory, grave)
    shutil.rmtree(grave, ignore_errors=True)


def _bury(record: Record) -> None:
    """Kill what outlived its shim, and write the end that the shim could not.

    Linux has killed the task with its shim, and its children carry our mark;
    elsewhere its group is all we know of. A shim that wrote the end just before
    it went keeps the last word.
    """
    assert record.running
    task = record.running.task
    if task.alive:  # then nobody else has its number, nor its group's
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(task.pid, signal.SIGKILL)
    for _ in range(BURY_ATTEMPTS):
        left = marked(record.name)
        if not left and not task.alive:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(BURY_PAUSE_S)
    part = record.directory / ".buried.json"
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        part.write_text(json.dumps({"exitCode": KILLED_EXIT_CODE}))
        os.link(part, record.directory / "exit.json")


def _load(path: Path) -> dict[str, Any] | None:
    try:
        with path.open(encoding="utf-8") as file:
            value: dict[str, Any] = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return value
