"""Routers become listeners with prioritised rules. Pure.

    containers' labels, files --> routers, services, middlewares
        --> per entry point a listener, per router and alternative a rule

A router that cannot be carried over exactly stays out, and is told: a rule that
takes more than its router would send requests where they never went.

Source: Traefik, "Rules & Priority": the highest priority first, by default the
length of the rule; a request that no router takes gets 404.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from controlplane.imports.given import Fields, Key, Losses, Named, Place, Text
from controlplane.imports.interpolation import literal
from controlplane.imports.names import Names, ecs_name
from controlplane.imports.quantities import flag, whole
from controlplane.imports.section import Section
from controlplane.imports.traefik.configuration import words
from controlplane.imports.traefik.entry_points import (
    INTERNAL,
    EntryPoint,
    entry_points,
    guessed,
    speaks_tls,
)
from controlplane.imports.traefik.matching import Conditions, alternatives
from controlplane.imports.traefik.middlewares import Refused, Treatment, treatment
from controlplane.imports.traefik.rule_language import RuleFlaw, parse
from controlplane.imports.traefik.rules import Way, no_router, rules_of
from controlplane.imports.traefik.services import Backends, forward

PRIORITY_STEP: Final = 10
PRIORITY_MAX: Final = 50_000

_ROUTER_REASONS: Final = {
    "observability": "every request is logged and counted alike",
    "parentrefs": "routers have no parents here",
}
_NOT_HTTP: Final = {
    "tcp": "a load balancer of applications speaks HTTP",
    "udp": "a load balancer of applications speaks HTTP",
    "tls": "certificates are named in the listener",
}
_TLS_REASONS: Final = {
    "certresolver": "certificates are files, in the listener's certificates, or the "
    "development CA's",
    "domains": "certificates are chosen by the names they hold",
    "options": "sslPolicy of the listener tells what is spoken",
}


class Container(NamedTuple):
    """A container whose labels Traefik reads; `labels` is the tree below traefik."""

    name: str
    labels: Named
    ports: tuple[int, ...]
    place: Place
    rule: str
    """Of a router that has none: Traefik's default rule."""


class Attachment(NamedTuple):
    """A container is behind a target group, at this port."""

    container: str
    group: str
    port: int


@dataclass(slots=True)
class Router:
    key: Key
    container: str
    alternatives: list[Conditions]
    priority: int
    entries: list[str]
    """Empty: all."""
    tls: bool
    service: str
    treatment: Treatment
    losses: Losses = field(default_factory=Losses)


@dataclass(slots=True)
class Front:
    """All that was read, before listeners are made of it."""

    root: Section
    backends: Backends
    routers: list[Router] = field(default_factory=list)
    middlewares: dict[str, Key] = field(default_factory=dict)
    entries: dict[str, EntryPoint] = field(default_factory=dict)
    certificates: list[Section] = field(default_factory=list)


def build(
    root: Section,
    containers: Sequence[Container],
    static: Named | None,
    published: Mapping[int, int],
    told: Mapping[str, int],
) -> list[Attachment]:
    """Add listeners and target groups to `root`; return who is behind which group."""
    front = Front(root, Backends(Names(), root.losses))
    options = Fields(static, root.losses)
    front.entries = entry_points(options, published, told)
    front.entries.pop(INTERNAL, None)
    front.certificates = list(_certificates(options.fields("tls")))
    by_default = _exposed_by_default(options)
    _static_rest(options)
    enabled = [one for one in containers if _is_enabled(one, by_default, root.losses)]
    for container in enabled:
        _collect(front, container)
    for container in enabled:
        _read_routers(front, container)
    _write(front)
    return [
        Attachment(container, str(front.backends.groups[service]["name"]), port)
        for (service, container), port in front.backends.ports.items()
    ]


def _exposed_by_default(options: Fields) -> bool:
    docker = options.fields("providers").fields("docker")
    exposed = docker.text("exposedbydefault")
    return exposed is None or flag(exposed.text) is not False


def _static_rest(options: Fields) -> None:
    options.take("http")  # read as the labels are
    reasons = {"certificatesresolvers": _TLS_REASONS["certresolver"], **_NOT_HTTP}
    options.rest(reasons, "is Traefik's own")


def _certificates(tls: Fields) -> Iterator[Section]:
    for item in tls.many("certificates"):
        one = Fields(item, tls.losses)
        certificate, key = one.text("certfile"), one.text("keyfile")
        one.rest({}, "is not known in a certificate")
        if certificate and key:
            yield Section(
                item,
                certificate=literal(certificate.text),
                privateKey=literal(key.text),
            )
        else:
            tls.losses.add(item, "needs certFile and keyFile")
    tls.rest({}, "sslPolicy of the listener tells what is spoken")


def _is_enabled(container: Container, by_default: bool, losses: Losses) -> bool:  # noqa: FBT001 - Traefik's own flag
    enable = Fields(container.labels, Losses()).text("enable")
    if enable is None and container.name and not by_default:
        losses.add(
            container.place, "traefik.enable is not true: its labels say nothing"
        )
        return False
    return enable is None or flag(enable.text) is not False


def _collect(front: Front, container: Container) -> None:
    """Read services and middlewares; routers may name those of other containers."""
    top = Fields(container.labels, front.root.losses)
    http = top.fields("http")
    for name, key in http.fields("middlewares").keys.items():
        front.middlewares[name] = key
    for key in http.fields("services").keys.values():
        front.backends.add(key, container.name, container.ports)
    http.take("routers")
    http.rest(
        {"serverstransports": "targets are not validated, as by ALB"}, "is not known"
    )
    for quiet in ("enable", "docker", "swarm"):
        top.take(quiet)
    if container.name:  # the rest of a file is told with Traefik's own options
        top.rest(_NOT_HTTP, "is not known among labels")


def _read_routers(front: Front, container: Container) -> None:
    http = Fields(container.labels, Losses()).fields("http")
    routers = http.fields("routers").keys
    own = [
        name for name in http.fields("services").keys if name in front.backends.groups
    ]
    if container.name and not routers:
        text = Text("", container.place)
        key = Key(container.name, container.place, Named((), text.place))
        routers = {container.name: key}
    for key in routers.values():
        losses = Losses()
        try:
            router = _router(front, container, key, own, losses)
        except RuleFlaw as flaw:
            losses.add(key, f"the router stays out: {flaw}")
        except Refused as refused:
            losses.add(refused.where, f"router {key.name} stays out: {refused.why}")
        else:
            front.routers.append(router)
            continue
        front.root.losses.extend(losses)


def _router(
    front: Front, container: Container, key: Key, own: list[str], losses: Losses
) -> Router:
    """Read one router. Raises RuleFlaw, Refused."""
    fields = Fields(key.value, losses)
    rule, priority = fields.text("rule"), fields.text("priority")
    text = rule.text if rule else container.rule
    if not text:
        raise RuleFlaw("it has no rule")
    names = words(fields.take("middlewares"), losses)
    entries = [one.text.lower() for one in words(fields.take("entrypoints"), losses)]
    service = _service_of(front, container, fields.text("service"), own, key)
    is_tls = _tls(fields, losses)
    fields.take("rulesyntax")
    fields.rest(_ROUTER_REASONS, "is not known in a router")
    given = whole(priority.text) if priority else None
    found = alternatives(parse(text))
    if not found:
        raise RuleFlaw("no request can meet its rule")
    return Router(
        key, container.name, found, given or len(text), entries, is_tls, service,
        treatment(names, front.middlewares), losses,
    )  # fmt: skip


def _service_of(
    front: Front, container: Container, named: Text | None, own: list[str], key: Key
) -> str:
    """Return the service of a router: named, the only one, or the container itself."""
    if named:
        name = named.text.lower()
        if name.endswith("@internal"):
            raise Refused(named, f"{named.text} is Traefik's own")
        return name.partition("@")[0]
    if len(own) == 1:
        return own[0]
    if not container.name:
        raise RuleFlaw("it names no service")
    if len(own) > 1:
        raise RuleFlaw(f"it names none of the services {', '.join(own)}")
    service = container.name.lower()
    if (service, container.name) not in front.backends.ports:
        empty = Key(service, key.place, Named((), key.place))
        front.backends.add(empty, container.name, container.ports)
    return service


def _tls(fields: Fields, losses: Losses) -> bool:
    value = fields.take("tls")
    if value is None:
        return False
    if isinstance(value, Text):
        return flag(value.text) is not False
    Fields(value, losses).rest(_TLS_REASONS, "is not known in tls")
    return True


# --- listeners --------------------------------------------------------------------


def _write(front: Front) -> None:
    root = front.root
    asked = [name for router in front.routers for name in router.entries]
    for entry in guessed(asked, front.entries).values():
        front.entries[entry.name] = entry
        note = (
            f"entry point {entry.name}: no file tells its port; {entry.port} is usual"
        )
        root.notes.append(note)
    if front.routers and not front.entries:
        front.entries["web"] = EntryPoint("web", 80)
    placed: set[int] = set()
    for entry in front.entries.values():
        mine = [
            router
            for router in front.routers
            if not router.entries or entry.name in router.entries
        ]
        _listener(front, entry, mine, placed)
    for router in front.routers:
        if id(router) not in placed:
            word = "TLS" if router.tls else "plain HTTP"
            why = f"the router stays out: none of its ports speaks {word}"
            root.losses.add(router.key, why)
    for group in front.backends.groups.values():
        root.add("targetGroups", group, group.origin)


def _listener(
    front: Front, entry: EntryPoint, routers: list[Router], placed: set[int]
) -> None:
    if not routers and entry.redirect is None:
        return
    is_tls = speaks_tls(entry, [router.tls for router in routers])
    if entry.tls:
        routers = [_with_tls(router, placed) for router in routers]
    mine = [router for router in routers if router.tls == is_tls]
    place = entry.place or (routers[0].key.place if routers else front.root.origin)
    listener = Section(place, port=entry.port, protocol="HTTPS" if is_tls else "HTTP")
    protocol = str(listener["protocol"])
    if is_tls and front.certificates:
        listener.put("certificates", front.certificates, front.certificates[0].origin)
    ways: list[Way] = []
    for router in mine:
        placed.add(id(router))
        ways.extend(_ways(front, router, protocol, listener))
    ways.sort(key=lambda way: (-way.priority, way.name, way.order))
    default: list[object] = [no_router()]
    redirect = entry.redirect.action(protocol, None) if entry.redirect else None
    if redirect:
        default, ways = [redirect], []
    elif ways and ways[-1].is_any:
        last = ways.pop()
        default = [last.action]
        listener.losses.extend(last.losses)
    _number(listener, ways)
    listener["defaultActions"] = default
    front.root.add("listeners", listener, place)


def _with_tls(router: Router, placed: set[int]) -> Router:
    """Return a router as one of an entry point that speaks TLS for all of them."""
    placed.add(id(router))
    return replace(router, tls=True)


def _ways(front: Front, router: Router, protocol: str, listener: Section) -> list[Way]:
    losses = Losses([*router.losses, *router.treatment.losses])
    action = forward(router.service, front.backends, losses)
    if action is None and router.treatment.redirect is None:
        why = f"the router stays out: there is no service {router.service}"
        listener.losses.add(router.key, why)
        return []
    try:
        return rules_of(
            Way(
                ecs_name(router.key.name), router.priority, (), action, losses,
                router.key.place,
            ),
            router.alternatives,
            router.treatment,
            protocol,
        )  # fmt: skip
    except RuleFlaw as flaw:
        listener.losses.add(router.key, f"the router stays out: {flaw}")
        return []


def _number(listener: Section, ways: list[Way]) -> None:
    """Give rules their priorities, the first first."""
    step = PRIORITY_STEP if len(ways) * PRIORITY_STEP <= PRIORITY_MAX else 1
    names: dict[str, int] = {}
    for index, way in enumerate(ways):
        number = names[way.name] = names.get(way.name, 0) + 1
        name = f"{way.name}-{number}" if number > 1 else way.name
        rule = way.section(name, (index + 1) * step)
        listener.add("rules", rule, way.place)
