"""The cluster query language: from a text to what it means. Floor 1.

    attribute:ecs.instance-type =~ t2.* and not (task:group == database)

    or          := and (("||" | "or") and)*
    and         := not (("&&" | "and") not)*
    not         := ("!" | "not")* ("(" or ")" | comparison)
    comparison  := subject operator [literal | "[" literal ("," literal)* "]"]

A literal stands in quotes, or as it is: then it ends at a space, a bracket or
a comma. Which operators a subject has is AWS's table. Absent: which instances
an expression selects (`decide.matching`).

Source: ECS developer guide, "Create expressions to define container instances".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from foundation.regex import flaw_of
from foundation.tokens import Token, Tokens, shown
from scheduler.errors import QueryInvalid

EXPRESSION_MAX: Final = 2000
"""Characters, as the ECS API reference has it."""
DEPTH_MAX: Final = 50
"""Of parentheses and negations inside each other."""

ATTRIBUTE: Final = "attribute:"

_EQUALITY: Final = ("==", "!=")
_ORDER: Final = (">", ">=", "<", "<=")
_PRESENCE: Final = ("exists", "!exists")
_LISTS: Final = ("in", "!in")
_PATTERNS: Final = ("=~", "!~")
_ALL: Final = (*_EQUALITY, *_ORDER, *_PRESENCE, *_LISTS, *_PATTERNS)

SUBJECTS: Final[dict[str, tuple[str, ...]]] = {
    "agentConnected": (*_EQUALITY, *_LISTS, *_PATTERNS),
    "agentVersion": (*_EQUALITY, *_ORDER),
    "ec2InstanceId": (*_EQUALITY, *_LISTS, *_PATTERNS),
    "registeredAt": (*_EQUALITY, *_ORDER),
    "runningTasksCount": (*_EQUALITY, *_ORDER),
    "task:group": _ALL,
}
"""What can be asked of an instance, with its operators; attributes have all."""

WORDS: Final[dict[str, str]] = {
    "equals": "==",
    "not_equals": "!=",
    "greater_than": ">",
    "greater_than_equal": ">=",
    "less_than": "<",
    "less_than_equal": "<=",
    "not_exists": "!exists",
    "not_in": "!in",
    "matches": "=~",
    "not_matches": "!~",
}

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<sign>\|\||&&|==|!=|>=|<=|=~|!~|!exists\b|!in\b|[<>!()\[\],])
      | (?P<quoted>'[^']*'|"[^"]*")
      | (?P<word>[^\s()\[\],'"&|<>=!~]+)
    )""",
    re.VERBOSE,
)
_PATTERN: Final = re.compile(
    r"""\s*(?:'([^']*)'|"([^"]*)"|((?:\[[^\]\s]*\]|[^\s()])+))"""
)
"""Quoted, or up to a space or a parenthesis outside of a class."""
_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_DATE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
DATE_SHAPES: Final = "2018-06-18, 2018-06-18T22:28:28 or 2018-06-18T22:28:28Z"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing said of one subject. `values` has one, or those of a list."""

    subject: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    of: Query


@dataclass(frozen=True, slots=True)
class Both:
    """and"""

    of: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """or"""

    of: tuple[Query, ...]


Query = Comparison | Not | Both | Either


def parse_query(text: str) -> Query:
    """Return what `text` says. Raises QueryInvalid with the place of the mistake."""
    if len(text) > EXPRESSION_MAX:
        message = f"must be at most {EXPRESSION_MAX} characters (got {len(text)})"
        raise QueryInvalid(message, EXPRESSION_MAX + 1)
    return _Parser(text).whole()


def instant(text: str) -> float:
    """Return the Unix time of a date that `parse_query` has accepted; UTC."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


class _Parser:
    """Reads left to right; never looks back."""

    def __init__(self, text: str) -> None:
        self.tokens = Tokens(text, _TOKEN)
        self.depth = 0

    def whole(self) -> Query:
        found = self.either()
        rest = self.tokens.peek()
        if rest.kind != "end":
            self.refuse(rest, 'expected "and", "or" or the end')
        return found

    def either(self) -> Query:
        found = [self.both()]
        while self.tokens.skip("||", "or"):
            found.append(self.both())
        return found[0] if len(found) == 1 else Either(tuple(found))

    def both(self) -> Query:
        found = [self.unary()]
        while self.tokens.skip("&&", "and"):
            found.append(self.unary())
        return found[0] if len(found) == 1 else Both(tuple(found))

    def unary(self) -> Query:
        start = self.tokens.peek()
        self.depth += 1
        if self.depth > DEPTH_MAX:
            message = f"nested deeper than {DEPTH_MAX} levels"
            raise QueryInvalid(message, start.at + 1)
        found: Query
        if self.tokens.skip("!", "not"):
            found = Not(self.unary())
        elif self.tokens.skip("("):
            found = self.either()
            end = self.tokens.take()
            if end.text != ")" or end.kind != "sign":
                self.refuse(
                    end, f'expected ")" for the "(" at character {start.at + 1}'
                )
        else:
            found = self.comparison()
        self.depth -= 1
        return found

    def comparison(self) -> Query:
        subject = self.tokens.take()
        if subject.kind != "word":
            self.refuse(subject, "expected a subject such as attribute:NAME")
        allowed = _operators_of(subject)
        operator = self.tokens.take()
        name = WORDS.get(operator.text, operator.text)
        if operator.kind not in {"sign", "word"} or name not in _ALL:
            self.refuse(operator, f"expected an operator such as {allowed[0]}")
        if name not in allowed:
            message = f"{subject.text} has the operators {' '.join(allowed)} only"
            raise QueryInvalid(f"{message} (got {operator.text})", operator.at + 1)
        values = self.arguments(subject.text, name)
        return Comparison(subject.text, name, values)

    def arguments(self, subject: str, operator: str) -> tuple[str, ...]:
        if operator in _PRESENCE:
            return ()
        if operator in _PATTERNS:
            return (self.pattern(),)
        if operator in _LISTS:
            return self.listed(operator)
        token = self.literal("a value")
        if problem := _value_problem(subject, operator, token.text):
            raise QueryInvalid(f"{problem} (got {shown(token.text)})", token.at + 1)
        return (token.text,)

    def listed(self, operator: str) -> tuple[str, ...]:
        token = self.tokens.take()
        if token.text != "[" or token.kind != "sign":
            self.refuse(token, f"expected a list such as [a, b] after {operator}")
        found = [self.literal("a value").text]
        while self.tokens.skip(","):
            found.append(self.literal("a value").text)
        end = self.tokens.take()
        if end.text != "]" or end.kind != "sign":
            self.refuse(end, 'expected "," or "]"')
        return tuple(found)

    def literal(self, what: str) -> Token:
        token = self.tokens.take()
        if token.kind == "quoted":
            return token._replace(text=token.text[1:-1], at=token.at + 1)
        if token.kind != "word":
            self.refuse(token, f"expected {what}; quote one that holds signs")
        return token

    def pattern(self) -> str:
        found = _PATTERN.match(self.tokens.text, self.tokens.at)
        if found is None:
            self.refuse(self.tokens.peek(), "expected a regular expression")
        assert found is not None, "refuse does not return"
        self.tokens.at = found.end()
        which = found.lastindex or 0
        text = found[which]
        if not text.isascii():
            message = "a regular expression must be of ASCII characters"
            raise QueryInvalid(message, found.start(which) + 1)
        if flaw := flaw_of(text):
            raise QueryInvalid(flaw.message, found.start(which) + flaw.at)
        return text

    def refuse(self, token: Token, expected: str) -> None:
        raise QueryInvalid(f"{expected} (got {token.shown})", token.at + 1)


def _operators_of(subject: Token) -> tuple[str, ...]:
    name = subject.text
    if name in SUBJECTS:
        return SUBJECTS[name]
    if name.startswith(ATTRIBUTE) and name != ATTRIBUTE:
        return _ALL
    known = ", ".join(("attribute:NAME", *SUBJECTS))
    message = f'no subject "{shown(name)}"; there are {known}'
    raise QueryInvalid(message, subject.at + 1)


def _value_problem(subject: str, operator: str, text: str) -> str:
    """Return why the value cannot be compared with the subject, or nothing."""
    if subject == "runningTasksCount" and not text.isdecimal():
        return "runningTasksCount is compared with a whole number"
    if subject == "agentConnected" and text not in {"true", "false"}:
        return "agentConnected is true or false"
    if subject == "registeredAt" and not _is_date(text):
        return f"registeredAt is compared with a date such as {DATE_SHAPES}"
    ordered = subject == "agentVersion" and operator in _ORDER
    if ordered and not _VERSION.fullmatch(text):
        return "agentVersion is compared with a version such as 1.2.3"
    return ""


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
