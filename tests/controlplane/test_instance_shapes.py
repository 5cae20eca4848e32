"""Instances and the cluster, as `aws ecs describe-…` tells them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controlplane.instance_shapes import Host, described_cluster, described_instance
from controlplane.version import __version__
from scheduler.instance import ContainerInstanceStatus, InstanceRecord
from scheduler.model import InstanceStatus, PortLease, Task, TaskStatus
from tests.support.tasks import NOW, container, definition, instance, task

SEEN = InstanceStatus(True, 4096, 8192, "10.0.0.1", attributes={"ecs.os-type": "linux"})  # fmt: skip # noqa: FBT003
RECORD = InstanceRecord("a", NOW, version=4)
RESERVED = ["22", "2375", "2376", "51678", "51679", "51680"]


def host(*tasks: Task, status: InstanceStatus = SEEN) -> Host:
    return Host(instance("a", zone="z1"), RECORD, status, tasks)


def test_an_instance_is_described_whole() -> None:
    static = replace(
        task("s"),
        leases=(
            PortLease("a", 80, "web", 80),
            PortLease("a", 53, "web", 53, "udp"),
        ),
    )
    pending = replace(task("p", TaskStatus.PENDING), leases=())
    stopping = replace(task("x", TaskStatus.STOPPING), leases=())

    assert {
        "containerInstanceArn": (
            "arn:aws:ecs:local:000000000000:container-instance/demo/a"
        ),
        "ec2InstanceId": "a",
        "version": 4,
        "versionInfo": {"agentVersion": __version__},
        "status": "ACTIVE",
        "statusReason": "",
        "agentConnected": True,
        "runningTasksCount": 2,
        "pendingTasksCount": 1,
        "registeredResources": [
            {"name": "CPU", "type": "INTEGER", "integerValue": 4096},
            {"name": "MEMORY", "type": "INTEGER", "integerValue": 8192},
            {"name": "PORTS", "type": "STRINGSET", "stringSetValue": RESERVED},
            {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
        ],
        "remainingResources": [
            {"name": "CPU", "type": "INTEGER", "integerValue": 4096 - 3 * 256},
            {"name": "MEMORY", "type": "INTEGER", "integerValue": 8192 - 3 * 128},
            {
                "name": "PORTS",
                "type": "STRINGSET",
                "stringSetValue": ["22", "80", *RESERVED[1:]],
            },
            {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": ["53"]},
        ],
        "attributes": [
            {"name": "ecs.availability-zone", "value": "z1"},
            {"name": "ecs.os-type", "value": "linux"},
        ],
        "registeredAt": NOW,
        "healthStatus": {
            "overallStatus": "OK",
            "details": [{"type": "CONTAINER_RUNTIME", "status": "OK"}],
        },
    } == described_instance(host(static, pending, stopping), "demo")


SILENT = replace(SEEN, connected=False, silent_since_unix_s=NOW)
LOST = replace(RECORD, lost_at_unix_s=NOW)
DRAINING = replace(RECORD, status=ContainerInstanceStatus.DRAINING)
# fmt: off
STANDINGS = [
    (SEEN,   DRAINING, "DRAINING", "OK",       "",      "it drains"),
    (SILENT, RECORD,   "ACTIVE",   "IMPAIRED", "",      "its engine does not answer"),
    (SILENT, LOST,     "ACTIVE",   "IMPAIRED", "lost",  "it is lost"),
    (replace(SEEN, connected=False), RECORD, "ACTIVE", "INSUFFICIENT_DATA", "",
     "it was not asked yet"),
]
# fmt: on


@pytest.mark.parametrize(
    ("status", "record", "told", "health", "why"),
    [row[:5] for row in STANDINGS],
    ids=[row[5] for row in STANDINGS],
)
def test_an_instance_tells_how_it_stands(
    status: InstanceStatus, record: InstanceRecord, told: str, health: str, why: str
) -> None:
    document = described_instance(Host(instance("a"), record, status, ()), "demo")

    assert (told, status.connected) == (document["status"], document["agentConnected"])
    health_status = document["healthStatus"]
    assert isinstance(health_status, dict)
    assert health == health_status["overallStatus"]
    assert str(document["statusReason"]).startswith(why)


def test_a_cluster_is_described_with_its_counts_and_tags() -> None:
    wide = replace(task("b"), task_definition=definition(container("web", 8080)))
    tasks = [wide, task("p", TaskStatus.PENDING), task("s", TaskStatus.STOPPED)]

    document = described_cluster("demo", [host()], tasks, 2, {"team": "edge"})

    assert {
        "clusterArn": "arn:aws:ecs:local:000000000000:cluster/demo",
        "clusterName": "demo",
        "status": "ACTIVE",
        "registeredContainerInstancesCount": 1,
        "runningTasksCount": 1,
        "pendingTasksCount": 1,
        "activeServicesCount": 2,
        "tags": [{"key": "team", "value": "edge"}],
    }.items() <= document.items()
