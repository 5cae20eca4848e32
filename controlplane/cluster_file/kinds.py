"""What a field may hold: the vocabulary of the field table. Pure.

A kind says what is accepted, for three readers: the decoder, the JSON schema
and the generated reference. Names, defaults and ranges are AWS's; `strict` is
the narrower range that holds only under ``strictAwsLimits``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple


class Status(enum.Enum):
    """What happens to a field that is written. Its default is always accepted."""

    LIVE = "live"
    IGNORED = "ignored with a warning"
    """Not built; ignoring it cannot change who reaches what."""
    REFUSED = "refused until built"


class Text(NamedTuple):
    """A text. `pattern` is matched whole; `must` says it in words."""

    pattern: str = ""
    must: str = ""
    longest: int = 4096
    shortest: int = 1


class Whole(NamedTuple):
    """A whole number of `low`-`high`; `high` None is unbounded."""

    low: int = 0
    high: int | None = None
    strict: tuple[int, int] | None = None


class Number(NamedTuple):
    """Any finite number."""

    low: float | None = None


class Flag(NamedTuple):
    """true or false."""


class Choice(NamedTuple):
    """One of `values`; those in `later` are AWS's and not built yet."""

    values: tuple[str, ...]
    later: tuple[str, ...] = ()


class Each(NamedTuple):
    """A list. `key` names the field that tells one item from another."""

    of: Kind
    least: int = 0
    most: int | None = None
    key: str = ""


class Pairs(NamedTuple):
    """A mapping of texts that the person names."""

    key: Text = Text()
    value: Text = Text(shortest=0)


class Anything(NamedTuple):
    """Not looked into: for what is not built."""


class Field(NamedTuple):
    """One row of the field table."""

    name: str
    kind: Kind
    source: str
    default: str | int | float | bool | None = None
    required: bool = False
    status: Status = Status.LIVE
    note: str = ""


class Shape(NamedTuple):
    """A mapping with known fields. `nested`: AWS's wrapper names left out here."""

    name: str
    fields: Mapping[str, Field]
    wrappers: tuple[str, ...] = ()
    word: str = "field"


class Variants(NamedTuple):
    """A mapping whose `tag` field says which shape it has; `later`: not built."""

    tag: str
    shapes: Mapping[str, Shape]
    later: tuple[str, ...] = ()


Kind = (
    Text | Whole | Number | Flag | Choice | Each | Pairs | Anything | Shape | Variants
)


def shape(name: str, *fields: Field, wrappers: tuple[str, ...] = ()) -> Shape:
    return Shape(name, {field.name: field for field in fields}, wrappers)


def attributes(name: str, *fields: Field) -> Shape:
    """A mapping whose keys are AWS's attribute keys, dots and all."""
    return Shape(name, {field.name: field for field in fields}, (), "attribute")


def ignored(name: str, source: str, note: str = "", kind: Kind | None = None) -> Field:
    kind = Anything() if kind is None else kind
    return Field(name, kind, source, status=Status.IGNORED, note=note)


def refused(name: str, source: str, note: str = "", kind: Kind | None = None) -> Field:
    kind = Anything() if kind is None else kind
    return Field(name, kind, source, status=Status.REFUSED, note=note)
