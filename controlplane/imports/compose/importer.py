"""A Compose project as a cluster file. Pure.

    services --> task definitions and services
    published ports, Traefik's labels --> target groups, listeners, rules

Traefik itself is not run: the load balancer takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.imports.compose.containers import describe, labels, pairs
from controlplane.imports.compose.dependencies import (
    join_jobs,
    take_jobs,
    tell_of_names,
)
from controlplane.imports.compose.deploying import deploy, told
from controlplane.imports.compose.doors import Doors
from controlplane.imports.compose.ports import Port, map_ports, take_ports
from controlplane.imports.compose.project import (
    Project,
    project,
    skip_extensions,
)
from controlplane.imports.compose.reading import Reading
from controlplane.imports.compose.reasons import REASONS, TAKES_ITS_PLACE
from controlplane.imports.compose.resources import check_health
from controlplane.imports.compose.volumes import mount
from controlplane.imports.given import Fields, Key, Losses, Many, Named, Place, Text
from controlplane.imports.interpolation import Interpolation
from controlplane.imports.names import ecs_name
from controlplane.imports.section import Section
from controlplane.imports.surroundings import Surroundings
from controlplane.imports.traefik.configuration import LABEL, flags, tree, variables
from controlplane.imports.traefik.front import Container, build

_TRAEFIK: Final = re.compile(r"(?:.*/)?traefik(?:[:@].*)?")


def import_compose(files: Sequence[tuple[str, str]], around: Surroundings) -> Section:
    """Return the cluster file of a project; `files` as `docker compose -f` has them.

    Raises ConfigInvalid where a file is no YAML.
    """
    losses = Losses()
    whole = project(files, around, losses)
    root = Section(Place(files[0][0], 1, 1, ""), cluster=ecs_name(whole.name))
    root.losses.extend(losses)
    values = Interpolation(around.variables)
    readings: dict[str, Reading] = {}
    for name, key in whole.services.items():
        reading = _reading(key, whole, around, (values, root))
        readings[name] = reading
    fronts = {name: one for name, one in readings.items() if _is_traefik(one)}
    others = {name: one for name, one in readings.items() if name not in fronts}
    found = {name: _read(one, others) for name, one in others.items()}
    jobs = join_jobs(others, {name: row[0] for name, row in found.items()})
    doors = Doors(root)
    containers = [row[2] for name, row in found.items() if row[2]]
    static, published = _traefik(fronts.values(), containers)
    attachments = build(root, containers, static, published, around.entry_points)
    for attachment in attachments:
        if attachment.container in others:
            doors.attach(others[attachment.container], attachment)
    for name, reading in others.items():
        if name not in jobs:
            doors.open(reading, found[name][1])
    doors.close()
    _assemble(root, [one for name, one in others.items() if name not in jobs])
    return root


def _assemble(root: Section, readings: list[Reading]) -> None:
    """Put the parts in the order in which people read them."""
    for reading in readings:
        root.add("taskDefinitions", reading.task, reading.fields.place)
        root.add("services", reading.service, reading.fields.place)
    order = (
        "cluster", "allowPrivileged", "allowHostPaths", "loadBalancer",
        "taskDefinitions", "targetGroups", "listeners", "services",
    )  # fmt: skip
    fields = {name: root[name] for name in order if name in root}
    root.clear()
    root.update(fields)


def _reading(
    key: Key,
    whole: Project,
    around: Surroundings,
    shared: tuple[Interpolation, Section],
) -> Reading:
    values, root = shared
    name = ecs_name(key.name)
    container = Section(key, name=name)
    task = Section(key, family=name, containerDefinitions=[container])
    service = Section(key, serviceName=name, taskDefinition=name)
    fields = Fields(key.value, task.losses)
    return Reading(
        key.name, fields, whole, around, values, root, task, container, service
    )


def _is_traefik(reading: Reading) -> bool:
    image = reading.fields.peek("image")
    if not isinstance(image, Text):
        return False
    return bool(_TRAEFIK.fullmatch(reading.values.quietly(image.text)))


def _read(
    reading: Reading, others: Mapping[str, Reading]
) -> tuple[dict[str, Key], list[Port], Container | None]:
    """Read one service whole; return its jobs, its ports, and its labels' part."""
    fields = reading.fields
    skip_extensions(fields)
    environment = fields.peek("environment")
    if isinstance(environment, Many):
        environment = Named(tuple(pairs(environment)), environment.place)
    tell_of_names(reading, set(others) - {reading.name}, environment)
    jobs = take_jobs(reading)
    describe(reading)
    ports = take_ports(reading)
    map_ports(reading, ports)
    check_health(reading)
    mount(reading)
    deployed = deploy(reading)
    container = _labelled(reading, deployed, ports)
    told(deployed)
    fields.rest(REASONS, "is not known in a service")
    return jobs, ports, container


def _labelled(
    reading: Reading, deployed: Fields, ports: list[Port]
) -> Container | None:
    """Give Traefik's labels to the load balancer and the others to the container."""
    in_deploy = Reading(
        reading.name, deployed, reading.project, reading.around, reading.values,
        reading.root, reading.task, reading.container, reading.service,
    )  # fmt: skip
    found = labels(reading)
    swarm = []
    for row in labels(in_deploy):
        if row[0].lower().startswith(LABEL):
            swarm.append(row)
        else:
            reading.service.losses.add(row[2], "services have no labels here")
    options = []
    own = {}
    for name, value, key in [*found, *swarm]:
        if name.lower().startswith(LABEL):
            text = Text(reading.now(value), value.place)
            options.append((name[len(LABEL) :], text, key.place))
        else:
            own[name] = reading.kept(value)
    reading.container.put("dockerLabels", own, reading.fields.place)
    if not options:
        return None
    place = reading.fields.place
    exposed = tuple(port.container for port in ports if port.protocol == "tcp")
    rule = f"Host(`{reading.name}-{reading.project.name}`)"
    return Container(reading.name, tree(options, place), exposed, place, rule)


def _traefik(
    fronts: object, containers: list[Container]
) -> tuple[Named | None, dict[int, int]]:
    """Read Traefik's own services: its options, its published ports, its labels."""
    assert hasattr(fronts, "__iter__")
    static: Named | None = None
    published: dict[int, int] = {}
    for reading in fronts:
        assert isinstance(reading, Reading)
        fields = reading.fields
        fields.take("image")
        arguments = [
            Text(reading.now(text), text.place)
            for text in (*fields.texts("entrypoint"), *fields.texts("command"))
        ]
        environment = [
            (key.name, key.value)
            for key in pairs(fields.take("environment"))
            if isinstance(key.value, Text)
        ]
        options = [*flags(arguments), *variables(environment)]
        static = tree(options, fields.place)
        for port in take_ports(reading):
            if port.host and port.protocol == "tcp":
                published[port.container] = port.host
        own = _labelled(reading, Fields(None, reading.losses), [])
        if own:
            containers.append(own)
        skip_extensions(fields)
        fields.rest({}, TAKES_ITS_PLACE)
        reading.root.losses.extend(reading.losses)
    return static, published
