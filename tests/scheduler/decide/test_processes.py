"""What a process cannot have is a list, and what it can have is not in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.decide.processes import beyond_a_process, beyond_processes
from scheduler.definition import (
    ContainerDefinition,
    LinuxParameters,
    LogConfiguration,
    NetworkMode,
)
from scheduler.model import TaskDefinition

PLAIN = ContainerDefinition("web", command=("true",))

# fmt: off
CONTAINERS: list[tuple[dict[str, Any], list[str], str]] = [
    ({}, [], "a plain one"),
    ({"environment": (("A", "b"),), "secrets": (("C", "file://c"),)}, [], "variables"),
    ({"log_configuration": LogConfiguration("awslogs")}, [], "logs that are kept here"),
    ({"log_configuration": LogConfiguration("syslog")}, ["logConfiguration"], "other logs"),
    ({"linux_parameters": LinuxParameters(init_process_enabled=True)}, [], "an init: it has one"),
    ({"linux_parameters": LinuxParameters(("CHOWN",))}, ["linuxParameters"], "capabilities"),
    ({"user": "nobody", "hostname": "a"}, ["user", "hostname"], "everything is told at once"),
]
TASKS: list[tuple[dict[str, Any], list[str], str]] = [
    ({}, [], "bridge means: ports are leased"),
    ({"network_mode": NetworkMode.HOST}, [], "it has the host's anyway"),
    ({"network_mode": NetworkMode.AWSVPC}, ["networkMode"], "an address of its own"),
    ({"network_mode": NetworkMode.NONE}, ["networkMode"], "no network"),
    ({"pid_mode": "task", "ipc_mode": "none"}, ["pidMode", "ipcMode"], "namespaces"),
]
# fmt: on


@pytest.mark.parametrize(
    ("changes", "fields"), [r[:2] for r in CONTAINERS], ids=[r[2] for r in CONTAINERS]
)
def test_a_container(changes: dict[str, Any], fields: list[str]) -> None:
    assert fields == [name for name, _ in beyond_a_process(replace(PLAIN, **changes))]


@pytest.mark.parametrize(
    ("changes", "fields"), [r[:2] for r in TASKS], ids=[r[2] for r in TASKS]
)
def test_a_task(changes: dict[str, Any], fields: list[str]) -> None:
    definition = replace(TaskDefinition("f", (PLAIN,)), **changes)

    assert fields == [name for name, _ in beyond_processes(definition)]
