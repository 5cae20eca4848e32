"""One budget for rollout, scale-in and replacement, as ECS documents it."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scheduler.decide.fitness import Fitness
from scheduler.decide.rollout import Member, Plan, Why, limits, plan_service
from scheduler.model import DeploymentConfiguration, TaskId

LETTERS = {
    "s": Fitness.STARTING,
    "?": Fitness.UNKNOWN,
    "h": Fitness.HEALTHY,
    "x": Fitness.UNHEALTHY,
}


def fleet(old: str, new: str) -> list[Member]:
    """Read a fleet: o0, o1, … of an older deployment, n0, n1, … of the newest."""
    return [
        Member(TaskId(f"{name}{index}"), name == "n", LETTERS[letter])
        for name, drawing in (("n", new), ("o", old))
        for index, letter in enumerate(drawing)
    ]


# fmt: off
STEPS = [  # minimum, maximum, desired, old, new, start, stop, stuck, because
    (100, 200, 4, "",     "",     4, "",            0, "the first deployment starts everything"),
    (100, 200, 4, "hhhh", "",     4, "",            0, "new tasks start before old ones stop"),
    (100, 200, 4, "hhhh", "ssss", 0, "",            0, "nothing stops until new ones are healthy"),
    (100, 200, 4, "hhhh", "hhs?", 0, "o0 o1",       0, "each healthy new task frees an old one"),
    (100, 200, 4, "",     "hhhh", 0, "",            0, "what is as desired is left alone"),
    ( 50, 100, 4, "hhhh", "",     0, "o0 o1",       0, "d=4, 50 %: two may stop"),
    ( 75, 200, 2, "hh",   "hh",   0, "o0 o1",       0, "both are replaced"),
    ( 75, 100, 2, "hh",   "",     0, "",            1, "d=2, 75 %: lower is 2, none may stop"),
    (100, 125, 3, "hhh",  "",     0, "",            1, "d=3, 125 %: upper is 3, none may start"),
    (100, 200, 1, "h",    "",     1, "",            0, "d=1: start one, wait, stop the old one"),
    (100, 200, 1, "h",    "h",    0, "o0",          0, "d=1: the new one is healthy"),
    (  0, 100, 2, "hh",   "",     0, "o0 o1",       0, "with nothing to keep, all stop first"),
    (100, 200, 4, "sshh", "",     4, "o0 o1",       0, "old ones that never served are given up"),
    (100, 200, 4, "hxhh", "",     4, "",            0, "an unhealthy old one may be all that fails open"),
    (100, 200, 4, "hxhh", "h",    3, "o1",          0, "it goes first when enough are healthy"),
    (100, 200, 4, "????", "ssss", 0, "",            0, "what nobody knows of is not given up"),
    (100, 200, 4, "????", "hhhh", 0, "o0 o1 o2 o3", 0, "until enough are known to be healthy"),
    (100, 200, 1, "",     "hhhh", 0, "n0 n1 n2",    0, "scale-in stops in the order given"),
    (100, 200, 1, "",     "hhsx", 0, "n2 n3 n0",    0, "and what serves nobody before that"),
    (100, 200, 1, "",     "????", 0, "",            0, "a silent load balancer scales nothing in"),
    (100, 200, 0, "h",    "hx?s", 0, "n3 n1 n2 n0 o0", 0, "none is desired: all stop"),
    (100, 200, 2, "",     "hx",   1, "",            0, "a replacement is started first"),
    (100, 200, 2, "",     "hxs",  0, "",            0, "and waited for"),
    (100, 200, 2, "",     "hxh",  0, "n1",          0, "then the unhealthy one stops"),
    (100, 100, 2, "",     "xx",   0, "n0",          0, "without room they make it one by one"),
    (100, 100, 2, "",     "xs",   0, "",            0, "the next waits for the one that comes"),
    (100, 100, 2, "x",    "h",    0, "o0",          0, "an old unhealthy one makes room too"),
    (100, 100, 1, "",     "xh",   0, "n0",          0, "a healthy one took its place"),
    (100, 200, 4, "hhhh", "xxxx", 0, "n0 n1 n2 n3", 0, "a bad rollout: its own go, the old ones serve"),
    (100, 100, 0, "",     "",     0, "",            0, "nothing is desired, nothing is there"),
    (100, 200, 3, "hhhh", "",     2, "o0",          0, "scale-in and rollout share the budget"),
]
# fmt: on


@pytest.mark.parametrize("row", STEPS, ids=[row[-1] for row in STEPS])
def test_next_step(row: tuple[int, int, int, str, str, int, str, int, str]) -> None:
    minimum, maximum, desired, old, new, start, stop, stuck, _ = row
    percents = DeploymentConfiguration(minimum, maximum)

    plan = plan_service(desired, percents, fleet(old, new))

    assert (start, stop, bool(stuck)) == (
        plan.start,
        " ".join(task for task, _ in plan.stop),
        plan.stuck,
    )


def test_each_stop_says_why() -> None:
    percents = DeploymentConfiguration(0, 200)
    plan = plan_service(1, percents, fleet("h", "xhh"))
    assert {"o0": Why.OLD, "n0": Why.UNHEALTHY, "n1": Why.SURPLUS} == dict(plan.stop)


def test_an_old_task_that_makes_room_is_old() -> None:
    plan = plan_service(1, DeploymentConfiguration(100, 100), fleet("x", ""))
    assert Plan(0, ((TaskId("o0"), Why.OLD),)) == plan


@pytest.mark.parametrize(("old", "new"), [("", "hx"), ("", "xx"), ("hh", "")])
def test_backoff_starts_nothing_and_makes_no_room(old: str, new: str) -> None:
    percents = DeploymentConfiguration(100, 100)
    plan = plan_service(2, percents, fleet(old, new), may_start=False)
    assert Plan() == plan


drawings = st.text("s?hx", max_size=8)
percent = st.tuples(st.integers(0, 100), st.integers(100, 200))


@given(desired=st.integers(0, 9), percents=percent, old=drawings, new=drawings)
def test_no_step_breaks_a_promise(
    desired: int, percents: tuple[int, int], old: str, new: str
) -> None:
    members = fleet(old, new)
    plan = plan_service(desired, DeploymentConfiguration(*percents), members)

    stopped = {task for task, _ in plan.stop}
    assert len(stopped) == len(plan.stop), "none is stopped twice"
    healthy = {m.id for m in members if m.fitness is Fitness.HEALTHY}
    lower = math.ceil(desired * percents[0] / 100)
    assert len(healthy - stopped) >= min(len(healthy), lower)
    upper = math.floor(desired * percents[1] / 100)
    assert plan.start == 0 or len(members) + plan.start <= upper
    assert not (plan.stuck and (plan.start or plan.stop))


@given(
    desired=st.integers(0, 6),
    percents=st.tuples(st.integers(0, 90), st.integers(150, 200)),
    old=drawings,
    new=drawings,
)
def test_steps_lead_to_desired_healthy_current_tasks(
    desired: int, percents: tuple[int, int], old: str, new: str
) -> None:
    """If whatever is started becomes healthy, the steps come to an end."""
    lower, upper = limits(desired, DeploymentConfiguration(*percents))
    assume(lower < upper or desired == 0)
    members = fleet(old, new)
    for turn in range(60):
        plan = plan_service(desired, DeploymentConfiguration(*percents), members)
        stopped = {task for task, _ in plan.stop}
        members = [m for m in members if m.id not in stopped]
        members = [
            Member(m.id, m.current, Fitness.HEALTHY)
            if m.fitness in {Fitness.STARTING, Fitness.UNKNOWN}
            else m
            for m in members
        ]
        members += [
            Member(TaskId(f"m{turn}.{index}"), current=True, fitness=Fitness.STARTING)
            for index in range(plan.start)
        ]
    assert desired == len(members)
    assert all(m.current and m.fitness is Fitness.HEALTHY for m in members)


def test_limits_are_rounded_as_ecs_does() -> None:
    assert (2, 3) == limits(3, DeploymentConfiguration(50, 125))
