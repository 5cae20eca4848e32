"""ECS task definitions as a cluster file: definitions, services, a front. Pure.

Takes what `aws ecs describe-task-definition` prints and what `aws ecs
register-task-definition --cli-input-json` reads, one or many, in one file or
several. Fields stay as they are; for each definition with a TCP port there is a
target group, a service and a way to it: the whole listener where there is one
definition, else the host FAMILY.localhost.

Source: ECS API reference, RegisterTaskDefinition and TaskDefinition.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

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
from controlplane.imports.interpolation import literal
from controlplane.imports.names import Names, ecs_name
from controlplane.imports.quantities import whole
from controlplane.imports.section import Section
from controlplane.imports.traefik.rules import no_router

PORT: Final = 8080
PRIORITY_STEP: Final = 10
ANY_ANSWER: Final = "200-499"

BOOKKEEPING: Final = frozenset(
    {
        "taskDefinitionArn", "revision", "status", "requiresAttributes",
        "compatibilities", "registeredAt", "deregisteredAt", "registeredBy",
    }
)  # fmt: skip
"""What describe-task-definition tells of AWS's record, not of the definition."""
_WRAPPERS: Final = ("taskDefinition", "taskDefinitions")


def import_taskdef(files: Sequence[tuple[str, str]]) -> Section:
    """Return the cluster file of task definitions, each (name, text) JSON or YAML.

    Raises ConfigInvalid where a file is neither.
    """
    root = Section(Place(files[0][0], 1, 1, ""))
    newest: dict[str, tuple[int, Fields]] = {}
    for name, text in files:
        for document in _documents(name, text):
            for definition in _definitions(given(name, document), root.losses):
                _keep_newest(definition, newest, root.losses)
    made = [_definition(root, family, row[1]) for family, row in newest.items()]
    _front(root, made)
    return root


def _documents(name: str, text: str) -> Iterator[str]:
    """Yield the JSON documents of a text, which may hold several; else it whole."""
    del name
    decoder = json.JSONDecoder()
    found: list[tuple[int, int]] = []
    at = 0
    try:
        while at < len(text):
            start = at + len(text[at:]) - len(text[at:].lstrip())
            if start == len(text):
                break
            _, at = decoder.raw_decode(text, start)
            found.append((start, at))
    except (ValueError, RecursionError):
        found = []
    if len(found) < 2:  # noqa: PLR2004 - one is read whole, for its places
        yield text
        return
    for start, end in found:
        before = text[:start]
        line_start = before.rfind("\n") + 1
        yield "\n" * before.count("\n") + " " * (start - line_start) + text[start:end]


def _definitions(document: Given, losses: Losses) -> Iterator[Fields]:
    """Yield the definitions of a document, out of whatever they are wrapped in."""
    if isinstance(document, Many):
        for item in document.items:
            yield from _definitions(item, losses)
        return
    fields = Fields(document, losses)
    wrapped = [name for name in _WRAPPERS if name in fields]
    if not wrapped:
        if fields.keys:
            yield fields
        return
    tags = fields.take("tags")
    for name in wrapped:
        for inner in _definitions(fields.take(name) or document, losses):
            if isinstance(tags, Many) and tags.items:
                inner.keys.setdefault("tags", fields.keys["tags"])
            yield inner
    fields.rest({"failures": "what AWS did not find"}, "is no part of a definition")


def _keep_newest(
    fields: Fields, newest: dict[str, tuple[int, Fields]], losses: Losses
) -> None:
    family, revision = fields.text("family"), fields.text("revision")
    if family is None:
        losses.add(fields.place, "has no family")
        return
    number = whole(revision.text) if revision else None
    mine = (number or 0, fields)
    before = newest.get(family.text)
    if before and before[0] > mine[0]:
        losses.add(fields.place, f"revision {before[0]} of {family.text} is newer")
        return
    if before:
        losses.add(before[1].place, f"another revision of {family.text} comes after it")
    newest[family.text] = mine


def _definition(root: Section, family: str, fields: Fields) -> Section:
    """Return a definition with all fields that register-task-definition takes."""
    section = Section(fields.place, family=ecs_name(family))
    own = [name for name in fields.keys if name in BOOKKEEPING]
    if own:
        why = f"{', '.join(own)}: AWS's record of the definition"
        section.losses.add(fields.place, why)
    for name, key in fields.keys.items():
        if name != "family" and name not in BOOKKEEPING:
            section.put(name, _as_it_is(key.value), key)
    root.add("taskDefinitions", section, fields.place)
    if section.get("networkMode") == "awsvpc":
        _free_host_ports(section)
    return section


def _free_host_ports(section: Section) -> None:
    """Where awsvpc is not built, what was a task's own port would become the host's."""
    for container in section.sections("containerDefinitions"):
        for mapping in container.sections("portMappings"):
            if mapping.pop("hostPort", None) is not None:
                why = "in awsvpc it can only be the container's port"
                container.losses.add(mapping.places["hostPort"], why)


def _as_it_is(value: Given) -> object:
    match value:
        case Named():
            section = Section(value)
            for key in value.entries:
                section.put(key.name, _as_it_is(key.value), key)
            return section
        case Many():
            return [_as_it_is(item) for item in value.items]
        case Text():
            return _scalar(value)


def _scalar(value: Text) -> object:
    if not value.plain:
        return literal(value.text)
    if value.is_null:
        return None
    if value.text in {"true", "false"}:
        return value.text == "true"
    number = whole(value.text.removeprefix("-"))
    if number is not None and value.text.removeprefix("-") == str(number):
        return -number if value.text.startswith("-") else number
    return literal(value.text)


# --- the front ----------------------------------------------------------------------


def _front(root: Section, definitions: list[Section]) -> None:
    names = Names()
    behind = []
    for definition in definitions:
        service = _service(definition)
        port = _first_port(definition)
        if port:
            container, number = port
            family = str(definition["family"])
            group = Section(definition.origin, name=names.target_group(family))
            group["matcher"] = {"httpCode": ANY_ANSWER}
            note = "matcher: any answer below 500 is healthy; name what to ask"
            group.notes.append(note)
            root.add("targetGroups", group, definition.origin)
            place = {"targetGroup": group["name"], "containerName": container}
            service["loadBalancers"] = [{**place, "containerPort": number}]
            behind.append((family, group))
        root.add("services", service, definition.origin)
    if behind:
        root.add("listeners", _listener(behind), root.origin)
    order = ("taskDefinitions", "targetGroups", "listeners", "services")
    fields = {name: root[name] for name in order if name in root}
    root.clear()
    root.update(fields)


def _service(definition: Section) -> Section:
    family = definition["family"]
    service = Section(definition.origin, serviceName=family, taskDefinition=family)
    service["desiredCount"] = 1
    if _has_host_port(definition):
        service["deploymentConfiguration"] = {
            "minimumHealthyPercent": 0,
            "maximumPercent": 100,
        }
        note = "deploymentConfiguration: a port of the host is one task's at a time"
        service.notes.append(note)
    return service


def _mappings(definition: Section) -> Iterator[tuple[Section, Section]]:
    for container in definition.sections("containerDefinitions"):
        for mapping in container.sections("portMappings"):
            yield container, mapping


def _has_host_port(definition: Section) -> bool:
    return any(mapping.get("hostPort") for _, mapping in _mappings(definition))


def _first_port(definition: Section) -> tuple[object, object] | None:
    """Return the container and port that requests go to: the first of TCP."""
    for container, mapping in _mappings(definition):
        is_tcp = mapping.get("protocol", "tcp") == "tcp"
        if is_tcp and isinstance(mapping.get("containerPort"), int):
            return container.get("name", ""), mapping["containerPort"]
    return None


def _listener(behind: list[tuple[str, Section]]) -> Section:
    origin = behind[0][1].origin
    listener = Section(origin, port=PORT, protocol="HTTP")
    if len(behind) == 1:
        group = behind[0][1]["name"]
        listener["defaultActions"] = [{"type": "forward", "targetGroup": group}]
        return listener
    for index, (family, group) in enumerate(behind):
        host = f"{family.lower()}.localhost"
        rule = Section(group.origin, name=family, priority=(index + 1) * PRIORITY_STEP)
        rule["conditions"] = [{"field": "host-header", "values": [host]}]
        rule["actions"] = [{"type": "forward", "targetGroup": group["name"]}]
        listener.add("rules", rule, group.origin)
    listener["defaultActions"] = [no_router()]
    return listener
