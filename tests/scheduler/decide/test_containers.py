"""How far a task's containers have come, and whose turn it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.container import ContainerLast, HealthStatus, TaskContainer
from scheduler.decide.actions import Outcome, Restart, Start, Stop, Work
from scheduler.decide.containers import record_of, startable
from scheduler.decide.progress import Seen, Turn, next_turn
from scheduler.decide.specs import Surroundings, container_specs
from scheduler.definition import (
    Condition,
    ContainerDefinition,
    ContainerHealthCheck,
    Dependency,
    NetworkMode,
    RestartPolicy,
    Volume,
)
from scheduler.errors import CannotStart, ContainerError, OutcomeUnknown
from scheduler.model import (
    PAUSE,
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
from tests.support.tasks import HEALTHY, NOW, container, definition, task

S, C = TaskStatus, ContainerState
AROUND = Surroundings("c1")
PENDING, RUNNING, STOPPED = ContainerLast
CHECK = ContainerHealthCheck(("CMD", "true"))
POLICY = RestartPolicy((7,), 60.0)


def waits(name: str, *needs: str) -> ContainerDefinition:
    """A container with its dependencies, each as ``NAME:CONDITION``."""
    found = []
    for need in needs:
        other, _, condition = need.partition(":")
        found.append(Dependency(other, Condition(condition)))
    return replace(container(name), depends_on=tuple(found))


def of(
    *containers: ContainerDefinition, status: TaskStatus = S.PENDING, **changes: Any
) -> Task:
    made = replace(task(status=status), task_definition=definition(*containers))
    return replace(made, load_balancers=(), **changes)


def seen_with(outcome: Outcome | None = None, **states: Any) -> Seen:
    """A world that shows these containers: running, code of an end, or a health."""
    shown = tuple(_shown(name.replace("_", "."), it) for name, it in states.items())
    status = InstanceStatus(True, 4096, 8192, "10.0.0.1", shown, 50.0)  # noqa: FBT003
    return Seen(RuntimeKind.DOCKER, AROUND, status, {"x": HEALTHY}, outcome=outcome)


def _shown(name: str, what: Any) -> ContainerStatus:
    full, mine = ContainerName(f"alb-c1-t-{name}"), TaskId("t")
    if isinstance(what, HealthStatus):
        return ContainerStatus(full, mine, C.RUNNING, health=what)
    if isinstance(what, str):
        return ContainerStatus(full, mine, C.RUNNING, address=what)
    if isinstance(what, bool):
        return ContainerStatus(full, mine, C.RUNNING)
    return ContainerStatus(full, mine, C.EXITED, what)


def done(of_task: Task, *names: str, error: ContainerError | None = None) -> Outcome:
    specs = container_specs(of_task, RuntimeKind.DOCKER, AROUND)
    started = tuple(each for each in specs if each.definition.name in names)
    failed = names[-1] if error else ""
    return Outcome(Start("t", "a", started), NOW, error, failed=failed)


def begun(turn: Turn) -> str:
    [action] = turn.actions
    assert isinstance(action, Start)
    return " ".join(spec.definition.name for spec in action.specs)


def known(name: str, status: ContainerLast, **changes: Any) -> TaskContainer:
    return TaskContainer(name, status, started_at_unix_s=NOW - 100, **changes)


INIT = replace(container("init"), essential=False)
DB = replace(container("db"), health_check=CHECK)

# fmt: off
TURNS = [
    # the containers, what is known of the first, who starts
    ((container("a"), container("b")), None, "a b", "without order, all at once"),
    ((waits("a", "b:START"), container("b")), None, "b a", "START: in one go, in order"),
    ((waits("a", "init:COMPLETE"), INIT), None, "init", "COMPLETE: it has to end first"),
    ((INIT, waits("a", "init:COMPLETE")), known("init", RUNNING), "", "it has not ended"),
    ((INIT, waits("a", "init:COMPLETE")), known("init", STOPPED, exit_code=9), "a",
     "COMPLETE: however it ended"),
    ((INIT, waits("a", "init:SUCCESS")), known("init", STOPPED, exit_code=0), "a",
     "SUCCESS: it ended well"),
    ((DB, waits("a", "db:HEALTHY")), known("db", RUNNING), "", "not healthy yet"),
    ((DB, waits("a", "db:HEALTHY")), known("db", RUNNING, health=HealthStatus.HEALTHY), "a",
     "HEALTHY"),
    ((DB, waits("a", "db:HEALTHY")), known("db", RUNNING, health=HealthStatus.UNHEALTHY), "",
     "unhealthy may still become healthy"),
    ((replace(container("b"), links=("a:x",)), container("a")), None, "a b", "a link is START"),
]
# fmt: on


@pytest.mark.parametrize(
    ("containers", "record", "names"), [r[:3] for r in TURNS], ids=[r[3] for r in TURNS]
)
def test_who_starts_next(
    containers: tuple[ContainerDefinition, ...],
    record: TaskContainer | None,
    names: str,
) -> None:
    waiting = of(*containers, containers=(record,) if record else ())

    runs = record is not None and record.status is RUNNING
    shown = {record.name: record.health or True} if record and runs else {}

    turn = next_turn(waiting, seen_with(None, **shown), NOW)

    assert names == (begun(turn) if turn.actions else "")
    assert turn.task.status is S.PENDING


def test_a_chain_goes_on_look_by_look_until_all_were_started() -> None:
    first = of(INIT, waits("web", "init:SUCCESS"))

    started = next_turn(first, seen_with(done(first, "init"), init=True), NOW)
    assert not started.actions
    ended = next_turn(started.task, seen_with(done(first, "init"), init=0), NOW + 1)
    assert "web" == begun(ended)
    assert 0 == record_of(ended.task, "init").exit_code
    last = next_turn(ended.task, seen_with(done(first, "web"), init=0, web=True), NOW)
    assert last.task.status is S.ACTIVATING
    serving = next_turn(last.task, seen_with(init=0, web=True), NOW)
    assert serving.task.status is S.RUNNING, "an init container may have ended"


# fmt: off
FAILURES = [
    ((INIT, waits("a", "init:SUCCESS")), known("init", STOPPED, exit_code=2), 0.0,
     "Task failed to start: container a waits for init to be SUCCESS, "
     "which ended with exit code 2", "it failed"),
    ((DB, waits("a", "db:HEALTHY")), known("db", RUNNING), 80.0,
     "Task failed to start: container a waited for db to be HEALTHY until its startTimeout",
     "the agent's three minutes"),
    ((replace(DB, start_timeout_s=101.0), waits("a", "db:HEALTHY")), known("db", RUNNING), 1.0,
     "Task failed to start: container a waited for db to be HEALTHY until its startTimeout",
     "its own"),
]
# fmt: on


@pytest.mark.parametrize(
    ("containers", "record", "after_s", "reason"),
    [r[:4] for r in FAILURES],
    ids=[r[4] for r in FAILURES],
)
def test_who_waits_in_vain_gives_up(
    containers: tuple[ContainerDefinition, ...],
    record: TaskContainer,
    after_s: float,
    reason: str,
) -> None:
    waiting = of(*containers, containers=(record,))
    if after_s:
        early = next_turn(waiting, seen_with(db=True), NOW + after_s - 0.1)
        assert (S.PENDING, NOW + after_s) == (early.task.status, early.wake_at_unix_s)

    turn = next_turn(waiting, seen_with(None, **{record.name: True}), NOW + after_s)

    assert (S.STOPPING, StopCode.TASK_FAILED_TO_START, reason) == (
        turn.task.status,
        turn.task.stop_code,
        turn.task.stopped_reason,
    )


def test_the_container_that_could_not_start_has_the_reason() -> None:
    both = of(container("a"), container("b"))
    refused = CannotStart("a", "start", "no such user")

    turn = next_turn(both, seen_with(done(both, "a", "b", error=refused)), NOW)

    assert "" == record_of(turn.task, "a").reason
    assert "CannotStartContainerError: no such user" == record_of(turn.task, "b").reason


def test_a_start_nobody_answered_is_tried_again_for_those_not_started() -> None:
    both = of(container("a"), container("b"), containers=(known("a", RUNNING),))
    unknown = OutcomeUnknown("a", "start", "no answer")

    turn = next_turn(both, seen_with(done(both, "b", error=unknown), a=True), NOW + 2)

    assert "b" == begun(turn)


def test_an_end_that_was_seen_once_is_kept() -> None:
    serving = of(container("a"), INIT, status=S.RUNNING)
    after = next_turn(serving, seen_with(a=True, init=3), NOW).task

    later = next_turn(after, seen_with(a=True), NOW).task

    assert (STOPPED, 3) == (
        record_of(later, "init").status,
        record_of(later, "init").exit_code,
    )


# --- restarts -----------------------------------------------------------------------


def restartable(ran_s: float = 100.0, **changes: Any) -> Task:
    policy = replace(container("web"), restart_policy=POLICY)
    record = TaskContainer("web", RUNNING, started_at_unix_s=NOW - ran_s, **changes)
    return of(policy, status=S.RUNNING, containers=(record,))


# fmt: off
ENDS = [
    (100.0, 1, "Restart", S.RUNNING,      "it ran long enough"),
    (59.0,  1, "",        S.DEACTIVATING, "it did not"),
    (100.0, 7, "",        S.DEACTIVATING, "an exit code that is ignored"),
]
# fmt: on


@pytest.mark.parametrize(
    ("ran_s", "code", "actions", "status"),
    [r[:4] for r in ENDS],
    ids=[r[4] for r in ENDS],
)
def test_a_container_that_ended_is_started_again_in_place(
    ran_s: float, code: int, actions: str, status: TaskStatus
) -> None:
    turn = next_turn(restartable(ran_s), seen_with(web=code), NOW)

    assert status is turn.task.status
    assert actions == " ".join(type(each).__name__ for each in turn.actions)


def restart_of(of_task: Task, attempt: int = 1) -> Restart:
    [spec] = container_specs(of_task, RuntimeKind.DOCKER, AROUND)
    return Restart("t", "a", spec, attempt)


def outcome(action: Work, error: ContainerError | None = None) -> Outcome:
    return Outcome(action, NOW, error)


def test_a_restart_is_over_when_it_is_answered_or_seen() -> None:
    ended = next_turn(restartable(), seen_with(web=1), NOW).task
    assert (PENDING, 1) == (ended.containers[0].status, ended.containers[0].restarts)

    busy = next_turn(ended, replace(seen_with(web=1), busy=True), NOW)
    assert () == busy.actions
    stale = replace(seen_with(outcome(restart_of(ended)), web=1), settled_at_s=50.0)
    answered = next_turn(ended, stale, NOW)
    assert (S.RUNNING, RUNNING) == (
        answered.task.status,
        answered.task.containers[0].status,
    )
    seen = next_turn(ended, seen_with(web=True), NOW).task
    assert RUNNING is seen.containers[0].status, "a later life sees that it runs"


def test_a_restart_whose_outcome_is_unknown_is_tried_again() -> None:
    ended = next_turn(restartable(), seen_with(web=1), NOW).task
    lost = outcome(restart_of(ended), OutcomeUnknown("a", "restart", "no answer"))

    resting = next_turn(ended, seen_with(lost, web=1), NOW)
    again = next_turn(ended, seen_with(lost, web=1), NOW + 2)

    assert ((), NOW + 2) == (resting.actions, resting.wake_at_unix_s)
    assert (restart_of(ended),) == again.actions


def test_a_restart_that_is_refused_ends_the_task() -> None:
    ended = next_turn(restartable(), seen_with(web=1), NOW).task
    refused = outcome(restart_of(ended), CannotStart("a", "restart", "it is gone"))

    turn = next_turn(ended, seen_with(refused, web=1), NOW)

    assert S.DEACTIVATING is turn.task.status
    assert "it is gone" in turn.task.containers[0].reason


def test_it_is_restarted_once_in_each_period() -> None:
    again = restartable(ran_s=10.0, restarts=1)

    assert S.DEACTIVATING is next_turn(again, seen_with(web=1), NOW).task.status


# --- what containers share ----------------------------------------------------------


def in_a_network(status: TaskStatus = S.PROVISIONING, **changes: Any) -> Task:
    made = of(container("web", 8080), status=status, **changes)
    shared = replace(made.task_definition, network_mode=NetworkMode.AWSVPC)
    return replace(made, task_definition=shared, leases=(), address="")


def test_a_network_is_there_before_its_containers() -> None:
    first = in_a_network()
    assert PAUSE == begun(next_turn(first, seen_with(), NOW))

    seen = seen_with(done(first, PAUSE), internal_pause=True)
    unknown = next_turn(first, seen, NOW)
    assert S.PROVISIONING is unknown.task.status, "its address is not known yet"
    there = seen_with(done(first, PAUSE), internal_pause="172.17.0.9")
    turn = next_turn(unknown.task, there, NOW)
    assert (S.PENDING, "172.17.0.9") == (turn.task.status, turn.task.address)
    assert "web" == begun(next_turn(turn.task, there, NOW))


def test_a_network_goes_after_its_containers_and_volumes_with_it() -> None:
    leaving = in_a_network(S.STOPPING)
    volumes = replace(leaving.task_definition, volumes=(Volume("v"),))
    leaving = replace(leaving, task_definition=volumes)

    [stop] = next_turn(leaving, seen_with(), NOW).actions
    assert stop == Stop("t", "a", (((ContainerName("alb-c1-t-web"), 30.0),),))
    assert isinstance(stop, Stop)
    after = next_turn(leaving, seen_with(outcome(stop)), NOW)
    assert S.DEPROVISIONING is after.task.status
    [last] = next_turn(after.task, seen_with(outcome(stop)), NOW).actions
    assert isinstance(last, Stop)
    assert ("t", (((f"alb-c1-t-{PAUSE}", 0.0),),)) == (last.volumes_of, last.waves)
    gone = next_turn(after.task, seen_with(outcome(last)), NOW)
    assert S.STOPPED is gone.task.status


def test_without_its_network_a_task_ends() -> None:
    serving = in_a_network(S.RUNNING)

    turn = next_turn(serving, seen_with(web=True, internal_pause=137), NOW)

    assert S.DEACTIVATING is turn.task.status


def test_dependents_stop_first() -> None:
    leaving = of(container("db"), waits("web", "db:START"), status=S.STOPPING)

    [stop] = next_turn(leaving, seen_with(), NOW).actions

    assert isinstance(stop, Stop)
    names = [[name for name, _ in wave] for wave in stop.waves]
    assert [["alb-c1-t-web"], ["alb-c1-t-db"]] == names


def test_exit_codes_of_stopped_containers_are_kept() -> None:
    leaving = of(container("web"), status=S.STOPPING)
    [stop] = next_turn(leaving, seen_with(web=True), NOW).actions
    assert isinstance(stop, Stop)
    codes = ((ContainerName("alb-c1-t-web"), 143),)
    ended = replace(outcome(stop), exit_codes=codes)

    turn = next_turn(leaving, seen_with(ended), NOW + 5)

    assert (S.STOPPED, 143) == (turn.task.status, turn.task.containers[0].exit_code)
    assert NOW + 5 == turn.task.execution_stopped_at_unix_s


def test_times_of_pulls_are_from_the_first_to_the_last() -> None:
    first = of(INIT, waits("web", "init:SUCCESS"))
    one = replace(done(first, "init"), pulled_unix_s=(NOW - 9, NOW - 5))
    two = replace(done(first, "web"), pulled_unix_s=(NOW + 1, NOW + 3))

    after = next_turn(first, seen_with(one, init=0), NOW).task
    later = next_turn(after, seen_with(two, init=0, web=True), NOW).task

    assert (NOW - 9, NOW + 3) == (
        later.pull_started_at_unix_s,
        later.pull_stopped_at_unix_s,
    )


def test_a_task_that_an_earlier_version_started_runs_on() -> None:
    old = replace(of(container("a"), container("b"), status=S.RUNNING), containers=())

    assert frozenset() == startable(old)
    assert () == next_turn(old, seen_with(a=True, b=True), NOW).actions
