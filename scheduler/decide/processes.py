"""What a task cannot have where it runs as processes of the host. Floor 1: pure.

A process shares its host's network, files, users and kernel settings: whatever
a container would have of its own is refused, and never quietly left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from scheduler.definition import ContainerDefinition, LinuxParameters, NetworkMode
from scheduler.model import TaskDefinition

Lack = tuple[str, str]
"""A field of ECS, and why it cannot be had."""

HOST_FILES: Final = "a process has its host's files"
HOST_NAMES: Final = "a process resolves names as its host does"
# fmt: off
_CONTAINER: Final = (
    ("user", "user", "a process runs as the user that runs alb"),
    ("links", "links", "a process has its host's network"),
    ("hostname", "hostname", "a process has its host's name"),
    ("dns_servers", "dnsServers", HOST_NAMES),
    ("dns_search_domains", "dnsSearchDomains", HOST_NAMES),
    ("extra_hosts", "extraHosts", HOST_NAMES),
    ("disable_networking", "disableNetworking", "a process has its host's network"),
    ("readonly_root_filesystem", "readonlyRootFilesystem", HOST_FILES),
    ("mount_points", "mountPoints", HOST_FILES),
    ("volumes_from", "volumesFrom", HOST_FILES),
    ("privileged", "privileged", "a process may do what the user of alb may"),
    ("docker_security_options", "dockerSecurityOptions", "there is no engine"),
    ("ulimits", "ulimits", "a process has the limits of the user that runs alb"),
    ("system_controls", "systemControls", "a process has its host's kernel settings"),
    ("interactive", "interactive", "a process has no input"),
    ("pseudo_terminal", "pseudoTerminal", "a process has no terminal"),
    ("health_check", "healthCheck", "there is no container to run it in"),
    ("restart_policy", "restartPolicy", "its task is replaced when a process ends"),
)
_TASK: Final = (
    ("pid_mode", "pidMode", "a process sees its host's processes"),
    ("ipc_mode", "ipcMode", "a process has its host's IPC"),
)
# fmt: on
LOG_DRIVERS: Final = ("json-file", "awslogs")
"""What a process does by itself: its output is kept, up to a size."""
OWN_NETWORK: Final = "a process has its host's network: write bridge or host"


def beyond_a_process(container: ContainerDefinition) -> Iterator[Lack]:
    """Yield each field of a container that a process cannot have."""
    for attribute, field, why in _CONTAINER:
        if getattr(container, attribute):
            yield field, why
    logs = container.log_configuration
    if logs is not None and logs.log_driver not in LOG_DRIVERS:
        yield "logConfiguration", "a process's output is kept by its host alone"
    linux = container.linux_parameters
    if linux is not None and linux != LinuxParameters(
        init_process_enabled=linux.init_process_enabled  # its shim is one
    ):
        yield "linuxParameters", "a process has what its host's kernel gives it"


def beyond_processes(definition: TaskDefinition) -> Iterator[Lack]:
    """Yield each field of a task that processes cannot have."""
    if definition.network_mode in {NetworkMode.AWSVPC, NetworkMode.NONE}:
        yield "networkMode", OWN_NETWORK
    for attribute, field, why in _TASK:
        if getattr(definition, attribute):
            yield field, why
