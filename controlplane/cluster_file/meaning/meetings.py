"""Where parts of a file that are right by themselves do not fit each other. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from alb.model import LoadBalancer
from controlplane.cluster_file.record import Findings, Record
from scheduler.model import (
    DYNAMIC_PORTS,
    ContainerInstance,
    RuntimeKind,
    Service,
)


def warn_unreachable(
    root: Record,
    balancer: LoadBalancer,
    services: Sequence[Service],
    findings: Findings,
) -> None:
    """Tell of engines elsewhere whose tasks cannot reach the load balancer."""
    if balancer.internet_facing or not balancer.listeners or not services:
        return
    for record in root.records("containerInstances"):
        if _is_elsewhere(record.text("endpoint")):
            message = (
                "tasks there get an ALB_URL that they cannot reach: the load balancer "
                "listens on this machine alone; write loadBalancer.scheme: "
                "internet-facing if they need it"
            )
            name = "endpoint"
            findings.warn(record.at(name), record.path_of(name), message)


def warn_shared_ports(
    root: Record,
    balancer: LoadBalancer,
    instances: Sequence[ContainerInstance],
    services: Sequence[Service],
    findings: Findings,
) -> None:
    """Tell of listeners on ports that tasks of this machine may be given."""
    here = [one.dynamic_port_range for one in instances if _is_here(one)]
    ranges = here if instances else [DYNAMIC_PORTS]
    records = root.records("listeners") if services else []
    for record, listener in zip(records, balancer.listeners, strict=False):
        for low, high in ranges:
            if low <= listener.port <= high:
                message = (
                    f"{listener.port} is one of the ports that tasks are given, "
                    f"{low}-{high}: one of them may hold it; choose another"
                )
                findings.warn(record.at("port"), record.path_of("port"), message)
                break


def _is_here(instance: ContainerInstance) -> bool:
    process = instance.runtime is RuntimeKind.PROCESS
    return process or not _is_elsewhere(instance.endpoint)


def _is_elsewhere(endpoint: str) -> bool:
    scheme, _, _ = endpoint.partition("://")
    if scheme not in {"tcp", "ssh"}:
        return False
    host = urlsplit(endpoint).hostname or ""
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
