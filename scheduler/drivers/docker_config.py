"""What an engine answers, in our words. Floor 3, pure translation.

What it is told to create is `docker_create`'s affair.

Source: Docker Engine API 1.41, ContainerList, ContainerInspect, SystemEvents.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from docker.utils import parse_repository_tag

from scheduler.container import HealthStatus
from scheduler.drivers.labels import CLUSTER_UID, task_id_of
from scheduler.model import ContainerName, ContainerState, ContainerStatus

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
HEALTH: Final[Mapping[str | None, HealthStatus]] = {
    "starting": HealthStatus.UNKNOWN,
    "healthy": HealthStatus.HEALTHY,
    "unhealthy": HealthStatus.UNHEALTHY,
}


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
        address=_address(inspected.get("NetworkSettings", {})),
        health=HEALTH.get(state.get("Health", {}).get("Status")),
        runtime_id=inspected["Id"],
    )


def status_from_list(listed: Mapping[str, Any]) -> ContainerStatus:
    """Read one entry of ContainerList; it has no exit code."""
    labels = listed["Labels"] or {}
    return ContainerStatus(
        name=ContainerName(listed["Names"][0].lstrip("/")),
        task_id=task_id_of(labels),
        state=STATES[listed["State"]],
        labels=labels,
        address=_address(listed.get("NetworkSettings", {})),
        health=_health_in(listed.get("Status", "")),
        runtime_id=listed["Id"],
    )


def _address(settings: Mapping[str, Any]) -> str:
    """Return its address in the engine's bridge; one that joined has none there."""
    bridge = (settings.get("Networks") or {}).get("bridge") or {}
    return str(bridge.get("IPAddress", ""))


def _health_in(shown: str) -> HealthStatus | None:
    """Read ``Up 3 seconds (healthy)``, as a list shows it."""
    word = shown.rpartition("(")[2].removesuffix(")").removeprefix("health: ")
    return HEALTH.get(word)


def events_filter(cluster_uid: str) -> dict[str, list[str]]:
    return {
        "type": ["container"],
        "label": [f"{CLUSTER_UID}={cluster_uid}"],
        "event": ["start", "oom", "die", "health_status"],
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


def is_id(image: str) -> bool:
    """Tell whether an image is named by its id, which only engines know."""
    return image.startswith("sha256:")


def by_digest(image: str, inspected: Mapping[str, Any]) -> str:
    """Return an image by the digest of its own repository, else by its id."""
    repository, _ = parse_repository_tag(image)
    for digest in inspected.get("RepoDigests") or ():
        if digest.partition("@")[0] == repository:
            return str(digest)
    return str(inspected["Id"])


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
