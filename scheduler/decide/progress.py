"""The next move of one task, from what is seen of it. Floor 1: pure.

    task + what is seen --> next_turn --> task after (committed), then actions

One move per look: whoever looks commits the move, acts, and looks again.

    PENDING       start it            started         -> ACTIVATING
    ACTIVATING    register targets                    -> RUNNING
    RUNNING       keep registered     container gone  -> DEACTIVATING
    DEACTIVATING  deregister          drained         -> STOPPING
    STOPPING      stop and remove     removed         -> STOPPED
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from scheduler.decide import lifecycle, wording
from scheduler.decide.actions import (
    Action,
    Deregister,
    Forget,
    Outcome,
    Register,
    Start,
    Stop,
)
from scheduler.decide.identity import container_name, target_ids
from scheduler.decide.specs import Surroundings, container_specs
from scheduler.errors import ContainerError, HostNotReached, OutcomeUnknown
from scheduler.model import (
    ContainerState,
    ContainerStatus,
    InstanceStatus,
    RuntimeKind,
    StopCode,
    Task,
    TaskStatus,
)
from scheduler.ports import TargetView

RETRY_S: Final = 2.0
"""Between two tries of an action that did not reach its host."""
DRAIN_GRACE_S: Final = 10.0
"""The load balancer itself ends a drain after the deregistration delay; this
long after that, its silence is taken for an answer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one task's world at this moment."""

    kind: RuntimeKind
    around: Surroundings
    status: InstanceStatus | None
    """Its instance's, or None when that was not seen yet."""
    targets: Mapping[str, TargetView]
    busy: bool = False
    """An action of the task is being performed."""
    outcome: Outcome | None = None
    """How the latest one ended."""
    settled_at_s: float = float("-inf")
    """When it ended: a status asked for before that says nothing of absence."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The task after its move, and what to do once that is written down."""

    task: Task
    actions: tuple[Action, ...] = ()
    wake_at_unix_s: float | None = None


def next_turn(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    """Return the task's next move. A turn without a move may have actions."""
    return _TURNS[task.status](task, seen, now_unix_s)


def _pending(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    if seen.busy:
        return Turn(task)
    outcome = seen.outcome
    if outcome is not None and not isinstance(outcome.action, Start):
        outcome = None
    refused = outcome is not None and _is_refusal(outcome.error)
    if not refused and (dead := _dead(task, seen)) is not None:
        code = StopCode.ESSENTIAL_CONTAINER_EXITED
        return Turn(lifecycle.stop(task, code, dead, now_unix_s))
    if outcome is None:
        return Turn(task, (_start(task, seen),))
    if outcome.error is None:
        return Turn(lifecycle.move(task, TaskStatus.ACTIVATING, now_unix_s))
    return _not_started(task, seen, outcome, outcome.error, now_unix_s)


def _is_refusal(error: ContainerError | None) -> bool:
    """Tell whether the host said why it did not start: better than an exit code."""
    return error is not None and not isinstance(error, HostNotReached | OutcomeUnknown)


def _not_started(
    task: Task, seen: Seen, outcome: Outcome, error: ContainerError, now_unix_s: float
) -> Turn:
    """Move on from a start that failed: nothing sent, not known, or refused."""
    if not _is_refusal(error) and not outcome.nothing_sent:
        return _again(task, outcome, _start(task, seen), now_unix_s)
    code, reason = StopCode.TASK_FAILED_TO_START, wording.cannot_start(error)
    stopping = lifecycle.stop(task, code, reason, now_unix_s)
    if outcome.nothing_sent:
        return Turn(lifecycle.move(stopping, TaskStatus.STOPPED, now_unix_s))
    return Turn(stopping)


def _serving(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    registrations = target_ids(task)
    if (dead := _dead(task, seen)) is not None:
        code = StopCode.ESSENTIAL_CONTAINER_EXITED
        stopped = lifecycle.stop(task, code, dead, now_unix_s)
        return Turn(stopped, tuple(Deregister(name) for name in registrations))
    if task.status is TaskStatus.ACTIVATING:
        task = lifecycle.move(task, TaskStatus.RUNNING, now_unix_s)
    return Turn(task, tuple(_register(task, seen)))


def _draining(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    registrations = target_ids(task)
    views = [seen.targets.get(name) for name in registrations]
    drained = all(view and view.removed_everywhere and view.drained for view in views)
    delays = [item.deregistration_delay_s for item, _ in registrations.values()]
    assert task.stopping_at_unix_s is not None, "set by every move out of RUNNING"
    deadline = task.stopping_at_unix_s + max(delays, default=0.0) + DRAIN_GRACE_S
    if drained or now_unix_s >= deadline:
        return Turn(lifecycle.move(task, TaskStatus.STOPPING, now_unix_s))
    deregister = tuple(Deregister(name) for name in registrations)
    return Turn(task, (*_register(task, seen), *deregister), deadline)


def _stopping(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    if seen.busy:
        return Turn(task)
    stop = Stop(
        key=task.id,
        instance=task.instance,
        containers=tuple(
            (
                container_name(seen.around.cluster_uid, task.id, item.name),
                item.stop_timeout_s,
            )
            for item in task.task_definition.containers
        ),
    )
    outcome = seen.outcome
    if outcome is None or not isinstance(outcome.action, Stop):
        return Turn(task, (stop,))
    if outcome.error is not None:
        return _again(task, outcome, stop, now_unix_s)
    return Turn(lifecycle.move(task, TaskStatus.STOPPED, now_unix_s))


def _stopped(task: Task, seen: Seen, _now_unix_s: float) -> Turn:
    known = [name for name in target_ids(task) if name in seen.targets]
    return Turn(task, tuple(Forget(name) for name in known))


_TURNS: Final[Mapping[TaskStatus, Callable[[Task, Seen, float], Turn]]] = {
    TaskStatus.PENDING: _pending,
    TaskStatus.ACTIVATING: _serving,
    TaskStatus.RUNNING: _serving,
    TaskStatus.DEACTIVATING: _draining,
    TaskStatus.STOPPING: _stopping,
    TaskStatus.STOPPED: _stopped,
}


def _start(task: Task, seen: Seen) -> Start:
    return Start(task.id, task.instance, container_specs(task, seen.kind, seen.around))


def _register(task: Task, seen: Seen) -> Iterator[Register]:
    """Yield what the load balancer does not know: a new task's, or after a restart.

    Of a draining task too: only a target that it knows can be drained by it.
    """
    for name, (balancer, lease) in target_ids(task).items():
        if name not in seen.targets:
            yield Register(name, balancer.target_group, task.address, lease.host_port)


def _again(
    task: Task, outcome: Outcome, action: Start | Stop, now_unix_s: float
) -> Turn:
    """Repeat an action whose effect is not known, after a pause."""
    retry_at = outcome.at_unix_s + RETRY_S
    if now_unix_s >= retry_at:
        return Turn(task, (action,))
    return Turn(task, wake_at_unix_s=retry_at)


def _dead(task: Task, seen: Seen) -> str | None:
    """Return why an essential container is seen to run no more; None: it may run.

    Absence counts only for a task that was started, and only in a status asked
    for after its latest action; a host that is not connected says nothing.
    """
    if seen.status is None or not seen.status.connected:
        return None
    containers = {item.name: item for item in seen.status.containers}
    fresh = seen.status.observed_at_s > seen.settled_at_s
    started = task.status is not TaskStatus.PENDING
    for definition in task.task_definition.containers:
        if not definition.essential:
            continue
        name = container_name(seen.around.cluster_uid, task.id, definition.name)
        found: ContainerStatus | None = containers.get(name)
        if found is None and started and fresh:
            return wording.exited(None, oom_killed=False)
        if found is not None and found.state is ContainerState.EXITED:
            return wording.exited(found.exit_code, oom_killed=found.oom_killed)
    return None
