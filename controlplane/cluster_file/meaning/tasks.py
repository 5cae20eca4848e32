"""Container instances and task definitions, as `scheduler.model` has them. Pure.

Source: ECS API reference, RegisterTaskDefinition and ContainerDefinition.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.meaning.actions import PORT_MAX
from controlplane.cluster_file.meaning.balancer import check_unique
from controlplane.cluster_file.meaning.containers import container
from controlplane.cluster_file.meaning.placement import constraints
from controlplane.cluster_file.meaning.together import (
    Allowed,
    check_allowed,
    check_containers,
)
from controlplane.cluster_file.record import Findings, Record
from scheduler.decide.processes import beyond_a_process, beyond_processes
from scheduler.definition import DockerVolume, NetworkMode, Volume
from scheduler.instance import ContainerInstanceStatus, EndpointTls
from scheduler.model import (
    CPU_UNITS_PER_CORE,
    ContainerInstance,
    RuntimeKind,
    TaskDefinition,
)

DYNAMIC_PORT_MIN: Final = 1024
MIB_PER_GB: Final = 1024

_ENDPOINT = re.compile(
    r"unix:///\S+|tcp://[^\s@/]+:[0-9]{1,5}"
    r"|ssh://(?:[A-Za-z0-9_][\w.-]*@)?(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9_][\w.-]*)(?::[0-9]{1,5})?"
    r"(?:/[^\s:]*)?",
    re.ASCII,
)
"""A user or host that began with a dash would be an option of ssh's."""

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
        _endpoint_tls(record, findings),
        ContainerInstanceStatus(record.text("status")),
        record.whole("ecuPerCore"),
    )


def _check_endpoint(record: Record, runtime: RuntimeKind, findings: Findings) -> None:
    if not record.has("endpoint"):
        return
    at, path = record.at("endpoint"), record.path_of("endpoint")
    text = record.text("endpoint")
    if runtime is RuntimeKind.PROCESS:
        findings.error(at, path, "a process runtime has no endpoint")
    elif not _ENDPOINT.fullmatch(text):
        message = (
            "must be unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST[:PORT] "
            f"(got {quoted(text)})"
        )
        findings.error(at, path, message)


def _endpoint_tls(record: Record, findings: Findings) -> EndpointTls | None:
    if not record.has("tls"):
        return None
    tls, at, path = record.record("tls"), record.at("tls"), record.path_of("tls")
    if not record.text("endpoint").startswith("tcp://"):
        findings.error(at, path, "is for an endpoint that is tcp://HOST:PORT")
    if tls.absent("cert") != tls.absent("key"):
        findings.error(at, path, "needs cert and key, or neither")
    for name in ("ca", "cert", "key"):
        _check_file(tls, name, findings)
    return EndpointTls(tls.text("ca"), tls.text("cert"), tls.text("key"))


def _check_file(tls: Record, name: str, findings: Findings) -> None:
    if findings.disk is None or not tls.has(name):
        return
    try:
        findings.disk.read(tls.text(name))
    except OSError as failed:
        message = f"{quoted(tls.text(name))} cannot be read: {failed.strerror}"
        findings.error(tls.at(name), tls.path_of(name), message)


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


@dataclass(frozen=True, slots=True)
class Hosting:
    """What the file says elsewhere of where and how its tasks may run."""

    runtimes: Runtimes
    allowed: Allowed


def task_definitions(
    root: Record, around: Hosting, findings: Findings
) -> dict[str, TaskDefinition]:
    """Return the task definitions by family; a broken one has no containers."""
    records = root.records("taskDefinitions")
    check_unique(records, "family", findings)
    found: dict[str, TaskDefinition] = {}
    for record in records:
        definition = _task_definition(record, around, findings)
        if not record.intact():
            definition = replace(definition, containers=())
        found.setdefault(definition.family, definition)
    return found


def _task_definition(
    record: Record, around: Hosting, findings: Findings
) -> TaskDefinition:
    records = record.records("containerDefinitions")
    check_unique(records, "name", findings)
    if records and not any(each.flag("essential") for each in records):
        message = "a task needs an essential container"
        findings.error(records[0].at("essential"), records[0].path, message)
    mode = NetworkMode(record.text("networkMode") or "bridge")
    definition = TaskDefinition(
        record.text("family"),
        tuple(container(each, mode, findings) for each in records),
        cpu=_cpu_units(record, findings),
        memory_mib=_memory_mib(record),
        network_mode=mode,
        pid_mode=record.text("pidMode"),
        ipc_mode=record.text("ipcMode"),
        volumes=tuple(map(_volume, record.records("volumes"))),
        placement_constraints=constraints(record, findings),
    )
    check_unique(record.records("volumes"), "name", findings)
    for each in record.records("volumes"):
        _check_volume(each, findings)
    check_containers(record, definition, findings)
    check_allowed(record, around.allowed, findings)
    _check_runtimes(record, definition, around.runtimes, findings)
    _check_memory_sum(record, definition, findings)
    for each in records:
        _check_memory(each, definition.memory_mib, findings)
    return definition


def _volume(record: Record) -> Volume:
    docker = None
    if record.has("dockerVolumeConfiguration"):
        inner = record.record("dockerVolumeConfiguration")
        docker = DockerVolume(
            shared=inner.text("scope") == "shared",
            autoprovision=inner.flag("autoprovision"),
            driver=inner.text("driver"),
            driver_opts=tuple(inner.pairs("driverOpts").items()),
            labels=tuple(inner.pairs("labels").items()),
        )
    return Volume(record.text("name"), record.record("host").text("sourcePath"), docker)


def _check_volume(record: Record, findings: Findings) -> None:
    if record.has("host") and record.has("dockerVolumeConfiguration"):
        message = "has host and dockerVolumeConfiguration: one of them"
        findings.error(record.node, record.path, message)
    docker = record.record("dockerVolumeConfiguration")
    if docker.flag("autoprovision") and docker.text("scope") == "task":
        message = "is for volumes of scope shared; one of a task is always made"
        name = "autoprovision"
        findings.error(docker.at(name), docker.path_of(name), message)


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


def _check_memory_sum(
    record: Record, definition: TaskDefinition, findings: Findings
) -> None:
    """ECS: what the containers may use together fits into the task's."""
    if definition.memory_mib is None or len(definition.containers) == 1:
        return
    total = sum(each.memory_mib or 0 for each in definition.containers)
    if total > definition.memory_mib:
        message = (
            f"must be at least what its containers have together, {total} "
            f"(got {definition.memory_mib})"
        )
        findings.error(record.at("memory"), record.path_of("memory"), message)


def _check_runtimes(
    record: Record, definition: TaskDefinition, runtimes: Runtimes, findings: Findings
) -> None:
    records = record.records("containerDefinitions")
    for each in records:
        _check_runtime(each, runtimes, findings)
    if RuntimeKind.PROCESS not in runtimes:
        return
    instead = "an instance's runtime is process"
    for field, why in beyond_processes(definition):
        message = f"{why} ({instead})"
        findings.error(record.at(field), record.path_of(field), message)
    for each, wanted in zip(records, definition.containers, strict=True):
        for field, why in beyond_a_process(wanted):
            message = f"{why} ({instead})"
            findings.error(each.at(field), each.path_of(field), message)


def _check_runtime(record: Record, runtimes: Runtimes, findings: Findings) -> None:
    image = not record.absent("image")
    command = not (record.absent("command") and record.absent("entryPoint"))
    at, path = record.node, record.path
    if RuntimeKind.DOCKER in runtimes and not image:
        findings.error(at, path, "needs an image, as an instance's runtime is docker")
    if RuntimeKind.PROCESS in runtimes and not command:
        findings.error(at, path, "needs a command, as an instance's runtime is process")
    if not runtimes and not image and not command:
        findings.error(at, path, "needs an image (docker) or a command (process)")


def runtimes_of(hosts: Collection[ContainerInstance]) -> Runtimes:
    return frozenset(host.runtime for host in hosts)
