"""Read YAML into nodes that keep their raw text and their place. Pure.

    bytes -> text -> parser events -> Scalar | Items | Entries

YAML 1.1 gives untagged text a type by its look (``no``, ``22:22``, ``0256``);
here no node has a type: the field it stands in decides. Aliases and merge keys
work, but what they expand to is bounded. Absent: tags, several documents, keys
that are not text. Duplicate keys are kept, for whoever knows the path to tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, NoReturn

import yaml

from controlplane.cluster_file.variables import Unresolved, put_in
from controlplane.problems import ConfigInvalid, Problem

BYTES_MAX: Final = 4 * 1024 * 1024
DEPTH_MAX: Final = 32
ALIASED_NODES_MAX: Final = 100_000
"""Nodes that aliases may add to a file: a billion laughs stop here."""

_COMMENTED_KEYWORD = re.compile(r"(?<=\s)#\{")
_FLOW_VARIABLE = re.compile(r"\$\{[^{}]*\}?$")
_NOT_ALLOWED = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_Event = Any
"""PyYAML's events: their stubs know neither tag nor anchor nor that marks exist."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Scalar(NamedTuple):
    """A text with its variables put in. `fault` says why it cannot be used."""

    text: str
    line: int
    column: int
    plain: bool
    fault: str = ""
    size: int = 1
    height: int = 1

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in {"", "~", "null", "Null", "NULL"}


class Items(NamedTuple):
    """A list. `size` counts nodes with aliases expanded, `height` levels."""

    items: tuple[Node, ...]
    line: int
    column: int
    size: int
    height: int


class Entry(NamedTuple):
    """One key of a mapping; line and column are the key's."""

    key: str
    line: int
    column: int
    value: Node


class Entries(NamedTuple):
    """A mapping in written order, duplicates included. `flow`: in braces."""

    entries: tuple[Entry, ...]
    line: int
    column: int
    flow: bool
    size: int
    height: int


Node = Scalar | Items | Entries


def text_of(file: str, content: bytes) -> str:
    """Return the text of a file's bytes. Raises ConfigInvalid."""
    if len(content) > BYTES_MAX:
        _refuse(file, 1, 1, f"the file is larger than {BYTES_MAX // 2**20} MiB")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        _refuse(file, 1, 1, "the file is UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        lines = _LINE_BREAK.split(before)
        byte = content[error.start]
        message = f"byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"
        _refuse(file, len(lines), len(lines[-1]) + 1, message)


def read(file: str, text: str, variables: Mapping[str, str]) -> Entries:
    """Return the mapping that `text` holds. Raises ConfigInvalid with one problem."""
    root = _read(file, text, variables)
    if not isinstance(root, Entries):
        message = 'must be a mapping such as "cluster: demo"'
        _refuse(file, root.line, root.column, f"the file {message}")
    return root


def read_as_it_is(file: str, text: str) -> Node:
    """Return what `text` holds, variables left as they are written, for importers.

    JSON is read too: it is YAML. Raises ConfigInvalid with one problem.
    """
    return _read(file, text, None)


def _read(file: str, text: str, variables: Mapping[str, str] | None) -> Node:
    text = text.removeprefix("\ufeff")
    if len(text) > BYTES_MAX:
        _refuse(file, 1, 1, f"the file is larger than {BYTES_MAX // 2**20} MiB")
    lines = _LINE_BREAK.split(text)
    try:
        return _Composer(text, lines, variables).document()
    except _Refused as refused:
        _refuse(file, refused.line, refused.column, refused.message)
    except yaml.MarkedYAMLError as error:
        line, column, message = _explain(error, lines)
        _refuse(file, line, column, message)
    except (yaml.YAMLError, UnicodeEncodeError):
        _refuse(file, *_unprintable(lines))


class _Refused(Exception):
    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(line, column, message)
        self.line = line
        self.column = column
        self.message = message


def _refuse(file: str, line: int, column: int, message: str) -> NoReturn:
    raise ConfigInvalid(file, [Problem("", message, line, column)]) from None


class _Composer:
    """Folds parser events into nodes. `variables` None: they are not put in."""

    def __init__(
        self, text: str, lines: list[str], variables: Mapping[str, str] | None
    ) -> None:
        self.lines = lines
        self.variables = variables
        self.events: Iterator[_Event] = yaml.parse(text, Loader=_LOADER)
        self.anchors: dict[str, Node | None] = {}
        self.aliased = 0

    def document(self) -> Node:
        next(self.events)  # the stream starts
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            raise _Refused(1, 1, "the file is empty")
        root = self._node(next(self.events), 1)
        next(self.events)  # the document ends
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            message = 'a second document starts here ("---"); a file holds one'
            raise _Refused(*_place(event), message)
        return root

    def _node(self, event: _Event, depth: int) -> Node:
        line, column = _place(event)
        if depth > DEPTH_MAX:
            raise _Refused(line, column, f"nested deeper than {DEPTH_MAX} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        if event.tag not in {None, "!"}:
            raise _Refused(line, column, f'tags such as "{_tag(event)}" are not used')
        if event.anchor:
            self.anchors[event.anchor] = None  # open: an alias to it is a loop
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(event, depth)
        else:
            node = self._entries(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def _alias(self, event: _Event, depth: int) -> Node:
        line, column = _place(event)
        name = event.anchor
        if name not in self.anchors:
            message = (
                f'"*{name}" is a YAML alias and no "&{name}" stands before it; '
                f'to mean the text, quote it: "*{name}"'
            )
            raise _Refused(line, column, message)
        node = self.anchors[name]
        if node is None:
            raise _Refused(line, column, f'"*{name}" stands inside its own "&{name}"')
        self.aliased += node.size
        if self.aliased > ALIASED_NODES_MAX:
            message = f"aliases add more than {ALIASED_NODES_MAX} nodes to this file"
            raise _Refused(line, column, message)
        if depth + node.height - 1 > DEPTH_MAX:
            raise _Refused(line, column, f"nested deeper than {DEPTH_MAX} levels")
        return node

    def _scalar(self, event: _Event) -> Scalar:
        line, column = _place(event)
        plain = (
            not event.style
        )  # None from one of PyYAML's parsers, empty from the other
        if plain and self._swallowed(event):
            fault = '"#{" starts a comment here; put the whole value in quotes'
            return Scalar(event.value, line, column, plain, fault)
        if self.variables is None:
            return Scalar(event.value, line, column, plain)
        try:
            text = put_in(event.value, self.variables)
        except Unresolved as unresolved:
            return Scalar(event.value, line, column, plain, str(unresolved))
        # A variable's value is never null, whatever it looks like.
        plain = plain and text == event.value
        return Scalar(text, line, column, plain)

    def _swallowed(self, event: _Event) -> bool:
        """Whether a ``#{…}`` after this plain text was read as a comment."""
        end = event.end_mark
        rest = "".join(self.lines[end.line : end.line + 1])[end.column :]
        return rest.lstrip(" \t:").startswith("#{")

    def _items(self, event: _Event, depth: int) -> Items:
        items: list[Node] = []
        inner = next(self.events)
        while not isinstance(inner, yaml.SequenceEndEvent):
            items.append(self._node(inner, depth + 1))
            inner = next(self.events)
        size = 1 + sum(item.size for item in items)
        height = 1 + max((item.height for item in items), default=0)
        return Items(tuple(items), *_place(event), size, height)

    def _entries(self, event: _Event, depth: int) -> Entries:
        entries: list[Entry] = []
        merged: list[Entry] = []
        inner = next(self.events)
        while not isinstance(inner, yaml.MappingEndEvent):
            line, column = _place(inner)
            if not isinstance(inner, yaml.ScalarEvent):
                raise _Refused(line, column, _odd_key(inner))
            if inner.anchor:
                message = f'an anchor ("&{inner.anchor}") on a key is not used'
                raise _Refused(line, column, message)
            value = self._node(next(self.events), depth + 1)
            if inner.value == "<<" and not inner.style:
                merged.extend(_merged(value))
            else:
                entries.append(Entry(inner.value, line, column, value))
            inner = next(self.events)
        written = {entry.key for entry in entries}
        for entry in merged:
            if entry.key not in written:
                written.add(entry.key)
                entries.append(entry)
        size = 1 + sum(entry.value.size for entry in entries)
        height = 1 + max((entry.value.height for entry in entries), default=0)
        flow = bool(event.flow_style)
        return Entries(tuple(entries), *_place(event), flow, size, height)


def _merged(value: Node) -> Iterator[Entry]:
    sources = value.items if isinstance(value, Items) else (value,)
    for source in sources:
        if not isinstance(source, Entries):
            message = '"<<" takes an alias of a mapping, or a list of such'
            raise _Refused(source.line, source.column, message)
        yield from source.entries


def _odd_key(event: _Event) -> str:
    if isinstance(event, yaml.AliasEvent):
        return f'a key cannot be an alias; quote it: "*{event.anchor}"'
    return "a key must be a text"


def _tag(event: _Event) -> str:
    return str(event.tag).replace("tag:yaml.org,2002:", "!!")


def _place(event: _Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


# --- what the parser refuses, in words that tell the way out ---------------------


def _explain(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, int, str]:
    """Return line, column and message for a mistake in the YAML itself."""
    for mark in (error.context_mark, error.problem_mark):
        if mark is not None and (hint := _hint(lines, mark.line, mark.column)):
            return *_within(lines, mark.line, mark.column), hint
    last = error.problem_mark or error.context_mark
    assert last is not None, "PyYAML marks every problem of a text"
    first = error.context_mark or last
    for number in range(max(0, first.line - 1), min(last.line + 1, len(lines))):
        if keyword := _COMMENTED_KEYWORD.search(lines[number]):
            message = '"#{" starts a comment here; put the whole value in quotes'
            return number + 1, keyword.start() + 1, message
    line, column = _within(lines, last.line, last.column)
    if variable := _FLOW_VARIABLE.search(lines[line - 1][: column + 1]):
        message = 'a "${…}" inside braces or brackets must be in quotes'
        return line, variable.start() + 1, message
    context = f" {error.context}" if error.context else ""
    return line, column, f"not YAML: {error.problem}{context}"


def _hint(lines: list[str], line: int, column: int) -> str:
    character = lines[line][column : column + 1] if line < len(lines) else ""
    if character == "*":
        word = re.split(r"[\s,\]}]", lines[line][column:], maxsplit=1)[0]
        return f'an unquoted "*" starts a YAML alias; put the text in quotes: "{word}"'
    if character == "\t":
        return "a tab cannot indent YAML; use spaces"
    if character in {"@", "`", "%"}:
        return f'an unquoted text cannot start with "{character}"; put it in quotes'
    return ""


def _within(lines: list[str], line: int, column: int) -> tuple[int, int]:
    line = min(line, len(lines) - 1)
    return line + 1, min(column, len(lines[line])) + 1


def _unprintable(lines: list[str]) -> tuple[int, int, str]:
    """Return where the first character stands that YAML does not allow."""
    for number, line in enumerate(lines):
        if found := _NOT_ALLOWED.search(line):
            message = f"character U+{ord(found[0]):04X} is not allowed"
            return number + 1, found.start() + 1, message
    raise AssertionError("PyYAML refused a text of allowed characters")
