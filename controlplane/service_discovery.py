"""Every port of every running task, as Prometheus's http_sd asks for targets. Pure.

Source: Prometheus documentation, "Writing HTTP service discovery".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controlplane.api.ports import Document
from scheduler.model import Task, TaskStatus

META = "__meta_alb_"


def targets_of(
    cluster: str, tasks: Iterable[Task], zones: Mapping[str, str]
) -> list[Document]:
    """Return a target group for each port; `zones` are those of instances."""
    return [
        {
            "targets": [address_of(task.address, lease.host_port)],
            "labels": {
                f"{META}cluster": cluster,
                f"{META}service": task.service,
                f"{META}task_id": str(task.id),
                f"{META}task_family": task.task_definition.family,
                f"{META}task_revision": str(task.task_definition.revision),
                f"{META}container_instance": task.instance,
                f"{META}availability_zone": zones.get(task.instance, ""),
                f"{META}container_name": lease.container_name,
                f"{META}container_port": str(lease.container_port),
            },
        }
        for task in tasks
        if task.status is TaskStatus.RUNNING and task.address
        for lease in task.leases
        if lease.protocol == "tcp"
    ]


def address_of(host: str, port: int) -> str:
    """Return ``host:port``, as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
