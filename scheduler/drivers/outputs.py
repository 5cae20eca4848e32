"""What containers wrote, kept when they are removed. Floor 3.

    DIRECTORY/KEY/CONTAINER.log     the newest of it; KEY is a task's id

Bounded three times: of a container and of a task the newest is kept, and of all the
tasks whose containers ended last. A disk that takes nothing costs what was to be
kept, which is counted, and nothing else. Files are removed when nobody asks for their
task any more; a new life finds what the last one left. Absent: what a container that
is there has written, which its runtime has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

from scheduler.model import ContainerName
from scheduler.ports import OutputStatistics

CONTAINER_BYTES_MAX: Final = 1 << 20
TASK_BYTES_MAX: Final = 4 << 20
ALL_BYTES_MAX: Final = 256 << 20
SUFFIX: Final = ".log"

log = logging.getLogger(__name__)


class MemoryOutputs:
    """Implements `ports.Outputs` without a disk."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[ContainerName, bytes]] = {}

    async def keep(self, key: str, name: ContainerName, output: bytes) -> None:
        self._kept.setdefault(key, {})[name] = output[-CONTAINER_BYTES_MAX:]

    def has(self, name: ContainerName) -> bool:
        return any(name in outputs for outputs in self._kept.values())

    async def read(self, name: ContainerName) -> bytes:
        found = (outputs.get(name) for outputs in self._kept.values())
        return next((output for output in found if output is not None), b"")

    def keep_only(self, keys: Collection[str]) -> None:
        for key in [key for key in self._kept if key not in keys]:
            del self._kept[key]

    def statistics(self) -> OutputStatistics:
        kept = [one for outputs in self._kept.values() for one in outputs.values()]
        return OutputStatistics(len(kept), sum(map(len, kept)), 0)


class DiskOutputs:
    """Implements `ports.Outputs` in a directory of its own, 0700."""

    def __init__(self, directory: Path, all_bytes_max: int = ALL_BYTES_MAX) -> None:
        self._directory = directory
        self._all_bytes_max = all_bytes_max
        self._kept: dict[str, dict[ContainerName, int]] = {}
        """By key, the oldest first: bytes of each container."""
        self._dropped_bytes = 0
        self._writing = asyncio.Lock()
        self._find()

    async def keep(self, key: str, name: ContainerName, output: bytes) -> None:
        """Write it down; what finds no place is dropped and counted. Never raises."""
        async with self._writing:
            others = self._kept.pop(key, {})
            room = TASK_BYTES_MAX - sum(others.values()) + others.get(name, 0)
            newest = output[
                max(0, len(output) - max(0, min(room, CONTAINER_BYTES_MAX))) :
            ]
            try:
                if newest:
                    await asyncio.to_thread(self._write, key, name, newest)
                    others[name] = len(newest)
            except OSError as full:
                self._dropped_bytes += len(newest)
                log.warning("the output of %s is dropped: %s", name, full)
            if others:
                self._kept[key] = others
            self._make_room()

    def has(self, name: ContainerName) -> bool:
        return self._key_of(name) is not None

    async def read(self, name: ContainerName) -> bytes:
        """Return what is kept of a container; empty when nothing is."""
        key = self._key_of(name)
        if key is None:
            return b""
        try:
            return await asyncio.to_thread(self._file(key, name).read_bytes)
        except OSError:
            return b""

    def keep_only(self, keys: Collection[str]) -> None:
        """Remove what is kept of all other keys."""
        for key in [key for key in self._kept if key not in keys]:
            self._remove(key)

    def statistics(self) -> OutputStatistics:
        sizes = [size for kept in self._kept.values() for size in kept.values()]
        return OutputStatistics(len(sizes), sum(sizes), self._dropped_bytes)

    def _find(self) -> None:
        """Know what an earlier life has kept."""
        for file in sorted(self._directory.glob(f"*/*{SUFFIX}"), key=_written_s):
            name = ContainerName(file.name.removesuffix(SUFFIX))
            sizes = self._kept.setdefault(file.parent.name, {})
            sizes[name] = file.stat().st_size

    def _key_of(self, name: ContainerName) -> str | None:
        return next((key for key, kept in self._kept.items() if name in kept), None)

    def _file(self, key: str, name: ContainerName) -> Path:
        return self._directory / key / f"{name}{SUFFIX}"

    def _write(self, key: str, name: ContainerName, output: bytes) -> None:
        file = self._file(key, name)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = file.with_suffix(".new")
        try:
            descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as writing:
                writing.write(output)
            draft.rename(file)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise

    def _make_room(self) -> None:
        """Remove the tasks that ended first, until the others fit."""
        for key in [*self._kept]:
            if self.statistics().kept_bytes <= self._all_bytes_max:
                return
            self._remove(key)

    def _remove(self, key: str) -> None:
        self._kept.pop(key, None)
        shutil.rmtree(self._directory / key, ignore_errors=True)


def _written_s(file: Path) -> float:
    return file.stat().st_mtime
