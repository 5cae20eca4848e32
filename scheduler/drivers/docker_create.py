"""A container definition as an engine takes it: ContainerCreate. Floor 3, pure.

What a definition leaves out is left to the image, but for its health check: ECS
does not look at an image's own.

Source: Docker Engine API 1.41, ContainerCreate, VolumeCreate; how ECS maps a
container definition: ECS API reference, ContainerDefinition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from scheduler.decide.identity import volume_name
from scheduler.definition import (
    ContainerHealthCheck,
    LinuxParameters,
    NetworkMode,
    Volume,
)
from scheduler.drivers.labels import labels_of, volume_labels_of
from scheduler.drivers.pause import PAUSE_IMAGE, PAUSE_SIGNAL
from scheduler.model import CPU_UNITS_PER_CORE, PAUSE
from scheduler.ports import ContainerSpec

CPU_SHARES_MIN: Final = 2  # ECS passes 2 for 0 and 1: the kernel's own minimum
NANOCPUS_PER_CORE: Final = 1_000_000_000
NS_PER_S: Final = 1_000_000_000
HOST_NAME: Final = "host.docker.internal"
OUR_LOGS: Final = "awslogs"
"""Its output is kept by us: the engine's own driver stands in for AWS's."""
MEBI: Final = 20
"""Bits: a MiB in bytes."""


def container_config(
    spec: ContainerSpec,
    address: str,
    gateway: str,
    environment: Mapping[str, str],
    log_secrets: Mapping[str, str],
) -> dict[str, Any]:
    """Return the body of ContainerCreate.

    Ports are published on `address` only, so that no other network reaches a
    task past the load balancer. `environment` is all there is, files and secrets
    included.
    """
    definition = spec.definition
    config: dict[str, Any] = {
        "Image": definition.image,
        "Env": [f"{key}={value}" for key, value in environment.items()],
        "Labels": labels_of(spec),
        "ExposedPorts": {port: {} for port, _ in _published(spec)},
        "StopTimeout": int(definition.stop_timeout_s),
        "Healthcheck": _health_check(definition.health_check),
        "HostConfig": host_config(spec, address, gateway, log_secrets),
    }
    # fmt: off
    optional = {
        "Entrypoint": list(definition.entry_point),
        "Cmd": list(definition.command),
        "WorkingDir": definition.working_directory,
        "User": definition.user,
        "Hostname": definition.hostname,
        "NetworkDisabled": definition.disable_networking,
        "OpenStdin": definition.interactive,
        "Tty": definition.pseudo_terminal,
    }
    # fmt: on
    config |= {key: value for key, value in optional.items() if value}
    if spec.is_pause():
        config |= {"Image": PAUSE_IMAGE, "StopSignal": PAUSE_SIGNAL}
    return config


def _health_check(check: ContainerHealthCheck | None) -> dict[str, Any]:
    if check is None:
        return {"Test": ["NONE"]}
    return {
        "Test": list(check.command),
        "Interval": int(check.interval_s * NS_PER_S),
        "Timeout": int(check.timeout_s * NS_PER_S),
        "Retries": check.retries,
        "StartPeriod": int(check.start_period_s * NS_PER_S),
    }


def host_config(
    spec: ContainerSpec, address: str, gateway: str, log_secrets: Mapping[str, str]
) -> dict[str, Any]:
    definition = spec.definition
    bindings: dict[str, list[dict[str, str]]] = {}
    for port, host_port in _published(spec):
        binding = {"HostIp": address, "HostPort": str(host_port)}
        bindings.setdefault(port, []).append(binding)
    optional = {
        "NanoCpus": (spec.cpu_quota or 0) * NANOCPUS_PER_CORE // CPU_UNITS_PER_CORE,
        "Memory": (spec.memory_limit_mib or 0) << MEBI,
        "MemoryReservation": (definition.memory_reservation_mib or 0) << MEBI,
        "Links": [_link(spec, link) for link in definition.links],
        "ReadonlyRootfs": definition.readonly_root_filesystem,
        "Binds": list(_binds(spec)),
        "VolumesFrom": [
            f"{spec.sibling(each.source_container)}:{_mode(read_only=each.read_only)}"
            for each in definition.volumes_from
        ],
        "LogConfig": _logs(spec, log_secrets),
        "Privileged": definition.privileged,
        "SecurityOpt": [
            option.replace(":", "=", 1) for option in definition.docker_security_options
        ],
        "Ulimits": [
            {"Name": each.name, "Soft": each.soft_limit, "Hard": each.hard_limit}
            for each in definition.ulimits
        ],
        "Sysctls": dict(definition.system_controls),
    }
    return {
        "CpuShares": max(CPU_SHARES_MIN, definition.cpu),
        "PortBindings": bindings,
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        **_namespaces(spec, gateway),
        **{key: value for key, value in optional.items() if value},
        **_linux(definition.linux_parameters, spec.memory_limit_mib or 0),
    }


def _published(spec: ContainerSpec) -> Iterator[tuple[str, int]]:
    """Yield each port as the engine writes it, with the host's."""
    if spec.network_mode is NetworkMode.BRIDGE:
        for lease in spec.leases:
            yield f"{lease.container_port}/{lease.protocol}", lease.host_port


def _namespaces(spec: ContainerSpec, gateway: str) -> dict[str, Any]:
    """Return whose network, processes and IPC it sees.

    Who joins a network has its names, too; the engine refuses others.
    """
    definition = spec.definition
    pause = f"container:{spec.sibling(PAUSE)}"
    shared = spec.network_mode is NetworkMode.AWSVPC and not spec.is_pause()
    # fmt: off
    network = {
        NetworkMode.BRIDGE: "",
        NetworkMode.HOST: "host",
        NetworkMode.NONE: "none",
        NetworkMode.AWSVPC: pause if shared else "",
    }[spec.network_mode]
    # fmt: on
    found: dict[str, Any] = {"NetworkMode": network} if network else {}
    for key, mode in (("PidMode", spec.pid_mode), ("IpcMode", spec.ipc_mode)):
        if mode == "task":
            own = key == "IpcMode" and spec.is_pause()
            value = "shareable" if own else "" if spec.is_pause() else pause
        else:
            value = "" if spec.is_pause() else mode
        found |= {key: value} if value else {}
    if not shared:
        hosts = [(HOST_NAME, gateway), *definition.extra_hosts]
        found["ExtraHosts"] = [f"{name}:{where}" for name, where in hosts]
        names = {
            "Dns": list(definition.dns_servers),
            "DnsSearch": list(definition.dns_search_domains),
        }
        found |= {key: value for key, value in names.items() if value}
    return found


def _link(spec: ContainerSpec, link: str) -> str:
    name, _, alias = link.partition(":")
    return f"{spec.sibling(name)}:{alias or name}"


def _mode(*, read_only: bool) -> str:
    return "ro" if read_only else "rw"


def _binds(spec: ContainerSpec) -> Iterator[str]:
    volumes = {volume.name: volume for volume in spec.volumes}
    for mount in spec.definition.mount_points:
        source = bind_source(spec, volumes[mount.source_volume])
        yield f"{source}:{mount.container_path}:{_mode(read_only=mount.read_only)}"


def bind_source(spec: ContainerSpec, volume: Volume) -> str:
    """Return what a volume is called on the host: a path, or the engine's name."""
    if volume.source_path:
        return volume.source_path
    if volume.docker is not None and volume.docker.shared:
        return volume.name
    return volume_name(spec.cluster_uid, spec.task_id, volume.name)


def volume_configs(spec: ContainerSpec) -> Iterator[dict[str, Any]]:
    """Yield the body of VolumeCreate for each volume that is ours to make.

    A shared one that is not to be provided must be there already.
    """
    for volume in spec.volumes:
        docker = volume.docker
        if volume.source_path or (
            docker and docker.shared and not docker.autoprovision
        ):
            continue
        yield {
            "Name": bind_source(spec, volume),
            "Driver": docker.driver if docker else "local",
            "DriverOpts": dict(docker.driver_opts) if docker else {},
            "Labels": {
                **(dict(docker.labels) if docker else {}),
                **({} if docker and docker.shared else volume_labels_of(spec)),
            },
        }


def shared_volumes(spec: ContainerSpec) -> Iterator[str]:
    """Yield the names of volumes that have to be there already."""
    for volume in spec.volumes:
        docker = volume.docker
        if docker is not None and docker.shared and not docker.autoprovision:
            yield volume.name


def _logs(spec: ContainerSpec, secrets: Mapping[str, str]) -> dict[str, Any]:
    logs = spec.definition.log_configuration
    if logs is None or logs.log_driver == OUR_LOGS:
        return {}
    return {"Type": logs.log_driver, "Config": {**dict(logs.options), **secrets}}


def _linux(linux: LinuxParameters | None, memory_mib: int) -> dict[str, Any]:
    if linux is None:
        return {}
    optional = {
        "CapAdd": list(linux.capabilities_add),
        "CapDrop": list(linux.capabilities_drop),
        "Devices": [
            {
                "PathOnHost": each.host_path,
                "PathInContainer": each.container_path,
                "CgroupPermissions": "".join(each[0] for each in each.permissions),
            }
            for each in linux.devices
        ],
        "Init": linux.init_process_enabled,
        "ShmSize": (linux.shared_memory_mib or 0) << MEBI,
        "Tmpfs": {
            each.container_path: ",".join(
                (f"size={each.size_mib}m", *each.mount_options)
            )
            for each in linux.tmpfs
        },
    }
    found = {key: value for key, value in optional.items() if value}
    if linux.max_swap_mib is not None and memory_mib:
        found["MemorySwap"] = (memory_mib + linux.max_swap_mib) << MEBI
        if linux.swappiness is not None:
            found["MemorySwappiness"] = linux.swappiness
    return found
