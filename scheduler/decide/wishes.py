"""What a change of the wishes makes of the records. Floor 1: pure.

A person (or a file) wishes services; the autoscaler wishes a count. Each wish
makes the next version of one service's records; looks do the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from scheduler.configuration import Strategy
from scheduler.decide import deployments, takeover, wording
from scheduler.decide.revisions import needs_deployment
from scheduler.decide.wording import Failure
from scheduler.model import (
    Deployment,
    RolloutState,
    Service,
    ServiceRecord,
    ServiceStatus,
    Task,
)

ACTIVITIES_MAX: Final = 16
"""How many scaling activities a service remembers, to meet a repeated one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The service's next record, and what becomes of its deployments."""

    record: ServiceRecord
    deployments: tuple[Deployment, ...] = ()
    """Those that are new or changed."""


def wish_service(
    service: Service,
    before: ServiceRecord | None,
    deployment_id: str,
    now_unix_s: float,
    known: Sequence[Deployment] = (),
) -> Wish:
    """Return the records for a service as wished; its definition is registered.

    `deployment_id` is used if there is a new deployment; `known` are those that the
    service has. A service that was being removed begins anew.
    """
    if before is None or before.status is ServiceStatus.DRAINING:
        fresh = ServiceRecord(service, deployment_id, now_unix_s)
        begun = deployments.begun(service, deployment_id, now_unix_s)
        return Wish(with_traffic(fresh), (begun,))
    if service.is_daemon:
        kept = before.service.desired_count
        service = replace(service, desired_count=kept)
    version = before.version + (service.desired_count != before.service.desired_count)
    record = replace(before, service=service, version=version)
    if not needs_deployment(before.service, service):
        return Wish(record)
    return wish_deployment(record, deployment_id, now_unix_s, known)


def wish_deployment(
    before: ServiceRecord,
    deployment_id: str,
    now_unix_s: float,
    known: Sequence[Deployment] = (),
) -> Wish:
    """Return the records for a new deployment of the service as it is."""
    by_id = {one.id: one for one in known}
    primary = by_id.get(before.deployment_id)
    base = None
    if primary is not None:
        base = takeover.base_of(primary, by_id, before.production)
    record = replace(before, deployment_id=deployment_id, steady=False)
    begun = deployments.begun(before.service, deployment_id, now_unix_s, base)
    return Wish(_of_rolling(record, begun), (begun,))


def _of_rolling(record: ServiceRecord, primary: Deployment) -> ServiceRecord:
    """Return it with all requests at a rolling deployment's groups: they serve."""
    if primary.takeover is not None:
        return record
    return with_traffic(replace(record, production=(), test_id=""))


def with_traffic(record: ServiceRecord) -> ServiceRecord:
    """Return it knowing whom requests reach, if it is deployments that decide that."""
    pairs = any(item.advanced for item in record.service.load_balancers)
    takes_over = record.service.deployment.strategy is not Strategy.ROLLING
    if record.production or not (pairs or takes_over):
        return record
    primary = record.deployment_id
    return replace(record, production=((primary, takeover.ALL),), test_id=primary)


@dataclass(frozen=True, slots=True)
class Return:
    """An earlier deployment takes over again, from the one that serves."""

    to: Deployment
    base: Deployment


def return_of(
    before: ServiceRecord, primary: Deployment, known: Sequence[Deployment]
) -> Return | None:
    """Return what takes over again when the deployment is given up; None: nothing."""
    to = deployments.back_to(primary, known)
    if to is None:
        return None
    by_id = {one.id: one for one in known}
    return Return(to, takeover.base_of(primary, by_id, before.production))


def wish_failed(
    before: ServiceRecord,
    deployment: Deployment,
    why: Failure,
    back: Return | None,
    now_unix_s: float,
) -> Wish:
    """Return the records after a deployment failed; with `back`, another takes over.

    Without, it stays PRIMARY and starts no more tasks.
    """
    to = back.to if back else None
    failed = deployments.failed(deployment, why, to, now_unix_s)
    if back is None:
        return Wish(before, (failed,))
    return _back(before, failed, back, now_unix_s)


def wish_rollback(
    before: ServiceRecord, known: Sequence[Deployment], now_unix_s: float
) -> Wish | None:
    """Return the records for a roll-back by command, or None: to nothing.

    Back to what was COMPLETED last: of a deployment that is not, before it.
    """
    primary = next(one for one in known if one.id == before.deployment_id)
    back = return_of(before, primary, known)
    if back is None:
        return None
    if primary.rollout_state is RolloutState.IN_PROGRESS:
        why = wording.STOPPED_BY_REQUEST
        primary = deployments.failed(primary, why, back.to, now_unix_s)
    return _back(before, primary, back, now_unix_s)


def _back(
    before: ServiceRecord, primary: Deployment, back: Return, now_unix_s: float
) -> Wish:
    resumed = deployments.resumed(back.to, primary, now_unix_s, back.base)
    record = replace(before, deployment_id=back.to.id, steady=False)
    return Wish(_of_rolling(record, resumed), (primary, resumed))


def with_delays(task: Task, service: Service) -> Task:
    """Return a task that waits for its last requests as long as the groups now do.

    ALB's delay is the group's at the moment of deregistration: a task keeps the
    groups that it was started with, and not how long those took then.
    """
    delays_s = {
        item.target_group: item.deregistration_delay_s
        for item in service.load_balancers
    }
    for item in service.load_balancers:
        if (pair := item.advanced) is not None:
            delay_s = pair.alternate_deregistration_delay_s
            delays_s.setdefault(pair.alternate_target_group, delay_s)
    balancers = tuple(
        replace(
            item,
            deregistration_delay_s=delays_s.get(
                item.target_group, item.deregistration_delay_s
            ),
        )
        for item in task.load_balancers
    )
    return replace(task, load_balancers=balancers)


def wish_removed(before: ServiceRecord) -> ServiceRecord:
    """Return the record of a service whose tasks are to drain and stop."""
    return replace(before, status=ServiceStatus.DRAINING)


def wish_desired(
    before: ServiceRecord, desired: int, if_version: int | None, activity_id: str
) -> ServiceRecord | None:
    """Return the record with another desired count, or None: not current any more.

    An activity that took effect already changes nothing.
    """
    if before.status is ServiceStatus.DRAINING or before.service.is_daemon:
        return None
    if activity_id and activity_id in before.activity_ids:
        return before
    if if_version is not None and if_version != before.version:
        return None
    activities = (
        (*before.activity_ids, activity_id) if activity_id else before.activity_ids
    )
    return replace(
        before,
        service=replace(before.service, desired_count=desired),
        version=before.version + (desired != before.service.desired_count),
        activity_ids=activities[-ACTIVITIES_MAX:],
    )
