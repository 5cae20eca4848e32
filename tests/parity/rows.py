"""One row of a parity page: something AWS does, and what became of it here.

    live("path-pattern", "alb/decide/test_rules.py::test_condition")
    live("...", "...", differs="how ours is unlike AWS's")
    absent("Lambda targets", "needs AWS itself")
    not_yet("...")

A row that is live names the test that shows it, below `tests/`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.Enum):
    LIVE = "live"
    ABSENT = "absent"
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True)
class Row:
    """`note` says how a live row differs, or why another is not there."""

    what: str
    state: State
    test: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under one heading, with AWS's page that they are from."""

    title: str
    source: str
    rows: tuple[Row, ...]


def live(what: str, test: str, *, differs: str = "") -> Row:
    return Row(what, State.LIVE, test, differs)


def absent(what: str, why: str) -> Row:
    return Row(what, State.ABSENT, note=why)


def not_yet(what: str, why: str = "") -> Row:
    return Row(what, State.NOT_YET, note=why)
