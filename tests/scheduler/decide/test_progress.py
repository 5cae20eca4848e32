"""Each look moves a task by one, from what is seen of it and nothing else."""

from dataclasses import replace

import pytest

from scheduler.decide.actions import (
    Action,
    Deregister,
    Forget,
    Outcome,
    Register,
    Start,
    Stop,
)
from scheduler.decide.progress import Seen, next_turn
from scheduler.decide.specs import Surroundings, container_specs
from scheduler.errors import (
    CannotStart,
    ContainerError,
    HostNotReached,
    ImageNotFound,
    OutcomeUnknown,
)
from scheduler.model import (
    ContainerName,
    ContainerState,
    ContainerStatus,
    InstanceStatus,
    RuntimeKind,
    StopCode,
    Task,
    TaskId,
    TaskStatus,
)
from tests.support.tasks import (
    DRAINED,
    HEALTHY,
    INITIAL,
    NOW,
    container,
    definition,
    task,
)

TARGET = "t/web/8080/blue"
NAME = ContainerName("alb-c1-t-web")
START = Start("t", "a", container_specs(task(), RuntimeKind.DOCKER, Surroundings("c1")))
STOP = Stop("t", "a", (((NAME, 30.0),),))


def seen_with(*containers: ContainerStatus, connected: bool = True) -> Seen:
    """A world in which the host shows these containers, asked at second 50."""
    status = InstanceStatus(connected, 4096, 8192, "10.0.0.1", containers, 50.0)
    return Seen(RuntimeKind.DOCKER, Surroundings("c1"), status, {TARGET: HEALTHY})


def shown(state: ContainerState, code: int | None = None) -> ContainerStatus:
    return ContainerStatus(NAME, TaskId("t"), state, code)


RUNS = seen_with(shown(ContainerState.RUNNING))
NOTHING = seen_with()
EXITED = seen_with(shown(ContainerState.EXITED, 3))
AWAY = seen_with(connected=False)


def ended(
    action: Start | Stop, error: type[ContainerError] | None = None, at: float = NOW
) -> Outcome:
    failed = error("a", "start", "because") if error else None
    return Outcome(action, at, failed)


def kinds(actions: tuple[Action, ...]) -> str:
    return " ".join(type(action).__name__ for action in actions)


S = TaskStatus
# fmt: off
TURNS = [  # status, seen, becomes, actions, because
    (S.PENDING, NOTHING, S.PENDING, "Start", "a new task is started"),
    (S.PENDING, RUNS, S.PENDING, "Start", "after a restart it is started again: adopted"),
    (S.PENDING, AWAY, S.PENDING, "Start", "only the host can say that it is away"),
    (S.PENDING, replace(NOTHING, busy=True), S.PENDING, "", "one action at a time"),
    (S.PENDING, EXITED, S.STOPPING, "", "it ran and ended before we knew"),
    (S.PENDING, replace(RUNS, outcome=ended(START)), S.ACTIVATING, "", "started"),
    (S.PENDING, replace(RUNS, outcome=ended(STOP)), S.PENDING, "Start", "another action's outcome"),
    (S.PENDING, replace(NOTHING, outcome=ended(START, ImageNotFound)), S.STOPPING, "", "refused: remove what was left"),
    (S.PENDING, replace(NOTHING, outcome=ended(START, OutcomeUnknown)), S.PENDING, "", "it keeps its host"),
    (S.PENDING, replace(EXITED, outcome=ended(START, OutcomeUnknown)), S.STOPPING, "", "it ran and ended, though nobody answered"),
    (S.PENDING, replace(NOTHING, outcome=ended(START, OutcomeUnknown, NOW - 2)), S.PENDING, "Start", "and is tried again after a pause"),
    (S.PENDING, replace(NOTHING, outcome=ended(START, HostNotReached)), S.PENDING, "", "an earlier try may have been sent"),
    (S.PENDING, replace(NOTHING, outcome=replace(ended(START, HostNotReached), nothing_sent=True)), S.STOPPED, "", "certainly nothing was sent"),
    (S.ACTIVATING, replace(RUNS, targets={}), S.RUNNING, "Register", "its targets are registered"),
    (S.ACTIVATING, EXITED, S.DEACTIVATING, "Deregister", "it died while it was registered"),
    (S.RUNNING, RUNS, S.RUNNING, "", "it serves"),
    (S.RUNNING, replace(RUNS, targets={}), S.RUNNING, "Register", "a load balancer that restarted is told"),
    (S.RUNNING, replace(RUNS, status=None), S.RUNNING, "", "a host not seen yet says nothing"),
    (S.RUNNING, AWAY, S.RUNNING, "", "nor does one that is away"),
    (S.RUNNING, NOTHING, S.DEACTIVATING, "Deregister", "its container is gone"),
    (S.RUNNING, replace(NOTHING, settled_at_s=50.0), S.RUNNING, "", "a status older than its start says nothing"),
    (S.RUNNING, EXITED, S.DEACTIVATING, "Deregister", "its container ended"),
    (S.RUNNING, replace(EXITED, settled_at_s=50.0), S.DEACTIVATING, "Deregister", "an end is an end, however old"),
    (S.DEACTIVATING, RUNS, S.DEACTIVATING, "Deregister", "it is still in use"),
    (S.DEACTIVATING, replace(RUNS, targets={}), S.DEACTIVATING, "Register Deregister", "a new load balancer must know what it drains"),
    (S.DEACTIVATING, replace(RUNS, targets={TARGET: replace(DRAINED, drained=False)}), S.DEACTIVATING, "Deregister", "requests are in flight"),
    (S.DEACTIVATING, replace(RUNS, targets={TARGET: DRAINED}), S.STOPPING, "", "drained"),
    (S.STOPPING, RUNS, S.STOPPING, "Stop", "SIGTERM"),
    (S.STOPPING, replace(RUNS, busy=True), S.STOPPING, "", "being stopped"),
    (S.STOPPING, replace(RUNS, outcome=ended(START)), S.STOPPING, "Stop", "another action's outcome"),
    (S.STOPPING, replace(RUNS, outcome=ended(STOP, HostNotReached)), S.STOPPING, "", "not reached: a pause"),
    (S.STOPPING, replace(RUNS, outcome=ended(STOP, HostNotReached, NOW - 2)), S.STOPPING, "Stop", "and again"),
    (S.STOPPING, AWAY, S.STOPPING, "", "what is sent to a host that is away could arrive later"),
    (S.STOPPING, replace(AWAY, targets={TARGET: DRAINED}), S.STOPPING, "Forget", "meanwhile nothing is sent to it any more"),
    (S.STOPPING, replace(RUNS, outcome=ended(STOP)), S.STOPPED, "", "stopped and removed"),
    (S.STOPPED, RUNS, S.STOPPED, "Forget", "its targets are forgotten"),
    (S.STOPPED, replace(RUNS, targets={}), S.STOPPED, "", "nothing is left to do"),
]
# fmt: on


@pytest.mark.parametrize("row", TURNS, ids=[f"{r[0].value}: {r[-1]}" for r in TURNS])
def test_next_turn(row: tuple[TaskStatus, Seen, TaskStatus, str, str]) -> None:
    status, seen, after, actions, _ = row
    turn = next_turn(task(status=status), seen, NOW)
    assert (after, actions) == (turn.task.status, kinds(turn.actions))


def test_actions_name_what_they_are_about() -> None:
    stopping = next_turn(task(status=S.STOPPING), RUNS, NOW)
    assert (STOP,) == stopping.actions
    unknown = replace(RUNS, targets={})
    draining = next_turn(task(status=S.DEACTIVATING), unknown, NOW)
    register = Register(TARGET, "blue", "10.0.0.1", 20_000)
    assert (register, Deregister(TARGET)) == draining.actions
    assert (Forget(TARGET),) == next_turn(task(status=S.STOPPED), RUNS, NOW).actions
    [start] = next_turn(task(status=S.PENDING), NOTHING, NOW).actions
    assert isinstance(start, Start)
    assert [NAME] == [spec.name for spec in start.specs]


def test_silence_of_the_load_balancer_ends_after_delay_and_ten_seconds() -> None:
    silent = replace(RUNS, targets={TARGET: INITIAL})
    leaving = replace(task(status=S.DEACTIVATING), stopping_at_unix_s=NOW)
    turn = next_turn(leaving, silent, NOW + 19.9)
    assert (S.DEACTIVATING, NOW + 20) == (turn.task.status, turn.wake_at_unix_s)
    assert S.STOPPING is next_turn(leaving, silent, NOW + 20).task.status


def tombstone(status: TaskStatus) -> Task:
    """A task whose host was lost."""
    code = StopCode.INFRASTRUCTURE_HEALTH
    return replace(task(status=status), stop_code=code, stopping_at_unix_s=NOW)


def test_what_is_in_flight_to_a_lost_host_is_waited_for_two_seconds() -> None:
    leaving = tombstone(S.DEACTIVATING)
    removed = replace(RUNS, targets={TARGET: replace(DRAINED, drained=False)})
    assert S.DEACTIVATING is next_turn(leaving, removed, NOW + 1.9).task.status
    assert S.STOPPING is next_turn(leaving, removed, NOW + 2).task.status
    still = replace(RUNS, targets={TARGET: HEALTHY})
    late = next_turn(leaving, still, NOW + 19.9).task.status
    assert S.DEACTIVATING is late, "but somebody may still be sending"


def test_what_runs_twice_has_five_seconds_after_sigterm() -> None:
    [stop] = next_turn(tombstone(S.STOPPING), RUNS, NOW).actions
    assert isinstance(stop, Stop)
    assert (((NAME, 5.0),),) == stop.waves


def test_without_targets_there_is_nothing_to_drain() -> None:
    alone = replace(task(status=S.DEACTIVATING), load_balancers=())
    assert S.STOPPING is next_turn(alone, RUNS, NOW).task.status


def test_a_pause_says_when_it_ends() -> None:
    resting = replace(NOTHING, outcome=ended(START, OutcomeUnknown))
    assert NOW + 2 == next_turn(task(status=S.PENDING), resting, NOW).wake_at_unix_s


# fmt: off
REASONS = [
    (S.PENDING, replace(NOTHING, outcome=ended(START, ImageNotFound)), StopCode.TASK_FAILED_TO_START, "CannotPullContainerError: because"),
    (S.PENDING, replace(NOTHING, outcome=ended(START, CannotStart)), StopCode.TASK_FAILED_TO_START, "CannotStartContainerError: because"),
    (S.PENDING, replace(EXITED, outcome=ended(START, CannotStart)), StopCode.TASK_FAILED_TO_START, "CannotStartContainerError: because"),
    (S.RUNNING, EXITED, StopCode.ESSENTIAL_CONTAINER_EXITED, "Essential container in task exited"),
    (S.RUNNING, NOTHING, StopCode.ESSENTIAL_CONTAINER_EXITED, "Essential container in task exited"),
    (S.RUNNING, seen_with(replace(shown(ContainerState.EXITED, 137), oom_killed=True)), StopCode.ESSENTIAL_CONTAINER_EXITED,
     "Essential container in task exited"),
]
# fmt: on


@pytest.mark.parametrize(("status", "seen", "code", "reason"), REASONS)
def test_a_task_keeps_why_it_stopped(
    status: TaskStatus, seen: Seen, code: StopCode, reason: str
) -> None:
    after = next_turn(task(status=status), seen, NOW).task
    assert (code, reason) == (after.stop_code, after.stopped_reason)


def with_sidecar() -> Task:
    sidecar = replace(container("sidecar"), essential=False)
    return replace(task(), task_definition=definition(container("web", 8080), sidecar))


def test_a_container_that_is_not_essential_may_end() -> None:
    assert S.RUNNING is next_turn(with_sidecar(), RUNS, NOW).task.status


def test_all_containers_of_a_task_are_stopped() -> None:
    leaving = replace(with_sidecar(), status=S.STOPPING)
    [stop] = next_turn(leaving, RUNS, NOW).actions
    assert isinstance(stop, Stop)
    [wave] = stop.waves
    assert ["alb-c1-t-web", "alb-c1-t-sidecar"] == [name for name, _ in wave]
