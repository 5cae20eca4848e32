"""The parts of a task's limits: together never more than the task has."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scheduler.decide.quotas import cpu_quotas, memory_limits_mib
from scheduler.definition import ContainerDefinition
from scheduler.model import TaskDefinition


def of(
    cpu: int | None, memory: int | None, *parts: tuple[int, int | None]
) -> TaskDefinition:
    containers = tuple(
        ContainerDefinition(name, cpu=part, memory_mib=mib)
        for name, (part, mib) in zip("abcdefgh", parts, strict=False)
    )
    return TaskDefinition("f", containers, cpu=cpu, memory_mib=memory)


# fmt: off
CPUS = [
    (None, (256, 0),   {},                   "no quota: shares only"),
    (512,  (0,),       {"a": 512},           "one container has it all"),
    (512,  (128,),     {"a": 512},           "whatever it says of itself"),
    (1024, (512, 0),   {"a": 512, "b": 512}, "who says nothing has what is left"),
    (1024, (0, 0),     {"a": 512, "b": 512}, "two that say nothing have half each"),
    (1024, (256, 256), {"a": 512, "b": 512}, "what nobody says is shared in proportion"),
    (512,  (512, 512), {"a": 256, "b": 256}, "what is too much is scaled down"),
    (1024, (1024, 0),  {"a": 963, "b": 60},  "who says nothing is not left with nothing"),
]
MEMORIES = [
    (None, (64, None),        {"a": 64},                     "each its own"),
    (512,  (None,),           {"a": 512},                    "one has it all"),
    (512,  (128,),            {"a": 128},                    "or what it says"),
    (512,  (256, None, None), {"a": 256, "b": 128, "c": 128}, "the rest is shared"),
]
# fmt: on


@pytest.mark.parametrize(
    ("cpu", "parts", "quotas"), [r[:3] for r in CPUS], ids=[r[3] for r in CPUS]
)
def test_cpu(cpu: int | None, parts: tuple[int, ...], quotas: dict[str, int]) -> None:
    assert quotas == cpu_quotas(of(cpu, None, *((part, None) for part in parts)))


@pytest.mark.parametrize(
    ("memory", "parts", "limits"),
    [r[:3] for r in MEMORIES],
    ids=[r[3] for r in MEMORIES],
)
def test_memory(
    memory: int | None, parts: tuple[int | None, ...], limits: dict[str, int]
) -> None:
    assert limits == memory_limits_mib(of(None, memory, *((0, mib) for mib in parts)))


@example(128, [0, 0, 1355])
@given(st.integers(128, 4096), st.lists(st.integers(0, 2048), min_size=1, max_size=8))
def test_the_parts_are_never_more_than_the_whole(cpu: int, parts: list[int]) -> None:
    quotas = cpu_quotas(of(cpu, None, *((part, None) for part in parts)))

    assert len(parts) == len(quotas)
    assert all(part >= 1 for part in quotas.values())
    assert sum(quotas.values()) <= max(cpu, len(parts))
