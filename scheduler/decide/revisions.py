"""When a task definition or a service has really changed. Floor 1: pure.

A changed task definition is registered as the family's next revision; a new
revision, or other target groups, make a new deployment. Everything else about
a service is changed in place.

ECS keeps every revision for ever. Here the newest of each family are kept, those that
are in use, and with them the number that comes next.

Source: ECS API reference, RegisterTaskDefinition and UpdateService.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from scheduler.model import Service, TaskDefinition

REVISIONS_KEPT: Final = 100
"""Of each family, the newest; a hundred changes are more than anybody goes back."""


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


def outlived(
    known: Iterable[TaskDefinition], used: Collection[str]
) -> list[TaskDefinition]:
    """Return the revisions that need not be kept, oldest first.

    `used` names those (``family:revision``) that a service, a deployment or a task
    has, also one that has stopped and can still be described.
    """
    families: dict[str, list[TaskDefinition]] = {}
    for definition in sorted(known, key=lambda each: each.revision):
        families.setdefault(definition.family, []).append(definition)
    return [
        definition
        for revisions in families.values()
        for definition in revisions[:-REVISIONS_KEPT]
        if definition.name not in used
    ]


def needs_deployment(before: Service, after: Service) -> bool:
    """Tell whether the change replaces tasks. Both definitions are registered."""
    return before.task_definition != after.task_definition or _targets(
        before
    ) != _targets(after)


def _targets(service: Service) -> list[tuple[str, str, str, int]]:
    return [
        (
            item.target_group,
            item.advanced.alternate_target_group if item.advanced else "",
            item.container_name,
            item.container_port,
        )
        for item in service.load_balancers
    ]
