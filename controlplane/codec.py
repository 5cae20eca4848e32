"""Frozen dataclasses to JSON text and back, for records that outlive a process.

    kind + value --> encode --> text --> decode --> an equal value

A kind of record names one type. A closed union of dataclasses is written with the
name of the class it is (`_type`), so that two shapes that look alike stay apart; one
without a name was written when there was no choice, and is the union's first. An
enumeration's value in a union is written as it is. Fields that this version does not
know are ignored, and fields that an older version did not write take their default;
what cannot be read is an error that names the record. Absent: storage, and the
cluster file's spelling.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeGuard, Union

from cattrs import BaseValidationError, Converter
from cattrs.errors import StructureHandlerNotFoundError
from cattrs.preconf.json import make_converter

TAG: Final = "_type"
UNION_SIZE_MIN: Final = 2


class RecordUnreadable(Exception):
    """A stored record is not what its kind says; naming it lets a person look."""

    def __init__(self, kind: str, key: str, reason: str) -> None:
        super().__init__(kind, key, reason)
        self.kind = kind
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f'record {self.kind} "{self.key}" cannot be read: {self.reason}'


class Codec:
    """Encodes and decodes the kinds of record it was told of."""

    def __init__(self, kinds: Mapping[str, type]) -> None:
        self._kinds = dict(kinds)
        self._converter = _converter()

    def knows(self, kind: str) -> bool:
        return kind in self._kinds

    def encode(self, kind: str, value: object) -> str:
        """Return `value` as JSON text. A kind that is not known is a bug of ours."""
        plain = self._converter.unstructure(value, unstructure_as=self._kinds[kind])
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))

    def decode(self, kind: str, key: str, text: str) -> object:
        """Return the value that `text` holds. Raises RecordUnreadable."""
        try:
            return self._converter.structure(json.loads(text), self._kinds[kind])
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            BaseValidationError,
            StructureHandlerNotFoundError,
        ) as error:
            reason = f"{type(error).__name__}: {error}"
            raise RecordUnreadable(kind, key, reason) from error


def _converter() -> Converter:
    """Return cattrs' JSON converter with our tagged unions."""
    converter = make_converter(detailed_validation=False)

    def write(union: object) -> Callable[[object], object]:
        del union
        return lambda value: _tagged(converter, value)

    def read(union: object) -> Callable[[object, object], object]:
        members = _members(union)
        return lambda raw, _: _untagged(converter, members, raw)

    converter.register_unstructure_hook_factory(_is_sum, write)
    converter.register_structure_hook_factory(_is_sum, read)
    return converter


def _tagged(converter: Converter, value: object) -> object:
    if value is None:
        return None
    if isinstance(value, enum.Enum):
        return value.value
    return {TAG: type(value).__name__, **converter.unstructure(value)}


def _untagged(converter: Converter, members: Sequence[type], raw: object) -> object:
    if raw is None:
        return None
    if isinstance(raw, str):
        (words,) = filter(_is_enum, members)
        return words(raw)
    if not isinstance(raw, dict):
        raise TypeError(f"expected an object, got {type(raw).__name__}")
    classes = {cls.__name__: cls for cls in members}
    return converter.structure(raw, classes[raw[TAG]] if TAG in raw else members[0])


def _members(union: object) -> list[type]:
    return [arg for arg in typing.get_args(union) if arg is not type(None)]


def _is_enum(member: type) -> bool:
    return issubclass(member, enum.Enum)


def _is_sum(candidate: object) -> TypeGuard[object]:
    """Return whether it is a union of dataclasses, an enumeration and None perhaps.

    Of dataclasses there are two or more, or one beside the enumeration.
    """
    if typing.get_origin(candidate) not in {Union, types.UnionType}:
        return False
    members = _members(candidate)
    return len(members) >= UNION_SIZE_MIN and all(
        dataclasses.is_dataclass(member) or _is_enum(member) for member in members
    )
