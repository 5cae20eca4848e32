"""Judge a service's deployment in a look: failed, rolled back, completed. Floor 4.

Synchronous: what it decides goes into the look's draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scheduler.app.look import Look
from scheduler.configuration import Strategy
from scheduler.decide import breaker, deployments, takeover, wishes, wording
from scheduler.decide.fitness import Fitness
from scheduler.model import (
    Deployment,
    RolloutState,
    ServiceRecord,
    Task,
    TaskId,
    TaskStatus,
)

Fitnesses = Mapping[TaskId, Fitness]


def note_health(look: Look, record: ServiceRecord, live: Sequence[Task]) -> Fitnesses:
    """Return how well each live task serves; write down what is new about it."""
    grace_s = record.service.health_check_grace_period_s
    found = {task.id: look.fitness(task, grace_s) for task in live}
    for task in live:
        fit = found[task.id]
        if fit is Fitness.HEALTHY and task.healthy_at_unix_s is None:
            look.draft.put_task(replace(task, healthy_at_unix_s=look.now_unix_s))
            deployment = look.draft.after.deployments[task.deployment_id]
            config = record.service.deployment.circuit_breaker
            look.keep_count(deployment, breaker.after_healthy(deployment, config))
        elif fit is Fitness.UNHEALTHY and task.unhealthy_at_unix_s is None:
            look.draft.put_task(replace(task, unhealthy_at_unix_s=look.now_unix_s))
            deployment = look.draft.after.deployments[task.deployment_id]
            look.keep_count(deployment, breaker.after_failure(deployment))
    return found


def judge(look: Look, record: ServiceRecord) -> ServiceRecord:
    """Fail the deployment if it has to be; return the record, perhaps rolled back."""
    deployment = look.draft.after.deployments[record.deployment_id]
    if deployment.rollout_state is not RolloutState.IN_PROGRESS:
        return record
    if takeover.is_cleaning_up(deployment):
        return record  # what it came from is not whole any more
    service, in_alarm = record.service, look.observed.in_alarm
    config = service.deployment
    watched = breaker.watched(deployment, config.alarms, in_alarm)
    look.keep_count(deployment, watched)
    if breaker.has_tripped(watched, config.circuit_breaker, service.desired_count):
        rolls_back, why = config.circuit_breaker.rollback, wording.TASKS_FAILED
    elif raised := breaker.raised(watched, config.alarms, in_alarm):
        rolls_back, why = config.alarms.rollback, wording.alarms_raised(raised)
    else:
        return record
    return fail(look, record, watched, why, rolls_back=rolls_back)


def fail(
    look: Look,
    record: ServiceRecord,
    deployment: Deployment,
    why: wording.Failure,
    *,
    rolls_back: bool,
) -> ServiceRecord:
    """Write down that it has failed; return the record, perhaps rolled back."""
    back = None
    if rolls_back and not deployment.rolls_back:  # else neither of the two can run
        known = look.draft.after.deployments_of(record.service.name)
        back = wishes.return_of(record, deployment, known)
    wish = wishes.wish_failed(record, deployment, why, back, look.now_unix_s)
    for changed in wish.deployments:
        look.draft.put_deployment(changed)
    if wish.record != record:
        look.draft.put_service(wish.record)
    return wish.record


def settle(look: Look, record: ServiceRecord, desired: int, fitness: Fitnesses) -> None:
    """Write down what was reached: a completed deployment, the steady state."""
    left = look.left(record.service.name)
    live = [task for task in left if task.is_live]
    current = [
        task
        for task in live
        if task.deployment_id == record.deployment_id
        and look.takes_tasks(task.instance)
    ]
    healthy = sum(fitness.get(task.id) is Fitness.HEALTHY for task in current)
    complete = len(live) == len(current) == healthy == desired
    _complete(look, record, complete=complete)
    _retire(look, record)
    known = [fitness.get(task.id) for task in current]
    stays = record.steady and {*known} <= {Fitness.HEALTHY, Fitness.UNKNOWN}
    primary = look.draft.after.deployments[record.deployment_id]
    alone = not takeover.is_under_way(primary)
    whole = alone and len(left) == len(live) == len(current) == desired
    steady = whole and (complete or stays)
    if steady != record.steady:
        told_at = look.now_unix_s if steady else record.steady_told_unix_s
        record = replace(record, steady=steady, steady_told_unix_s=told_at)
        look.draft.put_service(record)


def _complete(look: Look, record: ServiceRecord, *, complete: bool) -> None:
    """Complete the deployment whose tasks are as wished, once it has baked."""
    deployment = look.draft.after.deployments[record.deployment_id]
    if deployment.rollout_state is not RolloutState.IN_PROGRESS:
        return
    if deployment.takeover is not None:
        if complete and takeover.is_cleaning_up(deployment):
            done = deployments.completed(deployment, look.now_unix_s)
            look.draft.put_deployment(done)
        return
    since = deployment.baking_since_unix_s
    if since is None:
        if not complete:
            return
        since = look.now_unix_s
        deployment = replace(deployment, baking_since_unix_s=since)
    config = record.service.deployment
    returns = deployment.rolls_back and config.strategy is not Strategy.ROLLING
    until = since + (0.0 if returns else 60.0 * config.bake_time_in_minutes)
    if look.now_unix_s < until:
        look.wake_at(until)
    elif complete:
        deployment = deployments.completed(deployment, look.now_unix_s)
    look.keep_count(look.draft.after.deployments[deployment.id], deployment)


def _retire(look: Look, record: ServiceRecord) -> None:
    """Mark older deployments without tasks as INACTIVE; forget the oldest of them."""
    left = (
        task
        for task in look.draft.after.tasks_of(record.service.name)
        if task.status is not TaskStatus.STOPPED
    )
    needed = {task.deployment_id for task in left} | {record.deployment_id}
    primary = look.draft.after.deployments[record.deployment_id]
    if takeover.is_under_way(primary) and primary.takeover is not None:
        needed.add(primary.takeover.source_id)
    for deployment in look.draft.after.deployments_of(record.service.name):
        if deployment.id not in needed and not deployment.inactive:
            look.draft.put_deployment(
                replace(deployment, inactive=True, updated_at_unix_s=look.now_unix_s)
            )
    known = look.draft.after.deployments_of(record.service.name)
    for deployment in deployments.forgotten(known, needed):
        look.draft.drop_deployment(deployment)
