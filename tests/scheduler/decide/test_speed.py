"""Hosts whose cores are of unlike speed, made comparable: by ecuPerCore."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.decide.specs import Surroundings, container_specs
from scheduler.decide.usage import in_units, units_of
from scheduler.model import InstanceStatus, RuntimeKind
from tests.support.tasks import definition, task

# fmt: off
CORES = [  # ecuPerCore, what a host of two cores registers, one core's use in units
    (1024, 2048, 1024.0, "a core as any other"),
    (2048, 4096, 2048.0, "a core that is twice as fast"),
    ( 512, 1024,  512.0, "a core that is half as fast"),
]
# fmt: on


@pytest.mark.parametrize(
    ("ecu", "registered", "used"), [row[:3] for row in CORES], ids=[r[3] for r in CORES]
)
def test_cores_count_by_what_they_do(ecu: int, registered: int, used: float) -> None:
    status = InstanceStatus(True, 2048, 1024, "10.0.0.1")  # noqa: FBT003

    assert registered == in_units(status, ecu).cpu
    assert used == units_of(1024.0, ecu)


@pytest.mark.parametrize(
    ("ecu", "quota"), [(1024, 512), (2048, 256), (512, 1024), (1_000_000, 1)]
)
def test_a_quota_is_less_of_a_faster_core(ecu: int, quota: int) -> None:
    limited = replace(task(), task_definition=replace(definition(), cpu=512))
    there = replace(limited, ecu_per_core=ecu)

    [spec] = container_specs(there, RuntimeKind.DOCKER, Surroundings("c1"))

    assert quota == spec.cpu_quota
