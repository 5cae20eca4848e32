"""What one look sees and what it decides. Floor 4, without waiting.

Observed + Records --> Look (the draft of a decision) --> Step
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from foundation.journal import Change
from scheduler.decide import wording
from scheduler.decide.actions import Action, Outcome
from scheduler.decide.backoff import DELAY_MAX_S, delay_s
from scheduler.decide.board import Room, occupy, room_of
from scheduler.decide.fitness import (
    Fitness,
    Verdicts,
    container_checks,
    fitness,
)
from scheduler.decide.hooks import Answer
from scheduler.decide.identity import Draw
from scheduler.decide.progress import Seen
from scheduler.decide.specs import Surroundings
from scheduler.instance import LOST_AFTER_S
from scheduler.model import (
    ContainerInstance,
    Deployment,
    InstanceStatus,
    RuntimeKind,
    Task,
    TaskStatus,
)
from scheduler.ports import RuleView, TargetView
from scheduler.state.records import Draft


@dataclass(frozen=True, slots=True)
class Observed:
    """The world as last seen, and what is being done in it."""

    instances: Mapping[str, ContainerInstance] = field(default_factory=dict)
    """All that are known; one without a status was not seen yet."""
    retired: frozenset[str] = frozenset()
    """Known, but not configured any more: their tasks move, as in DRAINING."""
    statuses: Mapping[str, InstanceStatus] = field(default_factory=dict)
    targets: Mapping[str, TargetView] = field(default_factory=dict)
    weights: Mapping[str, RuleView] = field(default_factory=dict)
    """By rule: what the load balancer was told of shares by this life."""
    hook_answers: Mapping[str, Answer] = field(default_factory=dict)
    """By key of the call."""
    hooks_busy: frozenset[str] = frozenset()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """By key of the action: how the latest one ended."""
    busy: frozenset[str] = frozenset()
    """Keys of actions being performed."""
    settled_at_s: Mapping[str, float] = field(default_factory=dict)
    """By key: when the latest action ended, on the clock of observed_at_s."""
    listed: bool = True
    """Every instance was asked once: before that, services are left as they are."""
    closing: bool = False
    """Everything is to stop, whatever is desired."""
    in_alarm: frozenset[str] = frozenset()
    """The names of the alarms that are in ALARM."""
    lost_after_s: float = LOST_AFTER_S
    """How long a host whose tasks serve may be silent before it is declared lost."""

    def has(self, instance: str) -> bool:
        """Tell whether it is an instance of the cluster."""
        return instance in self.instances and instance not in self.retired

    def is_connected(self, instance: str) -> bool:
        status = self.statuses.get(instance)
        return status is not None and status.connected


@dataclass(frozen=True, slots=True)
class Step:
    """What one look decided. Nothing in it has happened yet."""

    commits: tuple[Change, ...] = ()
    actions: tuple[Action, ...] = ()
    next_wake_unix_s: float | None = None
    complete: bool = False
    """Every instance had been asked: services had their turn."""


def verdicts(observed: Observed, cluster_uid: str) -> Verdicts:
    """Return what is known of the health of tasks."""
    checks = container_checks(observed.statuses.values())
    return Verdicts(observed.targets, checks, cluster_uid)


@dataclass(slots=True)
class Look:
    """One look in the making: each part of the step adds to it."""

    now_unix_s: float
    observed: Observed
    around: Surroundings
    draw: Draw
    draft: Draft
    actions: list[Action] = field(default_factory=list)
    wake_at_unix_s: float | None = None
    verdicts: Verdicts = field(init=False)
    _rooms: dict[str, Room] | None = None
    _zones: dict[str, str] | None = None

    def __post_init__(self) -> None:
        self.verdicts = verdicts(self.observed, self.around.cluster_uid)

    def wake_at(self, unix_s: float | None) -> None:
        """Look again then at the latest."""
        if unix_s is None:
            return
        earlier = self.wake_at_unix_s is None or unix_s < self.wake_at_unix_s
        self.wake_at_unix_s = unix_s if earlier else self.wake_at_unix_s

    def tell(self, service: str, message: str) -> None:
        self.draft.tell(service, message, self.now_unix_s)

    def tell_once(self, service: str, message: str, within_s: float) -> None:
        self.draft.tell_once(service, message, self.now_unix_s, within_s)

    def keep_count(self, before: Deployment, after: Deployment) -> None:
        """Write down a changed deployment; tell when starts are held back."""
        if after == before:
            return
        self.draft.put_deployment(after)
        if delay_s(after.failed_rounds) > delay_s(before.failed_rounds):
            message = wording.throttled(after.service)
            self.tell_once(after.service, message, DELAY_MAX_S)

    def seen(self, task: Task) -> Seen:
        """Return what is known of one task's world.

        Of an instance that an earlier life knew and this one does not, nothing
        is: its tasks serve while they may, and cannot be started or stopped.
        """
        instance = self.observed.instances.get(task.instance)
        return Seen(
            kind=instance.runtime if instance else RuntimeKind.DOCKER,
            around=self.around,
            status=self.observed.statuses.get(task.instance),
            targets=self.observed.targets,
            busy=task.id in self.observed.busy,
            outcome=self.observed.outcomes.get(task.id),
            settled_at_s=self.observed.settled_at_s.get(task.id, float("-inf")),
        )

    def fitness(self, task: Task, grace_s: float) -> Fitness:
        """Return how well a live task serves.

        On an instance that is not connected, unhealthy is not known to be the
        task's own fault: it is left as it is until its host is back.
        """
        found = fitness(task, self.verdicts, grace_s, self.now_unix_s)
        lost = not self.observed.is_connected(task.instance)
        return Fitness.UNKNOWN if lost and found is Fitness.UNHEALTHY else found

    def zones(self) -> Mapping[str, str]:
        """Return the zone of each instance that takes tasks."""
        if self._zones is None:
            records = self.draft.after.instances.values()
            apart = {record.name for record in records if not record.takes_tasks}
            apart |= self.observed.retired
            self._zones = {
                name: instance.zone
                for name, instance in self.observed.instances.items()
                if name not in apart
            }
        return self._zones

    def takes_tasks(self, instance: str) -> bool:
        """Tell whether tasks may be placed and may stay there: it is ACTIVE."""
        record = self.draft.after.instances.get(instance)
        taking = record is None or record.takes_tasks
        return taking and self.observed.has(instance)

    def is_lost(self, instance: str) -> bool:
        record = self.draft.after.instances.get(instance)
        return record is not None and record.lost_at_unix_s is not None

    def left(self, service: str) -> list[Task]:
        """Return the service's tasks that are not STOPPED, as far as is known here.

        What is stopping on a lost host is not counted: nobody can wait for it.
        """
        return [
            task
            for task in self.draft.after.tasks_of(service)
            if task.status is not TaskStatus.STOPPED
            and (task.is_live or not self.is_lost(task.instance))
        ]

    def rooms(self) -> Mapping[str, Room]:
        """Return every instance that is known, with what its tasks have left of it.

        Made when it is first asked for: most looks place nothing.
        """
        if self._rooms is None:
            records = self.draft.after
            self._rooms = {}
            for name, instance in self.observed.instances.items():
                known = records.instances.get(name)
                self._rooms[name] = room_of(
                    instance,
                    self.observed.statuses.get(name),
                    version=self.around.version,
                    registered_at_unix_s=known.registered_at_unix_s if known else 0.0,
                )
            left = (
                task
                for task in records.tasks.values()
                if task.status is not TaskStatus.STOPPED
            )
            occupy(self._rooms, left)
        return self._rooms
