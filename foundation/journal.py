"""Write down before acting: the port through which decisions become durable.

A loop commits the records its decision changes, then acts. Values are frozen
dataclasses; how they are stored is the store's affair. What was not committed
has not been decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Put:
    """Write `value`, a frozen dataclass, under (`kind`, `key`)."""

    kind: str
    key: str
    value: object


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove (`kind`, `key`); removing what is not there is done."""

    kind: str
    key: str


Change = Put | Delete


class CommitFailed(Exception):
    """Nothing of the batch was written (disk full, superseded epoch): do not act."""


class Journal(Protocol):
    """Where records become durable."""

    async def commit(self, batch: Sequence[Change]) -> None:
        """Write all of `batch` or nothing. Raises CommitFailed."""
        ...


class MemoryJournal:
    """A journal in memory, for scenarios: what a restart would find is `records`."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, object]] = {}
        self.failing = False

    async def commit(self, batch: Sequence[Change]) -> None:
        if self.failing:
            raise CommitFailed("the journal was told to fail")
        for change in batch:
            kind = self.records.setdefault(change.kind, {})
            match change:
                case Put(key=key, value=value):
                    kind[key] = value
                case Delete(key=key):
                    kind.pop(key, None)

    def of(self, kind: str) -> Mapping[str, object]:
        """Return the records of one kind by key."""
        return self.records.get(kind, {})
