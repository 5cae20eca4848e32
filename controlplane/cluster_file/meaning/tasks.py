"""Container instances and task definitions, as `scheduler.model` has them. Pure.

Source: ECS API reference, RegisterTaskDefinition and ContainerDefinition.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.meaning.actions import PORT_MAX
from controlplane.cluster_file.meaning.balancer import check_unique
from controlplane.cluster_file.meaning.placement import constraints
from controlplane.cluster_file.record import Findings, Record
from scheduler.model import (
    CPU_UNITS_PER_CORE,
    ContainerDefinition,
    ContainerInstance,
    PortMapping,
    RuntimeKind,
    TaskDefinition,
)

DYNAMIC_PORT_MIN: Final = 1024
MIB_PER_GB: Final = 1024
ENDPOINTS_LATER: Final = ("ssh",)

_ENDPOINT = re.compile(r"unix:///\S+|tcp://\S+:[0-9]{1,5}")

Runtimes = frozenset[RuntimeKind]
"""The runtimes that the file's instances have; empty while control has to choose."""


def instances(root: Record, findings: Findings) -> tuple[ContainerInstance, ...]:
    """Return the container instances; none means that control chooses."""
    records = root.records("containerInstances")
    check_unique(records, "name", findings)
    return tuple(_instance(record, findings) for record in records)


def _instance(record: Record, findings: Findings) -> ContainerInstance:
    runtime = RuntimeKind(record.text("runtime"))
    _check_endpoint(record, runtime, findings)
    return ContainerInstance(
        record.text("name"),
        runtime,
        record.text("endpoint"),
        record.pairs("attributes"),
        _address(record, findings),
        record.whole_or_none("cpu"),
        record.whole_or_none("memory"),
        _port_range(record, findings),
    )


def _check_endpoint(record: Record, runtime: RuntimeKind, findings: Findings) -> None:
    if not record.has("endpoint"):
        return
    at, path = record.at("endpoint"), record.path_of("endpoint")
    text = record.text("endpoint")
    scheme, separator, _ = text.partition("://")
    if runtime is RuntimeKind.PROCESS:
        findings.error(at, path, "a process runtime has no endpoint")
    elif separator and scheme in ENDPOINTS_LATER:
        findings.error(at, path, f'"{scheme}://" is not built yet')
    elif not _ENDPOINT.fullmatch(text):
        message = f"must be unix:///PATH or tcp://HOST:PORT (got {quoted(text)})"
        findings.error(at, path, message)


def _address(record: Record, findings: Findings) -> str:
    text = record.text("address")
    if not text:
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        message = f"must be an IP address (got {quoted(text)})"
        findings.error(record.at("address"), record.path_of("address"), message)
        return ""


def _port_range(record: Record, findings: Findings) -> tuple[int, int]:
    text = record.text("dynamicPortRange")
    low, high = (int(part) for part in text.split("-"))
    if not DYNAMIC_PORT_MIN <= low <= high <= PORT_MAX:
        message = (
            f"must lie in {DYNAMIC_PORT_MIN}-{PORT_MAX}, the lower first (got {text})"
        )
        name = "dynamicPortRange"
        findings.error(record.at(name), record.path_of(name), message)
    return low, high


# --- task definitions ---------------------------------------------------------------


def task_definitions(
    root: Record, runtimes: Runtimes, findings: Findings
) -> dict[str, TaskDefinition]:
    """Return the task definitions by family; a broken one has no containers."""
    records = root.records("taskDefinitions")
    check_unique(records, "family", findings)
    found: dict[str, TaskDefinition] = {}
    for record in records:
        definition = _task_definition(record, runtimes, findings)
        if not record.intact():
            definition = replace(definition, containers=())
        found.setdefault(definition.family, definition)
    return found


def _task_definition(
    record: Record, runtimes: Runtimes, findings: Findings
) -> TaskDefinition:
    containers = record.records("containerDefinitions")
    if len(containers) > 1:
        message = (
            f"more than one container per task is not built yet (got {len(containers)})"
        )
        name = "containerDefinitions"
        findings.error(record.at(name), record.path_of(name), message)
    check_unique(containers, "name", findings)
    if containers and not any(container.flag("essential") for container in containers):
        message = "a task needs an essential container"
        findings.error(containers[0].at("essential"), containers[0].path, message)
    memory = _memory_mib(record)
    for container in containers:
        _check_runtime(container, runtimes, findings)
        _check_memory(container, memory, findings)
    return TaskDefinition(
        record.text("family"),
        tuple(_container(container, findings) for container in containers),
        cpu=_cpu_units(record, findings),
        memory_mib=memory,
        placement_constraints=constraints(record, findings),
    )


def _cpu_units(record: Record, findings: Findings) -> int | None:
    text = record.text("cpu")
    if not text:
        return None
    cores = re.match(r"([0-9.]+) ?v", text, re.IGNORECASE)
    units = round(float(cores[1]) * CPU_UNITS_PER_CORE) if cores else int(text)
    if units < 1:
        message = f"must be more than 0 (got {text})"
        findings.error(record.at("cpu"), record.path_of("cpu"), message)
    return units


def _memory_mib(record: Record) -> int | None:
    text = record.text("memory")
    if not text:
        return None
    if text.isdigit():
        return int(text)
    return round(float(text[:-2]) * MIB_PER_GB)


def _check_memory(container: Record, task_mib: int | None, findings: Findings) -> None:
    hard = container.whole_or_none("memory")
    soft = container.whole_or_none("memoryReservation")
    path = container.path
    if hard is None and soft is None and task_mib is None:
        if not {"memory", "memoryReservation"} & container.broken:
            message = "needs memory or memoryReservation, as the task has no memory"
            findings.error(container.node, path, message)
        return
    at = container.at("memory")
    if hard is not None and soft is not None and hard <= soft:
        message = f"must be more than memoryReservation, {soft} (got {hard})"
        findings.error(at, f"{path}.memory", message)
    if hard is not None and task_mib is not None and hard > task_mib:
        message = f"must not be more than the task's memory, {task_mib} (got {hard})"
        findings.error(at, f"{path}.memory", message)


def _check_runtime(container: Record, runtimes: Runtimes, findings: Findings) -> None:
    image = not container.absent("image")
    command = not (container.absent("command") and container.absent("entryPoint"))
    at, path = container.node, container.path
    if RuntimeKind.DOCKER in runtimes and not image:
        findings.error(at, path, "needs an image, as an instance's runtime is docker")
    if RuntimeKind.PROCESS in runtimes and not command:
        findings.error(at, path, "needs a command, as an instance's runtime is process")
    if RuntimeKind.PROCESS in runtimes and container.has("user"):
        message = "a process runs as the user that runs alb"
        findings.error(container.at("user"), container.path_of("user"), message)
    if not runtimes and not image and not command:
        findings.error(at, path, "needs an image (docker) or a command (process)")


def _container(record: Record, findings: Findings) -> ContainerDefinition:
    environment = record.records("environment")
    check_unique(environment, "name", findings)
    check_unique(record.records("portMappings"), "containerPort", findings)
    return ContainerDefinition(
        name=record.text("name"),
        image=record.text("image"),
        cpu=record.whole("cpu"),
        memory_mib=record.whole_or_none("memory"),
        memory_reservation_mib=record.whole_or_none("memoryReservation"),
        essential=record.flag("essential"),
        entry_point=record.texts("entryPoint"),
        command=record.texts("command"),
        working_directory=record.text("workingDirectory"),
        environment=tuple((e.text("name"), e.text("value")) for e in environment),
        port_mappings=tuple(
            PortMapping(
                mapping.whole("containerPort"),
                mapping.whole("hostPort"),
                mapping.text("protocol"),
            )
            for mapping in record.records("portMappings")
        ),
        docker_labels=tuple(record.pairs("dockerLabels").items()),
        user=record.text("user"),
        stop_timeout_s=float(record.whole("stopTimeout")),
    )


def runtimes_of(hosts: Collection[ContainerInstance]) -> Runtimes:
    return frozenset(host.runtime for host in hosts)
