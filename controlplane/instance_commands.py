"""Describe container instances and have them drain: what people ask of them by name.

Instances are named as in the cluster file, or by an ARN that ends so. What is not
there is a failure in the answer, as ECS has it, and no error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controlplane.api.ports import Document
from controlplane.cluster_file import ClusterFile
from controlplane.errors import NotApplied
from controlplane.instance_shapes import (
    Host,
    cluster_arn,
    described_cluster,
    described_instance,
    failure,
    instance_arn,
)
from scheduler.app.scheduler import Scheduler
from scheduler.instance import ContainerInstanceStatus
from scheduler.model import ContainerInstance, ServiceStatus, Task, TaskStatus

InForce = Callable[[], ClusterFile | None]
"""The file in force; None: nothing was applied."""
Instances = Callable[[], Sequence[ContainerInstance]]


class InstanceCommands:
    """Implements `api.ports.Instances`."""

    def __init__(
        self, scheduler: Scheduler, in_force: InForce, instances: Instances
    ) -> None:
        self._scheduler = scheduler
        self._in_force = in_force
        self._instances = instances

    def described(self, names: Sequence[str], status: str) -> Document:
        """Return {containerInstances, failures}; no `names` are all, as no `status`.

        Raises NotApplied.
        """
        cluster = self._file().cluster
        hosts = {host.instance.name: host for host in self._hosts()}
        wanted = [_short(name) for name in names] or [*hosts]
        return {
            "containerInstances": [
                described_instance(hosts[name], cluster)
                for name in wanted
                if name in hosts and status in {"", hosts[name].record.status.value}
            ],
            "failures": [
                failure(instance_arn(name, cluster))
                for name in wanted
                if name not in hosts
            ],
        }

    async def update_state(
        self, names: Sequence[str], status: ContainerInstanceStatus
    ) -> Document:
        """Return {containerInstances, failures}. Raises NotApplied, CommitFailed."""
        self._file()
        wanted = [_short(name) for name in names]
        await self._scheduler.update_instances_state(wanted, status)
        return self.described(wanted, "")

    def clusters(self, names: Sequence[str]) -> Document:
        """Return {clusters, failures}, as DescribeClusters does. Raises NotApplied."""
        file = self._file()
        wanted = [_short(name) for name in names] or [file.cluster]
        services = self._scheduler.observe_services().values()
        active = sum(view.status is ServiceStatus.ACTIVE for view in services)
        return {
            "clusters": [
                described_cluster(
                    name, self._hosts(), self._scheduler.tasks(), active, file.tags
                )
                for name in wanted
                if name == file.cluster
            ],
            "failures": [
                failure(cluster_arn(name)) for name in wanted if name != file.cluster
            ],
        }

    def _hosts(self) -> list[Host]:
        statuses = self._scheduler.instances()
        records = self._scheduler.instance_records()
        here: dict[str, list[Task]] = {}
        for task in self._scheduler.tasks():
            if task.status is not TaskStatus.STOPPED:
                here.setdefault(task.instance, []).append(task)
        return [
            Host(one, records[one.name], statuses[one.name], here.get(one.name, []))
            for one in self._instances()
            if one.name in records and one.name in statuses
        ]

    def _file(self) -> ClusterFile:
        file = self._in_force()
        if file is None:
            raise NotApplied
        return file


def _short(name: str) -> str:
    """Return the last part of an ARN; a name as it is."""
    return name.rpartition("/")[2]
