"""A Compose project: its files one over the other, `extends` followed. Pure.

Source: Compose specification, "Merge", "Extends".
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from controlplane.imports.given import (
    Fields,
    Given,
    Key,
    Losses,
    Many,
    Named,
    Place,
    Text,
    given,
)
from controlplane.imports.surroundings import Surroundings
from controlplane.problems import ConfigInvalid, Problem

EXTENDS_MAX: Final = 20

_REPLACED: Final = frozenset({"command", "entrypoint", "test"})
"""Lists that a later file replaces; others are appended to."""
_PAIRS: Final = frozenset(
    {"environment", "labels", "extra_hosts", "sysctls", "annotations", "networks"}
)
"""Mappings that may be written as lists."""
_TOP: Final = {
    "networks": "containers of one instance share a network here; services are "
    "reached through the load balancer",
    "include": "name the included files in the command, before this one",
    "models": "there are no models here",
}


@dataclass(frozen=True, slots=True)
class Project:
    """Services by name, in written order; declarations of what they name."""

    name: str
    services: dict[str, Key]
    volumes: dict[str, Key] = field(default_factory=dict)
    secrets: dict[str, Key] = field(default_factory=dict)
    configs: dict[str, Key] = field(default_factory=dict)


def project(
    files: Sequence[tuple[str, str]], around: Surroundings, losses: Losses
) -> Project:
    """Return the project of `files`, each (name, text). Raises ConfigInvalid."""
    whole: Given | None = None
    for name, text in files:
        document = given(name, text)
        if not isinstance(document, Named):
            raise ConfigInvalid(name, [_not_a_mapping(document)])
        whole = document if whole is None else merged(whole, document)
    top = Fields(whole, losses)
    called = top.text("name")
    found = Project(
        called.text if called else posixpath.basename(around.directory) or "default",
        _extended(top.fields("services"), around),
        top.fields("volumes").keys,
        top.fields("secrets").keys,
        top.fields("configs").keys,
    )
    skip_extensions(top)
    top.take("version")  # the specification has none since 2020
    top.rest(_TOP, "is not known at the top of a Compose file")
    return found


def skip_extensions(fields: Fields) -> None:
    """Take what is named ``x-…``: Compose gives it no meaning."""
    for name in fields.keys:
        if name.startswith("x-"):
            fields.take(name)


def _not_a_mapping(document: Given) -> Problem:
    message = 'must be a mapping such as "services: …"'
    return Problem(
        "", f"the file {message}", document.place.line, document.place.column
    )


# --- extends ----------------------------------------------------------------------


def _extended(services: Fields, around: Surroundings) -> dict[str, Key]:
    losses = services.losses
    return {
        name: key._replace(value=_with_base(key.value, services, around, losses, 0))
        for name, key in services.keys.items()
        if not name.startswith("x-")
    }


def _with_base(
    service: Given, services: Fields, around: Surroundings, losses: Losses, depth: int
) -> Given:
    """Return `service` over what it extends."""
    extends = _entry(service, "extends")
    if extends is None or not isinstance(service, Named):
        return service
    own = service._replace(
        entries=tuple(key for key in service.entries if key.name != "extends")
    )
    if depth >= EXTENDS_MAX:
        losses.add(extends, f"extends {EXTENDS_MAX} services and more, or itself")
        return own
    found = _base(extends, services, around, losses)
    if found is None:
        return own
    base, beside = found
    return merged(_with_base(base, beside, around, losses, depth + 1), own)


def _base(
    extends: Key, services: Fields, around: Surroundings, losses: Losses
) -> tuple[Given, Fields] | None:
    """Return the service that is extended, and those it stands beside."""
    if isinstance(extends.value, Text):
        name, file = extends.value.text, None
    else:
        wanted = Fields(extends.value, losses)
        service, file = wanted.text("service"), wanted.text("file")
        name = service.text if service else ""
        wanted.rest({}, "is not known in extends")
    beside = services
    if file is not None:
        text = around.text_of(file.text)
        if text is None:
            losses.add(extends, f"{file.text} cannot be read")
            return None
        top = Fields(given(file.text, text), losses)
        beside = top.fields("services")
    base = beside.peek(name)
    if base is None:
        losses.add(extends, f"there is no service {name}")
        return None
    return base, beside


def _entry(value: Given, name: str) -> Key | None:
    if not isinstance(value, Named):
        return None
    return next((key for key in value.entries if key.name == name), None)


# --- merging ----------------------------------------------------------------------


def merged(base: Given, over: Given, name: str = "") -> Given:
    """Return `over` laid over `base`, the value of a key called `name`."""
    if isinstance(over, Text) and over.is_null:
        return base
    if name in _PAIRS and type(base) is not type(over):
        base, over = _as_mapping(base), _as_mapping(over)
    if isinstance(base, Named) and isinstance(over, Named):
        return _merged_mappings(base, over)
    if isinstance(base, Many) and isinstance(over, Many) and name not in _REPLACED:
        return Many((*base.items, *over.items), over.place)
    return over


def _merged_mappings(base: Named, over: Named) -> Named:
    entries = {key.name: key for key in base.entries}
    for key in over.entries:
        before = entries.get(key.name)
        value = merged(before.value, key.value, key.name) if before else key.value
        entries[key.name] = key._replace(value=value)
    return Named(tuple(entries.values()), over.place)


def _as_mapping(value: Given) -> Given:
    """Return a list of ``NAME=VALUE`` as the mapping that it stands for."""
    if not isinstance(value, Many):
        return value
    return Named(tuple(map(as_key, value.items)), value.place)


def as_key(item: Given) -> Key:
    """Return ``NAME=VALUE`` as a key and its value; without ``=`` null."""
    if not isinstance(item, Text):
        return Key("", item.place, item)
    name, equals, value = item.text.partition("=")
    place: Place = item.place
    return Key(name, place, Text(value, place, plain=not equals))
