"""The rule of a composite alarm: from a text to what it means. Floor 1.

    (ALARM("cpu-high") OR ALARM(latency)) AND NOT INSUFFICIENT_DATA(latency)

    either  := both (OR both)*
    both    := not (AND not)*
    not     := NOT not | "(" either ")" | TRUE | FALSE | state "(" name ")"
    state   := ALARM | OK | INSUFFICIENT_DATA

A name may stand in quotes, and must when it holds a space, a comma or a bracket.
Absent: cycles, and names of alarms that are not there: who knows all alarms tells.

Source: CloudWatch API reference, PutCompositeAlarm (AlarmRule).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from autoscaler.model import AlarmState
from foundation.tokens import END, QUOTED, Token, Tokens, Unreadable

RULE_MAX: Final = 10_240
"""Characters, as the API reference has it."""
CHILDREN_MAX: Final = 100
"""Alarms that one rule names."""
DEPTH_MAX: Final = 50
PARSED_MAX: Final = 256
"""Rules that are remembered once they were read."""

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<sign>[(),])
      | (?P<quoted>"[^"]*"|'[^']*')
      | (?P<word>[^\s(),"']+)
    )""",
    re.VERBOSE,
)
_STATES: Final = {state.value: state for state in AlarmState}
_CONSTANTS: Final = {"TRUE": True, "FALSE": False}
_EXPECTED: Final = 'ALARM("name"), OK(…), INSUFFICIENT_DATA(…), TRUE or FALSE'


@dataclass(frozen=True, slots=True)
class Constant:
    value: bool


@dataclass(frozen=True, slots=True)
class Child:
    """Whether an alarm is in a state. `column` is where its name stands."""

    name: str
    state: AlarmState
    column: int


@dataclass(frozen=True, slots=True)
class Not:
    of: Rule


@dataclass(frozen=True, slots=True)
class Both:
    """AND"""

    of: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """OR"""

    of: tuple[Rule, ...]


Rule = Constant | Child | Not | Both | Either


@lru_cache(maxsize=PARSED_MAX)
def parse_rule(text: str) -> Rule:
    """Return what `text` says. Raises Unreadable with the place of the mistake."""
    if len(text) > RULE_MAX:
        message = f"must be at most {RULE_MAX} characters (got {len(text)})"
        raise Unreadable(message, RULE_MAX + 1)
    rule = _Parser(text).whole()
    names = {child.name for child in children(rule)}
    if len(names) > CHILDREN_MAX:
        message = f"names at most {CHILDREN_MAX} alarms (got {len(names)})"
        raise Unreadable(message, 1)
    return rule


def children(rule: Rule) -> tuple[Child, ...]:
    """Return what a rule says of other alarms, from the left."""
    match rule:
        case Constant():
            return ()
        case Child():
            return (rule,)
        case Not(of=inner):
            return children(inner)
        case Both(of=parts) | Either(of=parts):
            return tuple(child for part in parts for child in children(part))


def holds(rule: Rule, states: Mapping[str, AlarmState]) -> bool:
    """Return whether `rule` is true of `states`.

    An alarm that is not there is in no state: nothing that is said of it is true.
    """
    match rule:
        case Constant(value=value):
            return value
        case Child(name=name, state=state):
            return states.get(name) is state
        case Not(of=inner):
            return not holds(inner, states)
        case Both(of=parts):
            return all(holds(part, states) for part in parts)
        case Either(of=parts):
            return any(holds(part, states) for part in parts)


class _Parser:
    """Reads left to right; never looks back."""

    def __init__(self, text: str) -> None:
        self.tokens = Tokens(text, _TOKEN)
        self.depth = 0

    def whole(self) -> Rule:
        found = self.either()
        rest = self.tokens.peek()
        if rest.kind != END:
            raise rest.instead_of("AND, OR or the end")
        return found

    def either(self) -> Rule:
        found = [self.both()]
        while self.tokens.skip("OR"):
            found.append(self.both())
        return found[0] if len(found) == 1 else Either(tuple(found))

    def both(self) -> Rule:
        found = [self.one()]
        while self.tokens.skip("AND"):
            found.append(self.one())
        return found[0] if len(found) == 1 else Both(tuple(found))

    def one(self) -> Rule:
        token = self.tokens.take()
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise Unreadable(f"nested deeper than {DEPTH_MAX} levels", token.column)
        found = self.unary(token)
        self.depth -= 1
        return found

    def unary(self, token: Token) -> Rule:
        if token.kind == QUOTED:
            raise token.instead_of(_EXPECTED)
        if token.text == "NOT":
            return Not(self.one())
        if token.text == "(":
            inner = self.either()
            self.close(token)
            return inner
        if token.text in _CONSTANTS:
            return Constant(_CONSTANTS[token.text])
        if token.text in _STATES:
            return self.child(_STATES[token.text])
        raise token.instead_of(_EXPECTED)

    def child(self, state: AlarmState) -> Rule:
        opening = self.tokens.take()
        if opening.text != "(":
            raise opening.instead_of(f'"(" after {state.value}')
        name = self.tokens.take()
        text = name.text[1:-1] if name.kind == QUOTED else name.text
        if name.kind not in {QUOTED, "word"} or not text:
            raise name.instead_of("the name of an alarm")
        self.close(opening)
        return Child(text, state, name.column)

    def close(self, opening: Token) -> None:
        token = self.tokens.take()
        if token.text != ")" or token.kind != "sign":
            of = f'for the "(" at character {opening.column}'
            raise token.instead_of(f'")" {of}')
