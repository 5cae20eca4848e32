"""What a file to import says, each value with its place; and what got lost of it.

Values are texts, as the cluster file's are: whoever takes one knows its type.
A mapping is read through `Fields`, which remembers what was taken, so that the
rest can be told. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Protocol

from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.source import Entries, Items, Node, Scalar, read_as_it_is
from controlplane.problems import ConfigInvalid, Problem, did_you_mean

_ESCAPED_HALVES: Final = re.compile(
    r"(\\\\)|\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\u(d[89a-f][0-9a-f]{2})",
    re.IGNORECASE,
)


class Place(NamedTuple):
    """Where something is written; line and column from 1."""

    file: str
    line: int
    column: int
    path: str

    @property
    def place(self) -> Place:
        return self


class Placed(Protocol):
    """Whatever has a place in a file."""

    @property
    def place(self) -> Place: ...


class Text(NamedTuple):
    text: str
    place: Place
    plain: bool = False

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in {"", "~", "null", "Null", "NULL"}


class Many(NamedTuple):
    items: tuple[Given, ...]
    place: Place


class Key(NamedTuple):
    """A name and its value; the place is the name's."""

    name: str
    place: Place
    value: Given


class Named(NamedTuple):
    entries: tuple[Key, ...]
    place: Place


Given = Text | Many | Named


class Loss(NamedTuple):
    """Something that is not carried over, and why."""

    place: Place
    why: str

    def __str__(self) -> str:
        """Return ``FILE:LINE:COL: PATH: WHY``, on one line whatever is in it."""
        file, line, column, path = self.place
        where = f"{path}: " if path else ""
        text = f"{file}:{line}:{column}: {where}{self.why}"
        return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


class Losses(list[Loss]):
    def add(self, where: Placed, why: str) -> None:
        self.append(Loss(where.place, why))


# --- from texts -------------------------------------------------------------------


def given(file: str, text: str) -> Given:
    """Return what a YAML or JSON text holds. Raises ConfigInvalid."""
    if text.lstrip()[:1] in {"{", "["}:
        text = _ESCAPED_HALVES.sub(_one_character, text)
    return _given(read_as_it_is(file, text), file, "")


def _one_character(match: re.Match[str]) -> str:
    """JSON writes a character beyond U+FFFF as two escapes; YAML has one for it."""
    if match[1]:
        return match[0]
    if match[4]:
        return "\\ufffd"  # half of one is none
    code = 0x10000 + ((int(match[2], 16) - 0xD800) << 10) + int(match[3], 16) - 0xDC00
    return f"\\U{code:08x}"


def _given(node: Node, file: str, path: str) -> Given:
    place = Place(file, node.line, node.column, path)
    match node:
        case Scalar():
            if node.fault:
                raise ConfigInvalid(
                    file, [Problem(path, node.fault, node.line, node.column)]
                )
            return Text(node.text, place, node.plain)
        case Items():
            return Many(
                tuple(
                    _given(item, file, f"{path}[{index}]")
                    for index, item in enumerate(node.items)
                ),
                place,
            )
        case Entries():
            return Named(tuple(_keys(node, file, path)), place)


def _keys(node: Entries, file: str, path: str) -> Iterator[Key]:
    for entry in node.entries:
        name = quoted(entry.key)
        inner = f"{path}.{name}" if path else name
        place = Place(file, entry.line, entry.column, inner)
        yield Key(entry.key, place, _given(entry.value, file, inner))


# --- reading mappings -------------------------------------------------------------


class Fields:
    """A mapping that is read key by key; what was not taken is told by `rest`.

    A name written twice counts once, the last time, as in most readers; the
    other is a loss. A value of null counts as not written.
    """

    def __init__(self, value: Given | None, losses: Losses) -> None:
        self.losses = losses
        self.place = value.place if value else Place("", 0, 0, "")
        self.keys: dict[str, Key] = {}
        self._taken: set[str] = set()
        if isinstance(value, Named):
            for key in value.entries:
                if before := self.keys.get(key.name):
                    losses.add(before, f"is written again on line {key.place.line}")
                self.keys[key.name] = key
        elif value is not None and not (isinstance(value, Text) and value.is_null):
            losses.add(value, "must be a mapping")

    def __contains__(self, name: str) -> bool:
        return self.peek(name) is not None

    def peek(self, name: str) -> Given | None:
        """Return a value without taking it; None: not there, or null."""
        key = self.keys.get(name)
        if key is None or (isinstance(key.value, Text) and key.value.is_null):
            return None
        return key.value

    def take(self, name: str) -> Given | None:
        self._taken.add(name)
        return self.peek(name)

    def take_key(self, name: str) -> Key | None:
        """Return the name with its value, even where that is null."""
        self._taken.add(name)
        return self.keys.get(name)

    def text(self, name: str) -> Text | None:
        value = self.take(name)
        if value is None or isinstance(value, Text):
            return value
        self.losses.add(value, "must be a single value")
        return None

    def many(self, name: str) -> tuple[Given, ...]:
        """Return a list's items; a single value is a list of one."""
        value = self.take(name)
        if isinstance(value, Many):
            return value.items
        return () if value is None else (value,)

    def texts(self, name: str) -> tuple[Text, ...]:
        return tuple(only_texts(self.many(name), self.losses))

    def fields(self, name: str) -> Fields:
        """Return a mapping; an empty one where it is not written."""
        return Fields(self.take(name), self.losses)

    def lose(self, name: str, why: str) -> None:
        """Tell that a key is not carried over, where it is written."""
        if (key := self.take_key(name)) and self.peek(name) is not None:
            self.losses.add(key, why)

    def rest(self, reasons: Mapping[str, str], unknown: str) -> None:
        """Tell of every key that was not taken."""
        for name, key in self.keys.items():
            if name in self._taken or self.peek(name) is None:
                continue
            why = reasons.get(name)
            if why is None:
                why = unknown + did_you_mean(name, {*self._taken, *reasons})
            self.losses.add(key, why)


def only_texts(items: tuple[Given, ...], losses: Losses) -> Iterator[Text]:
    for item in items:
        if isinstance(item, Text):
            yield item
        else:
            losses.add(item, "must be a single value")
