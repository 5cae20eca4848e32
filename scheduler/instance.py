"""What is kept of a container instance, in ECS's words. Floor 0: values only.

Desired of it is what the file says (`model.ContainerInstance`), observed is what its
runtime says (`model.InstanceStatus`); this is what has to outlive both.

Source: ECS API reference, ContainerInstance.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

LOST_AFTER_S: Final = 60.0
"""How long an engine may not answer while its tasks serve, unless the file says."""


class ContainerInstanceStatus(enum.Enum):
    """What a person wants of an instance."""

    ACTIVE = "ACTIVE"
    """It takes tasks."""
    DRAINING = "DRAINING"
    """It takes none; those of services move elsewhere, others may end."""


@dataclass(frozen=True, slots=True)
class EndpointTls:
    """Files, PEM: who may sign an engine's certificate, and ours with its key.

    `ca` empty: the machine's own authorities; `cert` and `key` empty: we show none.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """A container instance since it is part of the cluster."""

    name: str
    registered_at_unix_s: float
    status: ContainerInstanceStatus = ContainerInstanceStatus.ACTIVE
    version: int = 1
    """Grows with each change of what is kept of it."""
    lost_at_unix_s: float | None = None
    """When it was declared lost; None: it is there, as far as is known."""

    @property
    def takes_tasks(self) -> bool:
        return (
            self.status is ContainerInstanceStatus.ACTIVE
            and self.lost_at_unix_s is None
        )


@dataclass(frozen=True, slots=True)
class PortRecord:
    """A dynamic port that was used: leased again least recently released first."""

    instance: str
    host_port: int
    released_at_unix_s: float
    free_at_unix_s: float
