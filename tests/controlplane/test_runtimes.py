"""What runs tasks when a file does not say: chosen as the docker CLI would."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from controlplane.runtimes import (
    DEFAULT_ENDPOINT,
    InstanceMoved,
    NoRuntime,
    Runtimes,
    choose_default,
    engine_endpoint,
)
from foundation.clock import SystemClock
from scheduler.definition import ContainerDefinition
from scheduler.drivers.process import ProcessRuntime
from scheduler.model import ContainerInstance, RuntimeKind, Service, TaskDefinition

CLOCK = SystemClock()


def service(*command: str) -> Service:
    container = ContainerDefinition("web", image="demo/web:1", command=command)
    return Service("web", TaskDefinition("web", (container,)), 1)


def write_context(home: Path, name: str, host: str) -> None:
    config = home / ".docker"
    meta = config / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(
        json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}})
    )
    (config / "config.json").write_text(json.dumps({"currentContext": name}))


# fmt: off
ENDPOINTS = [
    ({}, "tcp://ctx:1",                              "the current context"),
    ({"DOCKER_HOST": "tcp://h:2"}, "tcp://h:2",      "DOCKER_HOST comes first"),
    ({"DOCKER_CONTEXT": "default"}, DEFAULT_ENDPOINT, "the default context"),
    ({"DOCKER_CONTEXT": "gone"}, DEFAULT_ENDPOINT,   "a context that is not there"),
    ({"DOCKER_CONFIG": "/nowhere"}, DEFAULT_ENDPOINT, "another configuration"),
]
# fmt: on


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [row[:2] for row in ENDPOINTS],
    ids=[row[2] for row in ENDPOINTS],
)
def test_the_engine_is_the_one_the_docker_cli_would_use(
    tmp_path: Path, environment: Mapping[str, str], endpoint: str
) -> None:
    write_context(tmp_path, "remote", "tcp://ctx:1")

    assert endpoint == engine_endpoint(environment, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"currentContext": 7}'])
def test_a_broken_docker_configuration_means_the_default_socket(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(text)

    assert DEFAULT_ENDPOINT == engine_endpoint({}, tmp_path)


async def test_without_an_engine_tasks_are_processes_and_that_is_said(
    tmp_path: Path,
) -> None:
    endpoint = f"unix://{tmp_path}/docker.sock"

    chosen, why = await choose_default(endpoint, [service("run")], CLOCK)

    assert RuntimeKind.PROCESS is chosen.runtime
    assert f"tasks run as local processes: no engine answers at {endpoint}" in why


async def test_an_image_without_a_command_needs_an_engine(tmp_path: Path) -> None:
    with pytest.raises(NoRuntime, match="every container needs a command: web has"):
        await choose_default(f"unix://{tmp_path}/no.sock", [service()], CLOCK)


async def test_an_instance_keeps_its_runtime(tmp_path: Path) -> None:
    runtimes = Runtimes(tmp_path, "uid", CLOCK)
    host = ContainerInstance("a", RuntimeKind.PROCESS)
    runtimes.open([host], tmp_path)
    first = runtimes["a"]
    runtimes.open([host], tmp_path)

    assert first is runtimes["a"]
    assert isinstance(first, ProcessRuntime)
    await runtimes.close()


async def test_a_corrected_host_takes_the_place_of_what_was_there(
    tmp_path: Path,
) -> None:
    runtimes = Runtimes(tmp_path, "uid", CLOCK)
    mistyped = ContainerInstance("a", RuntimeKind.DOCKER, "tcp://elsewhere:1")
    new = ContainerInstance("b", RuntimeKind.PROCESS)
    corrected = replace(mistyped, endpoint="tcp://there:1")
    runtimes.open([mistyped], tmp_path)
    first = runtimes["a"]
    assert () == runtimes.moved([mistyped, new])
    assert ("a",) == runtimes.moved([corrected, new])

    refused = runtimes.take_back(runtimes.open([corrected, new], tmp_path))
    assert {"a": first} == runtimes
    assert ("a",) == runtimes.moved([corrected])

    runtimes.open([corrected], tmp_path)
    assert runtimes["a"] is not first
    assert [first] == runtimes.settle()
    assert [] == runtimes.settle()
    assert () == runtimes.moved([corrected])
    for runtime in (*refused, first):
        await runtime.close()
    await runtimes.close()


def test_what_runs_on_an_instance_keeps_it_where_it_is() -> None:
    told = str(InstanceMoved(["a", "b"]))
    assert told.startswith("containerInstances[a], containerInstances[b]: runtime, ")


async def test_what_a_refused_file_opened_may_be_corrected(tmp_path: Path) -> None:
    runtimes = Runtimes(tmp_path, "uid", CLOCK)
    kept = ContainerInstance("kept", RuntimeKind.PROCESS)
    runtimes.open([kept], tmp_path)
    mistyped = ContainerInstance("a", RuntimeKind.DOCKER, "unix:///no.sock")
    opened = runtimes.open([kept, mistyped], tmp_path)

    assert ("a",) == opened
    for refused in runtimes.take_back(opened):
        await refused.close()
    runtimes.open([kept, ContainerInstance("a", RuntimeKind.PROCESS)], tmp_path)

    assert {"kept", "a"} == set(runtimes)
    assert isinstance(runtimes["a"], ProcessRuntime)
    await runtimes.close()
