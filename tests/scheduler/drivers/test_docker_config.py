"""What the engine is told, and how its answers are read."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from scheduler.drivers import docker_config as config
from scheduler.drivers.docker_stats import sample_from
from scheduler.model import (
    ContainerDefinition,
    ContainerName,
    ContainerState,
    PortLease,
    PortMapping,
    TaskId,
)
from scheduler.ports import ContainerSpec

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
    spec_hash="hash",
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
            "alb.cluster-uid": "c0ffee",
            "alb.task-id": "1",
            "alb.service": "shop",
            "alb.container": "web",
            "alb.spec-hash": "hash",
        },
        "ExposedPorts": {"8080/tcp": {}},
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
    } == config.container_config(SPEC, "172.17.0.1", "172.17.0.1")


def test_what_a_definition_leaves_out_is_left_to_the_image() -> None:
    plain = dataclasses.replace(
        SPEC, definition=ContainerDefinition("web", "demo/web:1"), cpu_quota=None
    )

    body = config.container_config(plain, "127.0.0.1", config.HOST_GATEWAY)

    assert not {"Entrypoint", "Cmd", "WorkingDir", "User"} & body.keys()
    assert not {"NanoCpus", "Memory", "MemoryReservation"} & body["HostConfig"].keys()
    assert 2 == body["HostConfig"]["CpuShares"]  # ECS: 0 becomes the kernel's least


def inspected(status: str, code: int = 0, error: str = "", **state: Any) -> Any:
    return {
        "Name": "/alb-c0ffee-1-web",
        "State": {
            "Status": status,
            "ExitCode": code,
            "Error": error,
            "OOMKilled": False,
        }
        | state,
        "Config": {"Labels": {"alb.task-id": "1"}},
    }


RUNNING, CREATED, EXITED = (
    ContainerState.RUNNING,
    ContainerState.CREATED,
    ContainerState.EXITED,
)

# fmt: off
INSPECTED = [
    (inspected("created"),                  CREATED, None, "about to start"),
    (inspected("created", 127, "no exec"),  EXITED,  127,  "never will"),
    (inspected("running"),                  RUNNING, None, "one that runs"),
    (inspected("paused"),                   RUNNING, None, "paused is not ended"),
    (inspected("exited", 7),                EXITED,  7,    "one that ended"),
    (inspected("dead", 137),                EXITED,  137,  "one half removed"),
    (inspected("exited", 0, "odd"),         EXITED,  0,    "an error after it had run"),
]
# fmt: on


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [row[:3] for row in INSPECTED],
    ids=[row[3] for row in INSPECTED],
)
def test_an_inspected_container(
    answer: Any, state: ContainerState, code: int | None
) -> None:
    status = config.status_from_inspect(answer)

    assert (state, code) == (status.state, status.exit_code)
    assert ("alb-c0ffee-1-web", "1") == (status.name, status.task_id)


# fmt: off
NETWORKS = [
    ([{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}], "172.17.0.1", "told"),
    ([{"Subnet": "172.18.0.0/16"}],                          "172.18.0.1", "not told"),
    ([{"Subnet": "fd00::/64"}, {"Subnet": "10.1.0.0/24"}],   "10.1.0.1",   "IPv4 2nd"),
    ([],                                                     "",           "no pool"),
    (None,                                                   "",           "null"),
]
# fmt: on


@pytest.mark.parametrize(
    ("pools", "gateway"),
    [row[:2] for row in NETWORKS],
    ids=[row[2] for row in NETWORKS],
)
def test_the_gateway_of_a_bridge(pools: Any, gateway: str) -> None:
    assert gateway == config.gateway_of({"IPAM": {"Config": pools}})


# fmt: off
TEXTS = [
    ("Bind for 172.17.0.1:20001 failed: port is already allocated", True,  "container"),
    ("listen tcp4 10.1.1.1:20001: bind: address already in use",    True,  "process"),
    ("listen tcp4 10.9.9.9:1: cannot assign requested address",     False, "address"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "taken"), [row[:2] for row in TEXTS], ids=[row[2] for row in TEXTS]
)
def test_a_taken_port_is_told_from_other_refusals(*, text: str, taken: bool) -> None:
    assert taken is bool(config.PORT_TAKEN.search(text))


def test_file_cache_is_not_memory_in_use() -> None:
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 5}},
        "memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30}},
    }

    sample = sample_from(stats, 9.0)

    assert sample
    assert (5, 9.0, 70) == (sample.cpu_ns, sample.at_s, sample.memory_bytes)


def test_the_zeros_of_an_ended_container_are_not_a_sample() -> None:
    zeros = {"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}}

    assert sample_from(zeros, 9.0) is None
