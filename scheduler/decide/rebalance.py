"""Zones with unlike numbers of tasks are made even again. Floor 1: pure.

    steady, and two zones differ by more than one
      -> start one more where fewer are (never above maximumPercent)
      -> wait until it is healthy: meanwhile nothing is too many
      -> then one is too many, and scale-in takes it from the fullest zone

Each round takes one task from the fullest zone to one that has at least two
fewer, so the sum of the squares of the counts falls, and it ends.

Source: ECS developer guide, "Balancing an Amazon ECS service across Availability
Zones".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler.configuration import DeploymentConfiguration
from scheduler.decide.fitness import Fitness
from scheduler.decide.rollout import limits
from scheduler.model import ZONE_ATTRIBUTE, PlacementStrategy, StrategyType

UNEVEN: Final = 2
"""Zones that differ by so many tasks are not balanced."""
ZONE_SPREAD: Final = PlacementStrategy(
    StrategyType.SPREAD, f"attribute:{ZONE_ATTRIBUTE}"
)


@dataclass(frozen=True, slots=True)
class ZoneTask:
    """A live task, where it is and how it does."""

    zone: str
    fitness: Fitness = Fitness.HEALTHY
    protected: bool = False
    """It cannot be the one that goes."""


def may_rebalance(
    strategy: Sequence[PlacementStrategy], percents: DeploymentConfiguration
) -> str:
    """Return why a service cannot be rebalanced, or nothing."""
    if percents.maximum_percent <= 100:  # noqa: PLR2004 - percent
        return "rebalancing starts tasks first: it needs a maximumPercent above 100"
    if strategy and strategy[0] != ZONE_SPREAD:
        return (
            "rebalancing needs no placementStrategy, or one that begins with "
            f"{{type: spread, field: {ZONE_SPREAD.field}}}"
        )
    return ""


def counts_of(tasks: Iterable[ZoneTask], zones: Iterable[str]) -> dict[str, int]:
    """Return how many tasks are in each zone that has instances."""
    counts = Counter(task.zone for task in tasks)
    return {zone: counts[zone] for zone in sorted(set(zones))}


def are_even(counts: Mapping[str, int], zones: Collection[str]) -> bool:
    """Tell whether no zone with instances has much fewer tasks than another."""
    found = [counts.get(zone, 0) for zone in zones]
    return not found or max(found) - min(found) < UNEVEN


def zones_to_fill(
    desired: int,
    percents: DeploymentConfiguration,
    tasks: Collection[ZoneTask],
    zones: Collection[str],
) -> frozenset[str]:
    """Return the zones where one more task of a steady service makes it more even.

    One less will be in the fullest zone that has a task that may go.
    """
    _, upper = limits(desired, percents)
    counts = counts_of(tasks, zones)
    movable = {task.zone for task in tasks if not task.protected}
    fullest = max((n for zone, n in counts.items() if zone in movable), default=0)
    if upper <= desired:
        return frozenset()
    return frozenset(zone for zone, n in counts.items() if fullest - n >= UNEVEN)


def awaits_extra(desired: int, tasks: Collection[ZoneTask]) -> bool:
    """Tell whether the one task more than desired is not yet healthy.

    While it comes, nothing is too many; two that come are something else.
    """
    coming = sum(task.fitness in _COMING for task in tasks)
    return len(tasks) == desired + 1 and coming == 1


_COMING: Final = frozenset({Fitness.STARTING, Fitness.UNKNOWN})
