"""Regular expressions in AWS's dialect, in time linear in the text. Pure.

    text --> flaw_of: what is wrong and where, or None
    text --> compiled: RE2's own object over bytes

RE2 matches them: it never backtracks, so a text can only cost its length times
the size of the program, and that is bounded here too. Octets are compared, not
characters; a dot is any octet.

Absent: what is matched, and whether in part or whole; `alb` asks it for rules,
`scheduler` for cluster queries.

Source: ALB user guide, "Listener rules" (what is not supported); RE2, "Syntax".
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any, Final, NamedTuple

SIZE_MAX: Final = 1200
"""Instructions of one expression: the most that one octet can cost. A thousand
and some letters fit; ``(x{30}){30}`` does not."""
MEMORY_MAX_BYTES: Final = 1024 * 1024
"""Of one expression's program and of the states it remembers."""

_UNSUPPORTED: Final = tuple(
    (re.compile(expression), name)
    for expression, name in (
        (r"\(\?[=!]", "lookahead"),
        (r"\(\?<[=!]", "lookbehind"),
        (r"\(\?>", "an atomic group"),
        (r"\(\?(?:R|[+-]?[0-9]|&|P>)", "recursion"),
        (r"\\[1-9gk]|\(\?P=", "a backreference"),
        (r"\\[pP](?:\{\^?[A-Za-z_]*\}?|[A-Z])?", "a Unicode class"),
        (r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\+", "a possessive quantifier"),
    )
)


class Flaw(NamedTuple):
    """What is wrong with an expression; `at` counts its characters from 1."""

    message: str
    at: int


def flaw_of(text: str) -> Flaw | None:
    """Return why AWS's dialect does not have `text`, or None. It is ASCII."""
    for at in _walk(text):
        for expression, name in _UNSUPPORTED:
            if found := expression.match(text, at):
                return Flaw(f"{name} is not supported: {found.group()}", at + 1)
    problem = _problem_of(text)
    if problem:
        return Flaw(problem, _place_of(problem, text))
    size = compiled(text.encode(), captures=True, any_case=True).programsize
    if size > SIZE_MAX:
        return Flaw(f"is too large: {size} steps of at most {SIZE_MAX}", 1)
    return None


def compiled(text: bytes, *, captures: bool, any_case: bool) -> Any:
    """Return RE2's object, whose methods are those of `re`'s.

    Raises ValueError on what `flaw_of` has something to say about.
    """
    import re2  # noqa: PLC0415 - 11 ms, for those alone who have expressions

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = MEMORY_MAX_BYTES
    options.dot_nl = True  # an octet is an octet: %0A must not end a path
    options.case_sensitive = not any_case
    options.never_capture = not captures
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise ValueError(_told(error)) from error


def _told(error: Exception) -> str:
    told = error.args[0]
    return told.decode("latin-1") if isinstance(told, bytes) else str(told)


def _problem_of(text: str) -> str:
    """Return RE2's sentence, such as ``missing ]: [a-z``, or nothing."""
    try:
        compiled(text.encode(), captures=True, any_case=True)
    except ValueError as error:
        return str(error)
    return ""


def _place_of(problem: str, text: str) -> int:
    """Return where in `text` the problem is, from 1.

    RE2 says what it could not read, not where: that ends where the shortest
    beginning with the same problem does.
    """
    what, _, fragment = problem.partition(": ")
    if what in {"missing )", "unexpected )"}:
        return _unpaired(text) + 1
    for end in range(1, len(text)):
        if _problem_of(text[:end]) == problem:
            return max(1, end - len(fragment) + 1)
    return max(1, len(text) - len(fragment or "\\") + 1)


def _unpaired(text: str) -> int:
    """Return where the parenthesis stands that has no other."""
    opened: list[int] = []
    for at in _walk(text):
        if text[at] == "(":
            opened.append(at)
        elif text[at] == ")":
            if not opened:
                return at
            opened.pop()
    return opened[-1] if opened else 0


def _walk(text: str) -> Iterator[int]:
    """Yield where each piece begins: an escape is one; of a class only its escapes."""
    at = 0
    while at < len(text):
        yield at
        if text[at] == "\\":
            at += 2
        elif text[at] == "[":
            at = yield from _walk_class(text, at)
        else:
            at += 1


def _walk_class(text: str, at: int) -> Generator[int, None, int]:
    """Yield where escapes in a class begin; return where the class has ended."""
    at += 2 if text.startswith("^", at + 1) else 1
    at += 1 if text.startswith("]", at) else 0
    while at < len(text):
        if text[at] == "]":
            return at + 1
        if text[at] == "\\":
            yield at
            at += 2
        elif text.startswith("[:", at) and (end := text.find(":]", at)) > 0:
            at = end + 2
        else:
            at += 1
    return at
