"""What a process holds, as the kernel sees it."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import NamedTuple


class Held(NamedTuple):
    """Resident bytes, and open files."""

    memory: int
    files: int


def held_by(*pids: int) -> Held:
    """Return what these hold together; one that has ended holds nothing."""
    held = [_held(pid) for pid in pids]
    return Held(sum(one.memory for one in held), sum(one.files for one in held))


def _held(pid: int) -> Held:
    try:
        resident = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        return Held(
            resident * resource.getpagesize(), len(os.listdir(f"/proc/{pid}/fd"))
        )
    except (FileNotFoundError, ProcessLookupError):
        return Held(0, 0)
