"""What is told of services and their deployments. Floor 0: values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from scheduler.model import Deployment, Service, ServiceEvent, ServiceStatus
from scheduler.takeover import Shares


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """One deployment with the tasks it has now."""

    deployment: Deployment
    status: str
    """PRIMARY, ACTIVE while an older one still has tasks, or INACTIVE."""
    desired: int
    running: int
    pending: int


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service as it stands: what was asked, and what there is."""

    service: Service
    status: ServiceStatus
    desired: int
    running: int
    pending: int
    healthy: int
    deploying: bool
    reached: bool
    """Desired tasks are healthy and nothing else is left over."""
    fulfilled: bool
    """Desired tasks are healthy in each deployment that is kept whole, whatever else a
    takeover has; without one the same as `reached`."""
    serving: int
    """The healthy tasks; of a takeover's, those that most requests reach."""
    version: int
    deployments: tuple[DeploymentView, ...]
    """PRIMARY first; none that is INACTIVE."""
    history: tuple[DeploymentView, ...]
    """Also those that are INACTIVE, the newest first."""
    events: tuple[ServiceEvent, ...]
    """Newest last."""
    production: Shares = ()
    """(deployment id, percent of production requests), where deployments decide."""
    test_id: str = ""
    """Of the deployment that gets the test rules' requests."""


class TaskUse(NamedTuple):
    """What a task of a service used over the last second, and what it reserves.

    CPU is in units, 1024 = one core, memory in MiB; None is not known.
    """

    service: str
    task_id: str
    cpu: float
    reserved_cpu: int
    memory_mib: float | None
    reserved_memory_mib: int
