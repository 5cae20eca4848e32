"""How a task's hard limits are told to its containers. Floor 1: pure.

    task cpu, memory + what each container has --> a part for each container

An engine knows limits of containers only: the parts of a task together never
exceed what the task has. One container has it all. Of several, each keeps what
it says of itself, and who says nothing shares what the others leave.

    cpu 1024     web 512, proxy -       web 512, proxy 512
    memory 512   web 256, proxy -, -    web 256, each of the others 128

ECS's agent puts the containers into a control group of the task, where what one
leaves another may use; through an Engine's API none can be made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from scheduler.definition import ContainerDefinition
from scheduler.model import TaskDefinition

LEAST_PART: Final = 8
"""Who says nothing where nothing is left gets this part of an even share."""
MEMORY_MIN_MIB: Final = 6
"""The least that an engine starts a container with."""


def cpu_quotas(definition: TaskDefinition) -> Mapping[str, int]:
    """Return the CPU units of each container; empty: shares only.

    What containers say beyond the task's is scaled down with the rest.
    """
    if definition.cpu is None:
        return {}
    containers = definition.containers
    said = {each.name: float(each.cpu) for each in containers}
    wanted = _with_silent(said, definition.cpu)
    scale = definition.cpu / sum(wanted.values())
    parts = {name: max(1, int(part * scale)) for name, part in wanted.items()}
    over = sum(parts.values()) - max(definition.cpu, len(parts))
    if over > 0:  # what the smallest got beyond their part
        parts[max(parts, key=parts.__getitem__)] -= over
    return parts


def memory_limits_mib(definition: TaskDefinition) -> Mapping[str, int]:
    """Return each container's hard limit, its own or its part of the task's."""
    own = {
        each.name: each.memory_mib for each in definition.containers if each.memory_mib
    }
    if definition.memory_mib is None:
        return own
    silent = _silent(definition.containers)
    left = definition.memory_mib - sum(own.values())
    part = max(MEMORY_MIN_MIB, left // len(silent)) if silent else 0
    return {**own, **dict.fromkeys(silent, part)}


def _silent(containers: Sequence[ContainerDefinition]) -> list[str]:
    return [each.name for each in containers if not each.memory_mib]


def _with_silent(said: Mapping[str, float], whole: int) -> dict[str, float]:
    """Return the parts, with something for those that say nothing."""
    silent = [name for name, part in said.items() if not part]
    if not silent:
        return dict(said)
    least = whole / len(said) / LEAST_PART
    left = (whole - sum(said.values())) / len(silent)
    return {**said, **dict.fromkeys(silent, max(least, left))}
