"""The files that a cluster file names, for those who look at them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

SIZE_MAX: Final = 1024 * 1024
"""Of a file, in bytes: what is behind that is not read."""


class Disk(Protocol):
    """The machine's files, and its date."""

    def read(self, path: str) -> bytes:
        """Return the content of `path`, as the cluster file has it. Raises OSError."""
        ...

    def is_public(self, path: str) -> bool:
        """Whether everybody on the machine may read it; False: it is not there."""
        ...

    def unix_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class LocalDisk:
    """This machine; relative paths begin at `directory`."""

    directory: Path

    def read(self, path: str) -> bytes:
        with Path(self.directory, path).open("rb") as file:
            return file.read(SIZE_MAX)

    def is_public(self, path: str) -> bool:
        with suppress(OSError):
            return bool(Path(self.directory, path).stat().st_mode & 0o004)
        return False

    def unix_s(self) -> float:
        return datetime.now(UTC).timestamp()
