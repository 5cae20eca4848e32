"""Traefik's configuration as one tree, wherever it stands: labels, flags, files.

    traefik.http.routers.web.rule=…   --http.routers.web.rule=…   http: {routers: …}

Names of options mean the same in any case; here they are lower case. Pure.

Source: Traefik, "Install Configuration" and "Routing Configuration".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from controlplane.imports.given import Given, Key, Losses, Many, Named, Place, Text

LEVELS_MAX: Final = 20
LABEL: Final = "traefik."

_INDEX = re.compile(r"(.+)\[([0-9]{1,3})\]")


@dataclass(slots=True)
class _Branch:
    place: Place
    inner: dict[str, _Branch] = field(default_factory=dict)
    value: Text | None = None

    def given(self) -> Given:
        if not self.inner and self.value:
            return self.value
        keys = [Key(name, one.place, one.given()) for name, one in self.inner.items()]
        return Named(tuple(_with_lists(keys)), self.place)


def tree(options: Iterable[tuple[str, Text, Place]], root: Place) -> Named:
    """Return options with dots in their names as mappings in mappings."""
    top = _Branch(root)
    for name, value, place in options:
        here = top
        for word in name.lower().split(".")[:LEVELS_MAX]:
            here = here.inner.setdefault(word, _Branch(place))
        here.value = value
    whole = top.given()
    return whole if isinstance(whole, Named) else Named((), root)


def _with_lists(keys: list[Key]) -> Iterator[Key]:
    """Yield keys; ``x[0]``, ``x[1]`` are one list."""
    lists: dict[str, list[Key]] = {}
    for key in keys:
        if match := _INDEX.fullmatch(key.name):
            lists.setdefault(match[1], []).append(key)
        else:
            yield key
    for name, items in lists.items():
        values = tuple(key.value for key in items)
        yield Key(name, items[0].place, Many(values, items[0].place))


def lowered(value: Given) -> Given:
    """Return a file's tree with names in lower case."""
    match value:
        case Named():
            keys = (
                key._replace(name=key.name.lower(), value=lowered(key.value))
                for key in value.entries
            )
            return Named(tuple(keys), value.place)
        case Many():
            return Many(tuple(lowered(item) for item in value.items), value.place)
        case Text():
            return value


def words(value: Given | None, losses: Losses) -> list[Text]:
    """Return a list's items, or what commas part in a text."""
    if isinstance(value, Text):
        return [
            Text(word.strip(), value.place)
            for word in value.text.split(",")
            if word.strip()
        ]
    found = []
    for item in value.items if isinstance(value, Many) else ():
        if isinstance(item, Text):
            found.append(item)
        else:
            losses.add(item, "must be a single value")
    return found


def flags(arguments: Iterable[Text]) -> Iterator[tuple[str, Text, Place]]:
    """Yield the options of a command line: ``--name=value``; without it, true."""
    for argument in arguments:
        if argument.text.startswith("--"):
            name, equals, value = argument.text[2:].partition("=")
            where = argument.place
            place = where._replace(path=f"{where.path}.{name}")
            yield name, Text(value if equals else "true", place), place


def variables(pairs: Iterable[tuple[str, Text]]) -> Iterator[tuple[str, Text, Place]]:
    """Yield the options of an environment: ``TRAEFIK_ENTRYPOINTS_WEB_ADDRESS``."""
    for name, value in pairs:
        if name.upper().startswith("TRAEFIK_"):
            yield name[len("TRAEFIK_") :].replace("_", "."), value, value.place
