"""Run, stop and describe tasks: what people and programs ask of them by name.

A task is named by its id or by how that begins, a definition by ``FAMILY`` (its
latest revision) or ``FAMILY:REVISION``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from controlplane.api.ports import Document, TaskRun
from controlplane.cluster_file import ClusterFile
from controlplane.ecs_shapes import (
    ARN,
    described_task,
    task_definition_document,
)
from controlplane.errors import (
    DefinitionNotFound,
    InvalidParameter,
    NotApplied,
    TargetNotConnected,
    TaskNotFound,
)
from scheduler.app.scheduler import Scheduler
from scheduler.decide.identity import container_name
from scheduler.decide.overrides import RunTask
from scheduler.errors import ContainerError
from scheduler.model import Task, TaskDefinition
from scheduler.ports import Execution, Runtime

NOT_ENABLED: Final = (
    "execute command was not enabled when the task was run; run a new task with it "
    "enabled and try again"
)
Applied = Callable[[], ClusterFile | None]
"""The file in force; None: nothing was applied."""


class TaskCommands:
    """Implements `api.ports.Tasks`."""

    def __init__(
        self,
        scheduler: Scheduler,
        applied: Applied,
        runtimes: Mapping[str, Runtime],
        cluster_uid: str,
    ) -> None:
        self._scheduler = scheduler
        self._applied = applied
        self._runtimes = runtimes
        self._cluster_uid = cluster_uid

    async def run(self, wanted: TaskRun) -> Document:
        """Raises DefinitionNotFound, InvalidParameter, NotApplied, CommitFailed."""
        cluster, definition = self._wanted(wanted.family)
        names = {each.name for each in definition.containers}
        first = next(each.name for each in definition.containers if each.essential)
        named = [replace(each, name=each.name or first) for each in wanted.overrides]
        for override in named:
            if override.name not in names:
                message = f'no container named "{override.name}" in {wanted.family}'
                raise InvalidParameter("overrides", message)
        ran = await self._scheduler.run_task(
            RunTask(
                definition,
                wanted.count,
                tuple(named),
                started_by=wanted.started_by,
                placement_strategy=wanted.strategy,
                placement_constraints=wanted.constraints,
                enable_execute_command=wanted.enable_execute_command,
            )
        )
        return {
            "tasks": [described_task(task, cluster) for task in ran.tasks],
            "failures": [
                {
                    "arn": f"{ARN}:cluster/{cluster}",
                    "reason": each.reason,
                    "detail": each.detail,
                }
                for each in ran.failures
            ],
        }

    async def stop(self, task: str, reason: str) -> Document:
        found = self._find(task)
        told = reason or "Task stopped by user"
        stopped = await self._scheduler.stop_task(found.id, told)
        return {"task": described_task(stopped, self._cluster())}

    async def execute(
        self, task: str, container: str, command: Sequence[str], *, tty: bool
    ) -> Execution:
        """Start a command in a container of a task, as ExecuteCommand does.

        Raises TaskNotFound, InvalidParameter, TargetNotConnected.
        """
        found = self._find(task)
        names = [each.name for each in found.task_definition.containers]
        if not container and len(names) > 1:
            raise InvalidParameter("container", f"must be one of {', '.join(names)}")
        if container not in {"", *names}:
            message = f'"{container}" is none of {", ".join(names)}'
            raise InvalidParameter("container", message)
        if not found.enable_execute_command:
            raise InvalidParameter("enableExecuteCommand", NOT_ENABLED)
        name = container_name(self._cluster_uid, found.id, container or names[0])
        runtime = self._runtimes.get(found.instance)
        if runtime is None:
            raise TargetNotConnected(f"container instance {found.instance} is gone")
        try:
            return await runtime.execute(name, command, tty=tty)
        except ContainerError as failed:
            raise TargetNotConnected(str(failed)) from failed

    def described(self, task: str) -> Document:
        """Raises TaskNotFound."""
        return {"task": described_task(self._find(task), self._cluster())}

    def listed(self, family: str) -> Document:
        return {
            "tasks": [
                described_task(task, self._cluster())
                for task in self._scheduler.tasks()
                if family in {"", task.task_definition.family}
            ],
            "failures": [],
        }

    def definitions(self, prefix: str) -> Document:
        return {
            "taskDefinitions": [
                task_definition_document(each)
                for each in self._definitions()
                if each.family.startswith(prefix)
            ]
        }

    def definition(self, name: str) -> Document:
        """Raises DefinitionNotFound."""
        family, _, revision = name.partition(":")
        found = [
            each
            for each in self._definitions()
            if each.family == family and revision in {"", str(each.revision)}
        ]
        if not found:
            families = {each.family for each in self._scheduler.definitions()}
            raise DefinitionNotFound(name, families)
        return {"taskDefinition": task_definition_document(found[-1])}

    def _definitions(self) -> list[TaskDefinition]:
        """Return all revisions, by family and then by number, as ECS lists them."""
        known = self._scheduler.definitions()
        return sorted(known, key=lambda each: (each.family, each.revision))

    def _wanted(self, family: str) -> tuple[str, TaskDefinition]:
        applied = self._applied()
        if applied is None:
            raise NotApplied
        definitions = applied.task_definitions
        if family not in definitions:
            raise DefinitionNotFound(family, definitions)
        return applied.cluster, definitions[family]

    def _cluster(self) -> str:
        applied = self._applied()
        return applied.cluster if applied else "default"

    def _find(self, name: str) -> Task:
        found = [each for each in self._scheduler.tasks() if each.id.startswith(name)]
        if len(found) != 1:
            raise TaskNotFound(name, len(found))
        return found[0]
