"""Hear the end of processes, without asking again and again. Floor 3.

On Linux the loop watches a pidfd for each; elsewhere a timer looks five times a
second while there is anything to look at. Processes need not be our children:
those of an earlier control are heard as well, and ours are waited for, so that
no zombie is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Final

from scheduler.drivers.process_table import Identity
from scheduler.model import ContainerName

LOOK_INTERVAL_S: Final = 0.2


class ExitWatch:
    """Calls `on_end` once for each process added, on the loop, after its end."""

    def __init__(self, on_end: Callable[[ContainerName], None]) -> None:
        self._on_end = on_end
        self._ended: dict[ContainerName, asyncio.Event] = {}
        self._identities: dict[ContainerName, Identity] = {}
        self._descriptors: dict[ContainerName, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, name: ContainerName, process: Identity) -> asyncio.Event:
        """Return an event that is set at the end of `process`; may be repeated."""
        if name in self._ended:
            return self._ended[name]
        event = self._ended[name] = asyncio.Event()
        self._identities[name] = process
        descriptor = _open(process)
        if descriptor is not None:
            self._descriptors[name] = descriptor
            asyncio.get_running_loop().add_reader(descriptor, self._end, name)
        if not process.alive:
            asyncio.get_running_loop().call_soon(self._end, name)
        elif descriptor is None:
            self._look()
        return event

    def close(self) -> None:
        """Stop listening; the processes go on."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        for descriptor in self._descriptors.values():
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        self._descriptors.clear()
        self._identities.clear()
        self._ended.clear()

    def _end(self, name: ContainerName) -> None:
        event = self._ended.pop(name, None)
        if event is None:
            return
        descriptor = self._descriptors.pop(name, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._identities.pop(name).pid, os.WNOHANG)
        event.set()
        self._on_end(name)

    def _look(self) -> None:
        """Look at those without a descriptor, and again later while there are any."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        watched = self._identities.keys() - self._descriptors.keys()
        for name in watched:
            process = self._identities[name]
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
            if not process.alive:
                self._end(name)
        if self._identities.keys() - self._descriptors.keys():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LOOK_INTERVAL_S, self._look)


def _open(process: Identity) -> int | None:
    """Return a pidfd, or None where there is none: no support, or no process."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(process.pid)
    except OSError:
        return None
