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
HASH_ON: Final = "alb.consistent_hash.on"


def algorithm(attributes: Record, findings: Findings) -> Algorithm:
    """Return the algorithm of a group's attributes."""
    chosen = attributes.text(TYPE)
    if attributes.has(HASH_ON) and chosen != "alb.consistent_hash":
        message = f"needs {TYPE}: alb.consistent_hash (it is {chosen})"
        findings.error(attributes.at(HASH_ON), attributes.path_of(HASH_ON), message)
    return Algorithm(chosen, attributes.text(HASH_ON))


def minimum_healthy(attributes: Record) -> MinimumHealthy:
    """Return below how many healthy targets the group fails open."""
    count, percentage = (
        attributes.text(f"{MINIMUM}.{measure}") for measure in ("count", "percentage")
    )
    return MinimumHealthy(
        0 if count == OFF else int(count), 0 if percentage == OFF else int(percentage)
    )
