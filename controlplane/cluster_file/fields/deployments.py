"""The field table of how services are deployed.

Source of names, defaults and ranges: ECS API reference, DeploymentConfiguration,
DeploymentCircuitBreaker, ThresholdConfiguration, DeploymentAlarms,
LinearConfiguration, CanaryConfiguration, AdvancedConfiguration.
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.fields.rules import GROUP
from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Flag,
    Number,
    Pairs,
    Text,
    Whole,
    ignored,
    shape,
)
from scheduler.configuration import HookStage

_DEPLOYMENT = "ECS DeploymentConfiguration"
_BREAKER = "ECS DeploymentCircuitBreaker"
_ALARMS = "ECS DeploymentAlarms"
_LINEAR = "ECS LinearConfiguration"
_CANARY = "ECS CanaryConfiguration"
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

LINEAR: Final = shape(
    "LinearConfiguration",
    Field("stepPercent", Number(), _LINEAR, 10, note="3-100 in tenths"),
    Field("stepBakeTimeInMinutes", Number(0), _LINEAR, 6, note="may be 0.5"),
)

CANARY: Final = shape(
    "CanaryConfiguration",
    Field("canaryPercent", Number(), _CANARY, 5, note="0.1-100 in tenths"),
    Field("canaryBakeTimeInMinutes", Number(0), _CANARY, 10, note="may be 0.5"),
)

_HOOK = "ECS DeploymentLifecycleHook"
HOOK: Final = shape(
    "DeploymentLifecycleHook",
    Field(
        "targetType",
        Choice(("COMMAND", "WEBHOOK", "PAUSE")),
        _HOOK,
        required=True,
        note="COMMAND and WEBHOOK are ours",
    ),
    Field("command", Each(Text(longest=4096), 1), "ours", note="of COMMAND; no shell"),
    Field(
        "url",
        Text("https?://.+", "begin with http:// or https://", 2048),
        "ours",
        note="of WEBHOOK",
    ),
    Field(
        "lifecycleStages",
        Each(Choice(tuple(one.value for one in HookStage)), 1),
        _HOOK,
        required=True,
    ),
    Field("hookDetails", Pairs(), _HOOK, note="what it is told at each call"),
    Field(
        "timeoutConfiguration",
        shape(
            "DeploymentLifecycleHookTimeoutConfiguration",
            Field("timeoutInMinutes", Number(0), _HOOK, 1440, note="may be 0.5"),
            Field("action", Choice(("ROLLBACK", "CONTINUE")), _HOOK, "ROLLBACK"),
        ),
        _HOOK,
    ),
    ignored("roleArn", _HOOK),
)

DEPLOYMENT: Final = shape(
    "DeploymentConfiguration",
    Field(
        "minimumHealthyPercent", Whole(0, 100), _DEPLOYMENT, 100, note="of a DAEMON 0"
    ),
    Field("maximumPercent", Whole(100, 1000), _DEPLOYMENT, 200, note="of a DAEMON 100"),
    Field(
        "strategy",
        Choice(("ROLLING", "BLUE_GREEN", "LINEAR", "CANARY")),
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
        note="how long alarms are watched once all tasks are healthy, or have all "
        "requests; may be 0.5",
    ),
    Field("linearConfiguration", LINEAR, _DEPLOYMENT, note="of LINEAR"),
    Field("canaryConfiguration", CANARY, _DEPLOYMENT, note="of CANARY"),
    Field("lifecycleHooks", Each(HOOK), _DEPLOYMENT),
    ignored("earlySuccessCriteria", _DEPLOYMENT),
)

_ADVANCED = "ECS AdvancedConfiguration"
_RULE = "LISTENER/RULE as `alb weight` has it"
ADVANCED: Final = shape(
    "AdvancedConfiguration",
    Field("alternateTargetGroupName", GROUP, "ours", required=True),
    Field(
        "productionListenerRule",
        Text(longest=128),
        _ADVANCED,
        required=True,
        note=f"{_RULE}; it forwards to both target groups",
    ),
    Field("testListenerRule", Text(longest=128), _ADVANCED, note=_RULE),
    ignored("roleArn", _ADVANCED),
)
