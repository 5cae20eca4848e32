"""How a service is deployed, as `scheduler.model` has it. Pure.

Source: ECS API reference, DeploymentConfiguration; ECS developer guide, "How the
Amazon ECS deployment circuit breaker detects failures".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.meaning.hooks import lifecycle_hooks
from controlplane.cluster_file.record import Findings, Record
from controlplane.problems import did_you_mean
from scheduler.configuration import (
    Canary,
    CircuitBreaker,
    DeploymentAlarms,
    DeploymentConfiguration,
    Linear,
    Strategy,
    ThresholdType,
)
from scheduler.model import SchedulingStrategy

PERCENT: Final = 100
ROUNDING: Final = 1e-6
STEPS: Final = {
    "linearConfiguration": Strategy.LINEAR,
    "canaryConfiguration": Strategy.CANARY,
}
MINUTES_MAX: Final = 1440.0
"""A day: ECS's longest bake time."""


def deployment_configuration(
    record: Record, strategy: SchedulingStrategy, findings: Findings
) -> DeploymentConfiguration:
    """Return how the service of this deploymentConfiguration is deployed."""
    minimum, maximum = (
        record.whole("minimumHealthyPercent"),
        record.whole("maximumPercent"),
    )
    if strategy is SchedulingStrategy.DAEMON:
        if record.absent("minimumHealthyPercent"):
            minimum = 0
        if record.has("maximumPercent") and maximum != PERCENT:
            message = "must be 100 of a DAEMON: an instance has one task at most"
            at, path = record.at("maximumPercent"), record.path_of("maximumPercent")
            findings.error(at, path, message)
        maximum = PERCENT
    return DeploymentConfiguration(
        minimum,
        maximum,
        _circuit_breaker(record.record("deploymentCircuitBreaker"), findings),
        _alarms(record.record("alarms"), findings),
        _minutes(record, "bakeTimeInMinutes", findings),
        *_takeover(record, strategy, findings),
        lifecycle_hooks(record, Strategy(record.text("strategy")), findings),
    )


def _takeover(
    record: Record, scheduling: SchedulingStrategy, findings: Findings
) -> tuple[Strategy, Linear, Canary]:
    """Return how new tasks take over, with the steps of the two that have some."""
    strategy = Strategy(record.text("strategy"))
    if scheduling is SchedulingStrategy.DAEMON and strategy is not Strategy.ROLLING:
        message = "must be ROLLING of a DAEMON: an instance has one task at most"
        findings.error(record.at("strategy"), record.path_of("strategy"), message)
    for name, whose in STEPS.items():
        if not record.absent(name) and strategy is not whose:
            message = f"is for strategy {whose.value} (it is {strategy.value})"
            findings.error(record.at(name), record.path_of(name), message)
    linear = record.record("linearConfiguration")
    canary = record.record("canaryConfiguration")
    return (
        strategy,
        Linear(
            _percent(linear, "stepPercent", 3.0, findings),
            _minutes(linear, "stepBakeTimeInMinutes", findings),
        ),
        Canary(
            _percent(canary, "canaryPercent", 0.1, findings),
            _minutes(canary, "canaryBakeTimeInMinutes", findings),
        ),
    )


def _percent(record: Record, name: str, least: float, findings: Findings) -> float:
    percent = record.number_or_none(name) or 0.0
    tenths = percent * 10
    if not least <= percent <= PERCENT or abs(tenths - round(tenths)) > ROUNDING:
        message = f"must be {least:g}-{PERCENT} percent in tenths (got {percent:g})"
        findings.error(record.at(name), record.path_of(name), message)
    return percent


def _circuit_breaker(record: Record, findings: Findings) -> CircuitBreaker:
    threshold = record.record("thresholdConfiguration")
    kind = ThresholdType(threshold.text("type"))
    value = threshold.whole("value")
    if kind is ThresholdType.BOUNDED_PERCENT and value > PERCENT:
        message = f"must be 1-{PERCENT} percent (got {value})"
        at, path = threshold.at("value"), threshold.path_of("value")
        findings.error(at, path, message)
    _require_enabled(record, findings)
    return CircuitBreaker(
        record.flag("enable"),
        record.flag("rollback"),
        record.flag("resetOnHealthyTask"),
        kind,
        value,
    )


def _alarms(record: Record, findings: Findings) -> DeploymentAlarms:
    names = record.texts("alarmNames")
    if record.flag("enable") and not names:
        findings.error(record.at("enable"), record.path, "alarmNames is missing")
    _require_enabled(record, findings)
    return DeploymentAlarms(names, record.flag("enable"), record.flag("rollback"))


def _require_enabled(record: Record, findings: Findings) -> None:
    if record.flag("rollback") and not record.flag("enable"):
        message = "needs enable: true; without it nothing is rolled back"
        findings.error(record.at("rollback"), record.path_of("rollback"), message)


def _minutes(record: Record, name: str, findings: Findings) -> float:
    minutes = record.number_or_none(name) or 0.0
    if not 0 <= minutes <= MINUTES_MAX:
        message = f"must be 0-{MINUTES_MAX:g} minutes (got {minutes:g})"
        findings.error(record.at(name), record.path_of(name), message)
    return minutes


def check_deployment_alarms(
    services: Collection[Record], known: Collection[str], findings: Findings
) -> None:
    """Tell of alarms that no policy of the file has."""
    for service in services:
        alarms = service.record("deploymentConfiguration").record("alarms")
        for index, name in enumerate(alarms.texts("alarmNames")):
            if name not in known:
                hint = did_you_mean(name, known)
                path = f"{alarms.path_of('alarmNames')}[{index}]"
                message = f'no alarm named "{quoted(name)}"{hint}'
                findings.error(alarms.at("alarmNames"), path, message)
