"""How a service is deployed: what its file says of it. Floor 0: values only.

Source: ECS API reference, DeploymentConfiguration, DeploymentCircuitBreaker,
DeploymentAlarms.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ThresholdType(enum.Enum):
    """How the circuit breaker's threshold follows from its value."""

    COUNT = "COUNT"
    BOUNDED_PERCENT = "BOUNDED_PERCENT"
    UNBOUNDED_PERCENT = "UNBOUNDED_PERCENT"


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """deploymentCircuitBreaker: how many failed tasks make a failed deployment."""

    enable: bool = False
    rollback: bool = False
    reset_on_healthy_task: bool = True
    threshold_type: ThresholdType = ThresholdType.BOUNDED_PERCENT
    threshold_value: int = 50


@dataclass(frozen=True, slots=True)
class DeploymentAlarms:
    """Alarms, by name, of which one in ALARM makes a failed deployment."""

    names: tuple[str, ...] = ()
    enable: bool = False
    rollback: bool = False


@dataclass(frozen=True, slots=True)
class DeploymentConfiguration:
    minimum_healthy_percent: int = 100
    maximum_percent: int = 200
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    alarms: DeploymentAlarms = DeploymentAlarms()
    bake_time_in_minutes: float = 0.0
    """How long alarms are watched once the tasks are as wished."""
