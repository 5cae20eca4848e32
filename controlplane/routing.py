"""Whether target groups route as they should: enough of their targets healthy. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from alb.decide.balance import are_enough
from alb.model import ONE_HEALTHY, HealthState, LoadBalancer, TargetObservation

SERVING: Final = (HealthState.HEALTHY, HealthState.UNAVAILABLE)
NOT_SERVING: Final = (HealthState.UNHEALTHY, HealthState.INITIAL)
"""Also in use; who drains is not, nor who is in a group nobody forwards to."""


def states_of(
    observed: Iterable[TargetObservation],
) -> dict[str, dict[HealthState, int]]:
    """Return target group -> health state -> number of targets."""
    states: dict[str, dict[HealthState, int]] = {}
    for seen in observed:
        counts = states.setdefault(seen.group, {})
        counts[seen.health.state] = counts.get(seen.health.state, 0) + 1
    return states


def group_routing(
    states: Mapping[str, Mapping[HealthState, int]], balancer: LoadBalancer | None
) -> dict[str, bool]:
    """Return of each group with targets in use whether enough of them are healthy."""
    groups = balancer.groups if balancer else ()
    minimums = {group.name: group.minimum_healthy for group in groups}
    found: dict[str, bool] = {}
    for group, counts in states.items():
        healthy = sum(counts.get(state, 0) for state in SERVING)
        in_use = healthy + sum(counts.get(state, 0) for state in NOT_SERVING)
        if in_use:
            minimum = minimums.get(group, ONE_HEALTHY)
            found[group] = are_enough(healthy, in_use, minimum)
    return found
