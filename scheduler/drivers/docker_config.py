"""Between our words and the Engine API's. Floor 3, pure translation.

Source: Docker Engine API 1.41, ContainerCreate, ContainerList, ContainerInspect,
SystemEvents; how ECS maps a container definition: ECS API reference,
ContainerDefinition.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from scheduler.drivers.labels import CLUSTER_UID, labels_of, task_id_of
from scheduler.model import (
    CPU_UNITS_PER_CORE,
    ContainerName,
    ContainerState,
    ContainerStatus,
)
from scheduler.ports import ContainerSpec

CPU_SHARES_MIN: Final = 2  # ECS passes 2 for 0 and 1: the kernel's own minimum
NANOCPUS_PER_CORE: Final = 1_000_000_000
HOST_NAME: Final = "host.docker.internal"
HOST_GATEWAY: Final = "host-gateway"
"""The engine replaces it by the address of its host (20.10)."""
KILLED_EXIT_CODE: Final = 137
NOT_FOUND: Final = 404
CONFLICT: Final = 409

PORT_TAKEN: Final = re.compile(r"port is already allocated|address already in use")
NO_IMAGE: Final = re.compile(
    r"no such image|not found|access denied|manifest unknown|does not exist",
    re.IGNORECASE,
)

# fmt: off
STATES: Final[Mapping[str, ContainerState]] = {
    "created": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "paused": ContainerState.RUNNING,
    "restarting": ContainerState.RUNNING,
    "removing": ContainerState.EXITED,
    "exited": ContainerState.EXITED,
    "dead": ContainerState.EXITED,
}
# fmt: on


def container_config(spec: ContainerSpec, address: str, gateway: str) -> dict[str, Any]:
    """Return the body of ContainerCreate.

    Ports are published on `address` only, so that no other network reaches a
    task past the load balancer. What the definition leaves out is left to the
    image.
    """
    definition = spec.definition
    config: dict[str, Any] = {
        "Image": definition.image,
        "Env": [f"{key}={value}" for key, value in spec.environment],
        "Labels": labels_of(spec),
        "ExposedPorts": {f"{each.container_port}/tcp": {} for each in spec.leases},
        "StopTimeout": int(definition.stop_timeout_s),
        "HostConfig": host_config(spec, address, gateway),
    }
    if definition.entry_point:
        config["Entrypoint"] = list(definition.entry_point)
    if definition.command:
        config["Cmd"] = list(definition.command)
    if definition.working_directory:
        config["WorkingDir"] = definition.working_directory
    if definition.user:
        config["User"] = definition.user
    return config


def host_config(spec: ContainerSpec, address: str, gateway: str) -> dict[str, Any]:
    definition = spec.definition
    bindings: dict[str, list[dict[str, str]]] = {}
    for lease in spec.leases:
        binding = {"HostIp": address, "HostPort": str(lease.host_port)}
        bindings.setdefault(f"{lease.container_port}/tcp", []).append(binding)
    config: dict[str, Any] = {
        "CpuShares": max(CPU_SHARES_MIN, definition.cpu),
        "PortBindings": bindings,
        "ExtraHosts": [f"{HOST_NAME}:{gateway}"],
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
    }
    if spec.cpu_quota:
        config["NanoCpus"] = spec.cpu_quota * NANOCPUS_PER_CORE // CPU_UNITS_PER_CORE
    if definition.memory_mib:
        config["Memory"] = definition.memory_mib << 20
    if definition.memory_reservation_mib:
        config["MemoryReservation"] = definition.memory_reservation_mib << 20
    return config


def failed_to_start(inspected: Mapping[str, Any]) -> str:
    """Return why a container that was created could not be started, or nothing."""
    state = inspected["State"]
    return str(state["Error"]) if state["Status"] == "created" else ""


def status_from_inspect(inspected: Mapping[str, Any]) -> ContainerStatus:
    """Read ContainerInspect. One that could not be started has ended."""
    state = inspected["State"]
    labels = inspected["Config"]["Labels"] or {}
    kind = STATES[state["Status"]]
    if failed_to_start(inspected):
        kind = ContainerState.EXITED
    ended = kind is ContainerState.EXITED
    return ContainerStatus(
        name=ContainerName(inspected["Name"].lstrip("/")),
        task_id=task_id_of(labels),
        state=kind,
        exit_code=int(state["ExitCode"]) if ended else None,
        oom_killed=bool(state["OOMKilled"]),
        labels=labels,
    )


def status_from_list(listed: Mapping[str, Any]) -> ContainerStatus:
    """Read one entry of ContainerList; it has no exit code."""
    labels = listed["Labels"] or {}
    return ContainerStatus(
        name=ContainerName(listed["Names"][0].lstrip("/")),
        task_id=task_id_of(labels),
        state=STATES[listed["State"]],
        labels=labels,
    )


def events_filter(cluster_uid: str) -> dict[str, list[str]]:
    return {
        "type": ["container"],
        "label": [f"{CLUSTER_UID}={cluster_uid}"],
        "event": ["start", "oom", "die"],
    }


def status_from_event(event: Mapping[str, Any], *, oom_killed: bool) -> ContainerStatus:
    """Read a start or die event: a container's attributes are its labels and more."""
    attributes = event["Actor"]["Attributes"]
    ended = event["Action"] == "die"
    return ContainerStatus(
        name=ContainerName(attributes["name"]),
        task_id=task_id_of(attributes),
        state=ContainerState.EXITED if ended else ContainerState.RUNNING,
        exit_code=int(attributes["exitCode"]) if ended else None,
        oom_killed=oom_killed,
        labels=attributes,
    )


def pull_problem(last_line: bytes) -> str:
    """Return what the engine complained of when a pull ended, or nothing."""
    return str(json.loads(last_line or "{}").get("error", ""))


def gateway_of(network: Mapping[str, Any]) -> str:
    """Return a bridge network's own IPv4 address.

    An engine that has never restarted tells the subnet only; its bridge then has
    the first address (seen with 20.10).
    """
    for pool in network["IPAM"]["Config"] or ():
        subnet = ipaddress.ip_network(pool["Subnet"])
        if isinstance(subnet, ipaddress.IPv4Network):
            return str(pool.get("Gateway") or subnet[1]).partition("/")[0]
    return ""
