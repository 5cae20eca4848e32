"""Read a small language word by word: which comes next, and where it stands. Pure.

    text + a pattern of words --> Tokens: peek, take, skip

A parser holds one and asks it from the left to the right; it never looks back. What
no alternative of the pattern matches is a token of the kind ``stray``, so that the
parser says what it expected there, in its own words.

Absent: grammar and errors. `scheduler` reads cluster queries so, `autoscaler` metric
math and alarm rules.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

END: Final = "end"
STRAY: Final = "stray"
QUOTED: Final = "quoted"
SHOWN_MAX: Final = 60
"""Characters of a text that a message repeats."""


class Unreadable(Exception):
    """A text cannot be read, or means nothing. `column` is from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message, column)
        self.message = message
        self.column = column

    def __str__(self) -> str:
        return f"{self.message}, at character {self.column}"


class Token(NamedTuple):
    """One word. `kind` is the name of the group that matched, ``end`` or ``stray``."""

    kind: str
    text: str
    at: int
    """Its first character, from 0."""

    @property
    def column(self) -> int:
        return self.at + 1

    @property
    def shown(self) -> str:
        return "the end" if self.kind == END else f'"{shown(self.text)}"'

    def instead_of(self, expected: str) -> Unreadable:
        """Return what is wrong when `expected` is not what stands here."""
        return Unreadable(f"expected {expected} (got {self.shown})", self.column)


class Tokens:
    """The words of `text`; `pattern` has a named group for each kind of word.

    The pattern skips the space before a word by itself.
    """

    def __init__(self, text: str, pattern: re.Pattern[str]) -> None:
        self.text = text
        self.at = 0
        self._pattern = pattern

    def take(self) -> Token:
        found = self._pattern.match(self.text, self.at)
        if found is None:
            rest = self.text[self.at :]
            at = self.at + len(rest) - len(rest.lstrip())
            if at == len(self.text):
                return Token(END, "", at)
            return Token(STRAY, self.text[at], at)
        self.at = found.end()
        kind = str(found.lastgroup)
        return Token(kind, found[kind], found.start(kind))

    def peek(self) -> Token:
        before = self.at
        token = self.take()
        self.at = before
        return token

    def skip(self, *texts: str) -> Token | None:
        """Pass over one of these, unquoted, if it is next; else None."""
        token = self.peek()
        if token.kind not in {QUOTED, STRAY} and token.text in texts:
            return self.take()
        return None


def shown(text: str) -> str:
    """Return a text as a message shows it: on one line and not too long."""
    cut = text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…"
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in cut)
