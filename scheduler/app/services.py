"""One service's turn in a look: plan, stop, place, settle. Floor 4, synchronous."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scheduler.app.look import Look
from scheduler.app.placing import REPEAT_EVENT_S, start_tasks
from scheduler.app.protecting import protected_of, tell_protected
from scheduler.app.rebalancing import hold_extra, rebalance
from scheduler.app.resting import is_at_rest
from scheduler.decide import backoff, lifecycle, wording
from scheduler.decide.fitness import Fitness
from scheduler.decide.identity import target_ids
from scheduler.decide.rollout import Member, Plan, Why, plan_service
from scheduler.decide.scale_in import scale_in_order
from scheduler.model import (
    Deployment,
    RolloutState,
    ServiceRecord,
    ServiceStatus,
    StopCode,
    Task,
    TaskId,
    TaskStatus,
)


def turn_service(look: Look, record: ServiceRecord) -> None:
    """Bring one service a step nearer to what is desired of it."""
    name = record.service.name
    active = record.status is ServiceStatus.ACTIVE and not look.observed.closing
    desired = record.service.desired_count if active else 0
    left = [
        task
        for task in look.draft.after.tasks_of(name)
        if task.status is not TaskStatus.STOPPED
    ]
    if record.status is ServiceStatus.DRAINING and not left:
        look.draft.drop_service(record)
        return
    if is_at_rest(look, record, left):
        healthy = {task.id: Fitness.HEALTHY for task in left}
        rebalance(look, name, left, healthy)
        return
    live = [task for task in left if task.is_live]
    fitness = {
        task.id: look.fitness(task, record.service.health_check_grace_period_s)
        for task in live
    }
    plan = _plan(look, record, desired, live, fitness)
    plan = hold_extra(look, record, live, fitness, plan)
    for task_id, why in plan.stop:
        _stop(look, look.draft.after.tasks[task_id], why)
    start_tasks(look, record, plan.start)
    if plan.stuck:
        look.tell_once(name, wording.stuck(name), REPEAT_EVENT_S)
    _tell_unhealthy(
        look, [task for task in live if fitness[task.id] is Fitness.UNHEALTHY]
    )
    if active:
        _settle(look, record, desired, fitness)
        tell_protected(look, record, live)
        rebalance(look, name, live, fitness)


def _plan(
    look: Look,
    record: ServiceRecord,
    desired: int,
    live: Sequence[Task],
    fitness: dict[TaskId, Fitness],
) -> Plan:
    service = record.service
    kept = protected_of(look, record, live)

    def members(tasks: Sequence[Task]) -> list[Member]:
        return [
            Member(
                task.id,
                _is_current(look, record, task),
                fitness[task.id],
                task.id in kept,
            )
            for task in tasks
        ]

    primary = look.draft.after.deployments[record.deployment_id]
    earliest = backoff.may_start_at_s(primary)
    may_start = look.now_unix_s >= earliest
    if not may_start:
        look.wake_at(earliest)
    percents = service.deployment
    plan = plan_service(desired, percents, members(live), may_start=may_start)
    if not plan.stop:
        return plan  # the order, which is dear, matters only when somebody goes
    order = scale_in_order(
        live, look.rooms(), look.draw, service.placement_strategy, kept
    )
    return plan_service(desired, percents, members(order), may_start=may_start)


def _is_current(look: Look, record: ServiceRecord, task: Task) -> bool:
    """Tell whether the task is of the newest deployment, where tasks may stay."""
    of_primary = task.deployment_id == record.deployment_id
    return of_primary and look.observed.takes_tasks(task.instance)


def _stop(look: Look, task: Task, why: Why) -> None:
    code = StopCode.SERVICE_SCHEDULER_INITIATED
    deployment = look.draft.after.deployments[task.deployment_id]
    if why is Why.UNHEALTHY:
        groups = [balancer.target_group for balancer in task.load_balancers]
        reason = wording.failed_health_checks(groups)
        failed = backoff.after_failure(deployment, task, look.now_unix_s)
        look.keep_count(deployment, failed)
    else:
        reason = wording.scaling(deployment.id)
    look.draft.put_task(lifecycle.stop(task, code, reason, look.now_unix_s))


def _tell_unhealthy(look: Look, tasks: Sequence[Task]) -> None:
    for task in tasks:
        for name, (balancer, lease) in target_ids(task).items():
            view = look.observed.targets.get(name)
            if view is not None and view.unhealthy:
                message = wording.unhealthy(
                    task.service, lease.host_port, balancer.target_group, view.reason
                )
                look.tell_once(task.service, message, REPEAT_EVENT_S)


def _settle(
    look: Look, record: ServiceRecord, desired: int, fitness: dict[TaskId, Fitness]
) -> None:
    """Write down what was reached: a completed deployment, the steady state."""
    left = [
        task
        for task in look.draft.after.tasks_of(record.service.name)
        if task.status is not TaskStatus.STOPPED
    ]
    live = [task for task in left if task.is_live]
    current = [task for task in live if _is_current(look, record, task)]
    healthy = sum(fitness.get(task.id) is Fitness.HEALTHY for task in current)
    complete = len(live) == len(current) == healthy == desired
    for deployment in look.draft.after.deployments_of(record.service.name):
        if deployment.id != record.deployment_id:
            _retire(look, deployment, left)
        elif complete and deployment.rollout_state is RolloutState.IN_PROGRESS:
            look.draft.put_deployment(
                replace(
                    deployment,
                    rollout_state=RolloutState.COMPLETED,
                    rollout_state_reason=wording.deployment_completed(deployment.id),
                )
            )
    known = [fitness.get(task.id) for task in current]
    stays = record.steady and {*known} <= {Fitness.HEALTHY, Fitness.UNKNOWN}
    whole = len(left) == len(live) == len(current) == desired
    steady = whole and (complete or stays)
    if steady != record.steady:
        look.draft.put_service(replace(record, steady=steady))


def _retire(look: Look, deployment: Deployment, left: Sequence[Task]) -> None:
    """Drop an older deployment that has no task any more."""
    if all(task.deployment_id != deployment.id for task in left):
        look.draft.drop_deployment(deployment)
