"""Ports of a Compose service: which become listeners, which stay on the host. Pure.

A port that is published for HTTP becomes a listener of the load balancer, so that
any number of tasks can answer behind it. A port of a protocol that a load balancer
of applications does not speak stays published on the host. One without a host port
gets a leased one, as Compose gives it any.

Source: Compose specification, "ports".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from controlplane.imports.compose.reading import Reading
from controlplane.imports.given import Fields, Given, Named, Text
from controlplane.imports.quantities import whole
from controlplane.imports.section import Section

PORT_MAX: Final = 65_535
RANGE_MAX: Final = 100
"""Ports of one range that are carried over."""

NOT_HTTP: Final = frozenset(
    {
        21, 22, 23, 25, 53, 110, 111, 123, 139, 143, 161, 389, 445, 465, 514, 587, 636,
        853, 873, 993, 995, 1194, 1433, 1521, 1883, 2049, 2181, 3306, 3389, 4222, 4317,
        5060, 5222, 5432, 5671, 5672, 5900, 6379, 6380, 6432, 7687, 8883, 9042, 9092,
        9300, 11211, 26257, 27017, 33060,
    }
)  # fmt: skip
"""Container ports whose protocol is known not to be HTTP/1 (IANA and habit)."""
_HTTP: Final = frozenset({"http", "https"})
_SHORT = re.compile(
    r"(?:(?:(\[[0-9a-fA-F:.]+\]|[0-9.]+|[A-Za-z][\w.-]*):)?([0-9]+(?:-[0-9]+)?)?:)?"
    r"([0-9]+(?:-[0-9]+)?)(?:/([a-z]+))?",
    re.ASCII,
)
_LOOPBACK: Final = ("127.", "::1", "localhost")


class Port(NamedTuple):
    """One port. `host` 0: any; `is_http` None: nobody says."""

    container: int
    host: int
    host_ip: str
    protocol: str
    is_http: bool | None
    fixed: bool
    where: Given

    @property
    def is_listener(self) -> bool:
        if self.protocol != "tcp" or not self.host or self.fixed:
            return False
        return self.container not in NOT_HTTP if self.is_http is None else self.is_http

    @property
    def is_loopback(self) -> bool:
        return self.host_ip.strip("[]").startswith(_LOOPBACK)


def take_ports(reading: Reading) -> list[Port]:
    """Take ``ports`` and ``expose``, each container port and protocol once."""
    found: dict[tuple[int, str, int], Port] = {}
    for item in reading.fields.many("ports"):
        ports = (
            _long(reading, item) if isinstance(item, Named) else _short(reading, item)
        )
        for port in ports:
            found[port.container, port.protocol, port.host] = port
    published = {(port.container, port.protocol) for port in found.values()}
    for item in reading.fields.many("expose"):
        for port in _short(reading, item):
            if (port.container, port.protocol) not in published:
                found[port.container, port.protocol, 0] = port._replace(host=0)
    return list(found.values())


def map_ports(reading: Reading, ports: list[Port]) -> None:
    """Write the container's port mappings; a listener's port is not the host's."""
    written: set[tuple[int, str]] = set()
    for port in sorted(ports, key=lambda each: (each.is_listener, not each.host)):
        if (port.container, port.protocol) in written:
            if not port.is_listener:
                reading.losses.add(port.where, "one container port has one host port")
            continue
        written.add((port.container, port.protocol))
        mapping = Section(port.where, containerPort=port.container)
        if port.host and not port.is_listener:
            mapping["hostPort"] = port.host
        if port.protocol != "tcp":
            mapping["protocol"] = port.protocol
        reading.container.add("portMappings", mapping, port.where)


def _short(reading: Reading, item: Given) -> Iterator[Port]:
    if not isinstance(item, Text):
        reading.losses.add(item, "must be a port such as 8080:80")
        return
    match = _SHORT.fullmatch(reading.now(item))
    inside = _range(match[3]) if match else None
    outside = _range(match[2]) if match and match[2] else None
    if match is None or inside is None:
        reading.losses.add(item, "must be a port such as 8080:80")
        return
    yield from _paired(
        reading, item, (inside, outside, match[1] or "", match[4] or "tcp")
    )


def _paired(
    reading: Reading, item: Given, parsed: tuple[range, range | None, str, str]
) -> Iterator[Port]:
    inside, outside, host_ip, protocol = parsed
    if outside and len(outside) != len(inside) and len(inside) > 1:
        reading.losses.add(item, "ranges must be of one length")
        return
    if outside and len(outside) > len(inside):
        reading.losses.add(item, f"of the range {outside[0]} is taken")
    for index, container in enumerate(inside):
        host = outside[index] if outside else 0
        yield Port(container, host, host_ip, protocol, None, False, item)  # noqa: FBT003 - fields of a row


def _long(reading: Reading, item: Given) -> Iterator[Port]:
    fields = Fields(item, reading.losses)
    target = reading.measured(fields.take("target"), _range, "a port")
    published = fields.text("published")
    outside = reading.measured(published, _range, "a port") if published else None
    host_ip, protocol = fields.text("host_ip"), fields.text("protocol")
    app, mode = fields.text("app_protocol"), fields.text("mode")
    fields.rest({"name": "a port needs no name here"}, "is not known in a port")
    if target is None:
        reading.losses.add(item, "needs a target, the container's port")
        return
    address = reading.now(host_ip) if host_ip else ""
    row = (target, outside, address, protocol.text if protocol else "tcp")
    for port in _paired(reading, item, row):
        is_http = app.text.lower() in _HTTP if app else None
        fixed = mode is not None and mode.text == "host"
        yield port._replace(is_http=is_http, fixed=fixed)


def _range(text: str) -> range | None:
    first, _, last = text.strip().partition("-")
    low, high = whole(first), whole(last or first)
    if low is None or high is None or not 1 <= low <= high <= PORT_MAX:
        return None
    return range(low, high + 1) if high - low < RANGE_MAX else None
