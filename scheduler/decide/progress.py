"""The next move of one task, from what is seen of it. Floor 1: pure.

    task + what is seen --> next_turn --> task after (committed), then actions

One move per look: whoever looks commits the move, acts, and looks again.

    PROVISIONING  start its pause container           -> PENDING
    PENDING       start its containers, each in turn  -> ACTIVATING
    ACTIVATING    register targets                    -> RUNNING
    RUNNING       keep registered     container gone  -> DEACTIVATING
                  restart what may be
    DEACTIVATING  deregister          drained         -> STOPPING
    STOPPING      stop and remove     removed         -> DEPROVISIONING or
    DEPROVISIONING  the pause container removed       -> STOPPED
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from scheduler.container import ContainerLast, TaskContainer
from scheduler.decide import lifecycle, wording
from scheduler.decide.actions import (
    Action,
    Deregister,
    Forget,
    Outcome,
    Register,
    Restart,
    Start,
    Stop,
    Wave,
    Work,
)
from scheduler.decide.containers import (
    Sight,
    all_names,
    definition_of,
    ended_essential,
    is_started,
    looked_at,
    record_of,
    restarting,
    startable,
    waiting,
)
from scheduler.decide.identity import container_name, target_ids
from scheduler.decide.order import stop_waves
from scheduler.decide.specs import Surroundings, container_specs
from scheduler.definition import NetworkMode
from scheduler.errors import ContainerError, HostNotReached, OutcomeUnknown
from scheduler.model import (
    PAUSE,
    ContainerName,
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
LOST_DRAIN_S: Final = 2.0
"""How long what is in flight to a host that is lost, and fails, is waited for."""
LOST_STOP_TIMEOUT_S: Final = 5.0
"""What was replaced while its host was lost has no more time than this after SIGTERM:
until then it runs twice."""


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
    sight = Sight(seen.around.cluster_uid, seen.status, seen.outcome, seen.settled_at_s)
    looked = looked_at(task, sight, now_unix_s)
    return _TURNS[task.status](looked, seen, now_unix_s)


def _starting(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    if seen.busy:
        return Turn(task)
    outcome = seen.outcome
    if outcome is not None and not isinstance(outcome.action, Start):
        outcome = None
    refused = outcome is not None and _is_refusal(outcome.error)
    if not refused and ended_essential(task) is not None:
        code = StopCode.ESSENTIAL_CONTAINER_EXITED
        return Turn(lifecycle.stop(task, code, wording.ESSENTIAL_EXITED, now_unix_s))
    if outcome is not None and outcome.error is not None:
        return _not_started(task, seen, outcome, outcome.error, now_unix_s)
    if task.status is TaskStatus.PROVISIONING:
        return _provisioned(task, seen, now_unix_s)
    return _next_start(task, seen, now_unix_s)


def _provisioned(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    """Go on once the pause container runs, and the task's address is known."""
    if record_of(task, PAUSE).status is ContainerLast.PENDING:
        return Turn(task, (_start(task, seen),))
    if task.task_definition.network_mode is NetworkMode.AWSVPC:
        name = container_name(seen.around.cluster_uid, task.id, PAUSE)
        containers = seen.status.containers if seen.status else ()
        address = next((each.address for each in containers if each.name == name), "")
        if not address:
            return Turn(task)
        task = replace(task, address=address)
    return Turn(lifecycle.move(task, TaskStatus.PENDING, now_unix_s))


def _next_start(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    """Start the containers whose turn it is; go on when all were started."""
    if startable(task):
        return Turn(task, (_start(task, seen),))
    if is_started(task):
        return Turn(lifecycle.move(task, TaskStatus.ACTIVATING, now_unix_s))
    what = waiting(task, now_unix_s)
    if what.failed:
        code = StopCode.TASK_FAILED_TO_START
        return Turn(lifecycle.stop(task, code, what.failed, now_unix_s))
    return Turn(task, wake_at_unix_s=what.until_unix_s)


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
    task = replace(task, containers=tuple(_with_reason(task, outcome, reason)))
    stopping = lifecycle.stop(task, code, reason, now_unix_s)
    if outcome.nothing_sent:
        return Turn(lifecycle.move(stopping, TaskStatus.STOPPED, now_unix_s))
    return Turn(stopping)


def _with_reason(task: Task, outcome: Outcome, reason: str) -> Iterator[TaskContainer]:
    """Yield the containers; the one at which the start failed has the reason."""
    for name in all_names(task):
        record = record_of(task, name)
        mine = name == outcome.failed
        yield replace(record, reason=reason) if mine else record


def _serving(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    registrations = target_ids(task)
    task = _refused_restarts(task, seen)
    if ended_essential(task) is not None:
        code, reason = StopCode.ESSENTIAL_CONTAINER_EXITED, wording.ESSENTIAL_EXITED
        stopped = lifecycle.stop(task, code, reason, now_unix_s)
        return Turn(stopped, tuple(Deregister(name) for name in registrations))
    if task.status is TaskStatus.ACTIVATING:
        task = lifecycle.move(task, TaskStatus.RUNNING, now_unix_s)
    again, wake_at = _restarts(task, seen, now_unix_s)
    return Turn(task, (*_register(task, seen), *again), wake_at)


def _refused_restarts(task: Task, seen: Seen) -> Task:
    """Give up a restart that the host refused: the container has ended."""
    outcome = seen.outcome
    if outcome is None or not isinstance(outcome.action, Restart):
        return task
    if outcome.error is None or not _is_refusal(outcome.error):
        return task
    name, reason = outcome.action.spec.definition.name, str(outcome.error)
    return replace(
        task,
        containers=tuple(
            replace(each, status=ContainerLast.STOPPED, reason=reason)
            if each.name == name and each.status is ContainerLast.PENDING
            else each
            for each in task.containers
        ),
    )


def _restarts(
    task: Task, seen: Seen, now_unix_s: float
) -> tuple[tuple[Restart, ...], float | None]:
    """Return the restart that is due, one at a time, and when to try again."""
    waits = next(restarting(task), None)
    if waits is None or seen.busy:
        return (), None
    specs = container_specs(task, seen.kind, seen.around)
    spec = next(each for each in specs if each.definition.name == waits.name)
    restart = Restart(task.id, task.instance, spec, waits.restarts)
    outcome = seen.outcome
    if outcome is not None and outcome.action == restart and outcome.error is not None:
        retry_at = outcome.at_unix_s + RETRY_S
        return ((restart,), None) if now_unix_s >= retry_at else ((), retry_at)
    return (restart,), None


def _draining(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    registrations = target_ids(task)
    views = [seen.targets.get(name) for name in registrations]
    drained = all(view and view.removed_everywhere and view.drained for view in views)
    delays = [item.deregistration_delay_s for item, _ in registrations.values()]
    assert task.stopping_at_unix_s is not None, "set by every move out of RUNNING"
    deadline = task.stopping_at_unix_s + max(delays, default=0.0) + DRAIN_GRACE_S
    if task.is_tombstone and all(view and view.removed_everywhere for view in views):
        deadline = task.stopping_at_unix_s + LOST_DRAIN_S
    if drained or now_unix_s >= deadline:
        return Turn(lifecycle.move(task, TaskStatus.STOPPING, now_unix_s))
    deregister = tuple(Deregister(name) for name in registrations)
    return Turn(task, (*_register(task, seen), *deregister), deadline)


def _stopping(task: Task, seen: Seen, now_unix_s: float) -> Turn:
    if _is_away(seen):
        return Turn(task, tuple(_drained(task, seen)))
    if seen.busy:
        return Turn(task)
    stop = _stop(task, seen)
    outcome = seen.outcome
    if outcome is None or outcome.action != stop:
        return Turn(task, (stop,))
    if outcome.error is not None:
        return _again(task, outcome, stop, now_unix_s)
    last = not task.task_definition.needs_pause
    if last or task.status is TaskStatus.DEPROVISIONING:
        return Turn(lifecycle.move(task, TaskStatus.STOPPED, now_unix_s))
    return Turn(lifecycle.move(task, TaskStatus.DEPROVISIONING, now_unix_s))


def _is_away(seen: Seen) -> bool:
    """Tell whether its host does not answer: what is sent now could arrive later."""
    return seen.status is not None and not seen.status.connected


def _drained(task: Task, seen: Seen) -> Iterator[Forget]:
    """Yield the targets that nothing is in flight to any more."""
    for name in target_ids(task):
        view = seen.targets.get(name)
        if view and view.removed_everywhere and view.drained:
            yield Forget(name)


def _stop(task: Task, seen: Seen) -> Stop:
    """Return what ends the containers, or at last what they had in common."""

    def timed(name: str) -> tuple[ContainerName, float]:
        definition = definition_of(task, name)
        timeout_s = definition.stop_timeout_s if definition else 0.0
        if task.is_tombstone:
            timeout_s = min(timeout_s, LOST_STOP_TIMEOUT_S)
        return container_name(seen.around.cluster_uid, task.id, name), timeout_s

    whole = task.task_definition
    if task.status is TaskStatus.DEPROVISIONING:
        waves: tuple[Wave, ...] = ((timed(PAUSE),),)
    else:
        waves = tuple(
            tuple(timed(name) for name in wave) for wave in stop_waves(whole.containers)
        )
    last = task.status is TaskStatus.DEPROVISIONING or not whole.needs_pause
    volumes_of = task.id if last and whole.volumes else None
    return Stop(task.id, task.instance, waves, volumes_of)


def _stopped(task: Task, seen: Seen, _now_unix_s: float) -> Turn:
    known = [name for name in target_ids(task) if name in seen.targets]
    return Turn(task, tuple(Forget(name) for name in known))


_TURNS: Final[Mapping[TaskStatus, Callable[[Task, Seen, float], Turn]]] = {
    TaskStatus.PROVISIONING: _starting,
    TaskStatus.PENDING: _starting,
    TaskStatus.ACTIVATING: _serving,
    TaskStatus.RUNNING: _serving,
    TaskStatus.DEACTIVATING: _draining,
    TaskStatus.STOPPING: _stopping,
    TaskStatus.DEPROVISIONING: _stopping,
    TaskStatus.STOPPED: _stopped,
}


def _start(task: Task, seen: Seen) -> Start:
    """Return the start of the containers whose turn it is, in order."""
    wanted = {PAUSE} if task.status is TaskStatus.PROVISIONING else startable(task)
    specs = container_specs(task, seen.kind, seen.around)
    due = tuple(each for each in specs if each.definition.name in wanted)
    return Start(task.id, task.instance, due)


def _register(task: Task, seen: Seen) -> Iterator[Register]:
    """Yield what the load balancer does not know: a new task's, or after a restart.

    Of a draining task too: only a target that it knows can be drained by it.
    """
    for name, (balancer, lease) in target_ids(task).items():
        if name not in seen.targets:
            yield Register(name, balancer.target_group, task.address, lease.host_port)


def _again(task: Task, outcome: Outcome, action: Work, now_unix_s: float) -> Turn:
    """Repeat an action whose effect is not known, after a pause."""
    retry_at = outcome.at_unix_s + RETRY_S
    if now_unix_s >= retry_at:
        return Turn(task, (action,))
    return Turn(task, wake_at_unix_s=retry_at)
