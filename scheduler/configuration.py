"""How a service is deployed: what its file says of it. Floor 0: values only.

Source: ECS API reference, DeploymentConfiguration, DeploymentCircuitBreaker,
DeploymentAlarms, LinearConfiguration, CanaryConfiguration, AdvancedConfiguration,
DeploymentLifecycleHook.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from foundation.surroundings import shown_url


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


class Strategy(enum.Enum):
    """How new tasks take over from old ones."""

    ROLLING = "ROLLING"
    """One after the other, in the same target groups."""
    BLUE_GREEN = "BLUE_GREEN"
    """All are started beside the old ones; requests are shifted at once."""
    LINEAR = "LINEAR"
    """The same; requests are shifted in equal steps."""
    CANARY = "CANARY"
    """The same; a few requests are shifted first, then all others."""


class LifecycleStage(enum.Enum):
    """In the order in which a deployment passes through them."""

    RECONCILE_SERVICE = "RECONCILE_SERVICE"
    """What an earlier deployment began and did not end is undone."""
    PRE_SCALE_UP = "PRE_SCALE_UP"
    SCALE_UP = "SCALE_UP"
    """Its tasks are started; nobody is sent to them."""
    POST_SCALE_UP = "POST_SCALE_UP"
    TEST_TRAFFIC_SHIFT = "TEST_TRAFFIC_SHIFT"
    POST_TEST_TRAFFIC_SHIFT = "POST_TEST_TRAFFIC_SHIFT"
    PRODUCTION_TRAFFIC_SHIFT = "PRODUCTION_TRAFFIC_SHIFT"
    POST_PRODUCTION_TRAFFIC_SHIFT = "POST_PRODUCTION_TRAFFIC_SHIFT"
    BAKE_TIME = "BAKE_TIME"
    """Both run; the source can have its requests back in one step."""
    CLEAN_UP = "CLEAN_UP"
    """The source's tasks are stopped."""


class HookStage(enum.Enum):
    """When a lifecycle hook is called: at the end of a stage, before the next."""

    RECONCILE_SERVICE = "RECONCILE_SERVICE"
    PRE_SCALE_UP = "PRE_SCALE_UP"
    POST_SCALE_UP = "POST_SCALE_UP"
    TEST_TRAFFIC_SHIFT = "TEST_TRAFFIC_SHIFT"
    POST_TEST_TRAFFIC_SHIFT = "POST_TEST_TRAFFIC_SHIFT"
    PRE_PRODUCTION_TRAFFIC_SHIFT = "PRE_PRODUCTION_TRAFFIC_SHIFT"
    """Before each step of requests."""
    PRODUCTION_TRAFFIC_SHIFT = "PRODUCTION_TRAFFIC_SHIFT"
    """After each of them."""
    POST_PRODUCTION_TRAFFIC_SHIFT = "POST_PRODUCTION_TRAFFIC_SHIFT"


class HookTarget(enum.Enum):
    """What a hook is: ours where AWS has Lambda functions."""

    COMMAND = "COMMAND"
    WEBHOOK = "WEBHOOK"
    PAUSE = "PAUSE"
    """Nothing is called: somebody says how it goes on."""


class TimeoutAction(enum.Enum):
    ROLLBACK = "ROLLBACK"
    CONTINUE = "CONTINUE"


@dataclass(frozen=True, slots=True)
class LifecycleHook:
    """One of lifecycleHooks. Defaults are ECS's."""

    target: HookTarget
    stages: tuple[HookStage, ...]
    command: tuple[str, ...] = ()
    url: str = ""
    details: str = ""
    """hookDetails: JSON that it is told at each call."""
    timeout_in_minutes: float = 1440.0
    timeout_action: TimeoutAction = TimeoutAction.ROLLBACK

    @property
    def name(self) -> str:
        """What is asked, as people may see it; of a PAUSE, nothing."""
        return shown_url(self.url) if self.url else "".join(self.command[:1])


@dataclass(frozen=True, slots=True)
class Linear:
    """linearConfiguration. There is no bake time after the last step."""

    step_percent: float = 10.0
    step_bake_time_in_minutes: float = 6.0


@dataclass(frozen=True, slots=True)
class Canary:
    """canaryConfiguration."""

    canary_percent: float = 5.0
    canary_bake_time_in_minutes: float = 10.0


@dataclass(frozen=True, slots=True)
class AdvancedConfiguration:
    """What it takes to shift requests from one target group to another.

    Rules are named by their place: ``PORT/PRIORITY`` or ``PORT/default``.
    """

    alternate_target_group: str
    """Where the next deployment's tasks are registered, and this one's after that."""
    production_listener_rule: str
    test_listener_rule: str = ""
    alternate_deregistration_delay_s: float = 300.0
    """The alternate group's."""


@dataclass(frozen=True, slots=True)
class DeploymentConfiguration:
    minimum_healthy_percent: int = 100
    maximum_percent: int = 200
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    alarms: DeploymentAlarms = DeploymentAlarms()
    bake_time_in_minutes: float = 0.0
    """How long alarms are watched once the tasks are as wished."""
    strategy: Strategy = Strategy.ROLLING
    linear: Linear = Linear()
    canary: Canary = Canary()
    hooks: tuple[LifecycleHook, ...] = ()
