"""Traefik's services as target groups, and weights between them. Pure.

Source: Traefik, "HTTP Services"; ELBv2 API reference, CreateTargetGroup.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from controlplane.imports.given import Fields, Given, Key, Losses, Place, Text
from controlplane.imports.interpolation import literal
from controlplane.imports.names import Names
from controlplane.imports.quantities import flag, seconds, whole
from controlplane.imports.section import Section

WEIGHT_MAX: Final = 999
STICKY_S: Final = 86_400
"""ALB's default: a cookie of Traefik's own lasts as long as the browser."""
STICKY_MAX_S: Final = 604_800
INTERVAL_MAX_S: Final = 300
TIMEOUT_MAX_S: Final = 120

_COOKIE = "the cookie is ALB's own: AWSALB, or AWSALBTG between groups"
_SERVICE_REASONS: Final = {
    "mirroring": "requests are sent once",
    "failover": "a forward has weights, and spillOver",
    "highestrandomweight": "alb.consistent_hash is an algorithm of a target group",
}
_BALANCER_REASONS: Final = {
    "passhostheader": "routing.http.preserve_host_header.enabled is for the whole "
    "load balancer",
    "responseforwarding": "responses pass as they come",
    "serverstransport": "certificates of targets are not validated, as by ALB",
    "passivehealthcheck": "anomaly mitigation is an attribute of a target group",
}
_ASKED = "a health check asks the target as ALB does"
_CHECK_REASONS: Final = {
    "hostname": _ASKED,
    "headers": _ASKED,
    "method": _ASKED,
    "mode": _ASKED,
    "followredirects": _ASKED,
    "unhealthyinterval": "ALB has one interval",
}


@dataclass(slots=True)
class Backends:
    """Target groups made so far, and the containers behind them."""

    names: Names
    losses: Losses
    """Of services that have no group."""
    groups: dict[str, Section] = field(default_factory=dict)
    """By the name of Traefik's service."""
    weighted: dict[str, Key] = field(default_factory=dict)
    ports: dict[tuple[str, str], int] = field(default_factory=dict)
    """By service and container, what the container listens at; 0: nobody says."""

    def add(self, key: Key, container: str, exposed: tuple[int, ...]) -> None:
        """Read one service; of a container, unless that is empty."""
        losses = Losses()
        kinds = Fields(key.value, losses)
        if "weighted" in kinds:
            self.weighted[key.name] = key
            kinds.take("weighted")
        elif (balancer := kinds.take("loadbalancer")) is not None or container:
            fields = Fields(balancer, losses)
            group = self.group(key.name, container or key.name, key.place)
            port = _server(fields, group)
            if container:
                self.ports[key.name, container] = port or min(exposed, default=0)
            _balancer(fields, group)
        kinds.rest(_SERVICE_REASONS, "is not known in a service")
        made = self.groups.get(key.name)
        (self.losses if made is None else made.losses).extend(losses)

    def group(self, service: str, called: str, place: Place) -> Section:
        """Return the target group of a service, made where there is none."""
        if service not in self.groups:
            name = self.names.target_group(called)
            if any(group["name"] == name for group in self.groups.values()):
                name = self.names.target_group(service)
            self.groups[service] = Section(place, name=name)
        return self.groups[service]


def _server(fields: Fields, group: Section) -> int:
    """Read where the servers are. Returns the container's port, or 0."""
    server = fields.fields("server")
    port = server.text("port")
    scheme = server.text("scheme")
    if scheme and scheme.text == "https":
        group.put("protocol", "HTTPS", scheme)
    elif scheme and scheme.text != "http":
        group.losses.add(scheme, "targets speak HTTP/1.1")
    if url := server.text("url"):
        _target(url, None, group)
    server.rest({}, "is not known in a server")
    for item in fields.many("servers"):
        one = Fields(item, group.losses)
        if url := one.text("url"):
            _target(url, one.text("weight"), group)
        one.rest({}, "is not known in a server")
    number = whole(port.text) if port else 0
    if port and not number:
        group.losses.add(port, "must be a port")
    return number or 0


def _target(url: Text, weight: Text | None, group: Section) -> None:
    try:
        parts = urlsplit(url.text)
        address = ipaddress.ip_address(parts.hostname or "")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        group.losses.add(url, "a target is an IP address and a port")
        return
    if parts.scheme == "https":
        group["protocol"] = "HTTPS"
    if parts.path not in {"", "/"}:
        group.losses.add(url, "a target has no path")
    if weight:
        group.losses.add(weight, "targets of a group are equal; give it a group")
    group.add("targets", Section(url, id=str(address), port=port), url)


def _balancer(fields: Fields, group: Section) -> None:
    _health(fields.fields("healthcheck"), group)
    sticky = fields.take("sticky")
    if sticky is not None:
        duration_s = _cookie(sticky, group.losses)
        attributes = group.section("attributes", sticky)
        attributes["stickiness.enabled"] = True
        attributes["stickiness.lb_cookie.duration_seconds"] = duration_s
    strategy = fields.text("strategy")
    if strategy and strategy.text.lower() == "p2c":
        attributes = group.section("attributes", strategy)
        attributes["load_balancing.algorithm.type"] = "least_outstanding_requests"
    elif strategy and strategy.text.lower() != "wrr":
        group.losses.add(strategy, "is no algorithm of a target group")
    passes = fields.text("passhostheader")
    if passes and flag(passes.text) is False:
        group.losses.add(passes, _BALANCER_REASONS["passhostheader"])
    fields.rest(_BALANCER_REASONS, "is not known in a load balancer")


def _cookie(sticky: Given, losses: Losses) -> int:
    """Return the seconds that a sticky cookie lasts; tell of what it is not."""
    if isinstance(sticky, Text):  # sticky=true
        return STICKY_S
    cookie = Fields(sticky, losses).take("cookie")
    if cookie is None or isinstance(cookie, Text):
        return STICKY_S
    fields = Fields(cookie, losses)
    age = fields.text("maxage")
    fields.rest(
        dict.fromkeys(
            ("name", "secure", "httponly", "samesite", "path", "domain"), _COOKIE
        ),
        "is not known in a cookie",
    )
    wanted = whole(age.text) if age else None
    return max(1, min(STICKY_MAX_S, wanted)) if wanted else STICKY_S


def _health(fields: Fields, group: Section) -> None:
    for name, ours in (
        ("path", "healthCheckPath"),
        ("port", "healthCheckPort"),
        ("scheme", "healthCheckProtocol"),
    ):
        if text := fields.text(name):
            word = text.text.upper() if name == "scheme" else literal(text.text)
            group.put(ours, word, text)
    if status := fields.text("status"):
        group.put("matcher", {"httpCode": status.text}, status)
    for name, ours, most in (
        ("interval", "healthCheckIntervalSeconds", INTERVAL_MAX_S),
        ("timeout", "healthCheckTimeoutSeconds", TIMEOUT_MAX_S),
    ):
        value = fields.text(name)
        wanted_s = seconds(value.text) if value else None
        if value and wanted_s is None:
            group.losses.add(value, "must be a duration such as 10s")
        elif value and wanted_s is not None:
            given_s = max(1, min(most, round(wanted_s)))
            if given_s != wanted_s:
                group.losses.add(value, f"becomes {given_s} s: whole, from 1 to {most}")
            group.put(ours, given_s, value)
    fields.rest(_CHECK_REASONS, "is not known in a health check")


# --- weights ----------------------------------------------------------------------


def forward(
    name: str, backends: Backends, losses: Losses, seen: frozenset[str] = frozenset()
) -> dict[str, object] | None:
    """Return the action that sends to a service; None: there is none of that name."""
    if name in backends.weighted and name not in seen:
        return _weighted(backends.weighted[name], backends, losses)
    group = backends.groups.get(name)
    return {"type": "forward", "targetGroup": group["name"]} if group else None


def _weighted(key: Key, backends: Backends, losses: Losses) -> dict[str, object] | None:
    fields = Fields(key.value, losses).fields("weighted")
    found = list(_shares(fields, backends))
    sticky = fields.take("sticky")
    fields.rest({"healthcheck": "groups fail open by themselves"}, "is not known here")
    if not found:
        return None
    most = max(weight for _, weight in found)
    scale = most / WEIGHT_MAX if most > WEIGHT_MAX else 1
    groups = [
        {"targetGroup": name, "weight": max(1, round(weight / scale)) if weight else 0}
        for name, weight in found
    ]
    action: dict[str, object] = {"type": "forward", "targetGroups": groups}
    if sticky is not None:
        duration_s = _cookie(sticky, losses)
        both = {"enabled": True, "durationSeconds": duration_s}
        action["targetGroupStickinessConfig"] = both
    return action


def _shares(fields: Fields, backends: Backends) -> Iterator[tuple[str, int]]:
    for item in fields.many("services"):
        one = Fields(item, fields.losses)
        name, weight = one.text("name"), one.text("weight")
        one.rest({}, "is not known here")
        service = name.text.lower().partition("@")[0] if name else ""
        group = backends.groups.get(service)
        if group is None or service in backends.weighted:
            fields.losses.add(item, "names no service with servers of its own")
            continue
        share = whole(weight.text) if weight else 1
        yield str(group["name"]), 1 if share is None else share
