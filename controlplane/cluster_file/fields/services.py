"""The field table of services.

Source of names, defaults and ranges: ECS API reference (CreateService).
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.fields.containers import NAME
from controlplane.cluster_file.fields.deployments import ADVANCED, DEPLOYMENT
from controlplane.cluster_file.fields.placement import (
    SERVICE_CONSTRAINTS,
    STRATEGIES,
)
from controlplane.cluster_file.fields.rules import GROUP
from controlplane.cluster_file.fields.scaling import AUTO_SCALING
from controlplane.cluster_file.fields.sources import SCRAPE
from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Flag,
    Text,
    Whole,
    ignored,
    refused,
    shape,
)

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
                Field(
                    "advancedConfiguration",
                    ADVANCED,
                    _SERVICE,
                    note="what BLUE_GREEN, LINEAR and CANARY need",
                ),
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
    Field("metrics", SCRAPE, "ours", note="its tasks' own, in Prometheus's format"),
    Field(
        "enableExecuteCommand",
        Flag(),
        _SERVICE,
        default=False,
        note="whether `alb exec` runs commands in its tasks",
    ),
    Field(
        "autoScaling",
        AUTO_SCALING,
        "Application Auto Scaling RegisterScalableTarget",
    ),
    refused("capacityProviderStrategy", _SERVICE),
    refused("networkConfiguration", _SERVICE),
    refused("serviceRegistries", _SERVICE),
    refused("serviceConnectConfiguration", _SERVICE),
    refused("volumeConfigurations", _SERVICE),
    refused("vpcLatticeConfigurations", _SERVICE),
    *(
        ignored(name, _SERVICE)
        for name in (
            "enableECSManagedTags",
            "propagateTags",
            "platformVersion",
            "monitoring",
            "role",
            "tags",
        )
    ),
)
