"""What a look can decide to do, and how doing it turned out. Floor 1: values.

    Start, Restart, Stop, Resolve  take time: performed by one worker per `key`
    CallHook                       takes time, and needs no instance
    Register, Deregister, Forget, Weigh   return at once

Every action may be repeated: what it asks for is a state, not a step.
"""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.configuration import LifecycleHook
from scheduler.definition import ContainerDefinition
from scheduler.errors import ContainerError
from scheduler.model import ContainerName, TaskId
from scheduler.ports import ContainerSpec


@dataclass(frozen=True, slots=True)
class Start:
    """Create and start containers of one task, in order: those that may by now."""

    key: str
    instance: str
    specs: tuple[ContainerSpec, ...]


@dataclass(frozen=True, slots=True)
class Restart:
    """Start a container that has ended once more, in place."""

    key: str
    instance: str
    spec: ContainerSpec
    attempt: int
    """Which of its restarts this is, from 1."""


Wave = tuple[tuple[ContainerName, float], ...]
"""Containers that stop at once, with the seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop, then remove, containers: of one task, or one that has no task."""

    key: str
    instance: str
    waves: tuple[Wave, ...]
    """One after the other."""
    volumes_of: TaskId | None = None
    """Remove what volumes that task had, too."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """Find out what images mean there, by digest; pull those that it does not have."""

    key: str
    instance: str
    containers: tuple[ContainerDefinition, ...]
    """One for each image."""


@dataclass(frozen=True, slots=True)
class Register:
    target_id: str
    group: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Deregister:
    target_id: str


@dataclass(frozen=True, slots=True)
class Forget:
    target_id: str


@dataclass(frozen=True, slots=True)
class Weigh:
    """Share out what a rule gives to these groups; none: as its file has it."""

    rule: str
    weights: tuple[tuple[str, float], ...]
    """(target group, percent)"""


@dataclass(frozen=True, slots=True)
class CallHook:
    """Ask a lifecycle hook; one call for each key."""

    key: str
    hook: LifecycleHook
    payload: str
    """JSON."""


Work = Start | Restart | Stop | Resolve
Action = Work | Register | Deregister | Forget | Weigh | CallHook


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the latest work on a key ended."""

    action: Work
    at_unix_s: float
    error: ContainerError | None = None
    nothing_sent: bool = False
    """No attempt for this key can have reached the host."""
    killed: tuple[ContainerName, ...] = ()
    """Containers that needed SIGKILL."""
    resolved: tuple[tuple[str, str], ...] = ()
    """(image, the same by digest)"""
    failed: str = ""
    """The container at which a start failed."""
    exit_codes: tuple[tuple[ContainerName, int | None], ...] = ()
    """Of the containers that were stopped."""
    pulled_unix_s: tuple[float, float] | None = None
    """From when to when images were looked for and pulled."""
