"""Tasks of no service: run once, and never replaced. Floor 4, synchronous.

They are placed like those of a service and turned like them; what differs is that
nobody keeps their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from scheduler.app.look import Look
from scheduler.app.placing import Placing
from scheduler.decide import chronicle, lifecycle
from scheduler.decide.overrides import RunTask, failure_code, overridden
from scheduler.decide.placement import Unplaceable
from scheduler.decide.revisions import registered
from scheduler.model import Service, ServiceRecord, StopCode, Task

GOING_DOWN: Final = "The cluster is going down"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task could not be run: ECS's code, and the sentence of an event."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of running tasks; those that found no place are failures."""

    tasks: Sequence[Task] = ()
    failures: Sequence[Failure] = ()


def run_tasks(look: Look, wanted: RunTask) -> Ran:
    """Register the definition, make the tasks that find a place now, and tell it.

    Nothing is tried again.
    """
    before = dict(look.draft.after.tasks)
    known = look.draft.after.definitions.values()
    definition = registered(wanted.task_definition, known)
    look.draft.put_definition(definition)
    wanted = replace(wanted, task_definition=definition)
    once = Service(
        "",
        overridden(wanted),
        wanted.count,
        placement_strategy=wanted.placement_strategy,
        placement_constraints=wanted.placement_constraints,
        enable_execute_command=wanted.enable_execute_command,
    )
    record = ServiceRecord(once, "", look.now_unix_s)
    placing = Placing(look, record)
    tasks, failures = [], []
    for _ in range(wanted.count):
        made = placing.new_task()
        if isinstance(made, Unplaceable):
            failures.append(Failure(failure_code(made.reason), made.reason))
            continue
        task = replace(made, started_by=wanted.started_by)
        look.draft.put_task(task)
        tasks.append(task)
    for whose, message in chronicle.task_lines(before, look.draft.after.tasks):
        look.tell(whose, message)
    return Ran(tuple(tasks), tuple(failures))


def stop_alone(look: Look) -> None:
    """Stop every task that is of no service: everything is to end."""
    for task in [*look.draft.after.tasks.values()]:
        if task.is_live and not task.service:
            code, now = StopCode.USER_INITIATED, look.now_unix_s
            look.draft.put_task(lifecycle.stop(task, code, GOING_DOWN, now))
