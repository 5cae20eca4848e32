"""Tasks of one service find their places in a look. Floor 4, synchronous.

rooms of the look + Placer --> new tasks, PENDING, with their ports leased
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from scheduler.app.look import Look
from scheduler.decide import leases, wording
from scheduler.decide.board import Room, needs_of
from scheduler.decide.identity import new_task_id
from scheduler.decide.lifecycle import first_status
from scheduler.decide.placement import Placer, Unplaceable, Wanted
from scheduler.model import PortLease, ServiceRecord, Task

REPEAT_EVENT_S: Final = 300.0
"""What stays as it is, is told again after this long."""

Within = Callable[[Room], bool]


def start_tasks(look: Look, record: ServiceRecord, count: int) -> None:
    """Make up to `count` tasks: what does not fit now is tried at the next look."""
    if not count:
        return
    name = record.service.name
    placing = Placing(look, record)
    for _ in range(count):
        made = placing.new_task()
        if isinstance(made, Unplaceable):
            message = wording.unplaceable(name, made.reason)
            look.tell_once(name, message, REPEAT_EVENT_S)
            return
        look.draft.put_task(made)


class Placing:
    """Places tasks of one service's newest deployment, one after the other."""

    def __init__(
        self, look: Look, record: ServiceRecord, within: Within | None = None
    ) -> None:
        """`within` leaves out instances; without it there are all that take tasks."""
        service = record.service
        definition = service.task_definition
        family = definition.family
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
                if look.observed.takes_tasks(room.name)
                and (within is None or within(room))
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
        definition = self._record.service.task_definition
        return leases.lease(definition, room.instance, ports, look.now_unix_s)

    def _task(self, room: Room, leased: tuple[PortLease, ...]) -> Task:
        service = self._record.service
        status = self._look.observed.statuses[room.name]
        return Task(
            id=new_task_id(self._look.draw),
            service=service.name,
            deployment_id=self._record.deployment_id,
            task_definition=service.task_definition,
            instance=room.name,
            status=first_status(service.task_definition),
            created_at_unix_s=self._look.now_unix_s,
            address=room.instance.address or status.address,
            leases=leased,
            load_balancers=service.load_balancers,
        )
