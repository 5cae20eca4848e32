"""The reference page of the cluster file: generated from the field table. Pure.

python -m controlplane.cluster_file.reference > docs/reference/cluster-file.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
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

_HEAD: Final = """\
# The cluster file

Generated from the field table in `controlplane/cluster_file/fields/`; do not edit.
`alb schema` prints the same as a JSON Schema.

Names, defaults and ranges are AWS's; *ours* marks what AWS does not have. Every
problem of a file is told at once as `FILE:LINE:COL: PATH: MESSAGE`, and a file with a
problem changes nothing.

| status | a file that has the field |
|---|---|
| live | it does what it says |
| ignored | is taken with a warning: ignoring it cannot change who reaches what |
| refused | is refused until the field is built |

Saying a field's default is always fine. Top-level names that start with `x-` are
ignored. `${NAME}` and `${NAME:-default}` stand for environment variables, `$$` for a
dollar. A text field keeps its text as it is written (`no`, `22:22`, `1.10`), but a
value that holds ` #{` or `: `, or starts with `*`, `&`, `@`, `%`, `{` or `[`, must be
in quotes. `null` is not a value.
"""


def reference() -> str:
    """Return the page."""
    sections = [_HEAD]
    sections += [_section(name, shape) for name, shape in _shapes(CLUSTER_FILE)]
    return "\n".join(sections)


def _shapes(root: Shape) -> Iterator[tuple[str, Shape]]:
    """Yield each shape once, with the path at which it stands, in written order."""
    seen: set[str] = set()
    waiting: list[tuple[str, str, Shape]] = [("", "", root)]
    while waiting:
        path, title, shape = waiting.pop(0)
        if shape.name in seen:
            continue
        seen.add(shape.name)
        yield title or "The file", shape
        inner: list[tuple[str, str, Shape]] = []
        for field in shape.fields.values():
            here = f"{path}.{field.name}" if path else field.name
            inner += _inner(field.kind, here)
        waiting[:0] = inner


def _inner(kind: Kind, path: str) -> list[tuple[str, str, Shape]]:
    match kind:
        case Shape():
            return [(path, f"`{path}`", kind)]
        case Each():
            return _inner(kind.of, f"{path}[]")
        case Variants():
            return [
                (path, f"`{path}` with `{kind.tag}: {tag}`", shape)
                for tag, shape in kind.shapes.items()
            ]
        case _:
            return []


def _section(title: str, shape: Shape) -> str:
    rows = [_row(field) for field in shape.fields.values()]
    head = "| field | value | default | status | source |\n|---|---|---|---|---|"
    return "\n".join([f"## {title}", "", head, *rows, ""])


def _row(field: Field) -> str:
    value = _words(field.kind)
    if field.note:
        value = f"{value}; {field.note}" if value else field.note
    default = "required" if field.required else _default(field)
    cells = (f"`{field.name}`", value, default, _STATUS[field.status], field.source)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_STATUS: Final = {
    Status.LIVE: "live",
    Status.IGNORED: "ignored",
    Status.REFUSED: "refused",
}


def _default(field: Field) -> str:
    if field.default is None:
        return ""
    if isinstance(field.default, bool):
        return "`true`" if field.default else "`false`"
    return f"`{field.default}`" if field.default != "" else '`""`'


def _words(kind: Kind) -> str:
    match kind:
        case Text():
            longest = f"text, at most {kind.longest} characters"
            return f"must {kind.must}" if kind.must else longest
        case Whole():
            return _whole(kind)
        case Choice():
            return _choice(kind.values, kind.later)
        case Variants():
            return f"by `{kind.tag}`: {_choice(tuple(kind.shapes), kind.later)}"
        case Each():
            return _each(kind)
        case Number() | Flag() | Pairs() | Shape() | Anything():
            return _PLAIN_WORDS[type(kind)]
        case _:
            assert_never(kind)


_PLAIN_WORDS: Final[dict[type, str]] = {
    Number: "number",
    Flag: "true or false",
    Pairs: "names and texts",
    Shape: "mapping",
    Anything: "",
}


def _whole(kind: Whole) -> str:
    bounds = f"{kind.low} or more" if kind.high is None else f"{kind.low}-{kind.high}"
    if kind.strict:
        low, high = kind.strict
        return f"{bounds} ({low}-{high} under `strictAwsLimits`)"
    return bounds


def _choice(values: tuple[str, ...], later: tuple[str, ...]) -> str:
    listed = ", ".join(f"`{value}`" for value in values)
    if later:
        return f"{listed}; not built yet: " + ", ".join(f"`{name}`" for name in later)
    return listed


def _each(kind: Each) -> str:
    count = f"at most {kind.most}" if kind.most is not None else ""
    least = f"at least {kind.least}" if kind.least else ""
    counts = ", ".join(filter(None, (least, count)))
    inner = _words(kind.of)
    words = f"list of {inner}" if inner != "mapping" else "list"
    return f"{words} ({counts})" if counts else words


if __name__ == "__main__":
    sys.stdout.write(reference())
