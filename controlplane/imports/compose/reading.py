"""One Compose service while it is read: its keys, and the sections it becomes."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from controlplane.imports.compose.project import Project
from controlplane.imports.given import Fields, Given, Losses, Placed, Text
from controlplane.imports.interpolation import Interpolation
from controlplane.imports.section import Section
from controlplane.imports.surroundings import Surroundings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """A service of a project. Losses of the container go to its task definition."""

    name: str
    fields: Fields
    project: Project
    around: Surroundings
    values: Interpolation
    root: Section
    task: Section
    container: Section
    service: Section

    @property
    def losses(self) -> Losses:
        return self.task.losses

    def kept(self, value: Text) -> str:
        """Return a text as the cluster file has it, variables and all."""
        return self.values.kept(value, self.losses)

    def now(self, value: Text) -> str:
        """Return a text with its variables put in, for what has to be computed."""
        return self.values.now(value, self.losses)

    def measured(
        self, value: Given | None, measure: Callable[[str], T | None], what: str
    ) -> T | None:
        """Return what `measure` makes of a text; tell where it makes nothing."""
        if value is None:
            return None
        if not isinstance(value, Text):
            self.losses.add(value, f"must be {what}")
            return None
        result = measure(self.now(value))
        if result is None:
            self.losses.add(value, f"must be {what}")
        return result

    def linux(self, name: str, value: object, where: Placed) -> None:
        """Set one of the container's ``linuxParameters``."""
        if value is not None:
            parameters = self.container.section("linuxParameters", where)
            parameters.put(name, value, where)

    def path(self, text: str) -> str:
        """Return a path of the host as an absolute one, as Compose reads it."""
        if text == "~" or text.startswith("~/"):
            text = self.around.home + text[1:]
        return posixpath.normpath(posixpath.join(self.around.directory, text))
