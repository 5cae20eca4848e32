"""The next step of one service: one budget for everything that changes it. Floor 1.

    desired, percents, live tasks --> plan_service --> start n, stop these

A rollout, a scale-in, the replacement of an unhealthy task, the drain of a host
and the rebalancing of zones spend from the same budget, so that together they
keep what each would keep alone:

    lower = ceil (desired * minimumHealthyPercent / 100)   tasks stay healthy
    upper = floor(desired * maximumPercent / 100)          tasks are live at most

Recomputed from the tasks of the moment: nothing remembers the step before.

Sources: ECS API reference, DeploymentConfiguration; ECS developer guide, "Task
health and unhealthy task replacement" (a replacement is started first). That
most tasks fail at once is met by one replacement at a time is ours: what fails
then is usually in front of the tasks, and to restart them all would make it worse.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scheduler.configuration import DeploymentConfiguration
from scheduler.decide.fitness import Fitness
from scheduler.model import TaskId


class Why(enum.Enum):
    """Why a task is to be stopped."""

    OLD = "another deployment took over"
    SURPLUS = "more than desired"
    UNHEALTHY = "failed health checks"
    DRAINING = "its instance takes no tasks any more"
    LOST = "its host is lost"
    REBALANCE = "its zone has more than another"


class Starts(enum.Enum):
    """Whether tasks may be started."""

    NOW = "they may"
    LATER = "what failed is to wait before it is tried again"
    NEVER = "the deployment has failed: it starts no more, and what is old stays"


@dataclass(frozen=True, slots=True)
class Member:
    """A live task of the service. Members are given in the order of scale-in."""

    id: TaskId
    fitness: Fitness
    leaves: Why | None = None
    """Why it is to go, however well it serves: OLD, DRAINING, LOST or REBALANCE."""
    proven: bool = False
    """It was healthy once: if it fails now, something has happened to it."""
    protected: bool = False
    """Not to be stopped while it is not unhealthy (UpdateTaskProtection)."""

    @property
    def stays(self) -> bool:
        return self.leaves is None


Stops = tuple[tuple[TaskId, Why], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now."""

    start: int = 0
    stop: Stops = ()
    stuck: bool = False
    """The two percents leave no move, now or later."""
    suppressed: bool = False
    """Most tasks fail at once: they are replaced one at a time."""


@dataclass(frozen=True, slots=True)
class _Budget:
    """What a step may spend."""

    desired: int
    lower: int
    upper: int
    starts: Starts
    suppressed: bool


def limits(desired: int, percents: DeploymentConfiguration) -> tuple[int, int]:
    """Return (lower, upper) in tasks, rounded up and down as ECS does."""
    lower = -(-desired * percents.minimum_healthy_percent // 100)
    return lower, desired * percents.maximum_percent // 100


def plan_service(
    desired: int,
    percents: DeploymentConfiguration,
    members: Sequence[Member],
    starts: Starts = Starts.NOW,
) -> Plan:
    """Return the largest step toward `desired` tasks that stay, within the limits.

    * Started are as many as are missing, those that leave or are unhealthy not
      counted, while the live ones stay within upper.
    * Stopped are tasks that nobody uses yet at once; those that may be serving
      only while lower healthy ones remain.
    * An unhealthy task that was healthy, one that serves on a host that is lost, and
      one that is moved for balance, waits
      until desired healthy ones are there without it; when upper leaves no room
      for a replacement, an unhealthy one makes room, one task at a time.
    * When most fail at once, no more replacements are under way than tasks are
      healthy, and one at least; what failed stays until one is healthy, which lets
      one of them go. A replacement that fails too makes way for the next.

    With no room either way the plan is stuck, as in ECS. Never raises.
    """
    lower, upper = limits(desired, percents)
    if starts is Starts.NEVER:
        lower = desired  # nothing will replace what goes now
    if upper <= desired:
        members = [_at_rest(member) for member in members]
    budget = _Budget(desired, lower, upper, starts, _most_fail(members))
    wanted = _wanted(budget, members)
    room = upper - len(members)

    stop = _stop(budget, members)
    if starts is Starts.NOW and not stop and wanted > 0 >= room:
        stop = _make_room(members)
    start = max(0, min(wanted, room)) if starts is Starts.NOW else 0
    waits = starts is not Starts.NOW or budget.suppressed
    stuck = not waits and _is_stuck(members, start, stop, wanted)
    return Plan(start, stop, stuck, budget.suppressed)


def _at_rest(member: Member) -> Member:
    """Return it as one that is not moved for balance: there is never room for that."""
    moved = member.leaves is Why.REBALANCE
    return replace(member, leaves=None) if moved else member


def _most_fail(members: Sequence[Member]) -> bool:
    """Tell whether more than half, and more than one, fail that did not before.

    A bad release is another matter: its tasks were never healthy.
    """
    failing = [m for m in members if m.fitness is Fitness.UNHEALTHY]
    enough = len(failing) > max(1, _healthy(members))
    return enough and any(member.proven for member in failing)


def _wanted(budget: _Budget, members: Sequence[Member]) -> int:
    """Return how many tasks are missing; negative: how many are too many."""
    staying = [member for member in members if member.stays]
    good = sum(member.fitness is not Fitness.UNHEALTHY for member in staying)
    wanted = budget.desired - good
    if not budget.suppressed:
        return wanted
    under_way = sum(not m.proven and m.fitness in _COMING for m in staying)
    allowed = max(1, _healthy(staying)) - under_way
    return max(budget.desired - len(staying), min(wanted, allowed))


def _healthy(members: Sequence[Member]) -> int:
    return sum(member.fitness is Fitness.HEALTHY for member in members)


_CHEAPEST_FIRST = (
    Fitness.STARTING,
    Fitness.UNHEALTHY,
    Fitness.UNKNOWN,
    Fitness.HEALTHY,
)
_FORCED = frozenset({Why.OLD, Why.DRAINING})
"""These spend down to lower; the others wait for their replacement."""


def _unwanted(
    budget: _Budget, members: Sequence[Member]
) -> list[tuple[Member, Why, int]]:
    """Return what should go, the cheapest to lose first, and why.

    With each, how many healthy tasks have to be left then.
    """
    cheap = sorted(members, key=lambda m: _CHEAPEST_FIRST.index(m.fitness))
    staying = [member for member in cheap if member.stays]
    sick = [member for member in staying if member.fitness is Fitness.UNHEALTHY]
    good = [m for m in staying if m not in sick and not m.protected]
    surplus = max(0, len(staying) - len(sick) - budget.desired)
    found = [
        *(
            (m, m.leaves, budget.lower if m.leaves in _FORCED else budget.desired)
            for m in cheap
            if m.leaves and not (m.protected and m.fitness is not Fitness.UNHEALTHY)
        ),
        *((m, Why.UNHEALTHY, floor) for m, floor in _sick(budget, staying, sick)),
        *((member, Why.SURPLUS, budget.lower) for member in good[:surplus]),
    ]
    turns = {member.id: turn for turn, member in enumerate(cheap)}
    return sorted(found, key=lambda item: turns[item[0].id])


def _sick(
    budget: _Budget, staying: Sequence[Member], sick: Sequence[Member]
) -> Iterator[tuple[Member, int]]:
    """Yield the unhealthy tasks that may go, with how many healthy ones it needs."""
    proven = sum(member.proven for member in staying)
    replaced = max(0, proven - budget.desired)
    for member in sick:
        if not budget.suppressed:
            yield member, budget.desired if member.proven else budget.lower
        elif not member.proven:
            yield member, 0
        elif replaced:
            replaced -= 1
            yield member, 0


def _stop(budget: _Budget, members: Sequence[Member]) -> Stops:
    healthy = _healthy(members)
    stopped = []
    for member, why, floor in _unwanted(budget, members):
        left = healthy - (member.fitness is Fitness.HEALTHY)
        if member.fitness is Fitness.STARTING or left >= floor:
            stopped.append((member.id, why))
            healthy = left
    return tuple(stopped)


def _make_room(members: Sequence[Member]) -> Stops:
    """Return one unhealthy task, unless a task that may replace it is coming."""
    if any(member.stays and member.fitness in _COMING for member in members):
        return ()
    for member in members:
        if member.fitness is Fitness.UNHEALTHY:
            return ((member.id, member.leaves or Why.UNHEALTHY),)
    return ()


_COMING = frozenset({Fitness.STARTING, Fitness.UNKNOWN})


def _is_stuck(members: Sequence[Member], start: int, stop: Stops, wanted: int) -> bool:
    """Tell whether all is settled, something is to do, and nothing can be done."""
    if start or stop or any(member.fitness in _COMING for member in members):
        return False
    return wanted > 0 or any(
        member.leaves in _FORCED and not member.protected for member in members
    )
