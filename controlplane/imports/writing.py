"""Write a cluster file for people: block style, short things on a line, comments.

Texts are quoted wherever a reader of YAML could take them for something else.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from controlplane.imports.section import Section, all_sections

WIDTH_MAX: Final = 88
BLOCK_LEVELS: Final = 2
"""The file and the items of its lists are always written in blocks."""
LOST: Final = "not carried over: "

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SPECIAL: Final = frozenset(
    {"null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"}
)
"""Texts that YAML 1.1 takes for something else; other readers of it do."""
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def written(root: Section, heading: tuple[str, ...] = ()) -> str:
    """Return the text of a cluster file."""
    lines = [_comment(text) for text in heading]
    lines += _comments(root, 0)
    for name, value in root.items():
        if lines:
            lines.append("")
        lines += _field(name, value, 0)
    return "\n".join(lines) + "\n"


def _comment(text: str, indent: int = 0) -> str:
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return f"{' ' * indent}# {shown}".rstrip()


def _comments(section: Section, indent: int) -> Iterator[str]:
    for note in section.notes:
        yield _comment(note, indent)
    for loss in section.losses:
        yield _comment(f"{LOST}{loss}", indent)


def _field(name: str, value: object, indent: int) -> Iterator[str]:
    """Yield the lines of one key of a mapping that stands at `indent`."""
    head = f"{' ' * indent}{_key(name)}:"
    level = indent // 2
    if not isinstance(value, dict | list) or not value:
        yield f"{head} {_flow(value)}"
        return
    line = f"{head} {_flow(value)}"
    if level >= BLOCK_LEVELS and len(line) <= WIDTH_MAX and not _has_comments(value):
        yield line
        return
    yield head
    if isinstance(value, dict):
        yield from _mapping(value, indent + 2)
    else:
        yield from _items(value, indent + 2)


def _mapping(value: Mapping[str, object], indent: int) -> Iterator[str]:
    if isinstance(value, Section):
        yield from _comments(value, indent)
    for name, inner in value.items():
        yield from _field(name, inner, indent)


def _items(items: list[object], indent: int) -> Iterator[str]:
    dash = f"{' ' * indent}- "
    for item in items:
        if isinstance(item, Section):
            yield from _comments(item, indent)
        inner = [*item.values()] if isinstance(item, dict) else []
        line = f"{dash}{_flow(item)}"
        short = indent // 2 >= BLOCK_LEVELS and len(line) <= WIDTH_MAX
        if not inner or (short and not _has_comments(inner)):
            yield line
            continue
        assert isinstance(item, dict)
        lines = [
            line
            for name, value in item.items()
            for line in _field(name, value, indent + 2)
        ]
        yield dash + lines[0].lstrip()
        yield from lines[1:]


def _has_comments(value: object) -> bool:
    return any(section.losses or section.notes for section in all_sections(value))


def _flow(value: object) -> str:
    match value:
        case dict():
            inner = ", ".join(f"{_key(k)}: {_flow(v)}" for k, v in value.items())
            return f"{{{inner}}}"
        case list():
            return f"[{', '.join(map(_flow, value))}]"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return _text(str(value))


def _key(name: str) -> str:
    is_plain = _KEY.fullmatch(name) and name.lower() not in _SPECIAL
    return name if is_plain else _quoted(name)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _SPECIAL:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    return f'"{"".join(map(_character, text))}"'


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable() or character == " ":
        return character
    code = ord(character)
    if code > 0xFFFF:  # noqa: PLR2004 - as YAML's escapes are made
        return f"\\U{code:08x}"
    return f"\\u{code:04x}"
