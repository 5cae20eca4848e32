"""The field table of container instances and task definitions.

Source of names, defaults and ranges: ECS API reference
(RegisterTaskDefinition, ContainerDefinition, PutAttributes).
"""

from __future__ import annotations

from typing import Final

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

CPU_MAX: Final = 262_144
"""256 cores, as ECS has it."""
MEMORY_MIN_MIB: Final = 6
NAME: Final = Text("[A-Za-z0-9_-]{1,255}", "be 1-255 of A-Z a-z 0-9 _ -")

_OURS = "ours"
CONTAINER_INSTANCE: Final = shape(
    "ContainerInstance",
    Field("name", NAME, _OURS, required=True),
    Field("runtime", Choice(("docker", "process")), _OURS, "docker"),
    Field("endpoint", Text(), _OURS, note="unix:///PATH or tcp://HOST:PORT"),
    refused("tls", _OURS, "ca, cert, key of a tcp:// endpoint"),
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
    refused("status", "ECS ContainerInstance", "DRAINING"),
    ignored("ecuPerCore", _OURS),
)

_CONTAINER = "ECS ContainerDefinition"
_TEXTS = Each(Text(shortest=0))
_PORT_MAPPING = shape(
    "PortMapping",
    Field("containerPort", Whole(1, 65_535), _CONTAINER, required=True),
    Field("hostPort", Whole(0, 65_535), _CONTAINER, 0, note="0: dynamic"),
    Field("protocol", Choice(("tcp",), later=("udp",)), _CONTAINER, "tcp"),
    ignored("name", _CONTAINER),
    ignored("appProtocol", _CONTAINER),
    refused("containerPortRange", _CONTAINER),
)
_ENVIRONMENT = shape(
    "KeyValuePair",
    Field("name", Text("[^=]+", "not hold ="), _CONTAINER, required=True),
    Field("value", Text(shortest=0, longest=65_536), _CONTAINER, required=True),
)
_OFF = False

CONTAINER: Final = shape(
    "ContainerDefinition",
    Field("name", NAME, _CONTAINER, required=True),
    Field("image", Text(r"\S+", "hold no space", 1024), _CONTAINER),
    Field("cpu", Whole(0, CPU_MAX), _CONTAINER, 0, note="shares; 1024 is one core"),
    Field("memory", Whole(MEMORY_MIN_MIB), _CONTAINER, note="MiB, a hard limit"),
    Field("memoryReservation", Whole(MEMORY_MIN_MIB), _CONTAINER, note="MiB"),
    Field("essential", Flag(), _CONTAINER, default=True),
    Field("entryPoint", _TEXTS, _CONTAINER),
    Field("command", _TEXTS, _CONTAINER),
    Field("workingDirectory", Text(), _CONTAINER),
    Field("environment", Each(_ENVIRONMENT, key="name"), _CONTAINER),
    Field("portMappings", Each(_PORT_MAPPING, key="containerPort"), _CONTAINER),
    Field("dockerLabels", Pairs(), _CONTAINER),
    Field("user", Text(), _CONTAINER),
    Field("stopTimeout", Whole(1, 86_400), _CONTAINER, 30, note="seconds"),
    Field("disableNetworking", Flag(), _CONTAINER, _OFF, status=Status.REFUSED),
    Field("privileged", Flag(), _CONTAINER, _OFF, status=Status.REFUSED),
    Field("readonlyRootFilesystem", Flag(), _CONTAINER, _OFF, status=Status.REFUSED),
    Field("interactive", Flag(), _CONTAINER, _OFF, status=Status.IGNORED),
    Field("pseudoTerminal", Flag(), _CONTAINER, _OFF, status=Status.IGNORED),
    *(
        refused(name, _CONTAINER)
        for name in (
            "secrets",
            "environmentFiles",
            "links",
            "dnsServers",
            "dnsSearchDomains",
            "extraHosts",
            "mountPoints",
            "volumesFrom",
            "dependsOn",
            "dockerSecurityOptions",
            "systemControls",
            "linuxParameters",
            "resourceRequirements",
            "repositoryCredentials",
            "credentialSpecs",
        )
    ),
    *(
        ignored(name, _CONTAINER)
        for name in (
            "hostname",
            "healthCheck",
            "logConfiguration",
            "firelensConfiguration",
            "restartPolicy",
            "startTimeout",
            "ulimits",
            "versionConsistency",
        )
    ),
)

_TASK = "ECS RegisterTaskDefinition"
TASK_DEFINITION: Final = shape(
    "TaskDefinition",
    Field("family", NAME, _TASK, required=True),
    Field(
        "containerDefinitions",
        Each(CONTAINER, 1, key="name"),
        _TASK,
        required=True,
        note="one container per task is built",
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
        Choice(("bridge",), later=("host", "awsvpc", "none")),
        _TASK,
        "bridge",
    ),
    Field(
        "requiresCompatibilities",
        Each(Choice(("EC2",), later=("FARGATE", "EXTERNAL", "MANAGED_INSTANCES"))),
        _TASK,
    ),
    refused("volumes", _TASK),
    Field("placementConstraints", TASK_CONSTRAINTS, _TASK),
    refused("pidMode", _TASK),
    refused("ipcMode", _TASK),
    refused("proxyConfiguration", _TASK),
    refused("inferenceAccelerators", _TASK),
    refused("runtimePlatform", _TASK, "constrains where the task runs"),
    ignored("taskRoleArn", _TASK),
    ignored("executionRoleArn", _TASK),
    ignored("ephemeralStorage", _TASK),
    ignored("enableFaultInjection", _TASK),
    ignored("tags", _TASK),
)
