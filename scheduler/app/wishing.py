"""Write down what is wished: services, and the instances they may use. Floor 4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from scheduler.configuration import TimeoutAction
from scheduler.decide import chronicle, lifecycle, wishes, wording
from scheduler.decide.hooks import continued
from scheduler.decide.identity import Draw, new_deployment_id
from scheduler.decide.protection import NotProtected, Protected, protect
from scheduler.decide.revisions import outlived, registered
from scheduler.errors import NothingToRollBackTo, NothingUnderWay, NothingWaits
from scheduler.instance import ContainerInstanceStatus, InstanceRecord
from scheduler.model import (
    ContainerInstance,
    RolloutState,
    Service,
    ServiceRecord,
    StopCode,
    Task,
)
from scheduler.state.records import Draft


def register(
    draft: Draft, named: Mapping[str, ContainerInstance], now_unix_s: float
) -> None:
    """Write down since when each instance is part of the cluster, and its status."""
    known = dict(draft.after.instances)
    for name in sorted(named.keys() - known.keys()):
        draft.put_instance(InstanceRecord(name, now_unix_s, named[name].status))
    for name in sorted(named.keys() & known.keys()):
        _put_status(draft, known[name], named[name].status)
    for name in sorted(known.keys() - named.keys()):
        draft.drop_instance(known[name])


def set_status(
    draft: Draft, names: Iterable[str], status: ContainerInstanceStatus
) -> list[str]:
    """Write down which instances take tasks; return the names that none has."""
    unknown = []
    for name in names:
        record = draft.after.instances.get(name)
        if record is None:
            unknown.append(name)
        else:
            _put_status(draft, record, status)
    return unknown


def _put_status(
    draft: Draft, record: InstanceRecord, status: ContainerInstanceStatus
) -> None:
    if record.status is not status:
        version = record.version + 1
        draft.put_instance(replace(record, status=status, version=version))


def wish_all(
    draft: Draft, services: Sequence[Service], draw: Draw, now_unix_s: float
) -> None:
    """Write down these services and no others; forget revisions that nobody needs."""
    for service in services:
        wish(draft, service, new_deployment_id(draw), now_unix_s)
    gone = draft.after.services.keys() - {service.name for service in services}
    for name in sorted(gone):
        draft.put_service(wishes.wish_removed(draft.after.services[name]))
    known = draft.after.definitions.values()
    for definition in outlived(known, draft.after.used_definitions()):
        draft.drop_definition(definition)


def put_desired(
    draft: Draft,
    before: ServiceRecord,
    after: ServiceRecord,
    reason: str,
    now_unix_s: float,
) -> None:
    """Write down another desired count, and tell it; an equal record is left."""
    if after != before:
        draft.put_service(after)
    if after.version != before.version:
        name, desired = after.service.name, after.service.desired_count
        draft.tell(name, wording.desired_changed(name, desired, reason), now_unix_s)


def stop(draft: Draft, task: Task, reason: str, now_unix_s: float) -> Task:
    """Write down that a person stops a task; return it as it is then."""
    if not task.is_live:
        return task
    stopping = lifecycle.stop(task, StopCode.USER_INITIATED, reason, now_unix_s)
    draft.put_task(stopping)
    return stopping


def protect_all(
    draft: Draft, names: Iterable[str], until_unix_s: float | None, now_unix_s: float
) -> list[Protected | NotProtected]:
    """Write down which of the tasks are protected; return what came of each."""
    found = []
    for name in names:
        after = draft.after
        one = protect(name, after.tasks, after.services, until_unix_s, now_unix_s)
        if isinstance(one, Protected):
            draft.put_task(one.task)
        found.append(one)
    return found


def wish(draft: Draft, service: Service, new_id: str, now_unix_s: float) -> None:
    """Write down a service; `new_id` is a deployment's, if it needs one."""
    known = draft.after.definitions.values()
    definition = registered(service.task_definition, known)
    draft.put_definition(definition)
    wished = replace(service, task_definition=definition)
    before = draft.after.services.get(service.name)
    known_before = draft.after.deployments_of(service.name)
    made = wishes.wish_service(wished, before, new_id, now_unix_s, known_before)
    if made.record != before:
        put(draft, made)
    for task in draft.after.tasks_of(service.name):
        later = wishes.with_delays(task, service)
        if task.is_live and later != task:
            draft.put_task(later)


def force(draft: Draft, service: str, new_id: str, now_unix_s: float) -> str:
    """Write down a new deployment of the service as it is; return its id."""
    record, known = draft.after.services[service], draft.after.deployments_of(service)
    put(draft, wishes.wish_deployment(record, new_id, now_unix_s, known))
    return new_id


def roll_back(draft: Draft, service: str, now_unix_s: float) -> str:
    """Write down a roll-back, and tell it; return the deployment gone back to.

    Raises NothingToRollBackTo.
    """
    record, before = draft.after.services[service], dict(draft.after.deployments)
    known = draft.after.deployments_of(record.service.name)
    made = wishes.wish_rollback(record, known, now_unix_s)
    if made is None:
        raise NothingToRollBackTo(record.service.name)
    put(draft, made)
    after = draft.after.deployments
    for name, message in chronicle.deployment_lines(before, after):
        draft.tell(name, message, now_unix_s)
    return made.record.deployment_id


def abort(draft: Draft, service: str, now_unix_s: float) -> str:
    """Write down that the deployment is given up; return its id.

    Raises NothingUnderWay.
    """
    record, before = draft.after.services[service], dict(draft.after.deployments)
    primary = before[record.deployment_id]
    if primary.rollout_state is not RolloutState.IN_PROGRESS:
        raise NothingUnderWay(record.service.name)
    why = wording.STOPPED_BY_REQUEST
    put(draft, wishes.wish_failed(record, primary, why, None, now_unix_s))
    for name, message in chronicle.deployment_lines(before, draft.after.deployments):
        draft.tell(name, message, now_unix_s)
    return primary.id


def go_on(draft: Draft, service: str, action: TimeoutAction, hook_id: str) -> str:
    """Write down what somebody said to a PAUSE; return the deployment's id.

    Raises NothingWaits.
    """
    record = draft.after.services[service]
    primary = draft.after.deployments[record.deployment_id]
    runs = None
    if primary.takeover and primary.rollout_state is RolloutState.IN_PROGRESS:
        runs = continued(primary.takeover.hooks, action, hook_id, primary.id)
    if runs is None or primary.takeover is None:
        raise NothingWaits(record.service.name)
    after = replace(primary, takeover=replace(primary.takeover, hooks=runs))
    draft.put_deployment(after)
    return primary.id


def put(draft: Draft, wish: wishes.Wish) -> None:
    for deployment in wish.deployments:
        draft.put_deployment(deployment)
    draft.put_service(wish.record)
