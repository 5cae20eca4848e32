"""Compose's variables, kept as the cluster file's own where they mean the same.

    $NAME ${NAME}      empty where not set, in Compose: ${NAME-}
    ${NAME:-x} ${NAME-x}                          as they are
    ${NAME:?e} ${NAME?e}   a mistake where not set:  ${NAME}
    ${NAME:+x}, defaults with variables in them   put in as they are now, and told
    $$                                            as it is

What has to be computed (ports, sizes, durations) is put in now, too. Pure.

Source: Compose specification, "Interpolation".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from controlplane.imports.given import Losses, Text

NESTED_MAX: Final = 20

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OPERATOR = re.compile(r":[-?+]|[-?+]")
_FOREIGN = re.compile(r"[${}]")


class Variable(NamedTuple):
    """`operator` is one of ``:- - :? ? :+ +``, or empty; `rest` stands behind it."""

    name: str
    operator: str
    rest: str


Piece = str | Variable


def pieces(text: str) -> Iterator[Piece]:
    """Yield literal text and variables. What is no variable stays text."""
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        yield text[at:dollar]
        after = text[dollar + 1 : dollar + 2]
        if after == "$":
            yield "$"
            at = dollar + 2
            continue
        end = _closing(text, dollar + 2) if after == "{" else -1
        variable = _braced(text[dollar + 2 : end]) if end > 0 else None
        if variable:
            yield variable
            at = end + 1
        elif bare := _NAME.match(text, dollar + 1):
            yield Variable(bare[0], "", "")
            at = bare.end()
        else:
            yield "$"
            at = dollar + 1
    yield text[at:]


def _closing(text: str, at: int) -> int:
    """Return where the brace that was opened before `at` closes; -1: nowhere."""
    depth = 1
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
            at += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return -1


def _braced(inner: str) -> Variable | None:
    name = _NAME.match(inner)
    if name is None:
        return None
    rest = inner[name.end() :]
    operator = _OPERATOR.match(rest)
    if operator:
        return Variable(name[0], operator[0], rest[operator.end() :])
    return None if rest else Variable(name[0], "", "")


def literal(text: str) -> str:
    """Return a whole text that the cluster file is to take as it is."""
    return re.sub(r"\$(?=[{$])", "$$", text)


def _part(text: str) -> str:
    """Return literal text that variables may stand beside."""
    return text.replace("$", "$$")


class Interpolation:
    """Puts variables in, or writes them in the cluster file's way."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def kept(self, value: Text, losses: Losses) -> str:
        """Return `value` as the cluster file has it, with its variables."""
        return "".join(self._kept(piece, value, losses) for piece in pieces(value.text))

    def now(self, value: Text, losses: Losses) -> str:
        """Return `value` with the variables' present values, and tell of those."""
        result = self.quietly(value.text)
        names = sorted(
            {one.name for one in pieces(value.text) if isinstance(one, Variable)}
        )
        if names:
            losses.add(value, f"{', '.join(names)}: put in as it is now, {result!r}")
        return result

    def quietly(self, text: str, depth: int = 0) -> str:
        """Return `text` with the variables' present values."""
        return "".join(
            piece if isinstance(piece, str) else self._value(piece, depth)
            for piece in pieces(text)
        )

    def _kept(self, piece: Piece, value: Text, losses: Losses) -> str:
        if isinstance(piece, str):
            return _part(piece)
        name, operator, rest = piece
        if operator in {":?", "?"}:
            if operator == ":?":
                losses.add(value, f"{name}: an empty value is taken here")
            return f"${{{name}}}"
        if operator in {"", ":-", "-"} and not _FOREIGN.search(rest):
            return f"${{{name}{operator or '-'}{rest}}}"
        present = self._value(piece, 0)
        losses.add(
            value,
            f"{name}: only ${{X}} and ${{X:-text}} are known here; put in as it is now",
        )
        return _part(present)

    def _value(self, variable: Variable, depth: int) -> str:
        name, operator, rest = variable
        value = self._variables.get(name)
        is_set = bool(value) if operator.startswith(":") else value is not None
        if depth >= NESTED_MAX:
            return ""
        if operator.endswith("+"):
            return self.quietly(rest, depth + 1) if is_set else ""
        if operator.endswith("-") and not is_set:
            return self.quietly(rest, depth + 1)
        return value or ""
