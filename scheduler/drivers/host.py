"""What a host says of itself, as ECS names it. Floor 3.

Source: ECS developer guide, built-in attributes of container instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_ARCHITECTURES: Final = {"aarch64": "arm64", "amd64": "x86_64"}


def own_attributes(system: str, machine: str) -> Mapping[str, str]:
    """Return them of what uname or an engine tells, such as Linux and aarch64."""
    system, machine = system.lower(), machine.lower()
    return {
        "ecs.os-type": system,
        "ecs.os-family": system.upper(),
        "ecs.cpu-architecture": _ARCHITECTURES.get(machine, machine),
    }
