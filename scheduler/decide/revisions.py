"""When a task definition or a service has really changed. Floor 1: pure.

A changed task definition is registered as the family's next revision; a new
revision, or other target groups, make a new deployment. Everything else about
a service is changed in place.

Source: ECS API reference, RegisterTaskDefinition and UpdateService.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scheduler.model import Service, TaskDefinition


def registered(
    definition: TaskDefinition, known: Iterable[TaskDefinition]
) -> TaskDefinition:
    """Return the definition with its revision: the latest one's when equal to it."""
    latest = max(
        (other for other in known if other.family == definition.family),
        key=lambda other: other.revision,
        default=None,
    )
    if latest is None:
        return replace(definition, revision=1)
    same = replace(definition, revision=latest.revision)
    return same if same == latest else replace(definition, revision=latest.revision + 1)


def needs_deployment(before: Service, after: Service) -> bool:
    """Tell whether the change replaces tasks. Both definitions are registered."""
    return before.task_definition != after.task_definition or _targets(
        before
    ) != _targets(after)


def _targets(service: Service) -> list[tuple[str, str, int]]:
    return [
        (item.target_group, item.container_name, item.container_port)
        for item in service.load_balancers
    ]
