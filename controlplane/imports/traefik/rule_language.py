"""Read a router's rule: matchers, ``&&``, ``||``, ``!`` and parentheses. Pure.

    rule --> Matcher | Not | All | Either

Source: Traefik, "Rules & Priority"; its version 2 had other matchers and took
several values in one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

DEPTH_MAX: Final = 50

_TOKEN = re.compile(
    r"\s*(?:(?P<sign>&&|\|\||[!(),])|(?P<name>[A-Za-z]\w*)"
    r"|`(?P<raw>[^`]*)`|\"(?P<text>(?:[^\"\\]|\\.)*)\"|'(?P<single>[^']*)')",
    re.ASCII | re.DOTALL,
)


class RuleFlaw(Exception):
    """A rule cannot be read, or cannot be expressed; the message says why."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition, such as ``Host(`a.test`)``; `name` as it is written."""

    name: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'`{value}`' for value in self.values)})"


@dataclass(frozen=True, slots=True)
class Not:
    of: Rule


@dataclass(frozen=True, slots=True)
class All:
    of: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Either:
    of: tuple[Rule, ...]


Rule = Matcher | Not | All | Either

_Token = tuple[str, str]
"""What it is (a sign stands for itself, ``name``, ``value``) and its text."""


def parse(text: str) -> Rule:
    """Return what a rule says. Raises RuleFlaw."""
    reader = _Reader(list(_tokens(text)))
    rule = reader.either(0)
    if reader.next()[0]:
        raise RuleFlaw(f"the rule does not end before {reader.next()[1]!r}")
    return rule


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise RuleFlaw(f"the rule cannot be read from character {at + 1}")
        at = match.end()
        kind = str(match.lastgroup)
        word = match[kind]
        if kind == "sign":
            found.append((word, word))
        elif kind == "name":
            found.append(("name", word))
        else:
            value = re.sub(r"\\(.)", r"\1", word) if kind == "text" else word
            found.append(("value", value))
    return found


class _Reader:
    """Goes through tokens from the left; ``&&`` binds closer than ``||``."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def next(self) -> _Token:
        if self._at < len(self._tokens):
            return self._tokens[self._at]
        return "", "its end"

    def either(self, depth: int) -> Rule:
        if depth > DEPTH_MAX:
            raise RuleFlaw(f"the rule is nested deeper than {DEPTH_MAX} levels")
        parts = [self._all(depth)]
        while self._skip("||"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _all(self, depth: int) -> Rule:
        parts = [self._one(depth)]
        while self._skip("&&"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Rule:
        if self._skip("!"):
            if depth > DEPTH_MAX:
                raise RuleFlaw(f"the rule is nested deeper than {DEPTH_MAX} levels")
            return Not(self._one(depth + 1))
        if self._skip("("):
            inner = self.either(depth + 1)
            self._expect(")")
            return inner
        return self._matcher()

    def _matcher(self) -> Matcher:
        name = self._expect("name")
        self._expect("(")
        values: list[str] = []
        while self.next()[0] == "value":
            values.append(self._expect("value"))
            if not self._skip(","):
                break
        self._expect(")")
        if not values:
            raise RuleFlaw(f"{name} has no value")
        return Matcher(name, tuple(values))

    def _skip(self, kind: str) -> bool:
        is_it = self.next()[0] == kind
        self._at += is_it
        return is_it

    def _expect(self, kind: str) -> str:
        found, text = self.next()
        if found != kind:
            wanted = {"name": "a matcher", "value": "a value"}.get(kind, f'"{kind}"')
            raise RuleFlaw(f"the rule has {text!r} where {wanted} must stand")
        self._at += 1
        return text
