"""A timer that is exact to microseconds. Event loops count in milliseconds.

An open-loop generator that wakes a millisecond late adds that millisecond to the
latency it reports. Linux has timers as file descriptors for this; elsewhere the
loop's own timer is used, and the report's `lag` shows what it cost.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Final, Protocol

_CLOCK_MONOTONIC: Final = 1
_TFD_FLAGS: Final = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_TFD_TIMER_ABSTIME: Final = 1
_NANOSECONDS: Final = 1_000_000_000


class Wakeup(Protocol):
    """Calls one function at one time, `time.monotonic`'s, again and again."""

    def at(self, when_s: float) -> None:
        """Call at `when_s`, at once if that is past. The last call wins."""
        ...

    def close(self) -> None:
        """Never call again."""
        ...


def wakeup(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> Wakeup:
    """Return the most exact timer of this machine."""
    if sys.platform == "linux":
        return TimerFd(loop, call)
    return LoopTimer(loop, call)


class LoopTimer:
    """The event loop's timer: exact to a millisecond or so."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._call = call
        self._timer: asyncio.TimerHandle | None = None

    def at(self, when_s: float) -> None:
        self.close()
        wait_s = max(0.0, when_s - time.monotonic())
        self._timer = self._loop.call_later(wait_s, self._call)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TimerFd:
    """Linux's timerfd_create(2), which Python has only from 3.13 on."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]
    ) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._spec = _Itimerspec()
        self._loop = loop
        self._call = call
        self._armed = False
        loop.add_reader(self._fd, self._expired)

    def at(self, when_s: float) -> None:
        self._armed = True
        # A value of zero would disarm; a past one expires at once.
        self._set(max(1, int(when_s * _NANOSECONDS)))

    def _set(self, when_ns: int) -> None:
        value = self._spec.value
        value.seconds, value.nanoseconds = divmod(when_ns, _NANOSECONDS)
        spec = ctypes.byref(self._spec)
        if self._settime(self._fd, _TFD_TIMER_ABSTIME, spec, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _expired(self) -> None:
        # Setting the timer again makes it unreadable, so it need not be read.
        self._armed = False
        self._call()
        if not self._armed and self._fd >= 0:
            self._set(0)
