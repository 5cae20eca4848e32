"""Deployments as people and programs command them, and as they are described."""

from __future__ import annotations

from collections.abc import Callable

from controlplane.api.ports import Document
from controlplane.cluster_file import ClusterFile
from controlplane.ecs_deployments import (
    service_deployment_document,
    service_revision_document,
)
from controlplane.errors import NoRollback, NotUnderWay, ServiceNotFound
from scheduler.app.scheduler import Scheduler
from scheduler.configuration import TimeoutAction
from scheduler.errors import NothingToRollBackTo, NothingUnderWay, NothingWaits
from scheduler.model import ServiceStatus
from scheduler.told import ServiceView

Applied = Callable[[], ClusterFile | None]
"""The file in force; None: nothing was applied."""


def active_service(scheduler: Scheduler, name: str) -> ServiceView:
    """Return the service. Raises ServiceNotFound, also of one that is going."""
    known = scheduler.observe_services()
    found = known.get(name)
    if found is None or found.status is not ServiceStatus.ACTIVE:
        raise ServiceNotFound(name, known)
    return found


class DeploymentCommands:
    """Implements `api.ports.Deployments`."""

    def __init__(self, scheduler: Scheduler, applied: Applied) -> None:
        self._scheduler = scheduler
        self._applied = applied

    async def begin(self, service: str) -> Document:
        active_service(self._scheduler, service)
        return _named(service, await self._scheduler.force_deployment(service))

    async def roll_back(self, service: str) -> Document:
        active_service(self._scheduler, service)
        try:
            return _named(service, await self._scheduler.roll_back(service))
        except NothingToRollBackTo as nothing:
            raise NoRollback(str(nothing)) from nothing

    async def stop(self, service: str) -> Document:
        active_service(self._scheduler, service)
        try:
            return _named(service, await self._scheduler.stop_deployment(service))
        except NothingUnderWay as nothing:
            raise NotUnderWay(str(nothing)) from nothing

    async def go_on(
        self, service: str, action: TimeoutAction, hook_id: str
    ) -> Document:
        active_service(self._scheduler, service)
        going_on = self._scheduler.continue_deployment
        try:
            return _named(service, await going_on(service, action, hook_id))
        except NothingWaits as nothing:
            raise NotUnderWay(str(nothing)) from nothing

    def described(self, service: str) -> Document:
        view, cluster = active_service(self._scheduler, service), self._cluster()
        found = [
            service_deployment_document(view, one, cluster) for one in view.history
        ]
        return {"serviceDeployments": found, "failures": []}

    def revisions(self, service: str) -> Document:
        view, cluster = active_service(self._scheduler, service), self._cluster()
        found = [service_revision_document(view, one, cluster) for one in view.history]
        return {"serviceRevisions": found, "failures": []}

    def _cluster(self) -> str:
        applied = self._applied()
        return applied.cluster if applied else "default"


def _named(service: str, deployment: str) -> Document:
    return {"serviceName": service, "deploymentId": deployment}
