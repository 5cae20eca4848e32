"""Quiet tasks: what is passed over quickly has really nothing to be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.container import ContainerLast, TaskContainer
from scheduler.decide.fitness import Fitness, Verdicts, fitness
from scheduler.decide.identity import container_name, target_ids
from scheduler.decide.progress import Seen, next_turn
from scheduler.decide.quiet import is_quiet, running_on, serves
from scheduler.decide.specs import Surroundings
from scheduler.model import (
    ContainerState,
    ContainerStatus,
    InstanceStatus,
    RuntimeKind,
    Task,
    TaskDefinition,
    TaskStatus,
)
from scheduler.ports import TargetView
from tests.support.examples import examples
from tests.support.tasks import HEALTHY, NOW, UNHEALTHY, container, definition, task

UID = "c1"
TWO = definition(container("web", 8080), replace(container("log"), essential=False))
STOPPED, PENDING = TaskStatus.STOPPED, TaskStatus.PENDING


def world(
    states: Mapping[str, ContainerState], *, connected: bool = True
) -> InstanceStatus:
    """Instance a with containers of task t, by their names."""
    containers = tuple(
        ContainerStatus(container_name(UID, task().id, name), task().id, state)
        for name, state in states.items()
    )
    return InstanceStatus(connected, 4096, 8192, "10.0.0.1", containers, 50.0)


RUNS = world({"web": ContainerState.RUNNING})
ENDED = world({"web": ContainerState.EXITED})
AWAY = world({"web": ContainerState.RUNNING}, connected=False)
EMPTY = world({})
KNOWN = dict.fromkeys(target_ids(task()), HEALTHY)
NONE: Mapping[str, TargetView] = {}
ONCE = (TaskContainer("web", ContainerLast.STOPPED),)
"""A container of it has ended before."""
# fmt: off
CASES = [
    (task(),             RUNS,  KNOWN, True,  "it runs and is registered"),
    (task(),             ENDED, KNOWN, False, "its container has ended"),
    (task(),             EMPTY, KNOWN, False, "it is not seen"),
    (replace(task(), containers=ONCE), EMPTY, KNOWN, False, "all of its containers have ended"),
    (task(),             RUNS,  NONE,  False, "it is not registered"),
    (task(),             AWAY,  KNOWN, False, "its host is away"),
    (task("t", STOPPED), EMPTY, NONE,  True,  "it is over and forgotten"),
    (task("t", STOPPED), EMPTY, KNOWN, False, "it is to be forgotten"),
    (task("t", PENDING), RUNS,  NONE,  False, "everything else has a turn"),
]
# fmt: on


@pytest.mark.parametrize("row", CASES, ids=[row[-1] for row in CASES])
def test_a_task_is_quiet(
    row: tuple[Task, InstanceStatus, Mapping[str, TargetView], bool, str],
) -> None:
    one, status, targets, quiet, _ = row
    assert quiet is is_quiet(one, running_on({"a": status}), targets)


STATES = st.dictionaries(
    st.sampled_from(["web", "log"]), st.sampled_from(ContainerState)
)


@settings(max_examples=examples(400))
@given(
    one=st.builds(task, st.just("t"), st.sampled_from(TaskStatus)),
    shape=st.sampled_from([definition(), TWO]),
    looked=st.tuples(STATES, st.booleans()),
    known=st.sampled_from([NONE, KNOWN, dict.fromkeys(KNOWN, UNHEALTHY)]),
    late=st.sampled_from([float("-inf"), 60.0]),
)
def test_a_quiet_task_has_no_move_no_action_and_no_wake(
    one: Task,
    shape: TaskDefinition,
    looked: tuple[Mapping[str, ContainerState], bool],
    known: Mapping[str, TargetView],
    late: float,
) -> None:
    states, connected = looked
    one = replace(one, task_definition=shape)
    its = {
        each.name: states[each.name] for each in shape.containers if each.name in states
    }
    status = world(its, connected=connected)
    if not is_quiet(one, running_on({"a": status}), known):
        return
    around = Surroundings(UID)
    seen = Seen(RuntimeKind.DOCKER, around, status, known, settled_at_s=late)

    turn = next_turn(one, seen, NOW)

    assert turn.task is one
    assert () == turn.actions
    assert turn.wake_at_unix_s is None


VIEWS = st.builds(
    TargetView,
    healthy=st.booleans(),
    unhealthy=st.booleans(),
    reason=st.just(""),
    eligible_everywhere=st.booleans(),
    removed_everywhere=st.booleans(),
    in_flight=st.integers(0, 3),
    drained=st.booleans(),
    unused=st.booleans(),
)


@settings(max_examples=examples(400))
@given(
    view=VIEWS | st.none(),
    registered=st.booleans(),
    grace_s=st.sampled_from([0.0, 1000.0]),
)
def test_a_task_that_serves_is_healthy(
    view: TargetView | None, grace_s: float, *, registered: bool
) -> None:
    one = task() if registered else replace(task(), load_balancers=())
    targets = {} if view is None else dict.fromkeys(target_ids(one), view)
    if serves(one, targets):
        assert Fitness.HEALTHY is fitness(
            one, Verdicts(targets, {}, "c1"), grace_s, NOW
        )


def test_only_healthy_targets_show_that_a_task_serves() -> None:
    assert serves(task(), KNOWN)
    assert not serves(task(), dict.fromkeys(KNOWN, UNHEALTHY))
    assert not serves(replace(task(), load_balancers=()), KNOWN)
