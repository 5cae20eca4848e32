"""How far one container of a task has come, in ECS's words. Floor 0: values only.

Source: ECS API reference, Container.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class HealthStatus(enum.Enum):
    """What a container's own health check says (healthStatus of ECS)."""

    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    UNKNOWN = "UNKNOWN"


class ContainerLast(enum.Enum):
    """lastStatus of a container of a task."""

    PENDING = "PENDING"
    """Not started yet, or about to be started again."""
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class TaskContainer:
    """How far a container of a task has come: what was seen of it last."""

    name: str
    status: ContainerLast = ContainerLast.PENDING
    exit_code: int | None = None
    """Of its latest end."""
    reason: str = ""
    """Why it could not start, or ended, in ECS's words."""
    health: HealthStatus | None = None
    started_at_unix_s: float | None = None
    restarts: int = 0
    runtime_id: str = ""
