"""Which image a deployment means by a tag: asked once, and then by digest. Floor 1.

    definition --> to_resolve --> (an engine is asked) --> images --> with_images

All tasks of a deployment run the same image, on every engine, however often the
tag is moved meanwhile. An image that is in no registry is known by its id.

Source: ECS developer guide, "Container image resolution" (versionConsistency).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from scheduler.definition import ContainerDefinition
from scheduler.model import TaskDefinition

Images = tuple[tuple[str, str], ...]
"""(container name, image by digest)"""


def to_resolve(definition: TaskDefinition) -> tuple[ContainerDefinition, ...]:
    """Return a container for each image that is not by digest yet."""
    found = {
        container.image: container
        for container in reversed(definition.containers)
        if container.version_consistency
        and container.image
        and "sha256:" not in container.image
    }
    return tuple(reversed(found.values()))


def resolved(definition: TaskDefinition, digests: Mapping[str, str]) -> Images:
    """Return the image by digest of each container that has one."""
    return tuple(
        (container.name, digests[container.image])
        for container in definition.containers
        if container.version_consistency and container.image in digests
    )


def with_images(definition: TaskDefinition, images: Images) -> TaskDefinition:
    """Return the definition as the runtime is to run it."""
    found = dict(images)
    if not found:
        return definition
    containers = tuple(
        replace(container, image=found.get(container.name, container.image))
        for container in definition.containers
    )
    return replace(definition, containers=containers)
