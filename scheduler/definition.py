"""What a container definition is made of, in ECS's words. Floor 0: values only.

    TaskDefinition -> ContainerDefinition -> the parts below
                   -> Volume

Sizes in MiB, durations in seconds. Absent: what only AWS has (EFS, FSx, GPUs by
its drivers, FireLens, gMSA).

Source: ECS API reference, ContainerDefinition and what it refers to.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

STOP_TIMEOUT_S = 30.0


class NetworkMode(enum.Enum):
    """What network the containers of a task have."""

    BRIDGE = "bridge"
    """Each its own; ports are published on the host."""
    HOST = "host"
    """The host's."""
    AWSVPC = "awsvpc"
    """One for the task, with an address of its own."""
    NONE = "none"
    """Nothing but a loopback each."""


class Condition(enum.Enum):
    """How far another container must have come."""

    START = "START"
    COMPLETE = "COMPLETE"
    """It has ended, however."""
    SUCCESS = "SUCCESS"
    """It has ended with exit code 0."""
    HEALTHY = "HEALTHY"


@dataclass(frozen=True, slots=True)
class Dependency:
    """`container` must have reached `condition` before the one that depends starts."""

    container_name: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class ContainerHealthCheck:
    """A command that is run in the container; the image's own is not looked at."""

    command: tuple[str, ...]
    """Begins with CMD or CMD-SHELL."""
    interval_s: float = 30.0
    timeout_s: float = 5.0
    retries: int = 3
    start_period_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """A container that ends is started again in place, if it ran long enough."""

    ignored_exit_codes: tuple[int, ...] = ()
    attempt_period_s: float = 300.0


@dataclass(frozen=True, slots=True)
class MountPoint:
    source_volume: str
    container_path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class VolumeFrom:
    source_container: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class DockerVolume:
    """A volume that a driver of the engine keeps."""

    shared: bool = False
    """It outlives the task and goes by its own name on the host."""
    autoprovision: bool = False
    """A shared one is made where it is not there."""
    driver: str = "local"
    driver_opts: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Volume:
    """Neither `source_path` nor `docker`: empty, and gone with its task."""

    name: str
    source_path: str = ""
    """A path of the host."""
    docker: DockerVolume | None = None


@dataclass(frozen=True, slots=True)
class LogConfiguration:
    log_driver: str
    options: tuple[tuple[str, str], ...] = ()
    secret_options: tuple[tuple[str, str], ...] = ()
    """Names, and where the value is."""


@dataclass(frozen=True, slots=True)
class Ulimit:
    name: str
    soft_limit: int
    hard_limit: int


@dataclass(frozen=True, slots=True)
class Device:
    host_path: str
    container_path: str
    permissions: tuple[str, ...] = ("read", "write", "mknod")


@dataclass(frozen=True, slots=True)
class Tmpfs:
    container_path: str
    size_mib: int
    mount_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LinuxParameters:
    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    init_process_enabled: bool = False
    shared_memory_mib: int | None = None
    tmpfs: tuple[Tmpfs, ...] = ()
    max_swap_mib: int | None = None
    """0: no swap. None: as much as memory."""
    swappiness: int | None = None
    """Not looked at where `max_swap_mib` is None."""


@dataclass(frozen=True, slots=True)
class PortMapping:
    """`host_port` 0 is dynamic: the scheduler leases one.

    A range has a `last_container_port`, and as many host ports in a row.
    """

    container_port: int
    host_port: int = 0
    protocol: str = "tcp"
    name: str = ""
    app_protocol: str = ""
    last_container_port: int | None = None

    @property
    def container_ports(self) -> range:
        return range(
            self.container_port, (self.last_container_port or self.container_port) + 1
        )

    @property
    def static_host_ports(self) -> range:
        """The ports of the host that it must have; none where they are leased."""
        count = len(self.container_ports) if self.host_port else 0
        return range(self.host_port, self.host_port + count)


@dataclass(frozen=True, slots=True)
class ContainerDefinition:
    """One container of a task definition (containerDefinitions of ECS)."""

    name: str
    image: str = ""
    cpu: int = 0
    memory_mib: int | None = None
    memory_reservation_mib: int | None = None
    essential: bool = True
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    port_mappings: tuple[PortMapping, ...] = ()
    docker_labels: tuple[tuple[str, str], ...] = ()
    user: str = ""
    stop_timeout_s: float = STOP_TIMEOUT_S
    start_timeout_s: float | None = None
    """How long those that depend on it wait for it; None: as long as ECS's agent."""
    environment_files: tuple[str, ...] = ()
    """Files of variables, read where and when the container starts."""
    secrets: tuple[tuple[str, str], ...] = ()
    """Variables whose values are in files, and never in the records."""
    depends_on: tuple[Dependency, ...] = ()
    health_check: ContainerHealthCheck | None = None
    restart_policy: RestartPolicy | None = None
    links: tuple[str, ...] = ()
    hostname: str = ""
    dns_servers: tuple[str, ...] = ()
    dns_search_domains: tuple[str, ...] = ()
    extra_hosts: tuple[tuple[str, str], ...] = ()
    """Names, and their addresses."""
    disable_networking: bool = False
    readonly_root_filesystem: bool = False
    mount_points: tuple[MountPoint, ...] = ()
    volumes_from: tuple[VolumeFrom, ...] = ()
    log_configuration: LogConfiguration | None = None
    privileged: bool = False
    docker_security_options: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    interactive: bool = False
    pseudo_terminal: bool = False
    system_controls: tuple[tuple[str, str], ...] = ()
    linux_parameters: LinuxParameters | None = None
    repository_credentials: str = ""
    """Where the registry's user and password are; empty: the docker CLI's."""
    version_consistency: bool = True
