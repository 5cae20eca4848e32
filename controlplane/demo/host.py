"""Where the demo's tasks run, and the addresses and the file that follow from it.

An engine that answers and has the image gets containers, else they are local
processes; `why` says which, in a sentence. The cluster file is configs/demo.yaml,
with the choice written into it, so that what was prepared is what runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controlplane.demo.image import COMMAND, ImageUnavailable, ensure_image
from controlplane.front_door import LOOPBACK, local_gateways, why_not_open
from controlplane.runtimes import ANSWER_S, engine_endpoint
from foundation.clock import Clock
from scheduler.drivers.docker import DockerRuntime
from scheduler.errors import ContainerError
from scheduler.model import RuntimeKind

PORT: Final = 8080
PORTS_TRIED: Final = 100
PORTS_FROM: Final = 20_000
PORTS_EACH: Final = 100
PORT_RANGES: Final = 100
"""What tasks listen on: one of the 100 ranges up to port 29999."""
FILE_NAME: Final = "demo.yaml"


class DemoImpossible(Exception):
    """The demo cannot run as it was asked to. The message is for a person."""


@dataclass(frozen=True, slots=True)
class Host:
    """What runs the tasks. `address`: where they find this machine; empty: nowhere."""

    runtime: RuntimeKind
    why: str
    address: str
    endpoint: str = ""
    image: str = ""

    @property
    def front_addresses(self) -> tuple[str, ...]:
        """Where the front door is going to be opened."""
        return tuple(dict.fromkeys((LOOPBACK, self.address or LOOPBACK)))


def choose_host(asked: str | None, clock: Clock) -> Host:
    """Choose, and have the image ready. Raises DemoImpossible.

    `asked`: a RuntimeKind's value, or None for the best there is. Blocks while an
    image is made, which is once and takes seconds.
    """
    if asked == RuntimeKind.PROCESS.value:
        return Host(RuntimeKind.PROCESS, "local processes, as asked", LOOPBACK)
    endpoint = engine_endpoint(os.environ, Path.home())
    try:
        address = asyncio.run(_address_of(endpoint, clock))
        image = ensure_image(endpoint)
    except (ContainerError, TimeoutError, ImageUnavailable) as error:
        reason = _reason(error, endpoint)
        if asked == RuntimeKind.DOCKER.value:
            raise DemoImpossible(reason) from error
        return Host(RuntimeKind.PROCESS, f"local processes: {reason}", LOOPBACK)
    why = f"containers of the engine at {endpoint}; {image.origin}"
    seen = "".join(local_gateways([address]))
    return Host(RuntimeKind.DOCKER, why, seen, endpoint, image.tag)


async def _address_of(endpoint: str, clock: Clock) -> str:
    """Return where an engine publishes ports. Raises ContainerError, TimeoutError."""
    engine = DockerRuntime("local", endpoint, "none", clock=clock)
    try:
        async with asyncio.timeout(ANSWER_S):
            return (await engine.status()).address
    finally:
        await engine.close()


def _reason(error: Exception, endpoint: str) -> str:
    match error:
        case ContainerError():
            return f"no engine answers at {endpoint} ({error.detail})"
        case TimeoutError():
            return f"no engine answers at {endpoint} within {ANSWER_S:g} s"
        case _:
            return f"the engine has no image for them: {error}"


def free_port(addresses: Sequence[str], first: int = PORT) -> tuple[int, str]:
    """Return a port that is free on all `addresses`, and why it is not `first`."""
    reason = ""
    for port in range(first, first + PORTS_TRIED):
        taken = [
            f"{address}:{port} ({why})"
            for address in addresses
            if (why := why_not_open(address, port))
        ]
        if not taken:
            return port, reason
        reason = reason or f"not available: {taken[0]}"
    raise DemoImpossible(f"no port from {first} on is free; {reason}")


def witness_address(host: Host) -> str:
    """Return HOST:PORT, free now, where tasks can report by UDP; empty: nowhere."""
    if not host.address:
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host.address, 0))
        return f"{host.address}:{sock.getsockname()[1]}"


def variables(host: Host, port: int, witness: str) -> Mapping[str, str]:
    """Return what demo.yaml leaves open. `witness`: HOST:PORT, or empty."""
    contained = host.runtime is RuntimeKind.DOCKER
    return {
        "ALB_DEMO_PORT": str(port),
        "ALB_DEMO_IMAGE": host.image,
        "ALB_PYTHON": COMMAND[0] if contained else sys.executable,
        "ALB_WITNESS": witness,
    }


def file_text(host: Host) -> str:
    """Return the demo's cluster file for `host`.

    Clusters that start at the same moment would lease the same ports first, and
    find out too late; so each demo has ports of its own.
    """
    first = PORTS_FROM + os.getpid() % PORT_RANGES * PORTS_EACH
    instance = {
        "name": "local",
        "runtime": host.runtime.value,
        "dynamicPortRange": f"{first}-{first + PORTS_EACH - 1}",
    }
    if host.endpoint:
        instance["endpoint"] = host.endpoint
    text = packaged_file().read_text(encoding="utf-8")
    return f"{text}\ncontainerInstances: [{json.dumps(instance)}]\n"


def packaged_file() -> Path:
    """Return demo.yaml: beside this module in a wheel, in configs/ in a checkout."""
    beside = Path(__file__).with_name(FILE_NAME)
    if beside.exists():
        return beside
    return Path(__file__).parents[2] / "configs" / FILE_NAME
