"""The field table of services and their scaling.

Source of names, defaults and ranges: ECS API reference (CreateService),
Application Auto Scaling API reference (RegisterScalableTarget,
PutScalingPolicy).
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.fields.alarms import ALARM
from controlplane.cluster_file.fields.containers import NAME
from controlplane.cluster_file.fields.deployments import DEPLOYMENT
from controlplane.cluster_file.fields.placement import (
    SERVICE_CONSTRAINTS,
    STRATEGIES,
)
from controlplane.cluster_file.fields.rules import GROUP
from controlplane.cluster_file.fields.sources import SCRAPE
from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Number,
    Status,
    Text,
    Variants,
    Whole,
    ignored,
    refused,
    shape,
)

_IGNORED = Status.IGNORED
_REFUSED = Status.REFUSED

# --- policies -----------------------------------------------------------------

_POLICY = "Application Auto Scaling PutScalingPolicy"
STEPS_MAX: Final = 20
TASKS_MAX: Final = 100_000
"""Ours: a bound on the tasks of one service, far above ECS's quota."""
_STEP = shape(
    "StepAdjustment",
    Field("metricIntervalLowerBound", Number(), _POLICY, note="left out: -infinity"),
    Field("metricIntervalUpperBound", Number(), _POLICY, note="left out: +infinity"),
    Field("scalingAdjustment", Whole(-TASKS_MAX, TASKS_MAX), _POLICY, required=True),
)
POLICY: Final = Variants(
    "policyType",
    {
        "StepScaling": shape(
            "StepScaling",
            Field("policyName", Text(longest=256), _POLICY, required=True),
            Field("alarm", ALARM, "ours", required=True),
            Field(
                "adjustmentType",
                Choice(
                    (
                        "ChangeInCapacity",
                        "ExactCapacity",
                        "PercentChangeInCapacity",
                    )
                ),
                _POLICY,
                required=True,
            ),
            Field("stepAdjustments", Each(_STEP, 1, STEPS_MAX), _POLICY, required=True),
            Field("cooldown", Whole(0), _POLICY, 300, note="seconds"),
            Field("minAdjustmentMagnitude", Whole(1), _POLICY, note="percent only"),
            Field(
                "metricAggregationType",
                Choice(("Average", "Minimum", "Maximum")),
                _POLICY,
                "Average",
                status=_IGNORED,
            ),
            wrappers=("stepScalingPolicyConfiguration",),
        ),
    },
    later=("TargetTrackingScaling", "PredictiveScaling", "FastTracking"),
)

_TARGET = "Application Auto Scaling RegisterScalableTarget"
AUTO_SCALING: Final = shape(
    "AutoScaling",
    Field("minCapacity", Whole(0, TASKS_MAX), _TARGET, required=True),
    Field("maxCapacity", Whole(0, TASKS_MAX), _TARGET, required=True),
    Field("policies", Each(POLICY, key="policyName"), _POLICY),
    refused("scheduledActions", "Application Auto Scaling PutScheduledAction"),
    refused("suspendedState", _TARGET),
    ignored("tags", _TARGET),
)

# --- services -------------------------------------------------------------------

_SERVICE = "ECS CreateService"
SERVICE: Final = shape(
    "Service",
    Field("serviceName", NAME, _SERVICE, required=True),
    Field(
        "taskDefinition",
        Text(longest=255),
        _SERVICE,
        required=True,
        note="the family as this file defines it",
    ),
    Field(
        "desiredCount",
        Whole(0),
        _SERVICE,
        note="required without autoScaling; with it only the first value, "
        "minCapacity where left out",
    ),
    Field(
        "loadBalancers",
        Each(
            shape(
                "ServiceLoadBalancer",
                Field("targetGroup", GROUP, "ours", required=True),
                Field("containerName", NAME, _SERVICE, note="the only one"),
                Field("containerPort", Whole(1, 65_535), _SERVICE, note="the only one"),
            ),
            most=5,
            key="targetGroup",
        ),
        _SERVICE,
    ),
    Field("deploymentConfiguration", DEPLOYMENT, _SERVICE),
    Field("placementConstraints", SERVICE_CONSTRAINTS, _SERVICE),
    Field("placementStrategy", STRATEGIES, _SERVICE),
    Field(
        "availabilityZoneRebalancing",
        Choice(("ENABLED", "DISABLED")),
        _SERVICE,
        "ENABLED",
        note="where it is possible",
    ),
    Field("healthCheckGracePeriodSeconds", Whole(0, 2_147_483_647), _SERVICE, 0),
    Field(
        "schedulingStrategy",
        Choice(("REPLICA", "DAEMON")),
        _SERVICE,
        "REPLICA",
    ),
    Field(
        "launchType",
        Choice(("EC2",), later=("FARGATE", "EXTERNAL", "MANAGED_INSTANCES")),
        _SERVICE,
        "EC2",
    ),
    Field(
        "deploymentController",
        shape(
            "DeploymentController",
            Field(
                "type",
                Choice(("ECS",), later=("CODE_DEPLOY", "EXTERNAL")),
                _SERVICE,
                "ECS",
            ),
        ),
        _SERVICE,
    ),
    Field("autoScaling", AUTO_SCALING, _TARGET),
    Field("metrics", SCRAPE, "ours", note="its tasks' own, in Prometheus's format"),
    refused("capacityProviderStrategy", _SERVICE),
    refused("networkConfiguration", _SERVICE),
    refused("serviceRegistries", _SERVICE),
    refused("serviceConnectConfiguration", _SERVICE),
    refused("volumeConfigurations", _SERVICE),
    refused("vpcLatticeConfigurations", _SERVICE),
    *(
        ignored(name, _SERVICE)
        for name in (
            "enableExecuteCommand",
            "enableECSManagedTags",
            "propagateTags",
            "platformVersion",
            "monitoring",
            "role",
            "tags",
        )
    ),
)
