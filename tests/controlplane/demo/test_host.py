"""The demo says where its tasks run and why, and takes what is free."""

import json
import socket
from pathlib import Path

import pytest

from controlplane.cluster_file import load
from controlplane.demo import host as demo_host
from controlplane.demo.host import (
    PORTS_EACH,
    DemoImpossible,
    Host,
    choose_host,
    file_text,
    free_port,
    variables,
    witness_address,
)
from foundation.clock import SystemClock
from scheduler.model import RuntimeKind

PROCESS = Host(RuntimeKind.PROCESS, "as asked", "127.0.0.1")
DOCKER = Host(
    RuntimeKind.DOCKER, "an engine", "172.17.0.1", "unix:///run/e.sock", "demo:1"
)


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    endpoint = f"unix://{tmp_path}/none.sock"
    monkeypatch.setenv("DOCKER_HOST", endpoint)
    return endpoint


def test_without_an_engine_tasks_are_processes_and_it_says_why(no_engine: str) -> None:
    host = choose_host(None, SystemClock())
    assert RuntimeKind.PROCESS is host.runtime
    assert f"local processes: no engine answers at {no_engine}" in host.why


@pytest.mark.usefixtures("no_engine")
def test_docker_that_was_asked_for_and_is_not_there_is_an_error() -> None:
    with pytest.raises(DemoImpossible, match="no engine answers"):
        choose_host("docker", SystemClock())


def test_an_engine_is_not_asked_when_processes_are_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:1")
    assert "as asked" in choose_host("process", SystemClock()).why


def test_a_taken_port_means_the_next_and_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        first = taken.getsockname()[1]
        port, reason = free_port(["127.0.0.1"], first)
    assert port > first
    assert f"127.0.0.1:{first} (Address already in use)" in reason


def test_a_free_port_needs_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_host, "why_not_open", lambda *_: "")
    assert (8080, "") == free_port(["127.0.0.1"])


def test_a_port_is_free_only_where_every_address_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = {("172.17.0.1", 8080), ("127.0.0.1", 8081)}
    monkeypatch.setattr(
        demo_host, "why_not_open", lambda *at: "taken" if at in taken else ""
    )
    assert 8082 == free_port(DOCKER.front_addresses)[0]


def test_no_free_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_host, "why_not_open", lambda *_: "taken")
    with pytest.raises(DemoImpossible, match="no port from 8080 on is free"):
        free_port(["127.0.0.1"])


@pytest.mark.parametrize("host", [PROCESS, DOCKER], ids=["process", "docker"])
def test_the_file_is_the_packaged_one_on_the_chosen_host(host: Host) -> None:
    loaded = load("demo.yaml", file_text(host), variables(host, 8099, "10.0.0.1:9"))

    (instance,) = loaded.instances
    assert (host.runtime, host.endpoint) == (instance.runtime, instance.endpoint)
    assert PORTS_EACH == len(range(*instance.dynamic_port_range)) + 1
    assert loaded.load_balancer is not None
    assert [8099] == [one.port for one in loaded.load_balancer.listeners]
    for definition in loaded.task_definitions.values():
        (container,) = definition.containers
        assert ("ALB_WITNESS", "10.0.0.1:9") in tuple(container.environment)


def test_tasks_report_where_they_find_this_machine() -> None:
    address, _, port = witness_address(PROCESS).rpartition(":")
    assert "127.0.0.1" == address
    assert 0 < int(port) < 65_536


def test_tasks_of_an_engine_elsewhere_report_nowhere() -> None:
    elsewhere = Host(RuntimeKind.DOCKER, "far away", "", "tcp://192.0.2.1:2375")
    assert "" == witness_address(elsewhere)
    assert json.dumps("tcp://192.0.2.1:2375") in file_text(elsewhere)
