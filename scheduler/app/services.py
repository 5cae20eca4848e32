"""One service's turn in a look: plan, stop, place, settle. Floor 4, synchronous."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.app.daemons import with_count
from scheduler.app.deployments import Fitnesses, judge, note_health, settle
from scheduler.app.look import Look
from scheduler.app.placing import REPEAT_EVENT_S, start_tasks
from scheduler.app.protecting import protected_of, tell_protected
from scheduler.app.rebalancing import hold_extra, rebalance
from scheduler.app.resting import is_at_rest, tell_steady
from scheduler.app.takeover import Fleet, advance, fleets, with_traffic
from scheduler.decide import backoff, lifecycle, wording
from scheduler.decide.fitness import Fitness
from scheduler.decide.identity import target_ids
from scheduler.decide.rollout import Member, Plan, Starts, Why, plan_service
from scheduler.decide.scale_in import scale_in_order
from scheduler.model import (
    RolloutState,
    ServiceRecord,
    ServiceStatus,
    StopCode,
    Task,
)


def turn_service(look: Look, record: ServiceRecord) -> None:
    """Bring one service a step nearer to what is desired of it."""
    name = record.service.name
    record = with_traffic(look, record)
    active = record.status is ServiceStatus.ACTIVE and not look.observed.closing
    if active and record.service.is_daemon:
        record = with_count(look, record)
    desired = record.service.desired_count if active else 0
    left = look.left(name)
    if record.status is ServiceStatus.DRAINING and not left:
        look.draft.drop_service(record)
        return
    record = tell_steady(look, record)
    if is_at_rest(look, record, left):
        healthy = {task.id: Fitness.HEALTHY for task in left}
        rebalance(look, name, left, healthy)
        return
    live = [task for task in left if task.is_live]
    fitness = note_health(look, record, live)
    before, record = record, judge(look, record) if active else record
    live = [look.draft.after.tasks[task.id] for task in live]
    for fleet in fleets(look, record, desired, live):
        _turn_fleet(look, fleet, fitness)
    _tell_unhealthy(
        look, [task for task in live if fitness[task.id] is Fitness.UNHEALTHY]
    )
    if active and record is before:
        record = advance(look, record, fitness)
    if active and record.deployment_id == before.deployment_id:
        settle(look, record, desired, fitness)
        tell_protected(look, record, live)
        rebalance(look, name, live, fitness)


def _turn_fleet(look: Look, fleet: Fleet, fitness: Fitnesses) -> None:
    """Stop and start what the plan for these tasks says."""
    record, by_id = fleet.record, {task.id: task for task in fleet.tasks}
    plan = _plan(look, record, fleet.desired, fleet.tasks, fitness)
    plan = hold_extra(look, record, fleet.tasks, fitness, plan)
    for task_id, cause in plan.stop:
        task = by_id[task_id]
        sick = fitness[task_id] is Fitness.UNHEALTHY
        # Whatever else is the matter with it: that is what people look for.
        told = sick and task.healthy_at_unix_s is None
        _stop(look, task, Why.UNHEALTHY if told else cause)
    start_tasks(look, record, plan.start)
    _tell_plan(look, record, plan)


def _tell_plan(look: Look, record: ServiceRecord, plan: Plan) -> None:
    name = record.service.name
    for told, message in (
        (plan.stuck, wording.stuck(name)),
        (plan.suppressed, wording.most_fail(name)),
    ):
        if told:
            look.tell_once(name, message, REPEAT_EVENT_S)


def _plan(
    look: Look,
    record: ServiceRecord,
    desired: int,
    live: Sequence[Task],
    fitness: Fitnesses,
) -> Plan:
    service = record.service

    kept = protected_of(look, record, live)

    def members(tasks: Sequence[Task]) -> list[Member]:
        return [
            Member(
                task.id,
                fitness[task.id],
                _leaves(look, record, task),
                proven=_is_proven(task, fitness[task.id]),
                protected=task.id in kept,
            )
            for task in tasks
        ]

    starts, percents = _starts(look, record), service.deployment
    plan = plan_service(desired, percents, members(live), starts)
    if not plan.stop:
        return plan  # the order, which is dear, matters only when somebody goes
    order = scale_in_order(
        live, look.rooms(), look.draw, service.placement_strategy, kept
    )
    return plan_service(desired, percents, members(order), starts)


def _is_proven(task: Task, fit: Fitness) -> bool:
    return fit is Fitness.HEALTHY or task.healthy_at_unix_s is not None


def _leaves(look: Look, record: ServiceRecord, task: Task) -> Why | None:
    """Return why the task is to be replaced, however well it serves."""
    if task.deployment_id != record.deployment_id:
        return Why.OLD
    if look.takes_tasks(task.instance):
        return None
    return Why.LOST if look.is_lost(task.instance) else Why.DRAINING


def _starts(look: Look, record: ServiceRecord) -> Starts:
    primary = look.draft.after.deployments[record.deployment_id]
    if primary.rollout_state is RolloutState.FAILED:
        return Starts.NEVER
    earliest = backoff.may_start_at_s(primary)
    if look.now_unix_s >= earliest:
        return Starts.NOW
    look.wake_at(earliest)
    return Starts.LATER


def _stop(look: Look, task: Task, why: Why) -> None:
    code = StopCode.SERVICE_SCHEDULER_INITIATED
    deployment = look.draft.after.deployments[task.deployment_id]
    if why is Why.UNHEALTHY:
        reason = _why_unhealthy(look, task)
        failed = backoff.after_failure(deployment, task, look.now_unix_s)
        look.keep_count(deployment, failed)
    elif why is Why.LOST:
        reason = wording.on_lost_host(task.instance)
    else:
        reason = wording.scaling(deployment.id)
    look.draft.put_task(lifecycle.stop(task, code, reason, look.now_unix_s))


def _why_unhealthy(look: Look, task: Task) -> str:
    targets = look.observed.targets
    sick = [
        balancer.target_group
        for name, (balancer, _) in target_ids(task).items()
        if (view := targets.get(name)) and view.unhealthy
    ]
    if not sick:
        return wording.FAILED_CONTAINER_CHECKS
    return wording.failed_health_checks(sick)


def _tell_unhealthy(look: Look, tasks: Sequence[Task]) -> None:
    for task in tasks:
        for name, (balancer, lease) in target_ids(task).items():
            view = look.observed.targets.get(name)
            if view is not None and view.unhealthy:
                message = wording.unhealthy(
                    task.service, lease.host_port, balancer.target_group, view.reason
                )
                look.tell_once(task.service, message, REPEAT_EVENT_S)
