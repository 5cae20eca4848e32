"""Metric math: from a text to what it means. Floor 1.

    100 * errors / FILL(requests, REPEAT)

    either      := both ((OR | "||") both)*
    both        := comparison ((AND | "&&") comparison)*
    comparison  := sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)*
    sum         := product (("+" | "-") product)*
    product     := signed (("*" | "/") signed)*
    signed      := ("-" | "+") signed | power
    power       := operand ["^" signed]
    operand     := number | id | FUNCTION "(" [either ("," either)*] ")"
                 | "[" either ("," either)* "]" | "(" either ")"

Ids begin with a small letter, functions and the words that some take (REPEAT,
DESC) are capitals. Absent: what functions take and do (`metric_math_functions`).

Source: CloudWatch user guide, "Using math expressions with CloudWatch metrics".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from foundation.tokens import END, QUOTED, Token, Tokens, Unreadable

EXPRESSION_MAX: Final = 2048
"""Characters, as the API reference of MetricDataQuery has it."""
DEPTH_MAX: Final = 40
"""Of parentheses, functions and signs inside each other."""
OPERATORS_MAX: Final = 200
"""Between two sides each: a sum of many is nested as deep, from the left."""
PARSED_MAX: Final = 1024
"""Expressions that are remembered once they were read."""

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<quoted>"[^"]*"|'[^']*')
      | (?P<sign><=|>=|==|!=|&&|\|\||[-+*/^<>(),\[\]])
    )""",
    re.VERBOSE,
)
_SAME: Final = {"||": "OR", "&&": "AND"}


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    column: int


@dataclass(frozen=True, slots=True)
class Named:
    """A metric or another expression, by its id."""

    id: str
    column: int


@dataclass(frozen=True, slots=True)
class Word:
    """What some functions take: REPEAT, DESC, or the name of a function."""

    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Quoted:
    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Listed:
    """``[a, b]``"""

    items: tuple[Expression, ...]
    column: int


@dataclass(frozen=True, slots=True)
class Negated:
    of: Expression
    column: int


@dataclass(frozen=True, slots=True)
class Operation:
    operator: str
    left: Expression
    right: Expression
    column: int
    """Where the operator stands."""


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expression, ...]
    column: int


Expression = Number | Named | Word | Quoted | Listed | Negated | Operation | Call


@lru_cache(maxsize=PARSED_MAX)
def parse(text: str) -> Expression:
    """Return what `text` says. Raises Unreadable with the place of the mistake."""
    if len(text) > EXPRESSION_MAX:
        message = f"must be at most {EXPRESSION_MAX} characters (got {len(text)})"
        raise Unreadable(message, EXPRESSION_MAX + 1)
    return _Parser(text).whole()


def names_in(expression: Expression) -> tuple[Named, ...]:
    """Return the ids that an expression names, from the left."""
    match expression:
        case Named():
            return (expression,)
        case Negated(of=inner):
            return names_in(inner)
        case Operation(left=left, right=right):
            return names_in(left) + names_in(right)
        case Listed(items=parts) | Call(arguments=parts):
            return tuple(name for part in parts for name in names_in(part))
        case Number() | Word() | Quoted():
            return ()


_BINARY: Final = (
    ("OR", "||"),
    ("AND", "&&"),
    ("<", "<=", ">", ">=", "==", "!="),
    ("+", "-"),
    ("*", "/"),
)
"""From those that bind least to those that bind most."""


class _Parser:
    """Reads left to right; never looks back."""

    def __init__(self, text: str) -> None:
        self.tokens = Tokens(text, _TOKEN)
        self.depth = 0
        self.operators = 0

    def whole(self) -> Expression:
        found = self.binary(0)
        rest = self.tokens.peek()
        if rest.kind != END:
            raise rest.instead_of("an operator or the end")
        return found

    def binary(self, level: int) -> Expression:
        """Read operators that bind as `level` does, or closer; from the left."""
        if level == len(_BINARY):
            return self.signed()
        found = self.binary(level + 1)
        while operator := self.tokens.skip(*_BINARY[level]):
            self.operators += 1
            if self.operators > OPERATORS_MAX:
                message = f"more than {OPERATORS_MAX} operators: use SUM or METRICS"
                raise Unreadable(message, operator.column)
            name = _SAME.get(operator.text, operator.text)
            right = self.binary(level + 1)
            found = Operation(name, found, right, operator.column)
        return found

    def signed(self) -> Expression:
        sign = self.tokens.skip("-", "+")
        if sign is None:
            return self.power()
        self.deeper(sign)
        inner = self.signed()
        self.depth -= 1
        return Negated(inner, sign.column) if sign.text == "-" else inner

    def power(self) -> Expression:
        base = self.operand()
        operator = self.tokens.skip("^")
        if operator is None:
            return base
        self.deeper(operator)
        exponent = self.signed()
        self.depth -= 1
        return Operation("^", base, exponent, operator.column)

    def operand(self) -> Expression:
        token = self.tokens.take()
        if token.kind == "number":
            value = float(token.text)
            if value == math.inf:
                raise Unreadable(f"{token.text} is too large", token.column)
            return Number(value, token.column)
        if token.kind == QUOTED:
            return Quoted(token.text[1:-1], token.column)
        if token.kind == "word" and token.text not in {"AND", "OR"}:
            return self.word(token)
        if token.text == "(" and token.kind == "sign":
            self.deeper(token)
            inner = self.binary(0)
            self.close(")", token)
            return inner
        if token.text == "[" and token.kind == "sign":
            return Listed(self.parts("]", token), token.column)
        raise token.instead_of("a number, an id, a function or a parenthesis")

    def word(self, token: Token) -> Expression:
        if opening := self.tokens.skip("("):
            if self.tokens.skip(")"):
                return Call(token.text, (), token.column)
            return Call(token.text, self.parts(")", opening), token.column)
        if token.text[0].islower():
            return Named(token.text, token.column)
        return Word(token.text, token.column)

    def parts(self, end: str, opening: Token) -> tuple[Expression, ...]:
        """Read what stands between `opening` and `end`, apart by commas."""
        self.deeper(opening)
        found = [self.binary(0)]
        while self.tokens.skip(","):
            found.append(self.binary(0))
        self.close(end, opening)
        return tuple(found)

    def close(self, end: str, opening: Token) -> None:
        token = self.tokens.take()
        if token.text != end or token.kind != "sign":
            of = f'for the "{opening.text}" at character {opening.column}'
            raise token.instead_of(f'"{end}" {of}')
        self.depth -= 1

    def deeper(self, token: Token) -> None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise Unreadable(f"nested deeper than {DEPTH_MAX} levels", token.column)
