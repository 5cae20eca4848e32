"""Turn nodes into records by the field table: shape only, no meaning. Pure.

    node + kind --> text | int | float | bool | list | dict | Record

Unknown, missing, doubled and ill-typed fields, and those not built yet, are
told here; what the values mean together is `meaning`'s affair.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from controlplane.cluster_file.kinds import (
    Anything,
    Choice,
    Each,
    Field,
    Flag,
    Kind,
    Number,
    Pairs,
    Shape,
    Status,
    Text,
    Variants,
    Whole,
)
from controlplane.cluster_file.record import BROKEN, Findings, Record
from controlplane.cluster_file.source import Entries, Entry, Items, Node, Scalar
from controlplane.problems import did_you_mean

NOT_BUILT: Final = "is not built yet"
LISTED_MAX: Final = 12
"""Values of a field that a message lists; of more it names the nearest."""
IGNORED: Final = "is not built yet and is ignored"
DIGITS_MAX: Final = 18
SHOWN_MAX: Final = 60

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_NULL = 'null is not a value here; leave the field out, or write "" for an empty text'


def decode(root: Entries, shape: Shape, findings: Findings) -> Record:
    """Return the record of a whole file; every problem goes to `findings`."""
    return _record(root, shape, "", findings)


def quoted(text: str) -> str:
    """Return a text as a message shows it: on one line and not too long."""
    shown = text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…"
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in shown)


def _value(node: Node, kind: Kind, path: str, findings: Findings) -> object:
    match kind:
        case Anything():
            return node
        case Each():
            return _each(node, kind, path, findings)
        case Shape() | Variants() | Pairs():
            if not isinstance(node, Entries):
                return _wrong(node, path, findings, "must be a mapping")
            return _mapping(node, kind, path, findings)
        case Text() | Whole() | Number() | Flag() | Choice():
            return _scalar(node, kind, path, findings)
        case _:
            assert_never(kind)


# --- mappings ---------------------------------------------------------------------


def _mapping(
    node: Entries, kind: Shape | Variants | Pairs, path: str, findings: Findings
) -> object:
    match kind:
        case Shape():
            return _record(node, kind, path, findings)
        case Variants():
            return _variant(node, kind, path, findings)
        case Pairs():
            return _pairs(node, kind, path, findings)


def _record(node: Entries, shape: Shape, path: str, findings: Findings) -> Record:
    record = Record(shape, path, node)
    _fields(node.entries, record, findings)
    return record


def _fields(entries: Sequence[Entry], record: Record, findings: Findings) -> None:
    """Read `entries` into `record`; what is missing or unknown is told here."""
    fields = record.shape.fields
    lines: dict[str, int] = {}
    for entry in entries:
        if entry.key in lines:
            message = f"is written twice; first on line {lines[entry.key]}"
            findings.error(entry, record.path_of(entry.key), message)
            continue
        lines[entry.key] = entry.line
        if entry.key in fields:
            _field(entry, fields[entry.key], record, findings)
        elif entry.key != record.tag_name:
            _unknown(entry, record, findings)
    for field in fields.values():
        if field.required and field.name not in lines:
            findings.error(record.node, record.path, f"{field.name} is missing")
            record.broken.add(field.name)


def _field(entry: Entry, field: Field, record: Record, findings: Findings) -> None:
    path = record.path_of(field.name)
    record.places[field.name] = entry.value
    value = _value(entry.value, field.kind, path, findings)
    if value is BROKEN:
        record.broken.add(field.name)
    elif field.status is Status.LIVE:
        record.values[field.name] = value
    elif value != field.default and not _is_empty(value):
        _not_built(entry, field, record, findings)


def _is_empty(value: object) -> bool:
    """Whether nothing is asked for: `aws ecs` writes out lists that are empty."""
    return (isinstance(value, Items) and not value.items) or (
        isinstance(value, Entries) and not value.entries
    )


def _not_built(entry: Entry, field: Field, record: Record, findings: Findings) -> None:
    path = record.path_of(field.name)
    if field.status is Status.IGNORED:
        findings.warn(entry, path, IGNORED)
    else:
        record.broken.add(field.name)
        findings.error(entry, path, NOT_BUILT)


def _unknown(entry: Entry, record: Record, findings: Findings) -> None:
    node, shape = record.node, record.shape
    index = node.entries.index(entry)
    if not record.path and entry.key.startswith("x-"):
        return
    record.broken.add(entry.key)
    path = record.path_of(quoted(entry.key))
    if entry.key in shape.wrappers:
        message = "is left out here; write its fields beside the type"
    elif node.flow and index and _stands_alone(entry):
        before = node.entries[index - 1]
        start = before.value.text if isinstance(before.value, Scalar) else ""
        whole = f'{before.key}: "{quoted(start)},{quoted(entry.key)}"'
        message = f"a comma ends a value in braces; quote the whole: {whole}"
    else:
        message = f"unknown {shape.word}{did_you_mean(entry.key, shape.fields)}"
    findings.error(entry, path, message)


def _stands_alone(entry: Entry) -> bool:
    value = entry.value
    return isinstance(value, Scalar) and value.plain and not value.text


def _variant(node: Entries, kind: Variants, path: str, findings: Findings) -> object:
    tags = [entry.value for entry in node.entries if entry.key == kind.tag]
    if not tags:
        findings.error(node, path, f"{kind.tag} is missing")
        return BROKEN
    choice = Choice(tuple(kind.shapes), kind.later)
    tag = _scalar(tags[0], choice, f"{path}.{kind.tag}", findings)
    if tag is BROKEN:
        return BROKEN
    record = Record(kind.shapes[str(tag)], path, node, str(tag), kind.tag)
    _fields(node.entries, record, findings)
    return record


def _pairs(node: Entries, kind: Pairs, path: str, findings: Findings) -> object:
    pairs: dict[str, str] = {}
    lines: dict[str, int] = {}
    for entry in node.entries:
        here = f"{path}.{quoted(entry.key)}"
        if entry.key in lines:
            message = f"is written twice; first on line {lines[entry.key]}"
            findings.error(entry, here, message)
            continue
        lines[entry.key] = entry.line
        if problem := _text_problem(entry.key, kind.key):
            findings.error(entry, here, f"the name {problem}")
        value = _scalar(entry.value, kind.value, here, findings)
        pairs[entry.key] = str(value)
    return pairs


# --- lists ------------------------------------------------------------------------


def _each(node: Node, kind: Each, path: str, findings: Findings) -> object:
    if not isinstance(node, Items):
        example = ""
        if isinstance(node, Scalar) and not node.is_null and not node.fault:
            example = f", such as [{quoted(node.text)}]"
        return _wrong(node, path, findings, f"must be a list{example}")
    if len(node.items) < kind.least:
        findings.error(node, path, "must not be empty")
        return BROKEN
    if kind.most is not None and len(node.items) > kind.most:
        count = len(node.items)
        findings.error(node, path, f"must have at most {kind.most} (got {count})")
    values = [
        _value(item, kind.of, f"{path}[{index}]", findings)
        for index, item in enumerate(node.items)
    ]
    if any(value is BROKEN for value in values) and not isinstance(
        kind.of, Shape | Variants
    ):
        return BROKEN
    return values


# --- scalars ----------------------------------------------------------------------


def _scalar(
    node: Node,
    kind: Text | Whole | Number | Flag | Choice,
    path: str,
    findings: Findings,
) -> object:
    if not isinstance(node, Scalar):
        what = "a list" if isinstance(node, Items) else "a mapping"
        findings.error(node, path, f"must be a single value, not {what}")
        return BROKEN
    if node.fault or node.is_null:
        findings.error(node, path, node.fault or _NULL)
        return BROKEN
    try:
        return _READERS[type(kind)](node.text, kind, findings)
    except _Wrong as wrong:
        findings.error(node, path, str(wrong))
        return BROKEN


class _Wrong(Exception):
    """A text is not what its field holds; the message says what it must be."""


def _text(text: str, kind: Kind, findings: Findings) -> object:
    assert isinstance(kind, Text)
    if problem := _text_problem(text, kind):
        raise _Wrong(problem)
    return text


def _text_problem(text: str, kind: Text) -> str:
    if len(text) < kind.shortest:
        return "must not be empty"
    if len(text) > kind.longest:
        return f"must be at most {kind.longest} characters (got {len(text)})"
    if "\0" in text:
        return "must not hold a NUL character"
    if kind.pattern and not re.fullmatch(kind.pattern, text, re.ASCII):
        return f"must {kind.must} (got {quoted(text)})"
    return ""


def _whole(text: str, kind: Kind, findings: Findings) -> object:
    assert isinstance(kind, Whole)
    if not _WHOLE.fullmatch(text) or len(text) > DIGITS_MAX:
        raise _Wrong(f"must be a whole number (got {quoted(text)})")
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits.startswith("0"):
        raise _Wrong(f"must be written {int(digits)}, not {text} (octal in YAML)")
    value = int(text)
    low, high = kind.low, kind.high
    beyond = ""
    if findings.strict and kind.strict:
        low, high = kind.strict
        beyond = " under strictAwsLimits"
    if value < low or (high is not None and value > high):
        bounds = f"{low} or more" if high is None else f"{low}-{high}"
        raise _Wrong(f"must be {bounds}{beyond} (got {value})")
    return value


def _number(text: str, kind: Kind, findings: Findings) -> object:
    assert isinstance(kind, Number)
    if not _NUMBER.fullmatch(text) or len(text) > SHOWN_MAX:
        raise _Wrong(f"must be a number (got {quoted(text)})")
    value = float(text)
    if not math.isfinite(value):
        raise _Wrong(f"must be a number (got {quoted(text)})")
    return value


def _flag(text: str, kind: Kind, findings: Findings) -> object:
    if text not in {"true", "True", "TRUE", "false", "False", "FALSE"}:
        raise _Wrong(f"must be true or false (got {quoted(text)})")
    return text.lower() == "true"


def _choice(text: str, kind: Kind, findings: Findings) -> object:
    assert isinstance(kind, Choice)
    if text in kind.later:
        raise _Wrong(f'"{text}" {NOT_BUILT}')
    if text in kind.values:
        return text
    hint = did_you_mean(text, (*kind.values, *kind.later))
    if len(kind.values) > LISTED_MAX:
        first = kind.values[0]
        raise _Wrong(f"is none of AWS's, such as {first} (got {quoted(text)}){hint}")
    options = " or ".join(filter(None, (", ".join(kind.values[:-1]), kind.values[-1])))
    raise _Wrong(f"must be {options} (got {quoted(text)}){hint}")


_READERS: Final[dict[type, Callable[[str, Kind, Findings], object]]] = {
    Text: _text,
    Whole: _whole,
    Number: _number,
    Flag: _flag,
    Choice: _choice,
}


def _wrong(node: Node, path: str, findings: Findings, message: str) -> object:
    if isinstance(node, Scalar) and (node.fault or node.is_null):
        message = node.fault or _NULL
    findings.error(node, path, message)
    return BROKEN
