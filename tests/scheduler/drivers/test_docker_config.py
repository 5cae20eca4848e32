"""How an engine's answers are read."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.drivers import docker_config as config
from scheduler.drivers.docker_stats import sample_from
from scheduler.model import ContainerState


def inspected(status: str, code: int = 0, error: str = "", **state: Any) -> Any:
    return {
        "Name": "/alb-c0ffee-1-web",
        "Id": "c1",
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


IMAGE = {
    "Id": "sha256:1d",
    "RepoDigests": ["other/web@sha256:aa", "127.0.0.1:5000/web@sha256:bb"],
}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("127.0.0.1:5000/web:1", "127.0.0.1:5000/web@sha256:bb"),
        ("other/web", "other/web@sha256:aa"),
        ("local/web:1", "sha256:1d"),
    ],
)
def test_an_image_is_known_by_its_own_repositorys_digest(
    image: str, expected: str
) -> None:
    assert expected == config.by_digest(image, IMAGE)


def test_an_image_that_was_never_in_a_registry_is_known_by_its_id() -> None:
    assert config.by_digest("web:1", {"Id": "sha256:1d", "RepoDigests": None}) == (
        "sha256:1d"
    )
    assert config.is_id("sha256:1d")
    assert not config.is_id("web@sha256:1d")
