"""The scheduler's records in memory, and a draft of their next version. Floor 2.

    Records --draft()--> Draft --changes--> journal --committed--> Records.apply

Reads come from here; the journal is written to, and read once at start. A
draft is a copy that collects what it is told, so a decision can build on what
it has just decided, and nothing is changed when the commit fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from foundation.journal import Change, Delete, Put
from scheduler.instance import InstanceRecord, PortRecord
from scheduler.model import (
    Deployment,
    Record,
    ServiceEvent,
    ServiceRecord,
    Task,
    TaskDefinition,
)
from scheduler.state.index import Index

EVENTS_MAX: Final = 100
"""Per service, as ECS keeps them."""

KINDS: Final[Mapping[str, type[Record]]] = {
    "service": ServiceRecord,
    "task_definition": TaskDefinition,
    "task": Task,
    "deployment": Deployment,
    "port": PortRecord,
    "service_event": ServiceEvent,
    "instance": InstanceRecord,
}
"""What the journal holds, by kind: a store decodes with it."""


class Records:
    """All that is durable, by key. Iteration is in the order of writing.

    What belongs to one service or instance is found without looking at others'.
    """

    def __init__(self) -> None:
        self.services: dict[str, ServiceRecord] = {}
        self.definitions: dict[str, TaskDefinition] = {}
        self.tasks: dict[str, Task] = {}
        self.deployments: dict[str, Deployment] = {}
        self.ports: dict[str, PortRecord] = {}
        self.events: dict[str, ServiceEvent] = {}
        self.instances: dict[str, InstanceRecord] = {}
        self.tasks_by_service: Index[str, Task] = Index()
        self.tasks_by_instance: Index[str, Task] = Index()
        self.deployments_by_service: Index[str, Deployment] = Index()
        self.events_by_service: Index[str, ServiceEvent] = Index()
        self.ports_by_instance: Index[int, PortRecord] = Index()

    @classmethod
    def read(cls, stored: Mapping[str, Mapping[str, object]]) -> Records:
        """Return the records a journal holds; kinds of others are passed over."""
        records = cls()
        for kind in KINDS:
            for key, value in sorted(stored.get(kind, {}).items()):
                records.apply([Put(kind, key, value)])
        return records

    def copy(self) -> Records:
        other = Records()
        other.services = dict(self.services)
        other.definitions = dict(self.definitions)
        other.tasks = dict(self.tasks)
        other.deployments = dict(self.deployments)
        other.ports = dict(self.ports)
        other.events = dict(self.events)
        other.instances = dict(self.instances)
        other.tasks_by_service = self.tasks_by_service.copy()
        other.tasks_by_instance = self.tasks_by_instance.copy()
        other.deployments_by_service = self.deployments_by_service.copy()
        other.events_by_service = self.events_by_service.copy()
        other.ports_by_instance = self.ports_by_instance.copy()
        return other

    def draft(self) -> Draft:
        return Draft(self.copy())

    def apply(self, batch: Iterable[Change]) -> None:
        """Make committed changes ours."""
        for change in batch:
            match change:
                case Put(key=key, value=value):
                    self._put(key, value)
                case Delete(kind=kind, key=key):
                    self._drop(kind, key)

    def _put(self, key: str, value: object) -> None:
        match value:
            case ServiceRecord():
                self.services[key] = value
            case TaskDefinition():
                self.definitions[key] = value
            case Task():
                self.tasks[key] = value
                self.tasks_by_service.put(value.service, key, value)
                self.tasks_by_instance.put(value.instance, key, value)
            case Deployment():
                self.deployments[key] = value
                self.deployments_by_service.put(value.service, key, value)
            case PortRecord():
                self.ports[key] = value
                self.ports_by_instance.put(value.instance, value.host_port, value)
            case ServiceEvent():
                self.events[key] = value
                self.events_by_service.put(value.service, key, value)
            case InstanceRecord():
                self.instances[key] = value
            case _:
                raise AssertionError(f"no record of ours: {value!r}")

    def _drop(self, kind: str, key: str) -> None:
        """Drop what is there; what is not is dropped."""
        match self._dropped_from(kind).pop(key, None):
            case Task() as task:
                self.tasks_by_service.drop(task.service, key)
                self.tasks_by_instance.drop(task.instance, key)
            case Deployment() as deployment:
                self.deployments_by_service.drop(deployment.service, key)
            case ServiceEvent() as event:
                self.events_by_service.drop(event.service, key)
            case _:
                pass  # nothing else is found by what it belongs to

    def _dropped_from(self, kind: str) -> dict[str, Any]:
        match kind:
            case "service":
                return self.services
            case "task_definition":
                return self.definitions
            case "task":
                return self.tasks
            case "deployment":
                return self.deployments
            case "service_event":
                return self.events
            case "instance":
                return self.instances
            case _:
                raise AssertionError(f"records of kind {kind!r} are never deleted")

    def tasks_of(self, service: str) -> list[Task]:
        """Return the service's tasks, STOPPED ones too."""
        return list(self.tasks_by_service.of(service).values())

    def tasks_on(self, instance: str) -> list[Task]:
        """Return the instance's tasks, STOPPED ones too."""
        return list(self.tasks_by_instance.of(instance).values())

    def used_definitions(self) -> set[str]:
        """Return the names of the task definitions that anything has."""
        return {
            *(record.service.task_definition.name for record in self.services.values()),
            *(
                deployment.task_definition.name
                for deployment in self.deployments.values()
            ),
            *(task.task_definition.name for task in self.tasks.values()),
        }

    def instances_of_tasks(self) -> set[str]:
        """Return the names of the instances that tasks are on."""
        return self.tasks_by_instance.groups()

    def deployments_of(self, service: str) -> list[Deployment]:
        return list(self.deployments_by_service.of(service).values())

    def events_of(self, service: str) -> list[ServiceEvent]:
        """Return the service's events, oldest first."""
        return [event for _, event in sorted(self.keyed_events_of(service).items())]

    def keyed_events_of(self, service: str) -> Mapping[str, ServiceEvent]:
        return self.events_by_service.of(service)

    def ports_of(self, instance: str) -> Mapping[int, PortRecord]:
        return self.ports_by_instance.of(instance)


class Draft:
    """A next version of the records. `after` is how they will be."""

    def __init__(self, after: Records) -> None:
        self.after = after
        self._changes: dict[tuple[str, str], Change] = {}

    def changes(self) -> tuple[Change, ...]:
        """Return what to commit: the last word on each key."""
        return tuple(self._changes.values())

    def put_service(self, record: ServiceRecord) -> None:
        self._change(Put("service", record.service.name, record))

    def put_definition(self, definition: TaskDefinition) -> None:
        self._change(Put("task_definition", definition.name, definition))

    def drop_definition(self, definition: TaskDefinition) -> None:
        self._change(Delete("task_definition", definition.name))

    def put_task(self, task: Task) -> None:
        self._change(Put("task", task.id, task))

    def put_deployment(self, deployment: Deployment) -> None:
        self._change(Put("deployment", deployment.id, deployment))

    def put_instance(self, record: InstanceRecord) -> None:
        self._change(Put("instance", record.name, record))

    def drop_instance(self, record: InstanceRecord) -> None:
        self._change(Delete("instance", record.name))

    def put_port(self, record: PortRecord) -> None:
        self._change(Put("port", f"{record.instance}:{record.host_port}", record))

    def drop_task(self, task: Task) -> None:
        self._change(Delete("task", task.id))

    def drop_deployment(self, deployment: Deployment) -> None:
        self._change(Delete("deployment", deployment.id))

    def drop_service(self, record: ServiceRecord) -> None:
        """Forget the service and its deployments; its tasks and events are left."""
        name = record.service.name
        for deployment in self.after.deployments_of(name):
            self.drop_deployment(deployment)
        self._change(Delete("service", name))

    def drop_events(self, before_unix_s: float) -> None:
        """Forget what was told before then of services that are no more."""
        for key, event in [*self.after.events.items()]:
            if (
                event.unix_s < before_unix_s
                and event.service not in self.after.services
            ):
                self._change(Delete("service_event", key))

    def tell(self, service: str, message: str, now_unix_s: float) -> None:
        """Add an event to the service's; the oldest beyond EVENTS_MAX go."""
        keys = sorted(self.after.keyed_events_of(service))
        number = int(keys[-1].rpartition("#")[2]) + 1 if keys else 1
        for key in keys[: max(0, len(keys) + 1 - EVENTS_MAX)]:
            self._change(Delete("service_event", key))
        event = ServiceEvent(now_unix_s, service, message)
        self._change(Put("service_event", f"{service}#{number:012}", event))

    def tell_once(
        self, service: str, message: str, now_unix_s: float, within_s: float
    ) -> None:
        """Add an event unless the same was told less than `within_s` ago."""
        recent = (
            event
            for event in self.after.events_of(service)
            if now_unix_s - event.unix_s < within_s
        )
        if all(event.message != message for event in recent):
            self.tell(service, message, now_unix_s)

    def _change(self, change: Change) -> None:
        self.after.apply([change])
        self._changes[change.kind, change.key] = change
