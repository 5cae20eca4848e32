"""The cluster file as a JSON Schema, for editors: generated from the field table. Pure.

It knows shapes, names and ranges. What fields mean together, and places, are
`alb validate`'s affair. A number may also be a text with a ``${VARIABLE}``.
"""

from __future__ import annotations

from typing import Final, assert_never

from controlplane.cluster_file.fields import CLUSTER_FILE
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

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
VARIABLE: Final = {"type": "string", "pattern": r"\$\{"}

Document = dict[str, object]


def json_schema() -> Document:
    """Return the schema of a whole cluster file."""
    document = _of(CLUSTER_FILE)
    document["patternProperties"] = {"^x-": {}}
    return {"$schema": DIALECT, "title": "alb cluster file", **document}


def _of(kind: Kind) -> Document:
    match kind:
        case Shape():
            return _of_shape(kind)
        case Variants():
            return {"oneOf": [_of_variant(kind, tag) for tag in kind.shapes]}
        case Each():
            return _of_list(kind)
        case Pairs():
            return {"type": "object", "additionalProperties": _of(kind.value)}
        case Anything():
            return {}
        case Text() | Whole() | Number() | Flag() | Choice():
            return _of_scalar(kind)
        case _:
            assert_never(kind)


def _of_list(kind: Each) -> Document:
    document: Document = {"type": "array", "items": _of(kind.of)}
    if kind.least:
        document["minItems"] = kind.least
    if kind.most is not None:
        document["maxItems"] = kind.most
    return document


def _of_scalar(kind: Text | Whole | Number | Flag | Choice) -> Document:
    match kind:
        case Text():
            # An unquoted number is a text here, so a schema must not refuse it.
            text: Document = {"type": ["string", "number", "boolean"]}
            if kind.pattern:
                text["pattern"] = rf"^({kind.pattern})$|\$\{{"
            return text | {"maxLength": kind.longest, "minLength": kind.shortest}
        case Whole():
            bounds: Document = {"type": "integer", "minimum": kind.low}
            if kind.high is not None:
                bounds["maximum"] = kind.high
            return {"anyOf": [bounds, VARIABLE]}
        case Number():
            return {"anyOf": [{"type": "number"}, VARIABLE]}
        case Flag():
            return {"anyOf": [{"type": "boolean"}, VARIABLE]}
        case Choice():
            return {"anyOf": [{"enum": list(kind.values)}, VARIABLE]}


def _of_shape(kind: Shape) -> Document:
    required = [field.name for field in kind.fields.values() if field.required]
    document: Document = {
        "type": "object",
        "properties": {name: _of_field(field) for name, field in kind.fields.items()},
        "additionalProperties": False,
    }
    return document | {"required": required} if required else document


def _of_variant(kind: Variants, tag: str) -> Document:
    document = _of_shape(kind.shapes[tag])
    properties = document["properties"]
    required = document.get("required", [])
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    return document | {
        "title": tag,
        "properties": {kind.tag: {"const": tag}, **properties},
        "required": [kind.tag, *required],
    }


def _of_field(field: Field) -> Document:
    document = _of(field.kind)
    notes = [field.note, "" if field.status is Status.LIVE else field.status.value]
    if description := "; ".join(filter(None, notes)):
        document["description"] = description
    if field.default is not None:
        document["default"] = field.default
    return document
