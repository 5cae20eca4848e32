"""Tasks of one service find their places in a look. Floor 4, synchronous.

rooms of the look + Placer --> new tasks, PENDING, with their ports leased
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from scheduler.app.daemons import free_instances
from scheduler.app.images import are_known
from scheduler.app.look import Look
from scheduler.decide import backoff, breaker, leases, lifecycle, wording
from scheduler.decide.board import Room, needs_of
from scheduler.decide.identity import new_task_id
from scheduler.decide.lifecycle import first_status
from scheduler.decide.placement import Placer, Unplaceable, Wanted
from scheduler.decide.wishes import with_delays
from scheduler.errors import ContainerError
from scheduler.model import PortLease, ServiceRecord, StopCode, Task, TaskStatus

REPEAT_EVENT_S: Final = 300.0
"""What stays as it is, is told again after this long."""

Within = Callable[[Room], bool]


def start_tasks(look: Look, record: ServiceRecord, count: int) -> None:
    """Make up to `count` tasks: what does not fit now is tried at the next look."""
    within = None
    if record.service.is_daemon:
        free = free_instances(look, record)
        count = min(count, len(free))
        within = lambda room: room.name in free  # noqa: E731 - one line, used once
    if count <= 0:
        return
    placing = Placing(look, record, within)
    for _ in range(count):
        made = placing.new_task()
        if isinstance(made, Unplaceable):
            message = wording.unplaceable(record.service.name, made.reason)
            look.tell_once(record.service.name, message, REPEAT_EVENT_S)
            return
        if not make(look, made):
            return


def make(look: Look, task: Task) -> bool:
    """Write the task down, once it is known what images it runs; tell whether it was.

    Where they cannot be had, the task is one that failed to start.
    """
    deployment = look.draft.after.deployments[task.deployment_id]
    known = are_known(look, deployment, task.instance)
    if isinstance(known, ContainerError):
        _give_up(look, task, known)
    if known is not True:
        return False
    images = look.draft.after.deployments[deployment.id].images
    look.draft.put_task(replace(task, images=images or ()))
    return True


def _give_up(look: Look, task: Task, error: ContainerError) -> None:
    """Write a task down that failed before anything was begun, and count it."""
    now = look.now_unix_s
    never = replace(task, leases=(), load_balancers=())
    code, reason = StopCode.TASK_FAILED_TO_START, wording.cannot_start(error)
    failed = lifecycle.stop(never, code, reason, now)
    failed = lifecycle.move(failed, TaskStatus.STOPPED, now)
    look.draft.put_task(failed)
    deployment = look.draft.after.deployments[task.deployment_id]
    counted = backoff.after_failure(deployment, failed, now)
    look.keep_count(deployment, breaker.after_failure(counted))


class Placing:
    """Places tasks of one service's newest deployment, one after the other."""

    def __init__(
        self, look: Look, record: ServiceRecord, within: Within | None = None
    ) -> None:
        """`within` leaves out instances; without it there are all that take tasks."""
        service = record.service
        self._deployment = look.draft.after.deployments.get(record.deployment_id)
        self._definition = service.task_definition
        if self._deployment is not None:
            self._definition = self._deployment.task_definition
        definition, family = self._definition, service.task_definition.family
        homes = look.rooms()
        self._look = look
        self._record = record
        self._placer = Placer(
            Wanted(
                f"service:{service.name}" if service.name else f"family:{family}",
                needs_of(definition),
                (*service.placement_constraints, *definition.placement_constraints),
                service.placement_strategy,
            ),
            [
                room
                for room in homes.values()
                if look.takes_tasks(room.name) and (within is None or within(room))
            ],
            [task for task in look.draft.after.tasks_of(service.name) if task.is_live],
            homes,
            look.draw,
        )

    def new_task(self) -> Task | Unplaceable:
        """Return a task with its place and ports; the place is taken."""
        while True:
            room = self._placer.choose()
            if isinstance(room, Unplaceable):
                return room
            leased = self._lease(room)
            if leased is None:
                self._placer.refuse(room, wording.PORT_IN_USE)
                continue
            self._placer.settle(room, leased)
            return self._task(room, leased)

    def _lease(self, room: Room) -> tuple[PortLease, ...] | None:
        look = self._look
        ports = leases.Ports(
            {port for _, port in room.ports},
            look.draft.after.ports_of(room.name),
            leases.origin(look.around.cluster_uid),
        )
        return leases.lease(self._definition, room.instance, ports, look.now_unix_s)

    def _task(self, room: Room, leased: tuple[PortLease, ...]) -> Task:
        service, deployment = self._record.service, self._deployment
        status = self._look.observed.statuses[room.name]
        balancers = deployment.load_balancers if deployment else None
        task = Task(
            id=new_task_id(self._look.draw),
            service=service.name,
            deployment_id=deployment.id if deployment else "",
            task_definition=self._definition,
            instance=room.name,
            status=first_status(self._definition),
            created_at_unix_s=self._look.now_unix_s,
            address=room.instance.address or status.address,
            leases=leased,
            load_balancers=service.load_balancers if balancers is None else balancers,
            enable_execute_command=service.enable_execute_command,
            ecu_per_core=room.instance.ecu_per_core,
        )
        return with_delays(task, service)
