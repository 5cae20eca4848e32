"""Which instances a cluster query selects. Floor 1: slow to build, fast to ask.

    Query --> matcher --> does this instance match?

An instance may have a subject not at all (an attribute), once, or several times
(task groups). A comparison holds where one of them does; its negation holds
where that does not, so also where the subject is missing. Attributes are
compared as numbers where both sides are, else as texts, versions by their parts.

Source: ECS developer guide, "Create expressions to define container instances"
(what a missing attribute means is not said there).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol, assert_never

from foundation.regex import compiled
from scheduler.decide.query import (
    ATTRIBUTE,
    Both,
    Comparison,
    Either,
    Not,
    Query,
    instant,
    parse_query,
)

REMEMBERED_MAX: Final = 1024
"""Expressions that are kept compiled."""


class Candidate(Protocol):
    """What can be asked of an instance."""

    @property
    def name(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def connected(self) -> bool: ...
    @property
    def version(self) -> str:
        """Of the agent."""
        ...

    @property
    def registered_at_unix_s(self) -> float: ...
    @property
    def running(self) -> int:
        """Tasks that run or are to."""
        ...

    @property
    def groups(self) -> Collection[str]:
        """Task groups that have a task there."""
        ...


Matcher = Callable[[Candidate], bool]
Test = Callable[[str], bool]
Values = Callable[[Candidate], Iterable[str]]


@lru_cache(maxsize=REMEMBERED_MAX)
def matcher_of(expression: str) -> Matcher:
    """Return what tells whether an instance matches. Raises QueryInvalid."""
    return matcher(parse_query(expression))


def matcher(query: Query) -> Matcher:
    match query:
        case Comparison():
            return _comparison(query)
        case Not(of=one):
            inner = matcher(one)
            return lambda candidate: not inner(candidate)
        case Both(of=several):
            all_of = tuple(map(matcher, several))
            return lambda candidate: all(one(candidate) for one in all_of)
        case Either(of=several):
            any_of = tuple(map(matcher, several))
            return lambda candidate: any(one(candidate) for one in any_of)
        case _:
            assert_never(query)


def _comparison(comparison: Comparison) -> Matcher:
    positive, negated = _POSITIVE.get(comparison.operator, (comparison.operator, False))
    values = _values_of(comparison.subject)
    test = _test(comparison.subject, positive, comparison.values)

    def holds(candidate: Candidate) -> bool:
        return any(map(test, values(candidate))) is not negated

    return holds


_POSITIVE: Final = {
    "!=": ("==", True),
    "!exists": ("exists", True),
    "!in": ("in", True),
    "!~": ("=~", True),
}


def _values_of(subject: str) -> Values:
    if subject.startswith(ATTRIBUTE):
        name = subject.removeprefix(ATTRIBUTE)

        def attribute(candidate: Candidate) -> Iterable[str]:
            value = candidate.attributes.get(name)
            return () if value is None else (value,)

        return attribute
    return _SUBJECTS[subject]


_SUBJECTS: Final[Mapping[str, Values]] = {
    "agentConnected": lambda candidate: ("true" if candidate.connected else "false",),
    "agentVersion": lambda candidate: (candidate.version,),
    "ec2InstanceId": lambda candidate: (candidate.name,),
    "registeredAt": lambda candidate: (repr(candidate.registered_at_unix_s),),
    "runningTasksCount": lambda candidate: (str(candidate.running),),
    "task:group": lambda candidate: candidate.groups,
}


def _test(subject: str, name: str, arguments: tuple[str, ...]) -> Test:
    """Return what one value has to fulfil."""
    if name == "exists":
        return lambda _value: True
    if name == "in":
        return frozenset(arguments).__contains__
    [argument] = arguments
    if name == "=~":
        pattern = compiled(argument.encode(), captures=False, any_case=False)
        return lambda value: pattern.fullmatch(value.encode()) is not None
    return _compared(subject, name, argument)


def _compared(subject: str, name: str, argument: str) -> Test:
    compare = _COMPARE[name]
    if subject == "registeredAt":
        moment = instant(argument)
        return lambda value: compare(float(value), moment)
    if subject == "agentVersion":
        wanted = _parts(argument)
        return lambda value: compare(_parts(value), wanted)
    if name == "==" and subject != "runningTasksCount":
        return argument.__eq__
    return _ordered(compare, argument)


_Compare = Callable[[Any, Any], bool]
_COMPARE: Final[Mapping[str, _Compare]] = {
    "==": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


def _ordered(compare: _Compare, argument: str) -> Test:
    number = _number(argument)

    def ordered(value: str) -> bool:
        other = None if number is None else _number(value)
        return compare(value, argument) if other is None else compare(other, number)

    return ordered


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _parts(version: str) -> tuple[int, ...]:
    """Return a version's numbers, without zeros at its end: 1.2.0 is 1.2."""
    parts = [int(part) for part in re.findall(r"[0-9]+", version)]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)
