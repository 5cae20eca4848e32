"""ALB's patterns: ``*`` is any run of characters, also none; ``?`` is exactly one.

Floor 1: pure. A pattern is parsed once, when configuration arrives, and becomes
a test over bytes. The test never backtracks: between two stars the leftmost
place is as good as any, so each stretch is searched once and then kept (an
atomic group). Its time is bounded by length of text times length of pattern.

Absent: case rules and decoding; who compiles a pattern passes `canonical`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

Test = Callable[[bytes], object]
"""Tells, by a true or false value, whether a text matches."""


class Wild(enum.Enum):
    ANY = "*"
    ONE = "?"


Token = bytes | Wild

_WILDCARDS: Final = {"*": Wild.ANY, "?": Wild.ONE}
_ESCAPED: Final = re.compile(r"(\\[*?]|[*?])")
_PLAIN: Final = re.compile(r"([*?])")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern: literal runs and wildcards in turn."""

    tokens: tuple[Token, ...]

    @property
    def literal(self) -> bytes | None:
        """The only text it matches, if it has no wildcard."""
        match self.tokens:
            case ():
                return b""
            case (bytes(text),):
                return text
            case _:
                return None

    @property
    def prefix(self) -> bytes | None:
        """What its texts begin with, if that is all it says (``abc*``)."""
        match self.tokens:
            case (Wild.ANY,):
                return b""
            case (bytes(text), Wild.ANY):
                return text
            case _:
                return None

    @property
    def suffix(self) -> bytes | None:
        """What its texts end with, if that is all it says (``*abc``)."""
        match self.tokens:
            case (Wild.ANY, bytes(text)):
                return text
            case _:
                return None


def parse(
    text: str, canonical: Callable[[bytes], bytes], *, escapes: bool = False
) -> Pattern:
    r"""Parse ALB's pattern syntax; with `escapes`, ``\*`` and ``\?`` are literal.

    `canonical` is applied to each literal run: the form that texts will have.
    """
    tokens: list[Token] = []
    run = ""
    for part in (_ESCAPED if escapes else _PLAIN).split(text):
        wild = _WILDCARDS.get(part)
        if wild is None:
            run += part[1:] if part in ("\\*", "\\?") else part
            continue
        if run:
            tokens.append(canonical(run.encode()))
            run = ""
        if not (wild is Wild.ANY and tokens[-1:] == [Wild.ANY]):
            tokens.append(wild)
    if run:
        tokens.append(canonical(run.encode()))
    return Pattern(tuple(tokens))


def any_of(patterns: Iterable[Pattern]) -> Test:
    """Return a test that is true for texts that match at least one pattern."""
    patterns = tuple(patterns)
    literals = frozenset(p.literal for p in patterns if p.literal is not None)
    if len(literals) == len(patterns):
        return literals.__contains__
    regex = b"|".join(_regex(pattern) for pattern in patterns)
    return re.compile(b"(?:" + regex + b")", re.DOTALL).match


def _regex(pattern: Pattern) -> bytes:
    """Return an expression without backtracking, anchored where it begins."""
    first, *rest = _stretches(pattern)
    if not rest:
        return _expression(first) + rb"\Z"
    *middle, last = rest
    found = [b"(?>.*?" + _expression(stretch) + b")" for stretch in middle]
    return b"".join([_expression(first), *found, _ending(last)])


def _stretches(pattern: Pattern) -> list[list[Token]]:
    """Cut a pattern at its stars."""
    stretches: list[list[Token]] = [[]]
    for token in pattern.tokens:
        if token is Wild.ANY:
            stretches.append([])
        else:
            stretches[-1].append(token)
    return stretches


def _ending(stretch: list[Token]) -> bytes:
    """Return the rest up to the end of the text, which must end in `stretch`."""
    if not stretch:
        return b""
    width = sum(len(token) if isinstance(token, bytes) else 1 for token in stretch)
    return b"(?>.{%d,})(?<=%b)" % (width, _expression(stretch))


def _expression(stretch: list[Token]) -> bytes:
    return b"".join(
        re.escape(token) if isinstance(token, bytes) else b"." for token in stretch
    )
