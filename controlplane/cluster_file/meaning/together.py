"""What the containers of one task mean together, and what a file allows. Pure.

    names that refer to each other, orders without a circle, one network for all

Source: ECS API reference, ContainerDefinition (links, volumesFrom, dependsOn,
hostname, extraHosts) and RegisterTaskDefinition (networkMode).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.record import Findings, Record
from controlplane.problems import did_you_mean
from scheduler.decide.order import circle
from scheduler.definition import ContainerDefinition, NetworkMode
from scheduler.model import TaskDefinition

NEED_HEALTH: Final = "HEALTHY"
NEED_END: Final = ("COMPLETE", "SUCCESS")

# fmt: off
REACHING_THE_HOST: Final = frozenset({
    "ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_PTRACE", "SYS_BOOT",
    "SYS_TIME", "SYSLOG", "DAC_READ_SEARCH", "MAC_ADMIN", "MAC_OVERRIDE", "BPF",
    "PERFMON", "LINUX_IMMUTABLE", "AUDIT_CONTROL", "WAKE_ALARM", "BLOCK_SUSPEND",
})
# fmt: on
"""Capabilities (capabilities(7)) that are not confined to a container's namespaces."""
UNCONFINED: Final = frozenset({"apparmor:unconfined", "label:disable"})


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the file says that its tasks may do to their hosts."""

    privileged: bool = False
    host_paths: bool = False


def check_containers(
    record: Record, definition: TaskDefinition, findings: Findings
) -> None:
    """Tell of containers that do not fit each other or the task's network."""
    records = record.records("containerDefinitions")
    containers = {each.name: each for each in definition.containers}
    volumes = {each.name for each in definition.volumes}
    for each in records:
        _check_links(each, containers, definition.network_mode, findings)
        _check_others(each, containers, findings)
        for item in each.records("mountPoints"):
            _check_volume(item, volumes, definition, findings)
    if definition.network_mode is NetworkMode.AWSVPC:
        for each in records:
            _check_shared_network(each, findings)
        _check_shared_ports(records, findings)
    if all(each.intact() for each in records):
        _check_circle(records, definition, findings)


def _check_others(
    record: Record, containers: dict[str, ContainerDefinition], findings: Findings
) -> None:
    for item in record.records("volumesFrom"):
        _check_known(item, "sourceContainer", record, containers, findings)
    for item in record.records("dependsOn"):
        if _check_known(item, "containerName", record, containers, findings):
            _check_condition(item, containers, findings)


def _check_circle(
    records: Collection[Record], definition: TaskDefinition, findings: Findings
) -> None:
    names = circle(definition.containers)
    if len(names) <= 1:  # one that names itself was told where it does
        return
    at = next(each for each in records if each.text("name") == names[0])
    field = "dependsOn" if at.has("dependsOn") else "name"
    message = f"waits for itself: {' -> '.join((*names, names[0]))}"
    findings.error(at.at(field), at.path_of(field), message)


def _check_known(
    item: Record,
    name: str,
    record: Record,
    containers: Collection[str],
    findings: Findings,
) -> bool:
    """Tell whether `name` names another container of the task; else why not."""
    if not item.has(name):
        return False
    text = item.text(name)
    if text == record.text("name"):
        message = "is this container itself"
    elif text not in containers:
        message = f'no container named "{quoted(text)}"{did_you_mean(text, containers)}'
    else:
        return True
    findings.error(item.at(name), item.path_of(name), message)
    return False


def _check_condition(
    item: Record, containers: dict[str, ContainerDefinition], findings: Findings
) -> None:
    other, condition = containers[item.text("containerName")], item.text("condition")
    message = ""
    if condition == NEED_HEALTH and other.health_check is None:
        message = f'"{other.name}" has no healthCheck to be HEALTHY by'
    elif condition in NEED_END and other.essential:
        message = f'"{other.name}" is essential: when it ends, the task ends'
    if message:
        findings.error(item.at("condition"), item.path_of("condition"), message)


def _check_links(
    record: Record,
    containers: Collection[str],
    mode: NetworkMode,
    findings: Findings,
) -> None:
    if not record.has("links"):
        return
    at, path = record.at("links"), record.path_of("links")
    if mode is not NetworkMode.BRIDGE:
        findings.error(at, path, f"need networkMode bridge (it is {mode.value})")
        return
    if record.flag("disableNetworking"):
        findings.error(at, path, "need a network; disableNetworking is true")
    for index, link in enumerate(record.texts("links")):
        name = link.partition(":")[0]
        here, node = f"{path}[{index}]", record.items_at("links")[index]
        if name == record.text("name"):
            findings.error(node, here, "is this container itself")
        elif name not in containers:
            hint = did_you_mean(name, containers)
            findings.error(node, here, f'no container named "{quoted(name)}"{hint}')


def _check_volume(
    item: Record,
    volumes: Collection[str],
    definition: TaskDefinition,
    findings: Findings,
) -> None:
    name = item.text("sourceVolume")
    if name and name not in volumes:
        hint = did_you_mean(name, volumes)
        message = f'no volume named "{quoted(name)}" in {definition.family}{hint}'
        findings.error(item.at("sourceVolume"), item.path_of("sourceVolume"), message)


def _check_shared_network(record: Record, findings: Findings) -> None:
    for name in ("hostname", "extraHosts", "disableNetworking"):
        if record.values.get(name):
            message = "belongs to the network of the task: networkMode is awsvpc"
            findings.error(record.at(name), record.path_of(name), message)


def _check_shared_ports(records: Collection[Record], findings: Findings) -> None:
    """Tell of two containers that listen on one port of the task's address."""
    used: dict[int, str] = {}
    for record in records:
        for mapping in record.records("portMappings"):
            if not mapping.has("containerPort"):
                continue
            port = mapping.whole("containerPort")
            other = used.setdefault(port, record.text("name"))
            if other != record.text("name"):
                message = f'"{other}" listens there; networkMode is awsvpc'
                name = "containerPort"
                findings.error(mapping.at(name), mapping.path_of(name), message)


# --- what needs leave ---------------------------------------------------------------


def check_allowed(record: Record, allowed: Allowed, findings: Findings) -> None:
    """Tell of what reaches beyond a task, where the file does not allow it."""
    if not allowed.privileged:
        for name in ("networkMode", "pidMode", "ipcMode"):
            if record.text(name) == "host":
                _needs(record, name, "allowPrivileged", findings)
        for container in record.records("containerDefinitions"):
            _check_privileges(container, findings)
    if not allowed.host_paths:
        for volume in record.records("volumes"):
            _check_path(volume, findings)


def _check_path(volume: Record, findings: Findings) -> None:
    host = volume.record("host")
    if host.has("sourcePath"):
        _needs(host, "sourcePath", "allowHostPaths", findings)
    docker = volume.record("dockerVolumeConfiguration")
    if docker.pairs("driverOpts").get("device", "").startswith("/"):
        _needs(docker, "driverOpts", "allowHostPaths", findings)


def _check_privileges(record: Record, findings: Findings) -> None:
    if record.flag("privileged"):
        _needs(record, "privileged", "allowPrivileged", findings)
    if UNCONFINED & {*record.texts("dockerSecurityOptions")}:
        _needs(record, "dockerSecurityOptions", "allowPrivileged", findings)
    linux = record.record("linuxParameters")
    if linux.records("devices"):
        _needs(linux, "devices", "allowPrivileged", findings)
    capabilities = linux.record("capabilities")
    added = {name.removeprefix("CAP_") for name in capabilities.texts("add")}
    if found := sorted(added & REACHING_THE_HOST):
        what = f"{', '.join(found)} "
        _needs(capabilities, "add", "allowPrivileged", findings, what)


def _needs(
    record: Record, name: str, flag: str, findings: Findings, what: str = ""
) -> None:
    message = f"{what}needs {flag}: true in the file"
    findings.error(record.at(name), record.path_of(name), message)
