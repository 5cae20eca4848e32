"""Series on disk: seconds for three hours, minutes for fifteen days. Floor 3.

    write(what grew) --> one transaction in a thread of its own, or HistoryFailed
    kept, read, metrics <-- what earlier writes left
                            everything may raise HistoryFailed

The file is of fixed size at most; when it is full the oldest minutes make room.
It holds nothing that the cluster needs to run: one that cannot be read is moved
aside and a new one is begun. Nothing here decides, and nothing waits for it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from autoscaler.model import Metric
from autoscaler.state.packing import MINUTE_S, Minute
from autoscaler.state.series import KEPT_S, SPAN_S, Lives
from autoscaler.state.series_table import Changed

SCHEMA: Final = 1
PAGES_MAX: Final = 131_072
"""Of 4 KiB: the file may grow to 512 MiB."""
PRUNE_S: Final = 60 * 60
"""How often minutes older than fifteen days are deleted."""
YIELD: Final = 8
"""A full file gives up this part of the time that it covers."""

TABLES: Final = """
CREATE TABLE IF NOT EXISTS lives (
  began INTEGER PRIMARY KEY,
  ended INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  dimensions TEXT NOT NULL,
  unit TEXT NOT NULL,
  newest INTEGER NOT NULL,
  UNIQUE (namespace, name, dimensions)
);
CREATE TABLE IF NOT EXISTS minutes (
  series INTEGER NOT NULL,
  minute INTEGER NOT NULL,
  sample_count REAL NOT NULL,
  total REAL NOT NULL,
  minimum REAL NOT NULL,
  maximum REAL NOT NULL,
  packed BLOB NOT NULL,
  PRIMARY KEY (series, minute)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seconds (
  minute INTEGER NOT NULL,
  series INTEGER NOT NULL,
  packed BLOB NOT NULL,
  PRIMARY KEY (minute, series)
) WITHOUT ROWID;
"""

_Found = TypeVar("_Found")


class HistoryFailed(Exception):
    """The disk did not do it; of a batch nothing was written."""


@dataclass(frozen=True, slots=True)
class Known:
    """A metric that has minutes on disk. `newest_s` is unix seconds."""

    metric: Metric
    unit: str
    newest_s: int


class History:
    """An open file. Complete after `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moved_aside = ""
        """Why a file that was here before could not be read, if so."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        self._connection: sqlite3.Connection
        self._ids: dict[Metric, int] = {}
        self._began_s: int | None = None
        self._pruned_s = 0

    @classmethod
    async def open(cls, path: Path, pages_max: int = PAGES_MAX) -> History:
        """Open or make the file. Raises HistoryFailed: it can neither be."""
        history = cls(path)
        try:
            await history._in_thread(lambda: history._open(pages_max))
        except BaseException:
            await history.close()
            raise
        return history

    async def write(self, changed: Sequence[Changed], now_s: int) -> None:
        """Write minutes, and delete what has had its time. Raises HistoryFailed."""
        await self._in_thread(lambda: self._write(changed, now_s))

    async def lives(self) -> Lives:
        """Return when earlier lives of this program began and ended, in order."""
        return await self._in_thread(self._lives)

    async def kept(self, now_s: int) -> list[Changed]:
        """Return every metric's minutes of the last three hours."""
        return await self._in_thread(lambda: [*self._kept(now_s - SPAN_S, now_s)])

    async def read(self, metric: Metric, start_s: int, end_s: int) -> dict[int, Minute]:
        """Return the minutes of [start, end) of one metric, by minute."""
        return await self._in_thread(lambda: self._read(metric, start_s, end_s))

    async def metrics(self) -> list[Known]:
        """Return every metric that has minutes here."""
        return await self._in_thread(self._known)

    async def close(self) -> None:
        await self._in_thread(self._close)
        self._thread.shutdown(wait=True)

    async def _in_thread(self, work: Callable[[], _Found]) -> _Found:
        def guarded() -> _Found:
            try:
                return work()
            except (sqlite3.Error, OSError) as error:
                raise HistoryFailed(f"{self.path}: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    # --- in the thread --------------------------------------------------------------

    def _open(self, pages_max: int) -> None:
        try:
            self._connect(pages_max)
        except sqlite3.OperationalError:  # the disk's fault, not the file's
            raise
        except sqlite3.DatabaseError as error:
            self._close()
            self.moved_aside = f"{self.path}: {error}"
            self.path.replace(self.path.with_suffix(".unreadable"))
            for rest in ("-wal", "-shm"):
                Path(f"{self.path}{rest}").unlink(missing_ok=True)
            self._connect(pages_max)

    def _connect(self, pages_max: int) -> None:
        self.path.touch(mode=0o600, exist_ok=True)
        self._connection = sqlite3.connect(self.path, isolation_level=None)
        run = self._connection.execute
        if run("PRAGMA user_version").fetchone()[0] not in (0, SCHEMA):
            raise sqlite3.DatabaseError("of another version")
        run("PRAGMA journal_mode = WAL").fetchone()
        run("PRAGMA synchronous = NORMAL")
        run(f"PRAGMA max_page_count = {pages_max:d}").fetchone()
        self._connection.executescript(TABLES)
        run(f"PRAGMA user_version = {SCHEMA:d}")
        for number, namespace, name, dimensions in run(
            "SELECT id, namespace, name, dimensions FROM series"
        ):
            self._ids[_metric(namespace, name, dimensions)] = number

    def _write(self, changed: Sequence[Changed], now_s: int) -> None:
        try:
            self._write_once(changed, now_s)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL or not self._make_room():
                raise
            self._write_once(changed, now_s)

    def _write_once(self, changed: Sequence[Changed], now_s: int) -> None:
        run = self._connection.execute
        known = dict(self._ids)
        try:
            run("BEGIN IMMEDIATE")
            for metric, unit, minutes in changed:
                self._put(metric, unit, minutes)
            self._live(now_s)
            run(
                "DELETE FROM seconds WHERE minute <= ?",
                ((now_s - SPAN_S) // MINUTE_S,),
            )
            if now_s - self._pruned_s >= PRUNE_S:
                self._forget((now_s - KEPT_S) // MINUTE_S)
                self._pruned_s = now_s
            run("COMMIT")
        except BaseException:
            self._ids = known
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    run("ROLLBACK")
            raise

    def _live(self, now_s: int) -> None:
        """Note that this life has lasted until now; it begins with the first note."""
        began = now_s if self._began_s is None else self._began_s
        self._connection.execute(
            "INSERT OR REPLACE INTO lives VALUES (?, ?)", (began, now_s)
        )
        self._connection.execute("DELETE FROM lives WHERE ended < ?", (now_s - KEPT_S,))
        self._began_s = began

    def _lives(self) -> Lives:
        rows = self._connection.execute("SELECT began, ended FROM lives ORDER BY began")
        return [(began, ended) for began, ended in rows if began != self._began_s]

    def _put(self, metric: Metric, unit: str, minutes: dict[int, Minute]) -> None:
        run = self._connection.execute
        number = self._number(metric, unit, max(minutes))
        for minute, one in minutes.items():
            rest = one.without_seconds()
            figures = (rest.sample_count, rest.total, rest.minimum, rest.maximum)
            run(
                "INSERT OR REPLACE INTO minutes VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, minute, *figures, rest.values),
            )
            if one.seconds:
                run(
                    "INSERT OR REPLACE INTO seconds VALUES (?, ?, ?)",
                    (minute, number, one.seconds),
                )

    def _number(self, metric: Metric, unit: str, newest: int) -> int:
        dimensions = json.dumps(metric.dimensions)
        self._connection.execute(
            "INSERT INTO series (namespace, name, dimensions, unit, newest)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (namespace, name, dimensions)"
            " DO UPDATE SET unit = excluded.unit,"
            " newest = max(newest, excluded.newest)",
            (metric.namespace, metric.name, dimensions, unit, newest),
        )
        found = self._ids.get(metric)
        if found is None:
            row = self._connection.execute(
                "SELECT id FROM series"
                " WHERE namespace = ? AND name = ? AND dimensions = ?",
                (metric.namespace, metric.name, dimensions),
            ).fetchone()
            found = self._ids[metric] = int(row[0])
        return found

    def _forget(self, minute: int) -> None:
        """Delete every minute up to `minute`, and metrics that have none left."""
        run = self._connection.execute
        for number in self._ids.values():
            run(
                "DELETE FROM minutes WHERE series = ? AND minute <= ?", (number, minute)
            )
        run("DELETE FROM seconds WHERE minute <= ?", (minute,))
        run("DELETE FROM series WHERE newest <= ?", (minute,))
        left = {row[0] for row in run("SELECT id FROM series")}
        self._ids = {m: number for m, number in self._ids.items() if number in left}

    def _make_room(self) -> bool:
        """Delete the oldest part; False where there is nothing older than another."""
        run = self._connection.execute
        oldest, newest = run("SELECT min(minute), max(minute) FROM minutes").fetchone()
        if oldest is None or oldest == newest:
            return False
        self._forget(oldest + (newest - oldest) // YIELD)
        return True

    def _kept(self, start_s: int, end_s: int) -> Iterator[Changed]:
        units = {known.metric: known.unit for known in self._known()}
        for metric in [*self._ids]:
            if found := self._read(metric, start_s, end_s):
                yield metric, units[metric], found

    def _read(self, metric: Metric, start_s: int, end_s: int) -> dict[int, Minute]:
        number = self._ids.get(metric)
        if number is None:
            return {}
        rows = self._connection.execute(
            "SELECT m.minute, m.sample_count, m.total, m.minimum, m.maximum,"
            " coalesce(s.packed, x''), m.packed FROM minutes m"
            " LEFT JOIN seconds s ON s.minute = m.minute AND s.series = m.series"
            " WHERE m.series = ? AND m.minute >= ? AND m.minute < ? ORDER BY m.minute",
            (number, start_s // MINUTE_S, -(-end_s // MINUTE_S)),
        )
        return {minute: Minute(*rest) for minute, *rest in rows}

    def _known(self) -> list[Known]:
        rows = self._connection.execute(
            "SELECT namespace, name, dimensions, unit, newest FROM series"
        )
        return [
            Known(_metric(namespace, name, dimensions), unit, newest * MINUTE_S)
            for namespace, name, dimensions, unit, newest in rows
        ]

    def _close(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()


def _metric(namespace: str, name: str, dimensions: str) -> Metric:
    pairs = tuple((key, value) for key, value in json.loads(dimensions))
    return Metric(namespace, name, pairs)
