"""A decoded mapping, its place in the file, and the list of what is wrong.

Meaning is read off records by typed getters. A field that had a problem reads
as its default (or as nothing), so that one mistake is told once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from controlplane.cluster_file.kinds import Shape
from controlplane.cluster_file.source import Entries, Entry, Node
from controlplane.problems import Problem, Severity

if TYPE_CHECKING:
    from controlplane.tls.disk import Disk

BROKEN: Final = object()
"""Stands for a value that had a problem, until the record leaves it out."""


class Place(NamedTuple):
    """A line and a column, from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Findings:
    """What was found wrong so far. Each place and message is kept once."""

    strict: bool = False
    disk: Disk | None = None
    """Where the files that the cluster file names are looked at; None: nowhere."""
    problems: dict[tuple[int, int, str], Problem] = field(default_factory=dict)

    def error(self, where: Node | Entry | Place, path: str, message: str) -> None:
        self._add(Problem(path, message, where.line, where.column))

    def warn(self, where: Node | Entry | Place, path: str, message: str) -> None:
        warning = Severity.WARNING
        self._add(Problem(path, message, where.line, where.column, warning))

    def _add(self, problem: Problem) -> None:
        key = (problem.line, problem.column, problem.message)
        self.problems.setdefault(key, problem)

    def sorted(self, severity: Severity) -> list[Problem]:
        found = [p for p in self.problems.values() if p.severity is severity]
        return sorted(found, key=lambda problem: (problem.line, problem.column))


@dataclass(slots=True)
class Record:
    """One decoded mapping. `path` is like ``services[0]``; empty for the file."""

    shape: Shape
    path: str
    node: Entries
    tag: str = ""
    """Which variant it is, for actions, conditions and policies."""
    tag_name: str = ""
    """The field that says so."""
    values: dict[str, object] = field(default_factory=dict)
    places: dict[str, Node] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Fields that are written (or required) and had a problem."""

    def at(self, name: str) -> Node:
        """Return where `name` is written, or where the mapping begins."""
        return self.places.get(name, self.node)

    def path_of(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether the field is written and well-formed."""
        return name in self.values

    def absent(self, name: str) -> bool:
        """Whether the field is not written at all."""
        return name not in self.values and name not in self.broken

    def text(self, name: str) -> str:
        value = self._value(name)
        return "" if value is None else str(value)

    def whole(self, name: str) -> int:
        value = self._value(name)
        return value if isinstance(value, int) else 0

    def whole_or_none(self, name: str) -> int | None:
        return self.whole(name) if self._value(name) is not None else None

    def number_or_none(self, name: str) -> float | None:
        value = self._value(name)
        return float(value) if isinstance(value, int | float) else None

    def flag(self, name: str) -> bool:
        return self._value(name) is True

    def record(self, name: str) -> Record:
        """Return a nested mapping; one of defaults where it is not written."""
        value = self._value(name)
        if isinstance(value, Record):
            return value
        kind = self.shape.fields[name].kind
        assert isinstance(kind, Shape)
        return Record(kind, self.path_of(name), self.node)

    def records(self, name: str) -> list[Record]:
        return [value for value in self._list(name) if isinstance(value, Record)]

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(value for value in self._list(name) if isinstance(value, str))

    def pairs(self, name: str) -> dict[str, str]:
        value = self._value(name)
        return value if isinstance(value, dict) else {}

    def items_at(self, name: str) -> list[Node]:
        """Return where each item of a list is written."""
        node = self.places.get(name)
        return list(getattr(node, "items", ()))

    def intact(self) -> bool:
        """Whether nothing in it, at any depth, had a problem."""
        if self.broken:
            return False
        for value in self.values.values():
            inner = value if isinstance(value, list) else [value]
            if any(isinstance(item, Record) and not item.intact() for item in inner):
                return False
            if isinstance(value, list) and any(item is BROKEN for item in value):
                return False
        return True

    def _list(self, name: str) -> list[object]:
        value = self._value(name)
        return value if isinstance(value, list) else []

    def _value(self, name: str) -> object:
        if name in self.values:
            return self.values[name]
        return self.shape.fields[name].default
