"""What every worker of a node has in flight, in memory that all of them map. Floor 2.

    changes:             A's, B's, ...
    column of worker A:  used, (key, count) (key, count) ...
    column of worker B:  used, (key, count) ...

A worker writes its own column and reads all of them: each cell has one writer,
so there is no lock, and no message between workers. It counts a target in a row
that it chose itself, under the key that everybody makes of the target's id, and
adds to its changes when a row got another key: who reads finds rows by key once,
and then by position, until somebody's changes say otherwise.

A worker that has died cannot take back what it had in flight: the keeper clears
its column (`clear`). COLUMNS and ROWS bound the memory; a worker without a
column, or a target without a row, counts for itself alone.

Absent: the mapping itself (`drivers.shared_memory`), and what counts are for.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from alb.model import TargetId

COLUMNS: Final = 64
"""Workers at one time, those of a former program included."""
ROWS: Final = 2048
"""Targets that one worker can count at one time."""
_COLUMN_CELLS: Final = 1 + 2 * ROWS
_CELL_SIZE: Final = 8
SIZE: Final = COLUMNS * (1 + _COLUMN_CELLS) * _CELL_SIZE
"""Bytes of the whole. Cells that were never used cost no memory."""

Cells = memoryview
"""The whole table as signed numbers of 64 bits."""


def cells_of(buffer: memoryview) -> Cells:
    return buffer[:SIZE].cast("q")


def _used_at(column: int) -> int:
    """Return where a column begins: with how many of its rows were ever used."""
    return COLUMNS + column * _COLUMN_CELLS


def clear(cells: Cells, column: int) -> None:
    """Forget the worker that had `column`; another may have it then."""
    start = _used_at(column)
    for at in range(start + 1, start + 1 + 2 * min(cells[start], ROWS)):
        cells[at] = 0
    cells[start] = 0
    cells[column] += 1


class Tally:
    """One target's requests in flight: what we say, and what others say."""

    __slots__ = ("_cells", "at", "key", "others")

    def __init__(self, cells: Cells, key: int, at: int) -> None:
        self._cells = cells
        self.key = key
        self.at = at
        """Of our count, in the whole table."""
        self.others: tuple[int, ...] = ()
        """Of the others' counts."""

    def put(self, in_flight: int) -> None:
        """Say how many this worker has."""
        self._cells[self.at] = in_flight

    def elsewhere(self) -> int:
        """Return how many the other workers have, as of now."""
        total = 0
        for at in self.others:
            total += self._cells[at]
        return total


class SharedCounts:
    """The table as one worker uses it. `column` is its own, cleared."""

    def __init__(self, cells: Cells, column: int) -> None:
        self.cells = cells
        self._column = column
        self._used_at = _used_at(column)
        self._changes = cells[:COLUMNS].cast("B")
        self._seen = b""
        self._tallies: dict[int, list[Tally]] = {}
        self._free: list[int] = []

    def open(self, target: TargetId) -> Tally | None:
        """Return a tally for `target` at 0, or None: there is no row left."""
        used = self.cells[self._used_at]
        if not self._free and used >= ROWS:
            return None
        if self._free:
            at = self._free.pop(0)
        else:
            at = self._used_at + 1 + 2 * used
            self.cells[self._used_at] = used + 1
        tally = Tally(self.cells, key_of(target), at + 1)
        tally.put(0)
        self.cells[at] = tally.key
        self.cells[self._column] += 1
        self._tallies.setdefault(tally.key, []).append(tally)
        return tally

    def close(self, tally: Tally) -> None:
        """Give the row back. The row that is free the longest is used next, so that
        who has not looked yet is not told another target's count."""
        tally.put(0)
        self.cells[tally.at - 1] = 0
        self.cells[self._column] += 1
        self._free.append(tally.at - 1)
        same = self._tallies[tally.key]
        same.remove(tally)
        if not same:
            del self._tallies[tally.key]

    def refresh(self) -> None:
        """Find the rows again, if any worker changed its own.

        Before counts are read: a target must not look idle because another worker
        was the first to know it.
        """
        changes = self._changes.tobytes()
        if changes == self._seen:
            return
        self._seen = changes
        found: dict[int, list[int]] = {key: [] for key in self._tallies}
        for column in range(COLUMNS):
            if column != self._column:
                self._find(_used_at(column), found)
        for key, tallies in self._tallies.items():
            for tally in tallies:
                tally.others = tuple(found[key])

    def _find(self, start: int, found: dict[int, list[int]]) -> None:
        used = min(self.cells[start], ROWS)
        for at in range(start + 1, start + 1 + 2 * used, 2):
            places = found.get(self.cells[at])
            if places is not None:
                places.append(at + 1)


def key_of(target: TargetId) -> int:
    """Return the number under which every process counts `target`; never 0."""
    digest = blake2b(target.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 | 1
