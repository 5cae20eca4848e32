"""What an expression of metric math is, and what it comes to. Floor 1.

    kind_of: a number, a series or an array of series, or what is wrong and where
    value_of: the same expression, reckoned over one grid of periods

Source: CloudWatch user guide, "Metric math syntax and functions" (data types).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoscaler.decide.metric_math import (
    Call,
    Expression,
    Listed,
    Named,
    Negated,
    Number,
    Operation,
    Quoted,
    Word,
)
from autoscaler.decide.metric_math_functions import (
    FUNCTIONS,
    ONE,
    Argument,
    Kind,
    World,
    widest,
)
from autoscaler.decide.metric_math_values import (
    OPERATORS,
    Several,
    Value,
    lifted,
    mapped,
    spread,
)
from foundation.tokens import Unreadable


def kind_of(expression: Expression, kinds: Mapping[str, Kind]) -> Kind:
    """Return what `expression` is, given what its ids are. Raises Unreadable."""
    match expression:
        case Number():
            return Kind.NUMBER
        case Word() | Quoted():
            raise _stands_alone(expression)
        case Named():
            return _kind_of_named(expression, kinds)
        case Negated(of=inner):
            return kind_of(inner, kinds)
        case Listed(items=items):
            return _kind_of_list(items, kinds)
        case Operation():
            return _kind_of_operation(expression, kinds)
        case Call():
            return _kind_of_call(expression, kinds)


def _stands_alone(one: Word | Quoted) -> Unreadable:
    if isinstance(one, Quoted):
        return Unreadable("only METRICS takes a quoted text", one.column)
    how = "ids begin with a small letter, functions take parentheses"
    return Unreadable(f"{one.text} stands alone: {how}", one.column)


def _kind_of_named(named: Named, kinds: Mapping[str, Kind]) -> Kind:
    if named.id not in kinds:
        known = ", ".join(kinds) or "none"
        raise Unreadable(f'no id "{named.id}"; there are {known}', named.column)
    return kinds[named.id]


def _kind_of_list(items: Sequence[Expression], kinds: Mapping[str, Kind]) -> Kind:
    for item in items:
        _require(kind_of(item, kinds), ONE, "an array", item.column)
    return Kind.ARRAY


def _kind_of_operation(operation: Operation, kinds: Mapping[str, Kind]) -> Kind:
    found = kind_of(operation.left, kinds), kind_of(operation.right, kinds)
    if found == (Kind.ARRAY, Kind.ARRAY):
        how = "make one of them a series, such as SUM(…)"
        message = f"{operation.operator} takes one array at most; {how}"
        raise Unreadable(message, operation.column)
    return widest(found)


def _kind_of_call(call: Call, kinds: Mapping[str, Kind]) -> Kind:
    function = FUNCTIONS.get(call.function)
    if function is None:
        upper = call.function.upper()
        hint = f"; did you mean {upper}?" if upper in FUNCTIONS else ""
        hint = hint or f"; there are {', '.join(sorted(FUNCTIONS))}"
        raise Unreadable(f'no function "{call.function}"{hint}', call.column)
    most = len(function.takes)
    least = most - function.optional
    count = len(call.arguments)
    if not least <= count <= most:
        wanted = f"{most}" if least == most else f"{least} to {most}"
        raise Unreadable(
            f"{call.function} takes {wanted} arguments (got {count})", call.column
        )
    found = []
    for place, (argument, taken) in enumerate(
        zip(call.arguments, function.takes, strict=False)
    ):
        kind = _kind_of_argument(argument, taken, kinds)
        _require(kind, taken, call.function, argument.column)
        words = function.words.get(place, ())
        if isinstance(argument, Word) and argument.text not in words:
            message = f"{call.function} takes {' or '.join(words)}"
            raise Unreadable(f"{message} (got {argument.text})", argument.column)
        found.append(kind)
    return function.gives(found)


def _kind_of_argument(
    argument: Expression, taken: frozenset[Kind], kinds: Mapping[str, Kind]
) -> Kind:
    if isinstance(argument, Word) and Kind.WORD in taken:
        return Kind.WORD
    if isinstance(argument, Quoted) and Kind.TEXT in taken:
        return Kind.TEXT
    return kind_of(argument, kinds)


def _require(kind: Kind, taken: frozenset[Kind], by: str, column: int) -> None:
    if kind not in taken:
        wanted = " or ".join(one.value for one in Kind if one in taken)
        raise Unreadable(f"{by} takes {wanted} (got {kind.value})", column)


def value_of(expression: Expression, world: World) -> Value:
    """Return the value of an expression that `kind_of` has accepted. Never raises."""
    match expression:
        case Number(value=value):
            return value
        case Named(id=name):
            return world.values[name]
        case Negated(of=inner):
            return mapped(lambda value: -value, value_of(inner, world))
        case Listed(items=items):
            found = (value_of(item, world) for item in items)
            return Several(tuple(spread(value, world.grid) for value in found))
        case Operation(operator=sign, left=left, right=right):
            return lifted(
                OPERATORS[sign], value_of(left, world), value_of(right, world)
            )
        case Call(function=name, arguments=arguments):
            function = FUNCTIONS[name]
            given = [_argument_value(one, world) for one in arguments]
            left_out = [None] * (len(function.takes) - len(given))
            return function.does([*given, *left_out], world)
        case Word() | Quoted():
            raise AssertionError("an argument, or refused when it was checked")


def _argument_value(argument: Expression, world: World) -> Argument:
    if isinstance(argument, Word | Quoted):
        return argument.text
    return value_of(argument, world)
