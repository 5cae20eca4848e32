"""One look, as a function: observed and records in, commits and actions out."""

from dataclasses import replace

import pytest

from foundation.journal import Put
from scheduler.app.look import Observed, Step
from scheduler.app.step import KEEP_STOPPED_MAX, KEEP_STOPPED_S, step
from scheduler.decide.actions import Outcome, Register, Start, Stop
from scheduler.decide.specs import Surroundings
from scheduler.errors import OutcomeUnknown
from scheduler.model import (
    ContainerName,
    ContainerState,
    ContainerStatus,
    Deployment,
    InstanceStatus,
    RolloutState,
    Service,
    ServiceEvent,
    ServiceRecord,
    Task,
    TaskId,
    TaskStatus,
)
from scheduler.state.records import Records
from tests.support.tasks import HEALTHY, NOW, definition, instance, task

NAME = ContainerName("alb-c1-t-web")


def seen(*containers: ContainerStatus) -> InstanceStatus:
    return InstanceStatus(True, 4096, 8192, "10.0.0.1", containers, 50.0)  # noqa: FBT003


def shown(name: str = NAME, task_id: str = "t") -> ContainerStatus:
    return ContainerStatus(ContainerName(name), TaskId(task_id), ContainerState.RUNNING)


WORLD = Observed(instances={"a": instance("a")}, statuses={"a": seen()})


def records(*tasks: Task, desired: int = 0) -> Records:
    found = Records()
    draft = found.draft()
    wanted = Service("web", definition(), desired)
    record = ServiceRecord(wanted, "ecs-svc/1", NOW, steady=True)
    draft.put_service(replace(record, steady_told_unix_s=NOW))
    rolled_out = Deployment(
        "ecs-svc/1",
        "web",
        definition(),
        NOW,
        rollout_state=RolloutState.COMPLETED,
        images=(),
    )
    draft.put_deployment(rolled_out)
    for item in tasks:
        draft.put_task(item)
    found.apply(draft.changes())
    return found


def look(observed: Observed, found: Records, now: float = NOW) -> Step:
    return step(now, observed, found, Surroundings("c1"), lambda: 0.5)


def test_a_look_changes_nothing_by_itself_and_is_the_same_twice() -> None:
    found = records(desired=2)
    first, second = look(WORLD, found), look(WORLD, found)
    assert first == second
    assert not found.tasks


def test_a_new_task_is_written_down_before_it_is_started() -> None:
    found = records(desired=1)
    first = look(WORLD, found)
    assert any(isinstance(c, Put) and c.kind == "task" for c in first.commits)
    assert not first.actions
    found.apply(first.commits)
    [start] = look(WORLD, found).actions
    assert isinstance(start, Start)


def test_until_every_instance_was_asked_only_targets_are_registered() -> None:
    stray = shown("alb-c1-x-web", "x")
    waiting = replace(WORLD, listed=False, statuses={"a": seen(shown(), stray)})
    decided = look(waiting, records(task(), desired=3))
    assert () == decided.commits
    assert [Register] == [type(action) for action in decided.actions]
    assert not decided.complete


def test_a_start_that_was_just_given_up_is_not_begun() -> None:
    pending = task(status=TaskStatus.PENDING)
    assert [Start] == [
        type(a) for a in look(WORLD, records(pending, desired=1)).actions
    ]
    assert () == look(WORLD, records(pending, desired=0)).actions


STOPPED = replace(task(status=TaskStatus.STOPPED), stopped_at_unix_s=NOW)


@pytest.mark.parametrize(
    ("tasks", "container"),
    [([], shown()), ([STOPPED], shown()), ([STOPPED], shown("alb-c1-u-web", "u"))],
    ids=["never heard of", "its task has stopped", "of a task that is forgotten"],
)
def test_a_container_that_no_task_accounts_for_is_stopped(
    tasks: list[Task], container: ContainerStatus
) -> None:
    world = replace(WORLD, statuses={"a": seen(container)})
    [stop] = look(world, records(*tasks)).actions
    assert stop == Stop(
        container.name, "a", (((container.name, 30.0),),), container.task_id
    )


LOST = Outcome(Stop(NAME, "a", ()), NOW, OutcomeUnknown("a", "stop", "no answer"))


@pytest.mark.parametrize(
    "world",
    [
        replace(WORLD, statuses={"a": seen(shown("alb-c2-t-web"))}),
        replace(WORLD, statuses={"a": replace(seen(shown()), connected=False)}),
        replace(WORLD, statuses={"z": seen(shown())}),
        replace(WORLD, statuses={"a": seen(shown())}, busy=frozenset({NAME})),
        replace(WORLD, statuses={"a": seen(shown())}, settled_at_s={"t": 50.1}),
        replace(WORLD, statuses={"a": seen(shown())}, outcomes={NAME: LOST}),
    ],
    ids=[
        "of another cluster",
        "its host is away",
        "its host is not ours",
        "it is being stopped",
        "seen before it was stopped",
        "a try has just failed",
    ],
)
def test_a_container_is_left_alone(world: Observed) -> None:
    assert () == look(world, records()).actions


def test_a_container_of_a_live_task_is_never_a_stray_wherever_it_is_seen() -> None:
    """Two instances may be the same engine under two names."""
    both = replace(
        WORLD,
        instances={"a": instance("a"), "b": instance("b")},
        statuses={"a": seen(shown()), "b": seen(shown())},
        targets={"t/web/8080/blue": HEALTHY},
    )
    assert () == look(both, records(task(), desired=1)).actions


def test_stopped_tasks_are_kept_for_an_hour_and_not_without_end() -> None:
    later = look(WORLD, records(STOPPED), NOW + KEEP_STOPPED_S)
    assert () == later.commits
    assert len(look(WORLD, records(STOPPED), NOW + KEEP_STOPPED_S + 1).commits) == 1
    many = [
        replace(STOPPED, id=TaskId(f"{number}"), stopped_at_unix_s=NOW + number)
        for number in range(KEEP_STOPPED_MAX + 3)
    ]
    dropped = {change.key for change in look(WORLD, records(*many), NOW).commits}
    assert {"0", "1", "2"} == dropped


def test_the_steady_state_is_told_again_after_hours() -> None:
    hours_s = 6 * 3600.0
    assert () == look(WORLD, records(), NOW + hours_s - 1).commits
    again = look(WORLD, records(), NOW + hours_s).commits
    told = [
        one.value.message
        for one in again
        if isinstance(one, Put) and isinstance(one.value, ServiceEvent)
    ]
    assert ["(service web) has reached a steady state."] == told
