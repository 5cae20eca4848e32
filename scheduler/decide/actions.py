"""What a look can decide to do, and how doing it turned out. Floor 1: values.

    Start, Stop                    take time: performed by one worker per `key`
    Register, Deregister, Forget   return at once

Every action may be repeated: what it asks for is a state, not a step.
"""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.errors import ContainerError
from scheduler.model import ContainerName
from scheduler.ports import ContainerSpec


@dataclass(frozen=True, slots=True)
class Start:
    """Create and start the containers of one task, in order."""

    key: str
    instance: str
    specs: tuple[ContainerSpec, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop, then remove, containers: of one task, or one that has no task."""

    key: str
    instance: str
    containers: tuple[tuple[ContainerName, float], ...]
    """With the seconds between SIGTERM and SIGKILL."""


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


Action = Start | Stop | Register | Deregister | Forget


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the latest `Start` or `Stop` of a key ended."""

    action: Start | Stop
    at_unix_s: float
    error: ContainerError | None = None
    nothing_sent: bool = False
    """No attempt for this key can have reached the host."""
    killed: tuple[ContainerName, ...] = ()
    """Containers that needed SIGKILL."""
