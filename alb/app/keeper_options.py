"""What a keeper is told when it starts, and tells the program it becomes. Floor 4."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DRAIN_TIMEOUT_S: Final = 300.0
"""How long a worker of the former program may finish what it has."""


@dataclass(frozen=True, slots=True)
class KeeperOptions:
    """A keeper's command line."""

    state_dir: Path
    workers: int
    control_command: tuple[str, ...] = ()
    """Empty: no control is started."""
    drain_timeout_s: float = DRAIN_TIMEOUT_S

    def arguments(self) -> list[str]:
        return [
            *("--state-dir", str(self.state_dir), "--workers", str(self.workers)),
            *("--control-command", json.dumps(self.control_command)),
            *("--drain-timeout", str(self.drain_timeout_s)),
        ]
