"""What the file says elsewhere and a service refers to. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alb.model import LoadBalancer
from scheduler.model import ContainerInstance, TaskDefinition


@dataclass(frozen=True, slots=True)
class Surroundings:
    task_definitions: Mapping[str, TaskDefinition]
    deregistration_delays_s: Mapping[str, float]
    """Of every target group, by name."""
    instances: Sequence[ContainerInstance]
    """Those that the file names; none: control chooses."""
    load_balancer: LoadBalancer | None = None
