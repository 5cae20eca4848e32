"""Writes what a process logged, once a second, on a thread. Floor 4.

    doors, prober -> WaitingLog.lines -> Logs -> drivers.log_files

A disk that hangs holds up this thread and nothing else: lines wait as far as they
fit, and are dropped and counted beyond that.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from alb.drivers.log_files import append
from alb.model import LogFiles
from alb.state.access_log import WaitingLog
from foundation.clock import Clock

FLUSH_S: Final = 1.0
LAST_FLUSH_S: Final = 2.0
"""How long the end of a worker waits for its last lines."""

_log = logging.getLogger("alb.logs")


class Logs:
    """The log files of one worker. `unique` is part of their names."""

    def __init__(self, unique: str, clock: Clock) -> None:
        self._unique = unique
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "logs")
        self._failing = ""

    async def run(self, logs: Callable[[], Iterable[WaitingLog]]) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush(logs())

    async def flush(self, logs: Iterable[WaitingLog]) -> None:
        """Write all lines that wait. What cannot be written is dropped and counted."""
        together: dict[tuple[LogFiles, str], list[WaitingLog]] = defaultdict(list)
        for log in logs:
            together[log.files, log.kind].append(log)
        for (files, kind), of_file in together.items():
            taken = [(log, log.lines.take()) for log in of_file]
            lines = [one for _, lines in taken for one in lines]
            if lines and not await self._append(lines, files, kind):
                for log, lost in taken:
                    log.lines.dropped += len(lost)

    async def _append(self, lines: Sequence[bytes], files: LogFiles, kind: str) -> bool:
        loop = asyncio.get_running_loop()
        try:
            write = partial(append, lines, files, kind, self._unique)
            await loop.run_in_executor(self._thread, write, self._clock.unix_s())
        except OSError as problem:
            if str(problem) != self._failing:
                _log.warning("log lines are lost: %s", problem)
            self._failing = str(problem)
            return False
        self._failing = ""
        return True

    async def end(self, logs: Iterable[WaitingLog]) -> None:
        """Write the last lines, unless the disk takes too long."""
        try:
            async with asyncio.timeout(LAST_FLUSH_S):
                await self.flush(logs)
        except TimeoutError:
            _log.warning("the last log lines are lost: the disk takes too long")
        self._thread.shutdown(wait=False, cancel_futures=True)
