"""Long work of a worker in slices, between which requests go on. Floor 4."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from typing import Final, TypeVar

from alb.app.door import Door
from alb.ports import Counters, Telemetry
from alb.state.table import Table
from foundation.clock import Clock

SLICE_S: Final = 0.002
T = TypeVar("T")


async def in_slices(steps: Generator[None, None, T], clock: Clock) -> T:
    """Take `steps` to their end, and let requests in between every so often."""
    slice_ends_s = clock.now_s() + SLICE_S
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        if clock.now_s() >= slice_ends_s:
            await asyncio.sleep(0)
            slice_ends_s = clock.now_s() + SLICE_S


def telemetry_steps(
    table: Table, doors: Mapping[str, Door]
) -> Generator[None, None, Telemetry]:
    """Count what a worker tells, a group at a time.

    Totals of a group and of its targets are of one moment, those of two groups may
    not be: all of them only ever grow.
    """
    groups: dict[str, Counters] = {}
    targets: dict[str, Counters] = {}
    in_flight: dict[str, int] = {}
    for name, group in [*table.groups.items()]:
        groups[name] = group.report()
        for target in group.targets.values():
            targets[target.id] = target.counters.report()
            if target.in_flight:
                in_flight[target.id] = target.in_flight
        yield
    return Telemetry(
        {name: door.report() for name, door in doors.items()},
        groups,
        targets,
        in_flight,
        sum(len(door.clients) for door in doors.values()),
        table.waiting(),
        *table.anomalies(),
    )
