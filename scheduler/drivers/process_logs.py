"""Read the two log files of a process container, and go on at their end. Floor 3.

The shim appends to ``log`` and renames it to ``log.1`` when it is full. A reader
holds the file it reads open, so a rename under it loses nothing but what two
rotations between two looks would.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

READ_BYTES: Final = 256 << 10
FOLLOW_INTERVAL_S: Final = 0.1


class LogReader:
    """A place in a container's output. Every method blocks on the disk only."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = -1

    def open(self, tail: int | None) -> bytes:
        """Return what there is, or the last `tail` lines of it."""
        older = b""
        with contextlib.suppress(FileNotFoundError):
            older = (self._directory / "log.1").read_bytes()
        text = older + self._read_to_end()
        if tail is None:
            return text
        lines = text.splitlines(keepends=True)
        return b"".join(lines[len(lines) - min(tail, len(lines)) :])

    def more(self) -> bytes:
        """Return what was added; empty when nothing was."""
        if chunk := self._read():
            return chunk
        if self._rotated():
            self.close()
            return self._read()
        return b""

    def ended(self) -> bool:
        """Whether nothing can be added; ask before the last `more`."""
        return (self._directory / "exit.json").exists() or not self._directory.exists()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _read_to_end(self) -> bytes:
        chunks = []
        while chunk := self._read():
            chunks.append(chunk)
        return b"".join(chunks)

    def _read(self) -> bytes:
        if self._file < 0:
            with contextlib.suppress(FileNotFoundError):
                self._file = os.open(self._directory / "log", os.O_RDONLY)
        return os.read(self._file, READ_BYTES) if self._file >= 0 else b""

    def _rotated(self) -> bool:
        """Whether ``log`` is another file than the one we hold."""
        try:
            there = os.stat(self._directory / "log")
        except FileNotFoundError:
            return False
        return self._file >= 0 and there.st_ino != os.fstat(self._file).st_ino
