"""The field table: every field of the cluster file, its kind and its status.

One list for four readers: the decoder, `alb schema`, the generated reference,
and a person. A field that is not built yet stands here too, as ignored (it
cannot change who reaches what) or refused.
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.fields.alarms import ALARM, COMPOSITE_ALARM
from controlplane.cluster_file.fields.balancer import LOAD_BALANCER, TARGET_GROUP
from controlplane.cluster_file.fields.containers import NAME
from controlplane.cluster_file.fields.rules import LISTENER
from controlplane.cluster_file.fields.services import SERVICE
from controlplane.cluster_file.fields.sources import PROMETHEUS
from controlplane.cluster_file.fields.tasks import (
    CONTAINER_INSTANCE,
    TASK_DEFINITION,
)
from controlplane.cluster_file.kinds import (
    Each,
    Field,
    Flag,
    Shape,
    Text,
    Whole,
    refused,
    shape,
)

_OURS = "ours"

_TAG: Final = shape(
    "Tag",
    Field(
        "key", Text(r"\S(.{0,126}\S)?", "be 1-128 characters"), "ECS Tag", required=True
    ),
    Field("value", Text(longest=256, shortest=0), "ECS Tag", ""),
)

CLUSTER_FILE: Final[Shape] = shape(
    "ClusterFile",
    Field("cluster", NAME, "ECS CreateCluster", "default"),
    Field(
        "containerInstances",
        Each(CONTAINER_INSTANCE, key="name"),
        "ECS ContainerInstance",
        note="left out: the engine of the docker CLI's context, else local processes",
    ),
    Field(
        "taskDefinitions",
        Each(TASK_DEFINITION, key="family"),
        "ECS RegisterTaskDefinition",
    ),
    Field("loadBalancer", LOAD_BALANCER, "ELBv2 CreateLoadBalancer"),
    Field("targetGroups", Each(TARGET_GROUP, key="name"), "ELBv2 CreateTargetGroup"),
    Field("listeners", Each(LISTENER, key="port"), "ELBv2 CreateListener"),
    Field("services", Each(SERVICE, key="serviceName"), "ECS CreateService"),
    Field(
        "strictAwsLimits",
        Flag(),
        _OURS,
        default=False,
        note="AWS's quotas and cloud-only floors hold too",
    ),
    Field(
        "allowPrivileged",
        Flag(),
        _OURS,
        default=False,
        note="privileged containers, devices, namespaces of the host, commands "
        "of hooks and alarms",
    ),
    Field(
        "allowHostPaths",
        Flag(),
        _OURS,
        default=False,
        note="volumes that are paths of a host",
    ),
    Field(
        "control",
        shape(
            "Control",
            Field(
                "address",
                Text(r"\S+:[0-9]{1,5}", "be like 127.0.0.1:4566"),
                _OURS,
                "127.0.0.1:4566",
            ),
        ),
        _OURS,
    ),
    Field("prometheus", PROMETHEUS, _OURS, note="metrics by PromQL"),
    Field(
        "hostLostAfterSeconds",
        Whole(1),
        _OURS,
        60,
        note="how long an engine may not answer while its tasks serve",
    ),
    Field("tags", Each(_TAG, 0, 50, key="key"), "ECS CreateCluster"),
    refused("capacityProviders", "ECS CreateCapacityProvider"),
    Field("alarms", Each(ALARM, key="alarmName"), "CloudWatch PutMetricAlarm"),
    Field(
        "compositeAlarms",
        Each(COMPOSITE_ALARM, key="alarmName"),
        "CloudWatch PutCompositeAlarm",
    ),
    refused("trustStores", "ELBv2 CreateTrustStore"),
)
