"""How fast a core of a host is, beside a core of this machine. Lazily imported.

The same work is done here and there, each by one process, and what counts is the CPU
time that the process used: a host that is busy is slower, its cores are not. What is
done is compression, which is C on every machine and as a server's work is: integers,
branches, memory near by. There it runs in a container of the demo's image, which is
made of this machine's Python where no registry is reachable.

Synchronous, as the `docker` package is.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Final

import docker
import requests
from docker.errors import DockerException

from controlplane.demo.image import ImageUnavailable, ensure_image
from scheduler.instance import EndpointTls
from scheduler.model import ECU_PER_CORE

ROUNDS: Final = 3
"""The best of so many counts: what disturbs makes slower, never faster."""
DEADLINE_S: Final = 120.0
WORK: Final = """
import time, zlib
seed = 1
words = bytearray()
while len(words) < 1 << 18:
    seed = seed * 1103515245 + 12345 & 0x7FFFFFFF
    words += b"%d " % (seed >> 20)
began = time.process_time()
for _ in range(40):
    zlib.compress(bytes(words), 6)
print(40 / (time.process_time() - began))
"""
"""Prints how often a quarter of a MiB is compressed in a second of CPU time."""


class NotMeasured(Exception):
    """The work could not be done there; the message says why."""


def speed_here() -> float:
    """Return the work that a core of this machine does in a second."""

    def once() -> str:
        command = [sys.executable, "-I", "-S", "-c", WORK]
        done = subprocess.run(  # noqa: S603 - this Python, and our own text
            command, capture_output=True, text=True, check=True, timeout=DEADLINE_S
        )
        return done.stdout

    return _best(once)


def speed_at(endpoint: str, tls: EndpointTls | None) -> float:
    """Return the work that a core of an engine's machine does in a second.

    Raises NotMeasured: no engine, no image, or a way that `docker` does not have.
    """
    if endpoint.startswith("ssh://") or tls is not None:
        raise NotMeasured("measured are engines by socket or TCP; run it on that host")
    try:
        image = ensure_image(endpoint, base=None)
        with _client(endpoint) as client:
            return _best(lambda: _run(client, image.tag))
    except (DockerException, requests.RequestException, ImageUnavailable) as failed:
        raise NotMeasured(str(failed)) from failed


def ecu_per_core(speed: float, here: float) -> int:
    """Return what to write: ECU_PER_CORE is a core of this machine."""
    return max(1, round(ECU_PER_CORE * speed / here))


def _run(client: docker.DockerClient, image: str) -> str:
    output: bytes = client.containers.run(
        image, ["python", "-c", WORK], remove=True, network_disabled=True
    )
    return output.decode()


def _best(once: Callable[[], str]) -> float:
    return max(float(once()) for _ in range(ROUNDS))


@contextlib.contextmanager
def _client(endpoint: str) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=endpoint, timeout=int(DEADLINE_S))
    try:
        yield client
    finally:
        client.close()
