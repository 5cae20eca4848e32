"""How requests get to Compose services: target groups and listeners. Pure."""

from __future__ import annotations

import re
from typing import Final

from controlplane.imports.compose.ports import Port
from controlplane.imports.compose.reading import Reading
from controlplane.imports.names import Names
from controlplane.imports.section import Section
from controlplane.imports.traefik.front import Attachment

ANY_ANSWER: Final = "200-499"
"""Where nothing says what to ask: whatever answers is healthy."""
LOAD_BALANCERS_MAX: Final = 5

_ASKED = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?(/[!-~]*)?")
_END = re.compile(r"[\s\"'|;&)]")


class Doors:
    """The listeners of a project, while they are made."""

    def __init__(self, root: Section) -> None:
        self._root = root
        self._names = Names()
        self._everywhere = False
        self._loopback = False

    def attach(self, reading: Reading, attachment: Attachment) -> None:
        """Put a service behind a target group that Traefik's labels made."""
        if not attachment.port:
            why = "no label tells the port that requests go to, and none is exposed"
            reading.losses.add(reading.fields.place, why)
            return
        group = next(
            one
            for one in self._root.sections("targetGroups")
            if one["name"] == attachment.group
        )
        _behind(reading, group, attachment.port)

    def open(self, reading: Reading, ports: list[Port]) -> None:
        """Make a listener for each port that a service publishes for HTTP."""
        groups: dict[int, Section] = {}
        for port in ports:
            if not port.is_listener:
                if port.host and port.protocol == "tcp":
                    _stays_on_host(reading)
                continue
            taken = {one["port"] for one in self._root.sections("listeners")}
            if port.host in taken:
                reading.losses.add(
                    port.where, f"a listener has port {port.host} already"
                )
                continue
            if port.container not in groups:
                groups[port.container] = self._group(reading, port)
            group = groups[port.container]
            listener = Section(port.where, port=port.host, protocol="HTTP")
            action = {"type": "forward", "targetGroup": group["name"]}
            listener["defaultActions"] = [action]
            self._root.add("listeners", listener, port.where)
            self._loopback |= port.is_loopback
            self._everywhere |= not port.is_loopback

    def close(self) -> None:
        """Say where listeners listen."""
        if self._everywhere and not self._loopback:
            note = "scheme: published on all addresses, as by Compose"
            balancer = Section(self._root.origin, scheme="internet-facing")
            balancer.notes.append(note)
            self._root["loadBalancer"] = balancer
        elif self._everywhere:
            why = "listens on loopback only, as one of the listeners must"
            self._root.losses.add(self._root.origin, why)

    def _group(self, reading: Reading, port: Port) -> Section:
        mine = {
            one.get("containerPort")
            for one in reading.service.sections("loadBalancers")
        }
        taken = {one["name"] for one in self._root.sections("targetGroups")}
        name = self._names.target_group(reading.name)
        if mine or name in taken:
            name = self._names.target_group(f"{reading.name}-{port.container}")
        group = Section(port.where, name=name)
        _behind(reading, group, port.container)
        self._root.add("targetGroups", group, port.where)
        return group


def _behind(reading: Reading, group: Section, port: int) -> None:
    mappings = reading.container.sections("portMappings")
    if port not in {mapping["containerPort"] for mapping in mappings}:
        mapping = Section(group.origin, containerPort=port)
        reading.container.add("portMappings", mapping, group.origin)
    place = Section(group.origin, targetGroup=group["name"])
    place["containerName"] = reading.container["name"]
    place["containerPort"] = port
    reading.service.add("loadBalancers", place, group.origin)
    _health(reading, group)


def _health(reading: Reading, group: Section) -> None:
    """Ask what the container's own check asks, if that is a URL; else anything."""
    check = reading.container.get("healthCheck")
    command = check.get("command", []) if isinstance(check, dict) else []
    asked = _ASKED.search(" ".join(map(str, command)))
    if "healthCheckPath" in group or "matcher" in group:
        return
    if asked:
        path = _END.split(asked[1] or "/")[0]
        group["healthCheckPath"] = path
        group["matcher"] = {"httpCode": "200-399"}
    else:
        group["matcher"] = {"httpCode": ANY_ANSWER}
        note = "matcher: nothing says what to ask; any answer below 500 is healthy"
        group.notes.append(note)


def _stays_on_host(reading: Reading) -> None:
    """A port of the host is one task's: the old one goes before the new one comes."""
    if "deploymentConfiguration" not in reading.service:
        reading.service["deploymentConfiguration"] = {
            "minimumHealthyPercent": 0,
            "maximumPercent": 100,
        }
        note = "deploymentConfiguration: a port of the host is one task's at a time"
        reading.service.notes.append(note)
