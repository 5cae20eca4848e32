"""The next step of one service: one budget for everything that changes it. Floor 1.

    desired, percents, live tasks --> plan_service --> start n, stop these

A rollout, a scale-in and the replacement of an unhealthy task spend from the
same budget, so that together they keep what each would keep alone:

    lower = ceil (desired * minimumHealthyPercent / 100)   tasks stay healthy
    upper = floor(desired * maximumPercent / 100)          tasks are live at most

Recomputed from the tasks of the moment: nothing remembers the step before.

Sources: ECS API reference, DeploymentConfiguration; ECS developer guide, "Task
health and unhealthy task replacement" (a replacement is started first).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.decide.fitness import Fitness
from scheduler.model import DeploymentConfiguration, TaskId


class Why(enum.Enum):
    """Why a task is to be stopped."""

    OLD = "another deployment took over"
    SURPLUS = "more than desired"
    UNHEALTHY = "failed health checks"


@dataclass(frozen=True, slots=True)
class Member:
    """A live task of the service. Members are given in the order of scale-in."""

    id: TaskId
    current: bool
    """Of the PRIMARY deployment."""
    fitness: Fitness
    protected: bool = False
    """From scale-in and deployments; not from its own failed health checks."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now. `stuck`: the two percents leave no move, now or later."""

    start: int = 0
    stop: tuple[tuple[TaskId, Why], ...] = ()
    stuck: bool = False


def limits(desired: int, percents: DeploymentConfiguration) -> tuple[int, int]:
    """Return (lower, upper) in tasks, rounded up and down as ECS does."""
    lower = -(-desired * percents.minimum_healthy_percent // 100)
    return lower, desired * percents.maximum_percent // 100


def plan_service(
    desired: int,
    percents: DeploymentConfiguration,
    members: Sequence[Member],
    *,
    may_start: bool = True,
) -> Plan:
    """Return the largest step toward `desired` current tasks within the limits.

    * Started are as many as are missing, unhealthy ones not counted, while the
      live ones stay within upper.
    * Stopped are tasks that nobody uses yet at once; those that may be serving
      only while lower healthy ones remain.
    * An unhealthy task waits for its replacement; when upper leaves no room for
      one, it makes room, one task at a time.

    While backoff forbids starts (not `may_start`), nothing makes room for them.
    With no room either way the plan is stuck, as in ECS. Never raises.
    """
    lower, upper = limits(desired, percents)
    wanted = desired - sum(_is_good(member) for member in members)
    room = upper - len(members)

    stop = _stop(_unwanted(members, surplus=-wanted), _healthy(members), lower)
    if may_start and not stop and wanted > 0 >= room:
        stop = _make_room(members)
    start = max(0, min(wanted, room)) if may_start else 0
    stuck = may_start and _is_stuck(members, start, stop, wanted)
    return Plan(start, stop, stuck)


def _is_good(member: Member) -> bool:
    return member.current and member.fitness is not Fitness.UNHEALTHY


def _healthy(members: Sequence[Member]) -> int:
    return sum(member.fitness is Fitness.HEALTHY for member in members)


_CHEAPEST_FIRST = (
    Fitness.STARTING,
    Fitness.UNHEALTHY,
    Fitness.UNKNOWN,
    Fitness.HEALTHY,
)


def _unwanted(members: Sequence[Member], *, surplus: int) -> list[tuple[Member, Why]]:
    """Return what should go, the cheapest to lose first."""
    cheap = sorted(members, key=lambda member: _CHEAPEST_FIRST.index(member.fitness))
    found = []
    for member in cheap:
        if not member.current and not member.protected:
            found.append((member, Why.OLD))
        elif member.fitness is Fitness.UNHEALTHY:
            found.append((member, Why.UNHEALTHY))
        elif surplus > 0 and not member.protected:
            found.append((member, Why.SURPLUS))
            surplus -= 1
    return found


def _stop(
    unwanted: Sequence[tuple[Member, Why]], healthy: int, lower: int
) -> tuple[tuple[TaskId, Why], ...]:
    stopped = []
    for member, why in unwanted:
        left = healthy - (member.fitness is Fitness.HEALTHY)
        if member.fitness is Fitness.STARTING or left >= lower:
            stopped.append((member.id, why))
            healthy = left
    return tuple(stopped)


def _make_room(members: Sequence[Member]) -> tuple[tuple[TaskId, Why], ...]:
    """Return one unhealthy task, unless a task that may replace it is coming."""
    if any(m.current and m.fitness in _COMING for m in members):
        return ()
    for member in members:
        if member.fitness is Fitness.UNHEALTHY:
            return ((member.id, Why.UNHEALTHY if member.current else Why.OLD),)
    return ()


_COMING = frozenset({Fitness.STARTING, Fitness.UNKNOWN})


def _is_stuck(
    members: Sequence[Member], start: int, stop: Sequence[object], wanted: int
) -> bool:
    """Tell whether all is settled, something is to do, and nothing can be done."""
    if start or stop or any(member.fitness in _COMING for member in members):
        return False
    if any(member.protected and not member.current for member in members):
        return False  # it is they who are waited for
    return wanted > 0 or any(not member.current for member in members)
