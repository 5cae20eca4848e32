"""The labels by which a cluster knows its containers again. Floor 3.

Both runtimes write them and trust nothing else: a container without our uid is
never touched, one of our name with another uid or hash is somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scheduler.model import TaskId
from scheduler.ports import ContainerSpec

CLUSTER_UID: Final = "alb.cluster-uid"
TASK_ID: Final = "alb.task-id"
SERVICE: Final = "alb.service"
CONTAINER: Final = "alb.container"
SPEC_HASH: Final = "alb.spec-hash"
ECS: Final = "com.amazonaws.ecs."
"""What ECS's agent writes, and tools look for, begins so."""


def labels_of(spec: ContainerSpec) -> dict[str, str]:
    """Return the container's labels: the definition's own, then ours."""
    family, _, revision = spec.task_definition.partition(":")
    return {
        **dict(spec.definition.docker_labels),
        f"{ECS}container-name": spec.definition.name,
        f"{ECS}task-definition-family": family,
        f"{ECS}task-definition-version": revision,
        CLUSTER_UID: spec.cluster_uid,
        TASK_ID: spec.task_id,
        SERVICE: spec.service,
        CONTAINER: spec.definition.name,
        SPEC_HASH: spec.spec_hash,
    }


def volume_labels_of(spec: ContainerSpec) -> dict[str, str]:
    """Return the labels by which a task's volumes are found when it is gone."""
    return {CLUSTER_UID: spec.cluster_uid, TASK_ID: spec.task_id}


def same_container(spec: ContainerSpec, labels: Mapping[str, str]) -> bool:
    """Whether `labels` were written for this very spec, by this cluster."""
    wanted = labels_of(spec)
    return all(
        labels.get(key) == wanted[key] for key in (CLUSTER_UID, TASK_ID, SPEC_HASH)
    )


def task_id_of(labels: Mapping[str, str]) -> TaskId:
    return TaskId(labels.get(TASK_ID, ""))
