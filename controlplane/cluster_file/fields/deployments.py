"""The field table of how services are deployed.

Source of names, defaults and ranges: ECS API reference, DeploymentConfiguration,
DeploymentCircuitBreaker, ThresholdConfiguration, DeploymentAlarms.
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Flag,
    Number,
    Text,
    Whole,
    ignored,
    refused,
    shape,
)

_DEPLOYMENT = "ECS DeploymentConfiguration"
_BREAKER = "ECS DeploymentCircuitBreaker"
_ALARMS = "ECS DeploymentAlarms"
_OFF = False

THRESHOLD: Final = shape(
    "ThresholdConfiguration",
    Field(
        "type",
        Choice(("BOUNDED_PERCENT", "UNBOUNDED_PERCENT", "COUNT")),
        _BREAKER,
        "BOUNDED_PERCENT",
    ),
    Field("value", Whole(1), _BREAKER, 50, note="percent of desiredCount, or tasks"),
)

CIRCUIT_BREAKER: Final = shape(
    "DeploymentCircuitBreaker",
    Field("enable", Flag(), _BREAKER, _OFF),
    Field("rollback", Flag(), _BREAKER, _OFF),
    Field("resetOnHealthyTask", Flag(), _BREAKER, default=True),
    Field("thresholdConfiguration", THRESHOLD, _BREAKER),
)

ALARMS: Final = shape(
    "DeploymentAlarms",
    Field("alarmNames", Each(Text(longest=255)), _ALARMS, note="of this file"),
    Field("enable", Flag(), _ALARMS, _OFF),
    Field("rollback", Flag(), _ALARMS, _OFF),
)

DEPLOYMENT: Final = shape(
    "DeploymentConfiguration",
    Field(
        "minimumHealthyPercent", Whole(0, 100), _DEPLOYMENT, 100, note="of a DAEMON 0"
    ),
    Field("maximumPercent", Whole(100, 1000), _DEPLOYMENT, 200, note="of a DAEMON 100"),
    Field(
        "strategy",
        Choice(("ROLLING",), later=("BLUE_GREEN", "LINEAR", "CANARY")),
        _DEPLOYMENT,
        "ROLLING",
    ),
    Field("deploymentCircuitBreaker", CIRCUIT_BREAKER, _DEPLOYMENT),
    Field("alarms", ALARMS, _DEPLOYMENT),
    Field(
        "bakeTimeInMinutes",
        Number(0),
        _DEPLOYMENT,
        0,
        note="how long alarms are watched once all tasks are healthy; may be 0.5",
    ),
    refused("lifecycleHooks", _DEPLOYMENT),
    *(
        ignored(name, _DEPLOYMENT)
        for name in (
            "linearConfiguration",
            "canaryConfiguration",
            "earlySuccessCriteria",
        )
    ),
)
