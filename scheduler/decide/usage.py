"""CPU and memory that tasks used, from two readings. Floor 1: pure.

A missing reading is a missing datapoint, never 0: an average over what was
not measured would call a hung host idle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from scheduler.model import CPU_UNITS_PER_CORE, ContainerName, InstanceStatus
from scheduler.ports import CpuSample

Readings = Mapping[ContainerName, CpuSample]

NS_PER_S: Final = 1e9
MEBI: Final = 1 << 20


def cpu_units(before: CpuSample, after: CpuSample) -> float | None:
    """Return CPU units used between two readings of one container.

    None when no time passed between them, or the counter went back (another
    process of that name).
    """
    seconds = after.at_s - before.at_s
    used_ns = after.cpu_ns - before.cpu_ns
    if seconds <= 0 or used_ns < 0:
        return None
    return used_ns / NS_PER_S / seconds * CPU_UNITS_PER_CORE


def units_of(core_units: float, ecu_per_core: int) -> float:
    """Return what was used of cores, counted by what those cores do."""
    return core_units * ecu_per_core / CPU_UNITS_PER_CORE


def in_units(status: InstanceStatus, ecu_per_core: int) -> InstanceStatus:
    """Return a host as last seen, its cores counted by what they do."""
    if ecu_per_core == CPU_UNITS_PER_CORE:
        return status
    return replace(status, cpu=status.cpu * ecu_per_core // CPU_UNITS_PER_CORE)


def task_units(
    containers: Sequence[ContainerName], before: Readings, after: Readings
) -> float | None:
    """Return CPU units used by all of a task's containers together.

    A container that has ended has no newer reading and adds nothing; None when
    no container has two.
    """
    parts = [
        cpu_units(before[name], after[name])
        for name in containers
        if name in before and name in after
    ]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def task_memory_mib(
    containers: Sequence[ContainerName], newest: Readings
) -> float | None:
    """Return the MiB that a task's containers hold together; None if unknown.

    No container holds nothing: a reading of 0 is of a runtime that cannot tell.
    """
    held = [newest[name].memory_bytes for name in containers if name in newest]
    return sum(held) / MEBI if any(held) else None
