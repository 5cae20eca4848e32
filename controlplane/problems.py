"""What is wrong with something a person wrote, and where.

A person fixes a file once: all problems are collected and shown together.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class Severity(enum.Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `path` is like ``listeners[0].port``; line and column are 1-based.

    `line` 0 means that the place is not known (input that has no text form).
    """

    path: str
    message: str
    line: int = 0
    column: int = 0
    severity: Severity = Severity.ERROR

    def at(self, file: str) -> str:
        """Return ``FILE:LINE:COL: PATH: MESSAGE`` as editors and people read it."""
        place = f"{file}:{self.line}:{self.column}: " if self.line else f"{file}: "
        kind = "warning: " if self.severity is Severity.WARNING else ""
        where = f"{self.path}: " if self.path else ""
        return f"{place}{kind}{where}{self.message}"


class ConfigInvalid(Exception):
    """A configuration was refused; nothing of it was applied."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        super().__init__(file, tuple(problems))
        self.file = file
        self.problems = tuple(problems)

    def __str__(self) -> str:
        count = len(self.problems)
        title = f"{self.file}: {count} problem{'s' if count != 1 else ''}"
        return "\n".join([title, *(f"  {p.at(self.file)}" for p in self.problems)])


COMPARED_MAX = 50
"""Names that are compared letter by letter: a thousand would take 25 ms."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean "x"?`` for the nearest known name, or nothing.

    Among many names only those that begin most alike are compared.
    """
    names = list(known)
    if len(names) > COMPARED_MAX:
        names.sort(key=lambda other: (-_begin_alike(name, other), other))
    near = difflib.get_close_matches(name, names[:COMPARED_MAX], n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _begin_alike(one: str, other: str) -> int:
    """Return how many letters two names have in common at their beginnings."""
    alike = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        alike += 1
    return alike
