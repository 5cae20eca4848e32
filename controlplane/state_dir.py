"""Where a cluster keeps its files: names only, nothing is opened here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StateDir:
    """The directory that one cluster lives in; `alb` makes it 0700."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "cluster.db"

    @property
    def metrics(self) -> Path:
        """What was measured: seconds of three hours, minutes of fifteen days."""
        return self.path / "metrics.db"

    @property
    def lock(self) -> Path:
        return self.path / "control.lock"

    @property
    def token(self) -> Path:
        return self.path / "token"

    @property
    def control_socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def node_socket(self) -> Path:
        return self.path / "node.sock"

    @property
    def control_address(self) -> Path:
        """Where control tells its TCP address and its pid, as JSON."""
        return self.path / "control.json"

    @property
    def certificates(self) -> Path:
        """Certificates of the development CA with their keys, 0600."""
        return self.path / "tls"

    @property
    def tasks(self) -> Path:
        """Where the process runtime keeps one directory per container."""
        return self.path / "tasks"

    @property
    def outputs(self) -> Path:
        """What containers wrote that are removed, while their task is told."""
        return self.path / "outputs"
