"""Long work of a worker in slices, between which requests go on. Floor 4."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Final, TypeVar

from foundation.clock import Clock

SLICE_S: Final = 0.00025
"""What a request may wait for work that is not its own; a step may take longer."""
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


async def pieces_in_slices(
    pieces: Iterator[T | None], clock: Clock
) -> AsyncIterator[T]:
    """Yield what steps make, where they make something; requests go on in between."""
    slice_ends_s = clock.now_s() + SLICE_S
    for piece in pieces:
        if piece is not None:
            yield piece
        if clock.now_s() >= slice_ends_s:
            await asyncio.sleep(0)
            slice_ends_s = clock.now_s() + SLICE_S
