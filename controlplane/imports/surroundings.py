"""What an importer may know besides the texts it is given. Values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


def _no_file(name: str) -> str | None:
    del name
    return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The environment and the directory that names in the files are relative to."""

    variables: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    """Absolute: that of the first file."""
    home: str = "/"
    profiles: frozenset[str] = frozenset()
    """Compose profiles that are on."""
    entry_points: Mapping[str, int] = field(default_factory=dict)
    """Ports of Traefik's entry points, where the files do not tell."""
    text_of: Callable[[str], str | None] = _no_file
    """The text of a further file that a file names; None: it cannot be read."""
