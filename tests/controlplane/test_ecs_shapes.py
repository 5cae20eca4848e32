"""What was registered is described in the same words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from controlplane.cluster_file import load
from controlplane.ecs_shapes import (
    described_task,
    health_status,
    task_definition_document,
)
from scheduler.container import ContainerLast, HealthStatus, TaskContainer
from scheduler.definition import ContainerHealthCheck, NetworkMode
from scheduler.model import StopCode, Task, TaskStatus
from tests.support.tasks import NOW, container, definition, task

WEB: dict[str, Any] = {
    "name": "web", "image": "i:1", "cpu": 10, "memory": 64, "memoryReservation": 32,
    "essential": True, "entryPoint": ["a"], "command": ["b"], "workingDirectory": "/w",
    "environment": [{"name": "A", "value": "b"}],
    "environmentFiles": [{"value": "file://e", "type": "s3"}],
    "secrets": [{"name": "S", "valueFrom": "file://s"}],
    "portMappings": [
        {"containerPort": 80, "hostPort": 0, "protocol": "tcp", "name": "n",
         "appProtocol": "http"},
        {"containerPortRange": "90-99", "protocol": "udp"},
    ],
    "dependsOn": [{"containerName": "db", "condition": "HEALTHY"}],
    "startTimeout": 9, "stopTimeout": 8,
    "healthCheck": {"command": ["CMD", "x"], "interval": 5, "timeout": 4, "retries": 2,
                    "startPeriod": 3},
    "restartPolicy": {"enabled": True, "ignoredExitCodes": [1],
                      "restartAttemptPeriod": 60},
    "links": ["db:d"], "hostname": "h", "dnsServers": ["10.0.0.1"],
    "dnsSearchDomains": ["d.test"],
    "extraHosts": [{"hostname": "x", "ipAddress": "10.0.0.2"}],
    "mountPoints": [{"sourceVolume": "v", "containerPath": "/v", "readOnly": True}],
    "volumesFrom": [{"sourceContainer": "db", "readOnly": False}],
    "logConfiguration": {"logDriver": "syslog", "options": {"a": "b"},
                         "secretOptions": [{"name": "t", "valueFrom": "file://t"}]},
    "dockerLabels": {"l": "m"}, "user": "u", "readonlyRootFilesystem": True,
    "disableNetworking": False, "privileged": True,
    "dockerSecurityOptions": ["no-new-privileges"],
    "ulimits": [{"name": "core", "softLimit": 0, "hardLimit": 1}],
    "interactive": True, "pseudoTerminal": True,
    "systemControls": [{"namespace": "a.b", "value": "1"}],
    "linuxParameters": {
        "capabilities": {"add": ["CHOWN"], "drop": ["ALL"]},
        "devices": [{"hostPath": "/dev/a", "containerPath": "/dev/b",
                     "permissions": ["read"]}],
        "initProcessEnabled": True, "sharedMemorySize": 4, "maxSwap": 0,
        "tmpfs": [{"containerPath": "/t", "size": 1, "mountOptions": ["noexec"]}],
        "swappiness": 6,
    },
    "repositoryCredentials": {"credentialsParameter": "file://r"},
}  # fmt: skip
DB = {
    "name": "db", "image": "i", "memory": 6, "essential": True, "cpu": 0,
    "healthCheck": {"command": ["CMD", "x"]},
}  # fmt: skip
TASK: dict[str, Any] = {
    "family": "f", "cpu": "256", "memory": "512", "networkMode": "bridge",
    "pidMode": "task", "ipcMode": "none",
    "volumes": [
        {"name": "v", "host": {"sourcePath": "/srv"}},
        {"name": "w", "dockerVolumeConfiguration": {
            "scope": "shared", "autoprovision": True, "driver": "d",
            "driverOpts": {"o": "p"}, "labels": {"q": "r"}}},
    ],
    "containerDefinitions": [WEB, DB],
}  # fmt: skip


def test_a_definition_is_described_as_it_was_registered() -> None:
    text = json.dumps(
        {"allowPrivileged": True, "allowHostPaths": True, "taskDefinitions": [TASK]}
    )
    loaded = load("f", text, {}).task_definitions["f"]

    told = task_definition_document(replace(loaded, revision=3))

    containers = told["containerDefinitions"]
    assert isinstance(containers, list)
    wanted = {key: value for key, value in WEB.items() if value is not False}
    assert wanted == containers[0]
    assert {key: TASK[key] for key in TASK if key != "containerDefinitions"} == {
        key: told[key] for key in TASK if key != "containerDefinitions"
    }
    assert ("f", 3, "ACTIVE") == (told["family"], told["revision"], told["status"])
    assert str(told["taskDefinitionArn"]).endswith(":task-definition/f:3")


def only_container(told: Mapping[str, object]) -> dict[str, Any]:
    containers = told["containers"]
    assert isinstance(containers, list)
    [shown] = containers
    assert isinstance(shown, dict)
    return shown


def test_a_task_is_described_with_its_containers() -> None:
    stopped = replace(
        task(status=TaskStatus.STOPPED),
        stop_code=StopCode.ESSENTIAL_CONTAINER_EXITED,
        stopped_reason="Essential container in task exited",
        pull_started_at_unix_s=NOW - 3,
        containers=(
            TaskContainer("web", ContainerLast.STOPPED, 137, "OutOfMemoryError: x"),
        ),
    )

    told = described_task(stopped, "demo")

    assert {
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "group": "service:web",
        "startedBy": "ecs-svc/1",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "pullStartedAt": NOW - 3,
        "healthStatus": "UNKNOWN",
    }.items() <= told.items()
    shown = only_container(told)
    assert (137, "OutOfMemoryError: x", "STOPPED") == (
        shown["exitCode"],
        shown["reason"],
        shown["lastStatus"],
    )
    assert {
        "bindIP": "10.0.0.1", "containerPort": 8080, "hostPort": 20_000,
        "protocol": "tcp",
    } == shown["networkBindings"][0]  # fmt: skip


def test_a_task_with_an_address_of_its_own_is_reached_there() -> None:
    own = replace(
        task(),
        task_definition=replace(definition(), network_mode=NetworkMode.AWSVPC),
        address="172.17.0.9",
        leases=(),
    )

    shown = only_container(described_task(own, "demo"))

    bound = shown["networkBindings"][0]
    assert ("172.17.0.9", 8080) == (bound["bindIP"], bound["hostPort"])


H, U, N = HealthStatus
# fmt: off
HEALTHS = [
    ("", "", N, "no checks"),
    ("H", "", H, "one without a check has no say"),
    ("H", "H", H, "all are healthy"),
    ("H", "U", U, "one is not"),
    ("H", "N", N, "one is not known yet"),
]
# fmt: on


@pytest.mark.parametrize(
    ("web", "side", "health"), [r[:3] for r in HEALTHS], ids=[r[3] for r in HEALTHS]
)
def test_the_health_of_a_task_is_its_essential_containers(
    web: str, side: str, health: HealthStatus
) -> None:
    by_letter = {"H": H, "U": U, "N": N}
    check = ContainerHealthCheck(("CMD", "x"))
    containers, records = [], []
    for name, letter in (("web", web), ("side", side)):
        checked = check if letter else None
        containers.append(replace(container(name), health_check=checked))
        found = by_letter.get(letter)
        records.append(TaskContainer(name, ContainerLast.RUNNING, health=found))
    of: Task = replace(
        task(), task_definition=definition(*containers), containers=tuple(records)
    )

    assert health is health_status(of)
