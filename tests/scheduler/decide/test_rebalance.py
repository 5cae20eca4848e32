"""Zones are made even: within the percents, and it ends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.configuration import DeploymentConfiguration
from scheduler.decide.fitness import Fitness
from scheduler.decide.rebalance import (
    ZONE_SPREAD,
    ZoneTask,
    awaits_extra,
    counts_of,
    may_rebalance,
    zones_to_fill,
)
from scheduler.decide.rollout import limits
from scheduler.model import PlacementStrategy, StrategyType
from tests.support.examples import examples

USUAL = DeploymentConfiguration()


def fleet(drawing: str) -> list[ZoneTask]:
    """Healthy tasks by the letters of their zones; a capital one is protected."""
    return [ZoneTask(letter.lower(), protected=letter.isupper()) for letter in drawing]


# fmt: off
FILLS = [  # tasks, zones with instances, maximumPercent, zones to fill, because
    ("aab",   "ab",  200, "",   "one more in one zone is even"),
    ("aaab",  "ab",  200, "b",  "two more is not"),
    ("aa",    "ab",  200, "b",  "nor is a zone without any"),
    ("aa",    "a",   200, "",   "one where there are no instances has no say"),
    ("aaa",   "abc", 200, "bc", "several zones may be too empty"),
    ("aaabb", "abc", 200, "c",  "only those two below the fullest"),
    ("aaab",  "ab",  110, "",   "maximumPercent of 4 leaves no room"),
    ("AAAb",  "ab",  200, "",   "protected tasks cannot go"),
    ("AAab",  "ab",  200, "b",  "one that is not can"),
    ("",      "ab",  200, "",   "nothing is even"),
]
WHY_NOT = [
    ((), USUAL, "", "the default is spread over zones"),
    ((ZONE_SPREAD, PlacementStrategy(StrategyType.BINPACK, "cpu")), USUAL, "", "zones first"),
    ((PlacementStrategy(StrategyType.RANDOM),), USUAL, "begins with", "anything else first"),
    ((), DeploymentConfiguration(50, 100), "maximumPercent above 100", "no room for one more"),
]
# fmt: on


@pytest.mark.parametrize("row", FILLS, ids=[row[-1] for row in FILLS])
def test_zones_to_fill(row: tuple[str, str, int, str, str]) -> None:
    drawing, zones, maximum, expected, _ = row
    percents = DeploymentConfiguration(100, maximum)

    found = zones_to_fill(len(drawing), percents, fleet(drawing), zones)

    assert frozenset(expected) == found


@pytest.mark.parametrize("row", WHY_NOT, ids=[row[-1] for row in WHY_NOT])
def test_who_can_be_rebalanced(
    row: tuple[tuple[PlacementStrategy, ...], DeploymentConfiguration, str, str],
) -> None:
    strategy, percents, why, _ = row
    found = may_rebalance(strategy, percents)
    assert why in found
    assert bool(why) is bool(found)


H, S, U = Fitness.HEALTHY, Fitness.STARTING, Fitness.UNKNOWN


@pytest.mark.parametrize(
    ("desired", "fitness", "awaited"),
    [(2, (H, H, S), True), (2, (H, H, U), True), (2, (H, H, H), False),
     (2, (H, S), False), (2, (H, S, S), False), (1, (H, H, S), False)],
)  # fmt: skip
def test_one_more_is_waited_for(
    desired: int, fitness: tuple[Fitness, ...], *, awaited: bool
) -> None:
    tasks = [ZoneTask("a", one) for one in fitness]
    assert awaited is awaits_extra(desired, tasks)


@settings(max_examples=examples(300))
@given(
    drawing=st.text("aabcABC", max_size=20),
    maximum=st.integers(100, 300),
    choice=st.integers(0, 2),
)
def test_it_ends_even_and_within_the_percents(
    drawing: str, maximum: int, choice: int
) -> None:
    tasks, zones = fleet(drawing), "abc"
    desired, percents = len(tasks), DeploymentConfiguration(100, maximum)
    _, upper = limits(desired, percents)
    for _ in range(desired + 1):
        fill = sorted(zones_to_fill(desired, percents, tasks, zones))
        if not fill:
            break
        tasks.append(ZoneTask(fill[choice % len(fill)]))
        assert len(tasks) <= upper
        counts = counts_of(tasks, zones)
        movable = [task for task in tasks if not task.protected]
        tasks.remove(max(movable, key=lambda task: counts[task.zone]))
    else:
        raise AssertionError("it goes on and on")
    counts = counts_of(tasks, zones)
    free = {task.zone for task in tasks if not task.protected}
    fullest = max((n for zone, n in counts.items() if zone in free), default=0)
    assert upper <= desired or fullest - min(counts.values()) <= 1
