"""One budget for rollout, scale-in and replacement, as ECS documents it."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scheduler.configuration import DeploymentConfiguration
from scheduler.decide.fitness import Fitness
from scheduler.decide.rollout import (
    Member,
    Plan,
    Starts,
    Why,
    limits,
    plan_service,
)
from scheduler.model import TaskId

LETTERS = {
    "s": Fitness.STARTING,
    "?": Fitness.UNKNOWN,
    "h": Fitness.HEALTHY,
    "x": Fitness.UNHEALTHY,
    "f": Fitness.UNHEALTHY,
    "p": Fitness.HEALTHY,
}
"""x never was healthy, f was; p is protected from being stopped."""


def fleet(old: str, new: str, leaves: Why = Why.OLD) -> list[Member]:
    """Read a fleet: o0, o1, … are to be replaced, n0, n1, … may stay."""
    return [
        Member(
            TaskId(f"{name}{index}"),
            LETTERS[letter],
            leaves if name == "o" else None,
            proven=letter in "hfp",
            protected=letter == "p",
        )
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
    ( 50, 200, 2, "",     "hf",   1, "",            0, "also where the minimum would let it go"),
    ( 50, 200, 2, "",     "hfs",  0, "",            0, "it may serve until another does"),
    ( 50, 200, 2, "",     "hx",   1, "n1",          0, "one that never served is not waited for"),
    ( 50, 100, 2, "",     "hf",   0, "n1",          0, "without room above it goes first"),
    (  0, 200, 1, "",     "f",    1, "",            0, "one alone gets its replacement first"),
    (100, 200, 2, "",     "pph",  0, "n2",          0, "scale-in passes protected tasks over"),
    (100, 200, 2, "pp",   "hh",   0, "",            0, "so does a rollout"),
    (100, 200, 2, "",     "xpp",  0, "n0",          0, "what is unhealthy is not protected"),
]
MOST_FAIL = [
    (100, 200, 6, "",     "ffffff",   1, "",   0, "one is started to see whether it fares better"),
    (100, 200, 6, "",     "ffffff?",  0, "",   0, "its verdict is awaited"),
    (100, 200, 6, "",     "ffffffx",  1, "n6", 0, "it fails too: another is tried, the fleet left alone"),
    (100, 200, 6, "",     "ffffffh",  1, "n0", 0, "it is healthy: one goes, the next comes"),
    (100, 200, 6, "",     "fffffhh",  2, "n0", 0, "and then two at a time"),
    (100, 200, 6, "",     "fffhhh",   3, "",   0, "half is not most"),
    (100, 200, 6, "",     "ffffffss", 0, "",   0, "a scale-out under way is enough"),
    (100, 200, 8, "",     "ffffff",   2, "",   0, "a scale-out is not held back"),
    (100, 200, 2, "",     "ffffff",   0, "n0 n1 n2 n3", 0, "nor a scale-in"),
    (100, 100, 2, "",     "ff",       0, "n0", 0, "without room above one makes room"),
    (100, 100, 2, "",     "fx",       0, "n1", 0, "and no other, when the new one fails too"),
    (100, 200, 2, "hh",   "xx",       0, "n0 n1", 0, "a bad release was never healthy"),
    (100, 200, 2, "ff",   "xx",       0, "n0 n1", 0, "the old ones stay, even if they fail with it"),
]
DRAINS = [  # a host is drained; d=4 on two hosts
    (100, 200, 4, "hh",   "hh",   2, "",      0, "replacements are started first"),
    (100, 200, 4, "sh",   "hh",   2, "o0",    0, "what does not run yet is stopped at once"),
    ( 50, 100, 4, "hh",   "hh",   0, "o0 o1", 0, "with less to keep they may go first"),
    (100, 100, 4, "hh",   "hh",   0, "",      1, "with 100 % and 100 % a host cannot be drained"),
    (100, 200, 4, "pp",   "hhhh", 0, "",      0, "it waits for protected tasks"),
]
LOSSES = [  # o… serve on a host that is lost; d=4
    (100, 200, 4, "hh",   "hh",   2, "",      0, "replacements are started first"),
    ( 50, 200, 4, "hh",   "hh??", 0, "",      0, "they serve until others do, whatever the minimum"),
    ( 50, 200, 4, "hh",   "hhhh", 0, "o0 o1", 0, "then they go"),
    ( 50, 100, 4, "hh",   "hh",   0, "",      1, "without room they stay, and that is told"),
]
MOVES = [  # o0 is to move to another zone; d=4
    (100, 200, 4, "h",    "hhh",  1, "",   0, "its replacement is started first"),
    (  0, 200, 4, "h",    "hhhs", 0, "",   0, "and has to be healthy, whatever the minimum"),
    (100, 200, 4, "h",    "hhhh", 0, "o0", 0, "then it goes"),
    (100, 100, 4, "h",    "hhh",  0, "",   0, "without room it stays, and nothing is stuck"),
]
# fmt: on
ROWS = [
    *((Why.OLD, row) for row in (*STEPS, *MOST_FAIL)),
    *((Why.DRAINING, row) for row in DRAINS),
    *((Why.LOST, row) for row in LOSSES),
    *((Why.REBALANCE, row) for row in MOVES),
]
Row = tuple[int, int, int, str, str, int, str, int, str]


@pytest.mark.parametrize(
    ("leaves", "row"), ROWS, ids=[f"{why.name}: {row[-1]}" for why, row in ROWS]
)
def test_next_step(leaves: Why, row: Row) -> None:
    minimum, maximum, desired, old, new, start, stop, stuck, _ = row
    percents = DeploymentConfiguration(minimum, maximum)

    plan = plan_service(desired, percents, fleet(old, new, leaves))

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
    plan = plan_service(2, percents, fleet(old, new), Starts.LATER)
    assert Plan() == plan


# fmt: off
FAILED = [  # d=4: old, new, stop, because
    ("hhh",  "h",    "",      "old tasks stay beside the new ones that serve"),
    ("hhhh", "h",    "o0",    "they are as many as desired together"),
    ("hhhh", "xx",   "n0 n1", "new ones that fail go"),
    ("",     "xxxx", "",      "unless nothing else is there"),
    ("",     "hhh",  "",      "what is missing is not started"),
]
# fmt: on


@pytest.mark.parametrize("row", FAILED, ids=[row[-1] for row in FAILED])
def test_a_failed_deployment_starts_nothing_and_keeps_what_serves(
    row: tuple[str, str, str, str],
) -> None:
    old, new, stop, _ = row
    percents = DeploymentConfiguration(50, 200)
    plan = plan_service(4, percents, fleet(old, new), Starts.NEVER)
    assert (0, stop) == (plan.start, " ".join(task for task, _ in plan.stop))


def test_most_failing_at_once_is_told() -> None:
    percents = DeploymentConfiguration()
    assert plan_service(4, percents, fleet("", "ffff")).suppressed
    assert not plan_service(4, percents, fleet("", "hhff")).suppressed


drawings = st.text("s?hxfp", max_size=8)
causes = st.sampled_from([Why.OLD, Why.DRAINING, Why.LOST, Why.REBALANCE])
starting = st.sampled_from(Starts)
percent = st.tuples(st.integers(0, 100), st.integers(100, 200))


def plan_of(desired: int, percents: tuple[int, int], members: list[Member]) -> Plan:
    return plan_service(desired, DeploymentConfiguration(*percents), members)


@given(
    desired=st.integers(0, 9),
    percents=percent,
    fleets=st.tuples(drawings, drawings, causes),
    starts=starting,
)
def test_no_step_breaks_a_promise(
    desired: int,
    percents: tuple[int, int],
    fleets: tuple[str, str, Why],
    starts: Starts,
) -> None:
    members = fleet(*fleets)
    plan = plan_service(desired, DeploymentConfiguration(*percents), members, starts)

    stopped = {task for task, _ in plan.stop}
    assert len(stopped) == len(plan.stop), "none is stopped twice"
    healthy = {m.id for m in members if m.fitness is Fitness.HEALTHY}
    lower = math.ceil(desired * percents[0] / 100)
    assert len(healthy - stopped) >= min(len(healthy), lower)
    upper = math.floor(desired * percents[1] / 100)
    assert plan.start == 0 or len(members) + plan.start <= upper
    assert not (plan.stuck and (plan.start or plan.stop))
    assert starts is Starts.NOW or not plan.start
    kept = {m.id for m in members if m.protected}
    assert not kept & stopped


unprotected = st.text("s?hxf", max_size=8)


@given(
    desired=st.integers(0, 6),
    percents=st.tuples(st.integers(0, 90), st.integers(150, 200)),
    fleets=st.tuples(unprotected, unprotected, causes),
)
def test_steps_lead_to_desired_healthy_current_tasks(
    desired: int, percents: tuple[int, int], fleets: tuple[str, str, Why]
) -> None:
    """If whatever is started becomes healthy, the steps come to an end."""
    lower, upper = limits(desired, DeploymentConfiguration(*percents))
    assume(lower < upper or desired == 0)
    waits = fleets[2] in {Why.LOST, Why.REBALANCE}  # for room, whatever the minimum
    assume(not waits or upper > desired)
    members = fleet(*fleets)
    for turn in range(60):
        plan = plan_of(desired, percents, members)
        members = after(plan, members, str(turn))
    assert desired == len(members)
    assert all(m.stays and m.fitness is Fitness.HEALTHY for m in members)
    assert Plan() == plan_of(desired, percents, members), "and at the end nothing moves"


def after(plan: Plan, members: list[Member], turn: str) -> list[Member]:
    """Return the fleet after the plan; what waited for a verdict got a good one."""
    stopped = {task for task, _ in plan.stop}
    left = [m for m in members if m.id not in stopped]
    healed = [
        replace(m, fitness=Fitness.HEALTHY, proven=True)
        if m.fitness in {Fitness.STARTING, Fitness.UNKNOWN}
        else m
        for m in left
    ]
    new = [Member(TaskId(f"m{turn}.{n}"), Fitness.STARTING) for n in range(plan.start)]
    return [*healed, *new]


def test_limits_are_rounded_as_ecs_does() -> None:
    assert (2, 3) == limits(3, DeploymentConfiguration(50, 125))
