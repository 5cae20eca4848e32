"""The keeper's part of the shared counts: who writes which column. Floor 4.

    worker starts --> lend --> its column, cleared
    worker ends   --> clear: what it had in flight is nobody's any more

The memory outlives the keeper's program: the next one maps it again, and workers
of the former one go on counting in the columns that they have.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from alb.drivers import shared_memory
from alb.drivers.turnstile import NO_BELL, make_bell, ring
from alb.state import shared_counts

NO_COLUMN: Final = -1
"""Of a worker that counts for itself alone."""

_log = logging.getLogger("alb.keeper")


class Columns:
    """The table's columns, and which of them are lent."""

    def __init__(self, descriptor: int | None = None) -> None:
        """`descriptor` is of a table that a former program left; one that is laid out
        in another way is left to its workers."""
        if descriptor is None or not _fits(descriptor):
            descriptor = shared_memory.create(shared_counts.SIZE)
        self.descriptor = descriptor
        memory = shared_memory.attach(descriptor, shared_counts.SIZE)
        self._cells = shared_counts.cells_of(memory)
        self._lent: set[int] = set()
        self._bell = make_bell()
        """Rung when a worker's requests have ended, by it or with it."""

    def adopt(self, column: int) -> None:
        """Somebody has this one already."""
        self._lent.add(column)

    @contextmanager
    def lend(self) -> Iterator[int]:
        """Lend a column, or NO_COLUMN, to a worker while it lives."""
        free = (n for n in range(shared_counts.COLUMNS) if n not in self._lent)
        column = next(free, NO_COLUMN)
        if column == NO_COLUMN:
            _log.warning("more workers than columns: one counts for itself alone")
        self._lent.add(column)
        try:
            yield column
        finally:
            self.clear(column)

    def clear(self, column: int) -> None:
        """Its worker has ended."""
        self._lent.discard(column)
        if column != NO_COLUMN:
            shared_counts.clear(self._cells, column)
            ring(self._bell)

    @property
    def inherited(self) -> tuple[int, ...]:
        """What workers are to inherit."""
        bell = () if self._bell == NO_BELL else (self._bell,)
        return (self.descriptor, *bell)

    def arguments(self, column: int) -> list[str]:
        """Return what tells a worker of its column."""
        if column == NO_COLUMN:
            return []
        told = {
            "--counts-fd": self.descriptor,
            "--counts-column": column,
            "--bell-fd": self._bell,
        }
        return [str(part) for pair in told.items() for part in pair]


def _fits(descriptor: int) -> bool:
    return os.fstat(descriptor).st_size == shared_counts.SIZE
