"""Services of which nothing is to be done, found quickly. Floor 4, synchronous.

A service is at rest when it was steady, its only deployment is complete, and
each of its tasks is of that deployment, where tasks may stay, and healthy; then
a whole turn would decide nothing but, perhaps, that its zones are uneven.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from scheduler.app.look import Look
from scheduler.decide.fitness import Fitness
from scheduler.decide.quiet import serves
from scheduler.model import (
    RolloutState,
    ServiceRecord,
    ServiceStatus,
    Task,
    TaskStatus,
)

TELL_AGAIN_S: Final = 6 * 3600.0
"""How often ECS says that a service is in its steady state."""


def tell_steady(look: Look, record: ServiceRecord) -> ServiceRecord:
    """Have the steady state told again, after hours; return the record."""
    again_at = record.steady_told_unix_s + TELL_AGAIN_S
    if not record.steady or look.now_unix_s < again_at:
        return record
    told = replace(record, steady_told_unix_s=look.now_unix_s)
    look.draft.put_service(told)
    return told


def is_at_rest(look: Look, record: ServiceRecord, left: Sequence[Task]) -> bool:
    """`left` are the service's tasks that are not STOPPED."""
    service = record.service
    steady = record.steady and not record.rebalancing
    if not steady or len(left) != service.desired_count or look.observed.closing:
        return False
    if record.status is not ServiceStatus.ACTIVE:
        return False
    deployments = look.draft.after.deployments_of(service.name)
    kept = [one.rollout_state for one in deployments if not one.inactive]
    if kept != [RolloutState.COMPLETED]:
        return False
    grace_s, homes = service.health_check_grace_period_s, look.zones()
    primary, targets = record.deployment_id, look.observed.targets
    by_targets = not look.verdicts.checks  # nobody else has a say in health
    for task in left:
        stays = (
            task.status is TaskStatus.RUNNING
            and task.deployment_id == primary
            and task.instance in homes
            and task.protected_until_unix_s is None
        )
        if not stays or not (
            (by_targets and serves(task, targets))
            or look.fitness(task, grace_s) is Fitness.HEALTHY
        ):
            return False
    return True
