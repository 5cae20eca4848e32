"""Run an importer as the command does, and look at what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from controlplane.imports import Imported, Surroundings, accepted
from controlplane.imports.compose.importer import import_compose
from controlplane.imports.section import Section, all_sections
from controlplane.imports.taskdef import import_taskdef
from controlplane.imports.traefik.importer import import_traefik
from controlplane.imports.writing import written

DIRECTORY = "/srv/shop"


@dataclass(frozen=True)
class Outcome:
    """The file that was made, as data, and what was told."""

    done: Imported
    file: dict[str, Any]

    @property
    def told(self) -> dict[str, str]:
        """Why, by path; the last where there are several."""
        return {loss.place.path: loss.why for loss in self.done.losses}

    def at(self, path: str) -> Any:
        """The value at a path such as ``services.0.desiredCount``; None: none."""
        value: Any = self.file
        for word in path.split("."):
            if isinstance(value, list):
                value = value[int(word)] if int(word) < len(value) else None
            else:
                value = value.get(word) if isinstance(value, dict) else None
        return value


def outcome(root: Section, variables: Mapping[str, str] | None = None) -> Outcome:
    """What the validator leaves of `root`, which it must accept."""
    done = accepted(root, (), variables or {})
    assert done.problems == (), done.text
    file = yaml.safe_load(done.text)
    return Outcome(done, file or {})


def as_written(root: Section) -> Outcome:
    """All of `root`, whatever of it is built."""
    losses = sorted({loss for each in all_sections(root) for loss in each.losses})
    text = written(root)
    return Outcome(Imported(text, tuple(losses), (), ()), yaml.safe_load(text) or {})


def around(**changes: Any) -> Surroundings:
    return Surroundings(**{"directory": DIRECTORY, "home": "/home/me", **changes})


def compose(*texts: str, **changes: Any) -> Section:
    files = [(f"{number}.yaml", text) for number, text in enumerate(texts)]
    return import_compose(files, around(**changes))


def taskdef(*texts: str) -> Section:
    return import_taskdef([(f"{n}.json", text) for n, text in enumerate(texts)])


def traefik(*texts: str, **changes: Any) -> Section:
    files = [(f"{number}.yaml", text) for number, text in enumerate(texts)]
    return import_traefik(files, around(**changes))
