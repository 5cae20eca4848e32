"""Traefik's labels or files as the front of a cluster file. Pure.

A file may be a Compose file, what `docker inspect` tells of containers, labels
alone (a list or a mapping), or a configuration of Traefik's own. Services are not
made: target groups of containers get their addresses where these are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from controlplane.imports.compose.containers import pairs
from controlplane.imports.given import (
    Fields,
    Given,
    Losses,
    Many,
    Named,
    Place,
    Text,
    given,
)
from controlplane.imports.interpolation import Interpolation
from controlplane.imports.quantities import whole
from controlplane.imports.section import Section
from controlplane.imports.surroundings import Surroundings
from controlplane.imports.traefik.configuration import LABEL, lowered, tree
from controlplane.imports.traefik.front import Container, build

_OWN = frozenset({"http", "tcp", "udp", "tls", "entrypoints", "providers", "api"})


def import_traefik(files: Sequence[tuple[str, str]], around: Surroundings) -> Section:
    """Return listeners and target groups. Raises ConfigInvalid for what is no YAML."""
    root = Section(Place(files[0][0], 1, 1, ""))
    containers: list[Container] = []
    addresses: dict[str, str] = {}
    static: Named | None = None
    for name, text in files:
        document = given(name, text)
        if isinstance(document, Named) and _is_own(document):
            whole_file = lowered(document)
            assert isinstance(whole_file, Named)
            containers.append(Container("", whole_file, (), document.place, ""))
            static = _both(static, whole_file)
        else:
            found = _containers(document, root.losses, around)
            for container, address in found:
                containers.append(container)
                addresses[container.name] = address
    attachments = build(root, containers, static, {}, around.entry_points)
    for attachment in attachments:
        _fill(root, attachment.group, addresses[attachment.container], attachment.port)
    return root


def _is_own(document: Named) -> bool:
    return any(key.name.lower() in _OWN for key in document.entries)


def _both(one: Named | None, other: Named) -> Named:
    if one is None:
        return other
    return Named((*one.entries, *other.entries), one.place)


def _containers(
    document: Given, losses: Losses, around: Surroundings
) -> Iterator[tuple[Container, str]]:
    """Yield labelled containers with their addresses, if those are known."""
    if isinstance(document, Named) and any(
        k.name == "services" for k in document.entries
    ):
        yield from _composed(document, losses, around)
    elif isinstance(document, Many) and any(
        isinstance(i, Named) for i in document.items
    ):
        yield from _inspected(document, losses)
    else:
        yield _labelled("", document, losses, Interpolation({})), ""


def _composed(
    document: Named, losses: Losses, around: Surroundings
) -> Iterator[tuple[Container, str]]:
    values = Interpolation(around.variables)
    for key in Fields(document, Losses()).fields("services").keys.values():
        service = Fields(key.value, Losses())
        value = service.peek("labels")
        deployed = service.fields("deploy").peek("labels")
        for labels in (value, deployed):
            if labels is None:
                continue
            container = _labelled(key.name, labels, losses, values)
            if container.labels.entries:
                yield container, ""


def _inspected(document: Many, losses: Losses) -> Iterator[tuple[Container, str]]:
    for item in document.items:
        fields = Fields(item, losses)
        name = fields.text("Name")
        configuration = fields.fields("Config")
        labels = configuration.peek("Labels")
        if labels is None:
            losses.add(item, "has no Config.Labels")
            continue
        called = name.text.strip("/") if name else item.place.path
        container = _labelled(called, labels, losses, None)
        exposed = tuple(
            port
            for each in configuration.fields("ExposedPorts").keys
            if (port := whole(each.partition("/")[0]))
        )
        networks = fields.fields("NetworkSettings").fields("Networks").keys.values()
        addresses = [
            address.text
            for network in networks
            if (address := Fields(network.value, losses).text("IPAddress"))
        ]
        if container.labels.entries:
            yield container._replace(ports=exposed), next(filter(None, addresses), "")


def _labelled(
    name: str, value: Given, losses: Losses, values: Interpolation | None
) -> Container:
    options = []
    for key in pairs(value):
        if not key.name.lower().startswith(LABEL):
            if not name:
                losses.add(key, "is no label of Traefik's")
        elif isinstance(key.value, Text):
            text = key.value
            if values:
                text = Text(values.now(text, losses), text.place)
            options.append((key.name[len(LABEL) :], text, key.place))
        else:
            losses.add(key, "must be a name and a single value")
    rule = f"Host(`{name}`)" if name else ""
    return Container(name, tree(options, value.place), (), value.place, rule)


def _fill(root: Section, name: str, address: str, port: int) -> None:
    """Name the container as a target, or say what to do."""
    for group in root.sections("targetGroups"):
        if group["name"] != name:
            continue
        if address and port:
            target = Section(group.origin, id=address, port=port)
            group.add("targets", target, group.origin)
        elif "targets" not in group:
            note = (
                f"targets: name them here, or a service (container port {port or '?'})"
            )
            group.notes.append(note)
