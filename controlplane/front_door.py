"""Where listeners are opened, and what tasks are told of them.

An `internal` load balancer listens on loopback, and on the gateways of this
machine's engines, so that containers reach it by `host.docker.internal`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from alb.model import CertificateFiles, Listener, LoadBalancer, LogFiles
from alb.ports import Bound, Place
from controlplane.errors import ListenerNotBound

LOOPBACK: Final = "127.0.0.1"
WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with


def with_gateways(load_balancer: LoadBalancer, gateways: Sequence[str]) -> LoadBalancer:
    """Return it listening on `gateways` too, unless it listens everywhere."""
    if load_balancer.internet_facing or not gateways:
        return load_balancer
    listeners = tuple(
        replace(
            listener, addresses=tuple(dict.fromkeys((*listener.addresses, *gateways)))
        )
        for listener in load_balancer.listeners
    )
    return replace(load_balancer, listeners=listeners)


def with_logs_below(load_balancer: LoadBalancer, directory: str) -> LoadBalancer:
    """Return it with the places of its logs absolute: the file's are relative."""
    attributes = load_balancer.attributes
    attributes = replace(
        attributes,
        access_log=_below(directory, attributes.access_log),
        connection_log=_below(directory, attributes.connection_log),
        health_check_log=_below(directory, attributes.health_check_log),
    )
    listeners = tuple(
        replace(listener, attributes=attributes) for listener in load_balancer.listeners
    )
    return replace(load_balancer, attributes=attributes, listeners=listeners)


def _below(directory: str, files: LogFiles | None) -> LogFiles | None:
    if files is None:
        return None
    return replace(files, directory=str(Path(directory, files.directory)))


def with_certificates_below(
    load_balancer: LoadBalancer, directory: str
) -> LoadBalancer:
    """Return it with the places of its certificates absolute."""
    listeners = tuple(
        replace(
            listener,
            certificates=tuple(
                CertificateFiles(
                    str(Path(directory, one.certificate)),
                    str(Path(directory, one.private_key)),
                    one.chain and str(Path(directory, one.chain)),
                )
                for one in listener.certificates
            ),
        )
        for listener in load_balancer.listeners
    )
    return replace(load_balancer, listeners=listeners)


def local_gateways(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return those engine addresses that are this machine's and not loopback."""
    return tuple(
        sorted(
            address
            for address in set(addresses)
            if address not in {"", LOOPBACK, "::1"} and not why_not_open(address, 0)
        )
    )


def require_free(
    load_balancer: LoadBalancer, bound: Iterable[Bound], told: LoadBalancer | None
) -> None:
    """Raise ListenerNotBound when an address that is not ours is taken.

    `bound` is what the node says of the addresses that it was `told`. Of those that
    it has said nothing of it may be opening any: who tried them now would be in its
    way. Asked before anything is changed, so that nothing is half changed. The node
    may still find an address taken a moment later; then `readyz` says so.
    """
    said = {(one.address, one.port): one.error for one in bound}
    ours = {place for place, error in said.items() if not error}
    if told is not None:
        ours |= _places(told) - said.keys()
    problems = [
        f"{address}:{port}: {why}"
        for address, port in sorted(_places(load_balancer) - ours)
        if (why := why_not_open(address, port))
    ]
    if problems:
        raise ListenerNotBound("; ".join(problems))


def _places(load_balancer: LoadBalancer) -> set[Place]:
    return {
        (address, listener.port)
        for listener in load_balancer.listeners
        for address in listener.addresses
    }


def why_not_open(address: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((address, port))
            if port:
                trial.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def url_of(listeners: Sequence[Listener]) -> str:
    """Return the URL of the first listener, as this machine reaches it."""
    if not listeners:
        return ""
    address = listeners[0].addresses[0]
    host = LOOPBACK if address in WILDCARDS else address
    shown = f"[{host}]" if ":" in host else host
    return f"{listeners[0].protocol.lower()}://{shown}:{listeners[0].port}"
