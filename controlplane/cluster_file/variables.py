"""Put variables into a text, as compose does. Pure.

    ${NAME}      the variable; not set is a mistake
    ${NAME:-x}   x where it is not set or empty
    ${NAME-x}    x where it is not set
    $$           one dollar; a dollar before anything else stays as it is

Absent: nesting, and compose's bare ``$NAME``, since a path pattern may hold one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

TEXT_MAX: Final = 65_536
"""Characters a text may have after its variables were put in."""

_PLACE = re.compile(r"\$\$|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?-)(.*))?", re.DOTALL)


class Unresolved(Exception):
    """A text holds a variable that cannot be put in; the message says why."""


def put_in(text: str, variables: Mapping[str, str]) -> str:
    """Return `text` with its variables replaced. Raises Unresolved."""
    if "$" not in text:
        return text
    result = _PLACE.sub(lambda place: _value(place, variables), text)
    if len(result) > TEXT_MAX:
        raise Unresolved(f"is longer than {TEXT_MAX} characters with its variables")
    return result


def _value(place: re.Match[str], variables: Mapping[str, str]) -> str:
    if place[0] == "$$":
        return "$"
    if place[1] is None:
        raise Unresolved('"${" has no matching "}"; write $${ for the text itself')
    form = _NAME.fullmatch(place[1])
    if form is None:
        raise Unresolved(
            f"{place[0]} is not a form known here; "
            "use ${NAME} or ${NAME:-default}, or $${ for the text itself"
        )
    name, operator, default = form.groups()
    value = variables.get(name)
    if value is None or (operator == ":-" and not value):
        if operator is None:
            raise Unresolved(f"${{{name}}} is not set; set it or write ${{{name}:-x}}")
        return str(default)
    return value
