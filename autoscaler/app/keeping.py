"""Keep series beyond this life: written as they grow, and taken back. Floor 4.

    table.changed --(twice a minute)--> history      a failure drops and counts
    history       --(at the start, and where an alarm looks back further)--> table

No decision waits for this. What could not be written is lost to the next life
only: here it stays in memory for as long as it would have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from autoscaler.drivers.history import History, HistoryFailed, Known
from autoscaler.model import Metric
from autoscaler.state.packing import Minute
from autoscaler.state.series import SPAN_S
from autoscaler.state.series_table import SERIES_MAX, SeriesTable

WRITE_EVERY_S: Final = 30.0


@dataclass(slots=True)
class KeepingStatistics:
    """What was written, in minutes of a series, and what was not."""

    written: int = 0
    dropped: int = 0
    failure: str = ""
    """Why the last write failed; empty when it did not."""


class Keeping:
    """Joins a table in memory to its history on disk."""

    def __init__(
        self,
        table: SeriesTable,
        history: History,
        now_s: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:
        """`tell` is called with what a person should know, when it begins."""
        self.statistics = KeepingStatistics()
        self._tell = tell
        self._was_full = False
        self._table = table
        self._history = history
        self._now_s = now_s
        self._reaching_s: dict[Metric, int] = {}
        """How far back each series was filled from disk."""

    async def restore(self) -> None:
        """Take back what earlier lives measured. Call it before anything is.

        Raises HistoryFailed.
        """
        now_s = int(self._now_s())
        self._table.lives.extend(await self._history.lives())
        for metric, unit, minutes in await self._history.kept(now_s):
            self._table.restore(metric, unit, minutes, now_s)

    async def run(self) -> None:
        """Write until cancelled. Never raises for a disk that takes nothing."""
        while True:
            await self.reach_back()
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write()

    async def write(self) -> None:
        """Write what grew, or drop it and count it."""
        self._tell_of_too_many()
        changed = self._table.changed()
        minutes = sum(len(grown) for _, _, grown in changed)
        try:
            await self._history.write(changed, int(self._now_s()))
        except HistoryFailed as failed:
            self._failed(failed)
            self.statistics.dropped += minutes
            return
        self.statistics.failure = ""
        self.statistics.written += minutes

    async def close(self) -> None:
        """Write what is left, and close the file."""
        try:
            await self.write()
        finally:
            await self._history.close()

    async def minutes(
        self, metric: Metric, start_s: int, end_s: int
    ) -> dict[int, Minute]:
        """Return the minutes on disk of a time that memory does not reach."""
        return await self._history.read(metric, start_s, end_s)

    async def metrics(self) -> list[Known]:
        """Return every metric that was measured in the last fifteen days."""
        return await self._history.metrics()

    async def reach_back(self) -> None:
        """Fill the series of alarms that look further back than three hours."""
        now_s = int(self._now_s())
        for metric, series in [*self._table.view().items()]:
            keep_s = series.keep_s
            if keep_s > max(self._reaching_s.get(metric, 0), SPAN_S):
                try:
                    found = await self._history.read(metric, now_s - keep_s, now_s)
                except HistoryFailed as failed:
                    self._failed(failed)
                    return
                series.restore(found)
                self._reaching_s[metric] = keep_s

    def _tell_of_too_many(self) -> None:
        too_many = self._table.statistics().too_many
        if too_many and not self._was_full:
            self._was_full = True
            self._tell(f"at most {SERIES_MAX} are kept: samples of others are dropped")

    def _failed(self, failed: HistoryFailed) -> None:
        if not self.statistics.failure:
            self._tell(f"not kept on disk, lost at a restart: {failed}")
        self.statistics.failure = str(failed)
