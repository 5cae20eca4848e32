"""Many who ask for much: raw sockets by the thousand, and those served meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from tests.support.node import Node, until

GET: Final = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
_RESET: Final = struct.pack("ii", 1, 0)


@contextlib.contextmanager
def open_files(wanted: int) -> Iterator[None]:
    """Let this process open so many files. At most needs.FILES."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Process:
    """A worker, as the kernel sees it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def memory(self) -> int:
        """Bytes that are resident."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        (line,) = [one for one in status.splitlines() if one.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024

    @property
    def cpu_s(self) -> float:
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
        used = stat.rpartition(")")[2].split()[11:13]
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


def workers(node: Node) -> list[Process]:
    return [Process(worker.pid) for worker in node.balancer.statistics().workers]


def connections(node: Node) -> int:
    return node.balancer.statistics().totals.connections


def in_flight(node: Node) -> int:
    return sum(node.balancer.statistics().totals.in_flight.values())


def total(node: Node, name: str) -> int:
    """One counter, over all listeners."""
    listeners = node.balancer.statistics().totals.listeners.values()
    return sum(each.totals.get(name, 0) for each in listeners)


def failures(node: Node) -> dict[str, int]:
    listeners = node.balancer.statistics().totals.listeners.values()
    return {
        name: count
        for each in listeners
        for name, count in each.totals.items()
        if name.startswith("failure.")
    }


async def at_rest(node: Node) -> None:
    """Nothing is open and nothing in flight: everything given out came back."""

    def is_at_rest() -> bool:
        totals = node.balancer.statistics().totals
        return totals.in_flight == {} and totals.connections == 0

    await until(is_at_rest, "no request is in flight, no connection open")


class Crowd:
    """Connections of clients that do as the test says, without a task for each."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.sockets: list[socket.socket] = []

    async def come(self, count: int, data: bytes = b"", buffer: int = 0) -> None:
        """Connect and send; a few at a time, so that no queue runs over."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            sock = socket.socket()
            sock.settimeout(0)
            if buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self.sockets.append(sock)
            await loop.sock_connect(sock, ("127.0.0.1", self.node.port))
            if data:
                await loop.sock_sendall(sock, data)

    def say(self, data: bytes) -> None:
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.send(data)

    def hear(self) -> tuple[list[socket.socket], list[socket.socket]]:
        """Return those that are still connected, and those that are not."""
        here: list[socket.socket] = []
        gone: list[socket.socket] = []
        for sock in self.sockets:
            try:
                ended = sock.recv(1, socket.MSG_PEEK) == b""
            except BlockingIOError:
                ended = False
            except ConnectionError:
                ended = True
            (gone if ended else here).append(sock)
        return here, gone

    def leave(self, *, reset: bool = False) -> None:
        for sock in self.sockets:
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            sock.close()
        self.sockets.clear()


@contextlib.asynccontextmanager
async def crowd(node: Node) -> AsyncIterator[Crowd]:
    made = Crowd(node)
    try:
        yield made
    finally:
        made.leave()


class Others:
    """Ordinary requests on fresh connections, one after another, meanwhile."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.took_s: list[float] = []
        self.failed: list[bytes] = []

    async def ask(self, count: int) -> None:
        for _ in range(count):
            began = time.monotonic()
            answer = await self._node.ask(GET)
            self.took_s.append(time.monotonic() - began)
            if not answer.startswith(b"HTTP/1.1 200 "):
                self.failed.append(answer[:80])

    @property
    def p99_ms(self) -> float:
        return round(sorted(self.took_s)[int(len(self.took_s) * 0.99)] * 1000, 1)
