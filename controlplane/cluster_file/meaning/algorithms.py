"""How a target group chooses, as `alb.model` has it. Pure.

Source: ELBv2 API reference, TargetGroupAttribute; ALB user guide, routing
algorithms.
"""

from __future__ import annotations

from typing import Final

from alb.model import Algorithm, MinimumHealthy
from controlplane.cluster_file.record import Findings, Record

TYPE: Final = "load_balancing.algorithm.type"
MINIMUM: Final = "target_group_health.unhealthy_state_routing.minimum_healthy_targets"
OFF: Final = "off"
SLOW_START: Final = "slow_start.duration_seconds"
SLOW_START_LEAST_S: Final = 30
"""Under strictAwsLimits."""
MITIGATION: Final = "load_balancing.algorithm.anomaly_mitigation"
HASH_ON: Final = "alb.consistent_hash.on"


def algorithm(attributes: Record, findings: Findings) -> Algorithm:
    """Return the algorithm of a group's attributes."""
    chosen = attributes.text(TYPE)
    if attributes.has(HASH_ON) and chosen != "alb.consistent_hash":
        message = f"needs {TYPE}: alb.consistent_hash (it is {chosen})"
        findings.error(attributes.at(HASH_ON), attributes.path_of(HASH_ON), message)
    mitigates = attributes.text(MITIGATION) == "on"
    if mitigates and chosen != "weighted_random":
        message = f"needs {TYPE}: weighted_random (it is {chosen})"
        where, path = attributes.at(MITIGATION), attributes.path_of(MITIGATION)
        findings.error(where, path, message)
    return Algorithm(chosen, attributes.text(HASH_ON), mitigates)


def minimum_healthy(attributes: Record) -> MinimumHealthy:
    """Return below how many healthy targets the group fails open."""
    count, percentage = (
        attributes.text(f"{MINIMUM}.{measure}") for measure in ("count", "percentage")
    )
    return MinimumHealthy(
        0 if count == OFF else int(count), 0 if percentage == OFF else int(percentage)
    )


def slow_start_s(attributes: Record, findings: Findings) -> float:
    """Return how long a target that turned healthy is eased in; 0: not at all."""
    duration_s = attributes.whole(SLOW_START)
    if not duration_s:
        return 0.0
    problems = []
    limits = " under strictAwsLimits" if findings.strict else ""
    if findings.strict and duration_s < SLOW_START_LEAST_S:
        problems.append(f"must be 0 or 30-900{limits} (got {duration_s})")
    able = ("round_robin",) if findings.strict else ("round_robin", "weighted_random")
    chosen = attributes.text(TYPE)
    if chosen not in able:
        problems.append(f"needs {TYPE}: {' or '.join(able)}{limits} (it is {chosen})")
    for message in problems:
        where, path = attributes.at(SLOW_START), attributes.path_of(SLOW_START)
        findings.error(where, path, message)
    return float(duration_s)
