"""The field table of container definitions.

Source of names, defaults and ranges: ECS API reference, ContainerDefinition and
what it refers to.
"""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Flag,
    Pairs,
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
PATH: Final = Text("/.*", "be an absolute path")
RANGES_MAX: Final = 100

_CONTAINER = "ECS ContainerDefinition"
_OFF = False
_ON = True
_TEXTS = Each(Text(shortest=0))
_FILE = Text(r"file://.+", "be file://PATH: what is in AWS is not reached from here")
"""Where AWS has an ARN of its parameter or secret store: a file of this machine."""

_PORT_MAPPING = shape(
    "PortMapping",
    Field("containerPort", Whole(1, 65_535), _CONTAINER),
    Field("hostPort", Whole(0, 65_535), _CONTAINER, 0, note="0: dynamic"),
    Field("protocol", Choice(("tcp", "udp")), _CONTAINER, "tcp"),
    Field(
        "name", Text("[a-z0-9_][a-z0-9_-]{0,63}", "be 1-64 of a-z 0-9 _ -"), _CONTAINER
    ),
    Field("appProtocol", Choice(("http", "http2", "grpc")), _CONTAINER),
    Field(
        "containerPortRange",
        Text("[0-9]{1,5}-[0-9]{1,5}", "be like 8000-8010"),
        _CONTAINER,
        note="instead of containerPort; host ports in a row",
    ),
)
_ENVIRONMENT = shape(
    "KeyValuePair",
    Field("name", Text("[^=]+", "not hold ="), _CONTAINER, required=True),
    Field("value", Text(shortest=0, longest=65_536), _CONTAINER, required=True),
)
_ENVIRONMENT_FILE = shape(
    "EnvironmentFile",
    Field("value", _FILE, _CONTAINER, required=True, note="VARIABLE=VALUE lines"),
    Field("type", Choice(("s3",)), _CONTAINER, "s3"),
)
_SECRET = shape(
    "Secret",
    Field("name", Text("[^=]+", "not hold ="), _CONTAINER, required=True),
    Field("valueFrom", _FILE, _CONTAINER, required=True),
)
_DEPENDENCY = shape(
    "ContainerDependency",
    Field("containerName", NAME, _CONTAINER, required=True),
    Field(
        "condition",
        Choice(("START", "COMPLETE", "SUCCESS", "HEALTHY")),
        _CONTAINER,
        required=True,
    ),
)
_HEALTH_CHECK = shape(
    "HealthCheck",
    Field("command", Each(Text(shortest=0), 1), _CONTAINER, required=True),
    Field("interval", Whole(1, 300, (5, 300)), _CONTAINER, 30, note="seconds"),
    Field("timeout", Whole(1, 60, (2, 60)), _CONTAINER, 5, note="seconds"),
    Field("retries", Whole(1, 10), _CONTAINER, 3),
    Field("startPeriod", Whole(0, 300), _CONTAINER, 0, note="seconds"),
)
_RESTART_POLICY = shape(
    "ContainerRestartPolicy",
    Field("enabled", Flag(), _CONTAINER, required=True),
    Field("ignoredExitCodes", Each(Whole(0, 255), most=50), _CONTAINER),
    Field(
        "restartAttemptPeriod",
        Whole(1, 1800, (60, 1800)),
        _CONTAINER,
        300,
        note="seconds that it must have run",
    ),
)
_MOUNT_POINT = shape(
    "MountPoint",
    Field("sourceVolume", Text(), _CONTAINER, required=True),
    Field("containerPath", PATH, _CONTAINER, required=True),
    Field("readOnly", Flag(), _CONTAINER, _OFF),
)
_VOLUME_FROM = shape(
    "VolumeFrom",
    Field("sourceContainer", NAME, _CONTAINER, required=True),
    Field("readOnly", Flag(), _CONTAINER, _OFF),
)
_HOST_ENTRY = shape(
    "HostEntry",
    Field(
        "hostname", Text(r"[^\s:]+", "hold no space or :"), _CONTAINER, required=True
    ),
    Field("ipAddress", Text(), _CONTAINER, required=True),
)
_LOG_CONFIGURATION = shape(
    "LogConfiguration",
    Field(
        "logDriver",
        Choice(
            (
                "json-file",
                "syslog",
                "journald",
                "gelf",
                "fluentd",
                "awslogs",
                "splunk",
            ),
            later=("awsfirelens",),
        ),
        _CONTAINER,
        required=True,
        note="awslogs: kept here, as without one; alb logs reads them",
    ),
    Field("options", Pairs(), _CONTAINER),
    Field("secretOptions", Each(_SECRET, key="name"), _CONTAINER),
)
_ULIMIT = shape(
    "Ulimit",
    Field(
        "name",
        Choice(
            (
                "core",
                "cpu",
                "data",
                "fsize",
                "locks",
                "memlock",
                "msgqueue",
                "nice",
                "nofile",
                "nproc",
                "rss",
                "rtprio",
                "rttime",
                "sigpending",
                "stack",
            )
        ),
        _CONTAINER,
        required=True,
    ),
    Field("softLimit", Whole(-1), _CONTAINER, required=True),
    Field("hardLimit", Whole(-1), _CONTAINER, required=True),
)
_SYSTEM_CONTROL = shape(
    "SystemControl",
    Field(
        "namespace",
        Text(r"[a-z0-9_./-]+", "be like net.core.somaxconn"),
        _CONTAINER,
        required=True,
    ),
    Field("value", Text(), _CONTAINER, required=True),
)
_CAPABILITY = Text("(CAP_)?[A-Z_]{2,32}", "be like NET_ADMIN")
_LINUX_PARAMETERS = shape(
    "LinuxParameters",
    Field(
        "capabilities",
        shape(
            "KernelCapabilities",
            Field("add", Each(_CAPABILITY), _CONTAINER),
            Field("drop", Each(_CAPABILITY), _CONTAINER),
        ),
        _CONTAINER,
    ),
    Field(
        "devices",
        Each(
            shape(
                "Device",
                Field("hostPath", PATH, _CONTAINER, required=True),
                Field("containerPath", PATH, _CONTAINER, note="the host's"),
                Field(
                    "permissions",
                    Each(Choice(("read", "write", "mknod"))),
                    _CONTAINER,
                    note="all three",
                ),
            )
        ),
        _CONTAINER,
        note="needs allowPrivileged",
    ),
    Field("initProcessEnabled", Flag(), _CONTAINER, _OFF),
    Field("sharedMemorySize", Whole(1), _CONTAINER, note="MiB"),
    Field(
        "tmpfs",
        Each(
            shape(
                "Tmpfs",
                Field("containerPath", PATH, _CONTAINER, required=True),
                Field("size", Whole(1), _CONTAINER, required=True, note="MiB"),
                Field(
                    "mountOptions",
                    Each(Text("[a-z0-9=]+", "be like noexec")),
                    _CONTAINER,
                ),
            )
        ),
        _CONTAINER,
    ),
    Field("maxSwap", Whole(0), _CONTAINER, note="MiB; 0: none"),
    Field(
        "swappiness", Whole(0, 100), _CONTAINER, note="not looked at without maxSwap"
    ),
)
_REPOSITORY_CREDENTIALS = shape(
    "RepositoryCredentials",
    Field(
        "credentialsParameter",
        _FILE,
        _CONTAINER,
        required=True,
        note='JSON: {"username": …, "password": …}',
    ),
)

CONTAINER: Final = shape(
    "ContainerDefinition",
    Field("name", NAME, _CONTAINER, required=True),
    Field("image", Text(r"\S+", "hold no space", 1024), _CONTAINER),
    Field("cpu", Whole(0, CPU_MAX), _CONTAINER, 0, note="shares; 1024 is one core"),
    Field("memory", Whole(MEMORY_MIN_MIB), _CONTAINER, note="MiB, a hard limit"),
    Field("memoryReservation", Whole(MEMORY_MIN_MIB), _CONTAINER, note="MiB"),
    Field("essential", Flag(), _CONTAINER, _ON),
    Field("entryPoint", _TEXTS, _CONTAINER),
    Field("command", _TEXTS, _CONTAINER),
    Field("workingDirectory", Text(), _CONTAINER),
    Field("environment", Each(_ENVIRONMENT, key="name"), _CONTAINER),
    Field("environmentFiles", Each(_ENVIRONMENT_FILE, most=10), _CONTAINER),
    Field("secrets", Each(_SECRET, key="name"), _CONTAINER),
    Field("portMappings", Each(_PORT_MAPPING), _CONTAINER),
    Field("dependsOn", Each(_DEPENDENCY, key="containerName"), _CONTAINER),
    Field("startTimeout", Whole(1, 86_400), _CONTAINER, note="seconds; 180"),
    Field("stopTimeout", Whole(1, 86_400), _CONTAINER, 30, note="seconds"),
    Field("healthCheck", _HEALTH_CHECK, _CONTAINER),
    Field("restartPolicy", _RESTART_POLICY, _CONTAINER),
    Field("links", Each(Text(r"[^\s:]+(:[^\s:]+)?", "be like name:alias")), _CONTAINER),
    Field("hostname", Text(r"[A-Za-z0-9.-]{1,253}", "be a host name"), _CONTAINER),
    Field("dnsServers", Each(Text()), _CONTAINER),
    Field(
        "dnsSearchDomains", Each(Text(r"[A-Za-z0-9._-]+", "be a domain")), _CONTAINER
    ),
    Field("extraHosts", Each(_HOST_ENTRY), _CONTAINER),
    Field("disableNetworking", Flag(), _CONTAINER, _OFF),
    Field("mountPoints", Each(_MOUNT_POINT, key="containerPath"), _CONTAINER),
    Field("volumesFrom", Each(_VOLUME_FROM, key="sourceContainer"), _CONTAINER),
    Field("logConfiguration", _LOG_CONFIGURATION, _CONTAINER),
    Field("dockerLabels", Pairs(), _CONTAINER),
    Field("user", Text(), _CONTAINER),
    Field("privileged", Flag(), _CONTAINER, _OFF, note="needs allowPrivileged"),
    Field("readonlyRootFilesystem", Flag(), _CONTAINER, _OFF),
    Field(
        "dockerSecurityOptions",
        Each(
            Text(
                r"no-new-privileges|(apparmor|label):\S+",
                "be no-new-privileges, apparmor:PROFILE or label:VALUE",
            )
        ),
        _CONTAINER,
    ),
    Field("ulimits", Each(_ULIMIT, key="name"), _CONTAINER),
    Field("interactive", Flag(), _CONTAINER, _OFF),
    Field("pseudoTerminal", Flag(), _CONTAINER, _OFF),
    Field("systemControls", Each(_SYSTEM_CONTROL, key="namespace"), _CONTAINER),
    Field("linuxParameters", _LINUX_PARAMETERS, _CONTAINER),
    Field("repositoryCredentials", _REPOSITORY_CREDENTIALS, _CONTAINER),
    refused("resourceRequirements", _CONTAINER, "GPUs"),
    refused("credentialSpecs", _CONTAINER, "Windows"),
    ignored("firelensConfiguration", _CONTAINER),
    Field(
        "versionConsistency",
        Choice(("enabled", "disabled")),
        _CONTAINER,
        "enabled",
    ),
)
