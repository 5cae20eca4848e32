"""What protected tasks mean for their service, in a look. Floor 4, synchronous."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scheduler.app.look import Look
from scheduler.app.placing import REPEAT_EVENT_S
from scheduler.decide import wording
from scheduler.decide.protection import blocked
from scheduler.decide.takeover import is_under_way
from scheduler.model import ServiceRecord, ServiceStatus, Task, TaskId


def protected_of(
    look: Look, record: ServiceRecord, live: Iterable[Task]
) -> frozenset[TaskId]:
    """Return the tasks that are to be kept; of a service that goes, none are."""
    if record.status is not ServiceStatus.ACTIVE or look.observed.closing:
        return frozenset()
    return frozenset(task.id for task in live if task.is_protected(look.now_unix_s))


def tell_protected(look: Look, record: ServiceRecord, live: Sequence[Task]) -> None:
    """Tell of deployments that have more protected tasks than are wanted of them."""
    name = record.service.name
    if is_under_way(look.draft.after.deployments[record.deployment_id]):
        return  # the source is wanted too, until it is stopped
    for deployment_id in sorted(blocked(record, live, look.now_unix_s)):
        message = wording.protected(name, deployment_id)
        look.tell_once(name, message, REPEAT_EVENT_S)
