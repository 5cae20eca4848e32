"""What running a task once says differently of its definition. Floor 1: pure.

Source: ECS API reference, RunTask, TaskOverride, ContainerOverride, Failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from scheduler.decide import wording
from scheduler.definition import ContainerDefinition
from scheduler.model import PlacementConstraint, PlacementStrategy, TaskDefinition

RUN_MAX: Final = 10
"""Tasks of one call."""


@dataclass(frozen=True, slots=True)
class ContainerOverride:
    """What is not None takes the place of the definition's; variables are added."""

    name: str
    command: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    cpu: int | None = None
    memory_mib: int | None = None
    memory_reservation_mib: int | None = None


@dataclass(frozen=True, slots=True)
class RunTask:
    """A call of RunTask; the definition is as the file has it."""

    task_definition: TaskDefinition
    count: int = 1
    overrides: tuple[ContainerOverride, ...] = ()
    cpu: int | None = None
    memory_mib: int | None = None
    started_by: str = ""
    placement_strategy: tuple[PlacementStrategy, ...] = ()
    placement_constraints: tuple[PlacementConstraint, ...] = ()
    """Beside those of the definition."""
    enable_execute_command: bool = False


def overridden(wanted: RunTask) -> TaskDefinition:
    """Return the definition as the task is to run; its revision stays."""
    by_name = {each.name: each for each in wanted.overrides}
    definition = wanted.task_definition
    return replace(
        definition,
        containers=tuple(_container(each, by_name) for each in definition.containers),
        cpu=wanted.cpu or definition.cpu,
        memory_mib=wanted.memory_mib or definition.memory_mib,
    )


def _container(
    definition: ContainerDefinition, by_name: Mapping[str, ContainerOverride]
) -> ContainerDefinition:
    override = by_name.get(definition.name)
    if override is None:
        return definition
    variables = {**dict(definition.environment), **dict(override.environment)}
    changed = replace(definition, environment=tuple(variables.items()))
    if override.command is not None:
        changed = replace(changed, command=override.command)
    if override.cpu is not None:
        changed = replace(changed, cpu=override.cpu)
    if override.memory_mib is not None:
        changed = replace(changed, memory_mib=override.memory_mib)
    if override.memory_reservation_mib is not None:
        soft = override.memory_reservation_mib
        changed = replace(changed, memory_reservation_mib=soft)
    return changed


# fmt: off
_CODES: Final = (
    (wording.NO_INSTANCES, "MISSING"),
    (wording.NO_CPU,       "RESOURCE:CPU"),
    (wording.NO_MEMORY,    "RESOURCE:MEMORY"),
    (wording.PORT_IN_USE,  "RESOURCE:PORTS"),
    (wording.AGENT,        "AGENT"),
    (wording.NO_MEMBER,    "MemberOf placement constraint unsatisfied."),
    (wording.NOT_DISTINCT, "DistinctInstance placement constraint unsatisfied."),
)
# fmt: on


def failure_code(reason: str) -> str:
    """Return the reason of a failure as RunTask gives it, for a sentence of ours."""
    for text, code in _CODES:
        if text in reason:
            return code
    return "ATTRIBUTE"
