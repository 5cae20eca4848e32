"""Container definitions, as `scheduler.model` has them. Pure.

What one container says by itself; what several mean together is `together`.

Source: ECS API reference, ContainerDefinition.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.fields.containers import RANGES_MAX
from controlplane.cluster_file.meaning.actions import PORT_MAX
from controlplane.cluster_file.meaning.balancer import check_unique
from controlplane.cluster_file.record import Findings, Record
from scheduler.definition import (
    Condition,
    ContainerDefinition,
    ContainerHealthCheck,
    Dependency,
    Device,
    LinuxParameters,
    LogConfiguration,
    MountPoint,
    NetworkMode,
    PortMapping,
    RestartPolicy,
    Tmpfs,
    Ulimit,
    VolumeFrom,
)

HEALTH_COMMANDS: Final = ("CMD", "CMD-SHELL")
PERMISSIONS: Final = ("read", "write", "mknod")


def container(
    record: Record, mode: NetworkMode, findings: Findings
) -> ContainerDefinition:
    """Return one container; `mode` is its task's."""
    environment = record.records("environment")
    secrets = record.records("secrets")
    check_unique([*environment, *secrets], "name", findings)
    _check_unique_rest(record, findings)
    plain = ContainerDefinition(
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
        port_mappings=tuple(_port_mappings(record, mode, findings)),
        docker_labels=tuple(record.pairs("dockerLabels").items()),
        user=record.text("user"),
        stop_timeout_s=float(record.whole("stopTimeout")),
        interactive=record.flag("interactive"),
        pseudo_terminal=record.flag("pseudoTerminal"),
    )
    return _isolated(_ordered(plain, record, findings), record, findings)


def _ordered(
    plain: ContainerDefinition, record: Record, findings: Findings
) -> ContainerDefinition:
    """Add what is read when it starts, whom it waits for, and how it is watched."""
    secrets = record.records("secrets")
    return replace(
        plain,
        start_timeout_s=record.number_or_none("startTimeout"),
        environment_files=tuple(
            each.text("value") for each in record.records("environmentFiles")
        ),
        secrets=tuple((e.text("name"), e.text("valueFrom")) for e in secrets),
        depends_on=tuple(
            Dependency(each.text("containerName"), Condition(each.text("condition")))
            for each in record.records("dependsOn")
            if not each.broken
        ),
        health_check=_health_check(record, findings),
        restart_policy=_restart_policy(record),
        repository_credentials=record.record("repositoryCredentials").text(
            "credentialsParameter"
        ),
        version_consistency=record.text("versionConsistency") != "disabled",
    )


def _isolated(
    plain: ContainerDefinition, record: Record, findings: Findings
) -> ContainerDefinition:
    """Add what it has of its own: names, files, limits."""
    return replace(
        plain,
        links=record.texts("links"),
        hostname=record.text("hostname"),
        dns_servers=_addresses(record, findings),
        dns_search_domains=record.texts("dnsSearchDomains"),
        extra_hosts=tuple(_extra_hosts(record, findings)),
        disable_networking=record.flag("disableNetworking"),
        readonly_root_filesystem=record.flag("readonlyRootFilesystem"),
        mount_points=tuple(
            MountPoint(
                each.text("sourceVolume"),
                each.text("containerPath"),
                each.flag("readOnly"),
            )
            for each in record.records("mountPoints")
        ),
        volumes_from=tuple(
            VolumeFrom(each.text("sourceContainer"), each.flag("readOnly"))
            for each in record.records("volumesFrom")
        ),
        log_configuration=_log_configuration(record),
        privileged=record.flag("privileged"),
        docker_security_options=record.texts("dockerSecurityOptions"),
        ulimits=tuple(_ulimits(record, findings)),
        system_controls=tuple(
            (each.text("namespace"), each.text("value"))
            for each in record.records("systemControls")
        ),
        linux_parameters=_linux_parameters(record, findings),
    )


def _check_unique_rest(record: Record, findings: Findings) -> None:
    for name, key in (
        ("dependsOn", "containerName"),
        ("mountPoints", "containerPath"),
        ("volumesFrom", "sourceContainer"),
        ("ulimits", "name"),
        ("systemControls", "namespace"),
    ):
        check_unique(record.records(name), key, findings)


# --- ports --------------------------------------------------------------------------


def _port_mappings(
    record: Record, mode: NetworkMode, findings: Findings
) -> Iterator[PortMapping]:
    used: dict[int, str] = {}
    mappings = record.records("portMappings")
    if mappings and mode is NetworkMode.NONE:
        message = "needs a network; networkMode is none"
        findings.error(
            record.at("portMappings"), record.path_of("portMappings"), message
        )
    if len(mappings) > RANGES_MAX:
        message = f"must have at most {RANGES_MAX} (got {len(mappings)})"
        findings.error(
            record.at("portMappings"), record.path_of("portMappings"), message
        )
    for each in mappings:
        mapping = _port_mapping(each, mode, findings)
        if mapping is None:
            continue
        for port in mapping.container_ports:
            other = used.setdefault(port, each.path)
            if other != each.path:
                name = "containerPort" if each.has("containerPort") else RANGE
                message = f"{port} is already used by {other}"
                findings.error(each.at(name), each.path_of(name), message)
                break
        yield mapping


RANGE: Final = "containerPortRange"


def _port_mapping(
    record: Record, mode: NetworkMode, findings: Findings
) -> PortMapping | None:
    if record.has("containerPort") is record.has(RANGE):
        if not record.broken:
            both = record.has("containerPort")
            message = (
                "has containerPort and containerPortRange: one of them"
                if both
                else "containerPort is missing"
            )
            findings.error(record.node, record.path, message)
        return None
    first = last = record.whole("containerPort")
    if record.has(RANGE):
        first, last = (int(part) for part in record.text(RANGE).split("-"))
        if not 1 <= first <= last <= PORT_MAX:
            message = f"must lie in 1-{PORT_MAX}, the lower first"
            findings.error(record.at(RANGE), record.path_of(RANGE), message)
            return None
        if record.whole("hostPort"):
            message = "of a range is chosen: leave it out"
            findings.error(record.at("hostPort"), record.path_of("hostPort"), message)
    return PortMapping(
        first,
        _host_port(record, first, mode, findings),
        record.text("protocol"),
        record.text("name"),
        record.text("appProtocol"),
        last if last != first else None,
    )


def _host_port(
    record: Record, container_port: int, mode: NetworkMode, findings: Findings
) -> int:
    """Return the host port: in its host's network a container has the same."""
    host_port = record.whole("hostPort")
    if mode in {NetworkMode.BRIDGE, NetworkMode.NONE}:
        return host_port
    if host_port not in {0, container_port}:
        message = (
            f"must be the containerPort or left out, as networkMode is {mode.value} "
            f"(got {host_port})"
        )
        findings.error(record.at("hostPort"), record.path_of("hostPort"), message)
    return container_port if mode is NetworkMode.HOST else 0


# --- the rest -----------------------------------------------------------------------


def _health_check(record: Record, findings: Findings) -> ContainerHealthCheck | None:
    if not record.has("healthCheck"):
        return None
    check = record.record("healthCheck")
    command = check.texts("command")
    if command and command[0] not in HEALTH_COMMANDS:
        message = f"must begin with CMD or CMD-SHELL (got {quoted(command[0])})"
        findings.error(check.at("command"), check.path_of("command"), message)
    elif len(command) == 1 or (command[:1] == ("CMD-SHELL",) and command[2:]):
        what = "a command" if command[0] == "CMD" else "one line"
        message = f"needs {what} after {command[0]}"
        findings.error(check.at("command"), check.path_of("command"), message)
    return ContainerHealthCheck(
        command,
        float(check.whole("interval")),
        float(check.whole("timeout")),
        check.whole("retries"),
        float(check.whole("startPeriod")),
    )


def _restart_policy(record: Record) -> RestartPolicy | None:
    policy = record.record("restartPolicy")
    if not policy.flag("enabled"):
        return None
    codes = policy.values.get("ignoredExitCodes", [])
    assert isinstance(codes, list)
    return RestartPolicy(tuple(codes), float(policy.whole("restartAttemptPeriod")))


def _addresses(record: Record, findings: Findings) -> tuple[str, ...]:
    for index, text in enumerate(record.texts("dnsServers")):
        if not _is_address(text):
            message = f"must be an IP address (got {quoted(text)})"
            path = f"{record.path_of('dnsServers')}[{index}]"
            findings.error(record.items_at("dnsServers")[index], path, message)
    return record.texts("dnsServers")


def _extra_hosts(record: Record, findings: Findings) -> Iterator[tuple[str, str]]:
    for each in record.records("extraHosts"):
        address = each.text("ipAddress")
        if each.has("ipAddress") and not _is_address(address):
            message = f"must be an IP address (got {quoted(address)})"
            findings.error(each.at("ipAddress"), each.path_of("ipAddress"), message)
        yield each.text("hostname"), address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _log_configuration(record: Record) -> LogConfiguration | None:
    if not record.has("logConfiguration"):
        return None
    logs = record.record("logConfiguration")
    return LogConfiguration(
        logs.text("logDriver"),
        tuple(logs.pairs("options").items()),
        tuple(
            (each.text("name"), each.text("valueFrom"))
            for each in logs.records("secretOptions")
        ),
    )


def _ulimits(record: Record, findings: Findings) -> Iterator[Ulimit]:
    for each in record.records("ulimits"):
        limit = Ulimit(
            each.text("name"), each.whole("softLimit"), each.whole("hardLimit")
        )
        endless = limit.hard_limit < 0
        if not endless and not 0 <= limit.soft_limit <= limit.hard_limit:
            message = (
                f"must be at most hardLimit, {limit.hard_limit} "
                f"(got {limit.soft_limit})"
            )
            if not each.broken:
                findings.error(each.at("softLimit"), each.path_of("softLimit"), message)
        yield limit


def _linux_parameters(record: Record, findings: Findings) -> LinuxParameters | None:
    if not record.has("linuxParameters"):
        return None
    linux = record.record("linuxParameters")
    capabilities = linux.record("capabilities")
    _check_swap(linux, record.whole_or_none("memory"), findings)
    return LinuxParameters(
        capabilities_add=capabilities.texts("add"),
        capabilities_drop=capabilities.texts("drop"),
        devices=tuple(
            Device(
                each.text("hostPath"),
                each.text("containerPath") or each.text("hostPath"),
                each.texts("permissions") or PERMISSIONS,
            )
            for each in linux.records("devices")
        ),
        init_process_enabled=linux.flag("initProcessEnabled"),
        shared_memory_mib=linux.whole_or_none("sharedMemorySize"),
        tmpfs=tuple(
            Tmpfs(
                each.text("containerPath"),
                each.whole("size"),
                each.texts("mountOptions"),
            )
            for each in linux.records("tmpfs")
        ),
        max_swap_mib=linux.whole_or_none("maxSwap"),
        swappiness=linux.whole_or_none("swappiness"),
    )


def _check_swap(linux: Record, memory_mib: int | None, findings: Findings) -> None:
    if linux.has("maxSwap") and memory_mib is None:
        message = "needs the container's memory: swap is counted beyond it"
        findings.error(linux.at("maxSwap"), linux.path_of("maxSwap"), message)
