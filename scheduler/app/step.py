"""One look at everything: what to write down, what to do, when to look again.

    observed + records -> step -> commits, actions, next wake

Floor 4, but synchronous and without side effects: a scenario calls it under a
virtual clock as the shell does under a real one. Level-triggered: it knows no
events, only how things are, so a crash, a lost message or a repeated call is
met like anything else. What it commits holds before any of its actions begins.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from scheduler.app.look import Look, Observed, Step
from scheduler.app.losing import watch_hosts
from scheduler.app.one_off import stop_alone
from scheduler.app.services import turn_service
from scheduler.app.takeover import weigh
from scheduler.decide import backoff, breaker, chronicle, leases, wording
from scheduler.decide.actions import Action, Start, Stop
from scheduler.decide.identity import Draw, container_name
from scheduler.decide.progress import RETRY_S, next_turn
from scheduler.decide.quiet import is_quiet, running_on
from scheduler.decide.specs import Surroundings
from scheduler.definition import STOP_TIMEOUT_S
from scheduler.errors import PortTaken
from scheduler.instance import PortRecord
from scheduler.model import STARTING, ContainerStatus, Task, TaskStatus
from scheduler.state.records import Records

PORT_MAX: Final = 65_535
KEEP_STOPPED_S: Final = 3600.0
"""STOPPED tasks can be described for at least an hour, as in ECS; so can the events
of a service that is no more."""
KEEP_STOPPED_MAX: Final = 100
"""Per service: a crash loop does not grow the records."""


def step(
    now_unix_s: float,
    observed: Observed,
    records: Records,
    around: Surroundings,
    draw: Draw,
) -> Step:
    """Return what to do about `observed`. Never raises, never waits, keeps nothing."""
    look = Look(now_unix_s, observed, around, draw, records.draft())
    running, targets = running_on(observed.statuses), observed.targets
    for task in records.tasks.values():
        if not is_quiet(task, running, targets):
            _turn_task(look, task)
    if observed.closing:
        stop_alone(look)
    if observed.listed:
        watch_hosts(look)
        for record in records.services.values():
            turn_service(look, record)
        for instance in observed.statuses:
            _sweep(look, instance)
    _drop_old_tasks(look)
    look.draft.drop_events(now_unix_s - KEEP_STOPPED_S)
    _tell_changes(look, records)
    look.actions[:0] = weigh(look)  # before anybody is taken out of a group
    return Step(
        commits=look.draft.changes(),
        actions=tuple(action for action in look.actions if _still_wanted(look, action)),
        next_wake_unix_s=look.wake_at_unix_s,
        complete=observed.listed,
    )


def _still_wanted(look: Look, action: Action) -> bool:
    """Tell whether the look has not decided otherwise since: a start given up."""
    if not isinstance(action, Start):
        return True
    return look.draft.after.tasks[action.key].status in STARTING


def _turn_task(look: Look, task: Task) -> None:
    seen = look.seen(task)
    turn = next_turn(task, seen, look.now_unix_s)
    look.actions.extend(turn.actions)
    look.wake_at(turn.wake_at_unix_s)
    if turn.task is task:
        return
    look.draft.put_task(turn.task)
    port_taken = seen.outcome is not None and isinstance(seen.outcome.error, PortTaken)
    if port_taken:
        _rest_ports(look, leases.quarantined(task, look.now_unix_s))
    if not (port_taken and leases.are_dynamic(task.task_definition)):
        _count(look, task, turn.task)  # else the next try has another port
    if turn.task.status is TaskStatus.STOPPED:
        _rest_ports(look, leases.released(task, look.now_unix_s))
        _tell_killed(look, turn.task)


def _count(look: Look, before: Task, after: Task) -> None:
    """Keep the deployment's counters of failures."""
    deployment = look.draft.after.deployments.get(after.deployment_id)
    if deployment is None:
        return
    if before.is_live and not after.is_live:
        failed = backoff.after_failure(deployment, after, look.now_unix_s)
        if breaker.counts(after):
            failed = breaker.after_failure(failed)
        look.keep_count(deployment, failed)


def _rest_ports(look: Look, records: tuple[PortRecord, ...]) -> None:
    """Remember dynamic ports that are not to be leased for a while."""
    for record in records:
        instance = look.observed.instances.get(record.instance)
        first, last = instance.dynamic_port_range if instance else (0, PORT_MAX)
        if not first <= record.host_port <= last:
            continue
        known = look.draft.after.ports_of(record.instance).get(record.host_port)
        free_at = max(record.free_at_unix_s, known.free_at_unix_s if known else 0.0)
        look.draft.put_port(replace(record, free_at_unix_s=free_at))


def _tell_killed(look: Look, task: Task) -> None:
    outcome = look.observed.outcomes.get(task.id)
    for definition in task.task_definition.containers:
        name = container_name(look.around.cluster_uid, task.id, definition.name)
        if outcome and name in outcome.killed:
            timeout_s = definition.stop_timeout_s
            whose = task.service or task.group
            look.tell(whose, wording.killed(whose, task.id, timeout_s))


def _sweep(look: Look, instance: str) -> None:
    """Stop and remove our containers that no task accounts for.

    Such as: a start that was given up and took effect later. Containers of
    other clusters are never listed, and their names never match.
    """
    status = look.observed.statuses[instance]
    if not status.connected or instance not in look.observed.instances:
        return
    for container in status.containers:
        task = look.draft.after.tasks.get(container.task_id)
        accounted = task is not None and task.status is not TaskStatus.STOPPED
        if not accounted and _may_sweep(look, container, status.observed_at_s):
            look.actions.append(
                Stop(
                    container.name,
                    instance,
                    (((container.name, STOP_TIMEOUT_S),),),
                    container.task_id,
                )
            )


def _may_sweep(look: Look, container: ContainerStatus, observed_at_s: float) -> bool:
    if not container.name.startswith(f"alb-{look.around.cluster_uid}-"):
        return False
    settled = look.observed.settled_at_s
    latest = max(settled.get(key, 0.0) for key in (container.name, container.task_id))
    outcome = look.observed.outcomes.get(container.name)
    resting = outcome is not None and look.now_unix_s < outcome.at_unix_s + RETRY_S
    busy = container.name in look.observed.busy
    return not busy and not resting and observed_at_s >= latest


def _drop_old_tasks(look: Look) -> None:
    stopped: dict[str, list[Task]] = {}
    for task in look.draft.after.tasks.values():
        if task.status is TaskStatus.STOPPED:
            stopped.setdefault(task.service, []).append(task)
    for tasks in stopped.values():
        tasks.sort(key=lambda task: task.stopped_at_unix_s or 0.0)
        for position, task in enumerate(reversed(tasks)):
            age_s = look.now_unix_s - (task.stopped_at_unix_s or 0.0)
            if age_s > KEEP_STOPPED_S or position >= KEEP_STOPPED_MAX:
                look.draft.drop_task(task)


def _tell_changes(look: Look, before: Records) -> None:
    after = look.draft.after
    for service, message in (
        *chronicle.task_lines(before.tasks, after.tasks),
        *chronicle.deployment_lines(before.deployments, after.deployments),
        *chronicle.takeover_lines(before.deployments, after.deployments),
        *chronicle.traffic_lines(before.services, after.services),
        *chronicle.service_lines(before.services, after.services),
    ):
        look.tell(service, message)
