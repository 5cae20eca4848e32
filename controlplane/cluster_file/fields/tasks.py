"""The field table of container instances and task definitions.

Source of names, defaults and ranges: ECS API reference
(RegisterTaskDefinition, PutAttributes).
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.fields.containers import CONTAINER, NAME, PATH
from controlplane.cluster_file.fields.placement import TASK_CONSTRAINTS
from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Flag,
    Pairs,
    Status,
    Text,
    Whole,
    ignored,
    refused,
    shape,
)

_OURS = "ours"
_ENDPOINT_TLS = shape(
    "EndpointTls",
    Field("ca", Text(), _OURS, note="a PEM file; left out: the machine's authorities"),
    Field("cert", Text(), _OURS, note="a PEM file: ours, for the engine to check"),
    Field("key", Text(), _OURS, note="a PEM file, not encrypted"),
)

CONTAINER_INSTANCE: Final = shape(
    "ContainerInstance",
    Field("name", NAME, _OURS, required=True),
    Field("runtime", Choice(("docker", "process")), _OURS, "docker"),
    Field(
        "endpoint",
        Text(),
        _OURS,
        note="unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST[:PORT]",
    ),
    Field("tls", _ENDPOINT_TLS, _OURS, note="of a tcp:// endpoint"),
    Field(
        "attributes",
        Pairs(
            Text(r"[A-Za-z0-9_\-/\\.]{1,128}", "be 1-128 of A-Z a-z 0-9 _ - / \\ ."),
            Text(r"\S(.{0,126}\S)?", "be 1-128 characters with no space at either end"),
        ),
        "ECS Attribute",
        note="ecs.availability-zone is the zone",
    ),
    Field("address", Text(), _OURS, note="where its tasks are published and reached"),
    Field("cpu", Whole(1), "ECS Resource", note="units to hand out; all the host has"),
    Field("memory", Whole(1), "ECS Resource", note="MiB to hand out"),
    Field(
        "dynamicPortRange",
        Text("[0-9]{1,5}-[0-9]{1,5}", "be like 20000-29999"),
        _OURS,
        "20000-29999",
    ),
    Field(
        "status",
        Choice(("ACTIVE", "DRAINING")),
        "ECS ContainerInstance",
        "ACTIVE",
        note="DRAINING: takes no tasks; those of services move elsewhere",
    ),
    Field(
        "ecuPerCore",
        Whole(1, 65_536),
        _OURS,
        1024,
        note="CPU units of one of its cores; `alb doctor --benchmark` measures it",
    ),
)

_TASK = "ECS RegisterTaskDefinition"
_OFF = False
_DOCKER_VOLUME = shape(
    "DockerVolumeConfiguration",
    Field("scope", Choice(("task", "shared")), _TASK, "task"),
    Field("autoprovision", Flag(), _TASK, _OFF, note="of a shared one"),
    Field("driver", Text(), _TASK, "local"),
    Field("driverOpts", Pairs(), _TASK),
    Field("labels", Pairs(), _TASK),
)
_VOLUME = shape(
    "Volume",
    Field("name", NAME, _TASK, required=True),
    Field(
        "host",
        shape(
            "HostVolumeProperties",
            Field("sourcePath", PATH, _TASK, note="needs allowHostPaths"),
        ),
        _TASK,
        note="without sourcePath: empty, and gone with its task",
    ),
    Field("dockerVolumeConfiguration", _DOCKER_VOLUME, _TASK),
    refused("efsVolumeConfiguration", _TASK, "needs AWS itself"),
    refused("fsxWindowsFileServerVolumeConfiguration", _TASK, "needs AWS itself"),
    refused("s3filesVolumeConfiguration", _TASK, "needs AWS itself"),
    Field("configuredAtLaunch", Flag(), _TASK, _OFF, status=Status.REFUSED),
)
TASK_DEFINITION: Final = shape(
    "TaskDefinition",
    Field("family", NAME, _TASK, required=True),
    Field(
        "containerDefinitions",
        Each(CONTAINER, 1, key="name"),
        _TASK,
        required=True,
    ),
    Field(
        "cpu",
        Text(
            r"[0-9]{1,6}|[0-9]{1,3}(\.[0-9]{1,3})? ?v[cC][pP][uU]",
            'be like 256 or "1 vCPU"',
        ),
        _TASK,
        note="a hard quota, in units or vCPU",
    ),
    Field(
        "memory",
        Text(r"[0-9]{1,9}|[0-9]{1,6}(\.[0-9]{1,3})? ?[gG][bB]", 'be like 512 or "1GB"'),
        _TASK,
        note="in MiB or GB",
    ),
    Field(
        "networkMode",
        Choice(("bridge", "host", "awsvpc", "none")),
        _TASK,
        "bridge",
        note="host needs allowPrivileged",
    ),
    Field(
        "requiresCompatibilities",
        Each(Choice(("EC2",), later=("FARGATE", "EXTERNAL", "MANAGED_INSTANCES"))),
        _TASK,
    ),
    Field("volumes", Each(_VOLUME, key="name"), _TASK),
    Field("placementConstraints", TASK_CONSTRAINTS, _TASK),
    Field(
        "pidMode",
        Choice(("host", "task")),
        _TASK,
        note="host needs allowPrivileged",
    ),
    Field(
        "ipcMode",
        Choice(("host", "task", "none")),
        _TASK,
        note="host needs allowPrivileged",
    ),
    refused("proxyConfiguration", _TASK),
    refused("inferenceAccelerators", _TASK),
    refused("runtimePlatform", _TASK, "constrains where the task runs"),
    ignored("taskRoleArn", _TASK),
    ignored("executionRoleArn", _TASK),
    ignored("ephemeralStorage", _TASK),
    ignored("enableFaultInjection", _TASK),
    ignored("tags", _TASK),
)
