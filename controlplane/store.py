"""The journal on disk: one SQLite file, written by a thread of its own.

    commit(batch) --> one transaction, or CommitFailed and nothing was written

A restart finds in `records` what was committed, and raises the epoch by one:
from then on a commit of an earlier control fails. Reads at run time come from
the memory of whoever owns the records. Absent: decisions about their content,
except that histories are bounded.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controlplane.codec import Codec
from foundation.journal import Change, CommitFailed, Delete, Put

SCHEMA: Final = 1
PAGES_MAX: Final = 262_144
"""Of 4 KiB: a state file may grow to 1 GiB."""

TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS records (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  owner TEXT NOT NULL,
  value TEXT NOT NULL,
  UNIQUE (kind, key)
);
CREATE INDEX IF NOT EXISTS histories ON records (kind, owner, id);
"""


@dataclass(frozen=True, slots=True)
class History:
    """A kind of record of which only the newest `keep` per owner are kept."""

    owner: Callable[[object], str]
    keep: int


class NewerSchema(Exception):
    """The state file was written by a later version of this program."""

    def __init__(self, path: Path, found: int) -> None:
        super().__init__(path, found)
        self.path = path
        self.found = found

    def __str__(self) -> str:
        return (
            f"{self.path} has schema {self.found}, this version reads up to {SCHEMA}:"
            " start the newer version again, or move the file away"
        )


class Store:
    """An open state file. Complete after `open`; see the module."""

    def __init__(self, path: Path, codec: Codec) -> None:
        self.path = path
        self.failure = ""
        """Why the last commit failed; empty when it did not."""
        self.cluster_uid = ""
        self.epoch = 0
        self.revision = 0
        self.records: Mapping[str, Mapping[str, object]] = {}
        """What was found when the file was opened, oldest first."""
        self._codec = codec
        self._histories: Mapping[str, History] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._connection: sqlite3.Connection

    @classmethod
    async def open(
        cls,
        path: Path,
        codec: Codec,
        *,
        new_uid: str,
        histories: Mapping[str, History] | None = None,
        pages_max: int = PAGES_MAX,
    ) -> Store:
        """Open or make the file; the caller holds the lock on its directory.

        `new_uid` names the cluster if the file is new. Raises NewerSchema,
        RecordUnreadable, CommitFailed (the epoch could not be written).
        """
        store = cls(path, codec)
        store._histories = histories or {}
        try:
            await store._in_thread(lambda: store._open(new_uid, pages_max))
        except BaseException:
            await store.close()
            raise
        return store

    async def commit(self, batch: Sequence[Change]) -> None:
        """Write all of `batch` or nothing. Raises CommitFailed.

        When the awaiting task is cancelled the batch may have been written.
        """
        if batch:
            await self._write(tuple(batch))

    async def try_again(self) -> None:
        """Write nothing but the revision: does the disk take it? Never raises."""
        with suppress(CommitFailed):
            await self._write(())

    async def _write(self, changes: tuple[Change, ...]) -> None:
        try:
            await self._in_thread(lambda: self._commit(changes))
        except CommitFailed as failed:
            self.failure = str(failed)
            raise
        self.failure = ""

    def load(self) -> Mapping[str, Mapping[str, object]]:
        """Return `records`: kind -> key -> value."""
        return self.records

    async def close(self) -> None:
        await self._in_thread(self._close)
        self._thread.shutdown(wait=True)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _open(self, new_uid: str, pages_max: int) -> None:
        self.path.touch(mode=0o600, exist_ok=True)
        try:
            self._connection = sqlite3.connect(self.path, isolation_level=None)
            run = self._connection.execute
            found: int = run("PRAGMA user_version").fetchone()[0]
            if found > SCHEMA:
                raise NewerSchema(self.path, found)
            run("PRAGMA journal_mode = WAL").fetchone()
            run("PRAGMA synchronous = FULL")
            run(f"PRAGMA max_page_count = {pages_max:d}").fetchone()
            self._connection.executescript(TABLES)
            run("BEGIN IMMEDIATE")
            run(f"PRAGMA user_version = {SCHEMA:d}")
            self.cluster_uid = self._meta("uid", new_uid)
            self.epoch = int(self._meta("epoch", "0")) + 1
            self._set_meta("epoch", str(self.epoch))
            self.revision = int(self._meta("revision", "0"))
            run("COMMIT")
        except sqlite3.Error as error:
            raise CommitFailed(f"{self.path}: {error}") from error
        self.records = self._read()

    def _read(self) -> Mapping[str, Mapping[str, object]]:
        records: dict[str, dict[str, object]] = {}
        rows = self._connection.execute(
            "SELECT kind, key, value FROM records ORDER BY id"
        )
        for kind, key, text in rows:
            if self._codec.knows(kind):
                value = self._codec.decode(kind, key, text)
                records.setdefault(kind, {})[key] = value
        return records

    def _commit(self, batch: tuple[Change, ...]) -> None:
        run = self._connection.execute
        try:
            run("BEGIN IMMEDIATE")
            self._require_epoch()
            for change in batch:
                self._apply(change)
            self._set_meta("revision", str(self.revision + 1))
            run("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise CommitFailed(f"{self.path}: {error}") from error
        except BaseException:
            self._roll_back()
            raise
        self.revision += 1

    def _require_epoch(self) -> None:
        current = int(self._meta("epoch", "0"))
        if current != self.epoch:
            raise CommitFailed(f"epoch {self.epoch} is superseded by {current}")

    def _roll_back(self) -> None:
        """Leave the transaction; SQLite may have left it by itself (disk full)."""
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _apply(self, change: Change) -> None:
        match change:
            case Put(kind=kind, key=key, value=value):
                history = self._histories.get(kind)
                owner = history.owner(value) if history else ""
                self._connection.execute(
                    "INSERT INTO records (kind, key, owner, value) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                    (kind, key, owner, self._codec.encode(kind, value)),
                )
                if history:
                    self._prune(kind, owner, history.keep)
            case Delete(kind=kind, key=key):
                self._connection.execute(
                    "DELETE FROM records WHERE kind = ? AND key = ?", (kind, key)
                )

    def _prune(self, kind: str, owner: str, keep: int) -> None:
        self._connection.execute(
            "DELETE FROM records WHERE kind = ?1 AND owner = ?2 AND id <= ("
            " SELECT id FROM records WHERE kind = ?1 AND owner = ?2"
            " ORDER BY id DESC LIMIT 1 OFFSET ?3)",
            (kind, owner, keep),
        )

    def _meta(self, name: str, first: str) -> str:
        """Return the value of `name`, writing `first` when there is none."""
        self._connection.execute(
            "INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, first)
        )
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,))
        return str(row.fetchone()[0])

    def _set_meta(self, name: str, value: str) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value)
        )

    def _close(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
