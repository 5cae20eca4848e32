"""Let requests go first where there are fewer cores than processes. Floor 3.

A scheduler lets who runs go on for milliseconds before who woke up meanwhile may
run. Workers ask to run sooner and for a shorter time. Keeper and prober have little
to do at a time and nobody waits for it: between two messages they offer the core, so
that a worker waits for one message at most. Unlike a lower priority neither takes
anything from anybody when every core is busy.

Source: sched_setattr(2); Linux 6.12 reads `sched_runtime` of an ordinary process as
the slice it asks for, older kernels do not look at it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from typing import Final

SLICE_S: Final = 0.0001
"""The shortest that Linux grants."""
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
"""The system call's number, by machine: C libraries have no function for it yet."""


class _Attributes(ctypes.Structure):
    """`struct sched_attr` in its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def ask_for_short_slices() -> bool:
    """Have this process run soon after it woke up, for a moment at a time.

    False where the system knows nothing of it: all goes on as before. What is
    started from here inherits it.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return False
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False  # somebody chose another policy for us
    attributes = _Attributes(
        size=ctypes.sizeof(_Attributes),
        nice=os.getpriority(os.PRIO_PROCESS, 0),
        runtime=int(SLICE_S * 1e9),
    )
    called = ctypes.CDLL(None).syscall(number, 0, ctypes.byref(attributes), 0)
    return bool(called == 0)


def give_way() -> None:
    """Let others run that want this core; costs a microsecond where nobody does."""
    os.sched_yield()
