"""What the engine is told: a container definition, field by field."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from scheduler.definition import (
    ContainerDefinition,
    ContainerHealthCheck,
    Device,
    DockerVolume,
    LinuxParameters,
    LogConfiguration,
    MountPoint,
    NetworkMode,
    PortMapping,
    Tmpfs,
    Ulimit,
    Volume,
    VolumeFrom,
)
from scheduler.drivers import docker_create as create
from scheduler.model import PAUSE, ContainerName, PortLease, TaskId
from scheduler.ports import ContainerSpec

GATEWAY = "172.17.0.1"

SPEC = ContainerSpec(
    name=ContainerName("alb-c0ffee-1-web"),
    task_id=TaskId("1"),
    service="shop",
    cluster_uid="c0ffee",
    definition=ContainerDefinition(
        name="web",
        image="demo/web:1",
        cpu=256,
        memory_mib=128,
        memory_reservation_mib=64,
        entry_point=("python3",),
        command=("serve.py", "--fast"),
        working_directory="/srv",
        port_mappings=(PortMapping(8080),),
        docker_labels=(("team", "blue"), ("alb.task-id", "forged")),
        user="nobody",
        stop_timeout_s=7.0,
    ),
    environment=(("PORT", "8080"), ("EMPTY", "")),
    leases=(PortLease("host-a", 20_001, "web", 8080),),
    cpu_quota=512,
    memory_limit_mib=128,
    task_definition="shop:3",
    spec_hash="hash",
)


def body(spec: ContainerSpec) -> dict[str, Any]:
    return create.container_config(
        spec, GATEWAY, GATEWAY, dict(spec.environment), {"splunk-token": "s3cret"}
    )


def test_a_spec_becomes_one_create_request() -> None:
    assert {
        "Image": "demo/web:1",
        "Entrypoint": ["python3"],
        "Cmd": ["serve.py", "--fast"],
        "Env": ["PORT=8080", "EMPTY="],
        "WorkingDir": "/srv",
        "User": "nobody",
        "StopTimeout": 7,
        "Labels": {
            "team": "blue",
            "com.amazonaws.ecs.container-name": "web",
            "com.amazonaws.ecs.task-definition-family": "shop",
            "com.amazonaws.ecs.task-definition-version": "3",
            "alb.cluster-uid": "c0ffee",
            "alb.task-id": "1",
            "alb.service": "shop",
            "alb.container": "web",
            "alb.spec-hash": "hash",
        },
        "ExposedPorts": {"8080/tcp": {}},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "CpuShares": 256,
            "NanoCpus": 500_000_000,
            "Memory": 128 << 20,
            "MemoryReservation": 64 << 20,
            "PortBindings": {
                "8080/tcp": [{"HostIp": "172.17.0.1", "HostPort": "20001"}]
            },
            "ExtraHosts": ["host.docker.internal:172.17.0.1"],
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": False,
        },
    } == body(SPEC)


def test_what_a_definition_leaves_out_is_left_to_the_image() -> None:
    plain = dataclasses.replace(
        SPEC,
        definition=ContainerDefinition("web", "demo/web:1"),
        cpu_quota=None,
        memory_limit_mib=None,
    )

    found = body(plain)

    assert not {"Entrypoint", "Cmd", "WorkingDir", "User"} & found.keys()
    assert not {"NanoCpus", "Memory", "MemoryReservation"} & found["HostConfig"].keys()
    assert 2 == found["HostConfig"]["CpuShares"]  # ECS: 0 becomes the kernel's least


# fmt: off
FIELDS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ({"links": ("db:database", "cache")}, {},
     {"Links": ["alb-c0ffee-1-db:database", "alb-c0ffee-1-cache:cache"]}, "links"),
    ({"dns_servers": ("10.0.0.2",), "dns_search_domains": ("a.test",)}, {},
     {"Dns": ["10.0.0.2"], "DnsSearch": ["a.test"]}, "names"),
    ({"extra_hosts": (("db", "10.0.0.9"),)}, {},
     {"ExtraHosts": [f"host.docker.internal:{GATEWAY}", "db:10.0.0.9"]},
     "hosts beside ours"),
    ({"docker_security_options": ("no-new-privileges", "label:role:x")}, {},
     {"SecurityOpt": ["no-new-privileges", "label=role:x"]},
     "the engine's separator"),
    ({"ulimits": (Ulimit("nofile", 10, 20),)}, {},
     {"Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}]}, "ulimits"),
    ({"volumes_from": (VolumeFrom("db", read_only=True), VolumeFrom("fs"))}, {},
     {"VolumesFrom": ["alb-c0ffee-1-db:ro", "alb-c0ffee-1-fs:rw"]}, "volumesFrom"),
    ({"log_configuration": LogConfiguration("splunk", (("splunk-url", "u"),))}, {},
     {"LogConfig": {"Type": "splunk",
                    "Config": {"splunk-url": "u", "splunk-token": "s3cret"}}},
     "secret options are read for it"),
    ({"log_configuration": LogConfiguration("awslogs", (("awslogs-group", "g"),))}, {},
     {"LogConfig": None}, "AWS's log store is ours"),
    ({"linux_parameters": LinuxParameters(("NET_ADMIN",), ("ALL",))}, {},
     {"CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"]}, "capabilities"),
    ({"linux_parameters": LinuxParameters(
        devices=(Device("/dev/a", "/dev/b", ("read", "mknod")),))}, {},
     {"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b",
                   "CgroupPermissions": "rm"}]}, "devices"),
    ({"linux_parameters": LinuxParameters(
        tmpfs=(Tmpfs("/run", 8, ("noexec",)),), shared_memory_mib=2)}, {},
     {"Tmpfs": {"/run": "size=8m,noexec"}, "ShmSize": 2 << 20}, "memory as files"),
    ({"linux_parameters": LinuxParameters(max_swap_mib=0, swappiness=10)}, {},
     {"MemorySwap": 128 << 20, "MemorySwappiness": 10}, "no swap at all"),
    ({"linux_parameters": LinuxParameters(swappiness=10)}, {},
     {"MemorySwap": None, "MemorySwappiness": None},
     "swappiness is not looked at without maxSwap"),
    ({}, {"network_mode": NetworkMode.HOST},
     {"NetworkMode": "host", "PortBindings": {}}, "host publishes nothing"),
    ({}, {"network_mode": NetworkMode.NONE}, {"NetworkMode": "none"}, "no network"),
    ({"extra_hosts": (), "dns_servers": ("10.0.0.2",)},
     {"network_mode": NetworkMode.AWSVPC},
     {"NetworkMode": f"container:alb-c0ffee-1-{PAUSE}", "ExtraHosts": None,
      "Dns": None}, "who joins a network has its names"),
    ({}, {"pid_mode": "host", "ipc_mode": "none"},
     {"PidMode": "host", "IpcMode": "none"}, "the host's processes"),
    ({}, {"pid_mode": "task", "ipc_mode": "task"},
     {"PidMode": f"container:alb-c0ffee-1-{PAUSE}",
      "IpcMode": f"container:alb-c0ffee-1-{PAUSE}"}, "the task's processes"),
]
# fmt: on


@pytest.mark.parametrize(
    ("changes", "around", "expected"),
    [row[:3] for row in FIELDS],
    ids=[row[3] for row in FIELDS],
)
def test_a_field_of_the_definition_is_one_of_the_engines(
    changes: dict[str, Any], around: dict[str, Any], expected: dict[str, Any]
) -> None:
    definition = dataclasses.replace(SPEC.definition, **changes)
    spec = dataclasses.replace(SPEC, definition=definition, **around)

    found = body(spec)["HostConfig"]

    assert expected == {key: found.get(key) for key in expected}


def test_a_health_check_is_told_in_nanoseconds() -> None:
    check = ContainerHealthCheck(("CMD-SHELL", "true"), 5.0, 2.0, 3, 10.0)
    definition = dataclasses.replace(SPEC.definition, health_check=check)

    assert {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 5_000_000_000,
        "Timeout": 2_000_000_000,
        "Retries": 3,
        "StartPeriod": 10_000_000_000,
    } == body(dataclasses.replace(SPEC, definition=definition))["Healthcheck"]


def test_the_pause_container_lends_what_the_others_join() -> None:
    pause = dataclasses.replace(
        SPEC,
        name=ContainerName(f"alb-c0ffee-1-{PAUSE}"),
        definition=ContainerDefinition(PAUSE, dns_servers=("10.0.0.2",)),
        network_mode=NetworkMode.AWSVPC,
        pid_mode="task",
        ipc_mode="task",
        leases=(),
    )

    found = body(pause)

    assert ("alb/pause:1", "SIGKILL") == (found["Image"], found["StopSignal"])
    host = found["HostConfig"]
    assert "shareable" == host["IpcMode"]
    assert not {"NetworkMode", "PidMode"} & host.keys()
    assert ["10.0.0.2"] == host["Dns"]
    assert [f"host.docker.internal:{GATEWAY}"] == host["ExtraHosts"]


TASKS, SHARED = DockerVolume(), DockerVolume(shared=True, autoprovision=True)
# fmt: off
VOLUMES = [
    (Volume("v"),                      "alb-c0ffee-1-v", True,  "empty: the task's own"),
    (Volume("v", "/srv/data"),         "/srv/data",      False, "a path of the host"),
    (Volume("v", docker=TASKS),        "alb-c0ffee-1-v", True,  "scope task"),
    (Volume("v", docker=SHARED),       "v",              True,  "shared, and provided"),
    (Volume("v", docker=DockerVolume(shared=True)), "v", False, "shared, there already"),
]
# fmt: on


@pytest.mark.parametrize(
    ("volume", "source", "made"),
    [row[:3] for row in VOLUMES],
    ids=[row[3] for row in VOLUMES],
)
def test_a_volume_has_a_name_on_its_host(
    volume: Volume, source: str, *, made: bool
) -> None:
    mount = MountPoint("v", "/data", read_only=True)
    definition = dataclasses.replace(SPEC.definition, mount_points=(mount,))
    spec = dataclasses.replace(SPEC, definition=definition, volumes=(volume,))

    assert [f"{source}:/data:ro"] == body(spec)["HostConfig"]["Binds"]
    configs = list(create.volume_configs(spec))
    assert ([source] if made else []) == [each["Name"] for each in configs]
    mine = [bool(each["Labels"].get("alb.task-id")) for each in configs]
    assert mine == [source != "v"] * len(configs)


def test_ports_of_udp_are_published_as_such() -> None:
    leases = (
        PortLease("host-a", 20_002, "web", 53, "udp"),
        PortLease("host-a", 20_003, "web", 53),
    )

    found = body(dataclasses.replace(SPEC, leases=leases))

    assert {"53/udp": {}, "53/tcp": {}} == found["ExposedPorts"]
    assert {"53/udp": "20002", "53/tcp": "20003"} == {
        port: bound[0]["HostPort"]
        for port, bound in found["HostConfig"]["PortBindings"].items()
    }
