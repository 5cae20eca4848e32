"""CPU used is the difference of two readings; what was not read is missing."""

import pytest

from scheduler.decide.usage import cpu_units, task_memory_mib, task_units
from scheduler.model import ContainerName
from scheduler.ports import CpuSample

WEB, SIDE = ContainerName("web"), ContainerName("side")
S = CpuSample


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (S(0, 10.0), S(1_000_000_000, 11.0), 1024.0),
        (S(500, 10.0), S(250_000_500, 10.5), 512.0),
        (S(7, 10.0), S(7, 11.0), 0.0),
        (S(7, 10.0), S(7, 10.0), None),
        (S(7, 10.0), S(6, 11.0), None),
    ],
    ids=["one core", "half a core", "idle", "the same reading", "another process"],
)
def test_units(before: CpuSample, after: CpuSample, units: float | None) -> None:
    assert units == cpu_units(before, after)


def test_a_task_is_the_sum_of_its_containers() -> None:
    before = {WEB: S(0, 10.0), SIDE: S(0, 10.0)}
    after = {WEB: S(500_000_000, 11.0), SIDE: S(250_000_000, 11.0)}
    assert task_units([WEB, SIDE], before, after) == 768.0
    assert task_units([WEB], before, after) == 512.0


def test_a_task_without_two_readings_is_missing() -> None:
    assert task_units([WEB], {}, {WEB: S(1, 11.0)}) is None
    assert task_units([WEB], {WEB: S(1, 11.0)}, {}) is None
    assert task_units([WEB], {WEB: S(1, 11.0)}, {WEB: S(1, 11.0)}) is None


def test_a_task_holds_what_its_containers_hold() -> None:
    newest = {WEB: S(1, 1.0, 3 << 20), SIDE: S(1, 1.0, 1 << 19)}

    assert task_memory_mib([WEB, SIDE], newest) == 3.5
    assert task_memory_mib([WEB], {}) is None
    assert task_memory_mib([WEB], {WEB: S(1, 1.0)}) is None
