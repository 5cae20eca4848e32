"""The machine under an engine: its size, and where its tasks are reached. Floor 3."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from scheduler.drivers import docker_config as config
from scheduler.drivers.docker_calls import EngineCalls, EngineRefused
from scheduler.drivers.host import own_attributes
from scheduler.errors import HostNotReached
from scheduler.model import CPU_UNITS_PER_CORE

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Machine:
    """What does not change while an engine runs."""

    cpu: int
    memory_mib: int
    address: str
    """Where ports are published."""
    gateway: str
    """The host as its containers reach it."""
    attributes: Mapping[str, str]
    architecture: str = ""
    """As the kernel calls it: ``x86_64``."""


async def look_at(calls: EngineCalls, address: str) -> Machine:
    """Ask the engine for its size; find the address, if `address` is empty.

    A local engine publishes on its bridge's own address, where a dead task
    refuses at once, and no other machine connects. One on another machine
    publishes on the address by which we reach it; one in a virtual machine of
    this one (its bridge is not ours) on the loopback, which it forwards.
    """
    host = await calls.ask("info", lambda client: client.info())
    bridge = await _gateway(calls)
    local = bridge if bridge and _is_ours(bridge) else ""
    return Machine(
        cpu=int(host["NCPU"]) * CPU_UNITS_PER_CORE,
        memory_mib=int(host["MemTotal"]) >> 20,
        address=address or await _remote(calls) or local or LOOPBACK,
        gateway=local or config.HOST_GATEWAY,
        architecture=str(host.get("Architecture", "")),
        attributes=own_attributes(str(host["OSType"]), str(host["Architecture"])),
    )


async def _gateway(calls: EngineCalls) -> str:
    """Return the default bridge's own address; empty: there is no bridge."""
    try:
        bridge = await calls.ask(
            "inspect bridge", lambda client: client.inspect_network("bridge")
        )
    except EngineRefused as refused:
        if refused.status == config.NOT_FOUND:
            return ""
        raise
    return config.gateway_of(bridge)


async def _remote(calls: EngineCalls) -> str:
    """Return the address by which we reach an engine elsewhere; empty: it is here."""
    parts = urlsplit(calls.endpoint)
    if parts.scheme == "unix" or not parts.hostname:
        return ""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            parts.hostname, None, family=socket.AF_INET, type=socket.SOCK_STREAM
        )
    except OSError as unknown:
        detail = (
            f"{calls.endpoint}: {parts.hostname} is no name of this network; "
            "write the instance's address, where its tasks are reached"
        )
        raise HostNotReached(calls.host, "resolve", detail) from unknown
    address = str(found[0][4][0])
    return "" if ipaddress.ip_address(address).is_loopback else address


def _is_ours(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True
