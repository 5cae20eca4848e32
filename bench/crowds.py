"""Clients that mean harm, or do not care: sockets by the thousand, to loopback alone.

    python -m bench.crowds WHAT PORT [--scale 1.0]

Each kind goes on until its input ends; it says ``here`` when all of it has come. It is
a process of its own, so that what it costs is not taken for the balancer's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import select
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bench.node import step_back

FILES: Final = 12_000
EVERY_S: Final = 0.5
SMALL_BUFFER: Final = 4096
_RESET: Final = struct.pack("ii", 1, 0)
_GET: Final = b"GET /slow/asked HTTP/1.1\r\nHost: a\r\n\r\n"
_STORMS: Final = (
    b"",
    b"GET / HT",
    _GET,
    _GET * 3,
    b"POST /slow/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
    b"POST /slow/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
)


class Crowd:
    """Connections to one port, without a task for each."""

    def __init__(self, port: int, scale: float) -> None:
        self._port = port
        self._scale = scale
        self.sockets: list[socket.socket] = []

    async def come(self, count: int, data: bytes = b"", buffer: int = 0) -> None:
        """Have so many connected that have said `data`; those that are stay."""
        loop = asyncio.get_running_loop()
        while len(self.sockets) < count * self._scale:
            sock = socket.socket()
            sock.settimeout(0)
            if buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self.sockets.append(sock)
            with contextlib.suppress(ConnectionError):
                await loop.sock_connect(sock, ("127.0.0.1", self._port))
                if data:
                    await loop.sock_sendall(sock, data)

    def say(self, data: bytes) -> None:
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.send(data)

    def drop_ended(self) -> None:
        """Those that were ended leave, whatever they were told before."""
        ending = select.poll()
        for sock in self.sockets:
            ending.register(sock, select.POLLRDHUP)
        gone = {file for file, _ in ending.poll(0)}
        for sock in [one for one in self.sockets if one.fileno() in gone]:
            self.sockets.remove(sock)
            sock.close()

    def leave(self, *, reset: bool) -> None:
        for sock in self.sockets:
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            sock.close()
        self.sockets.clear()


async def heads(crowd: Crowd) -> None:
    """A letter of a head every half second; who is ended comes again."""
    crowd.drop_ended()
    crowd.say(b"y")
    await crowd.come(500, b"GET / HTTP/1.1\r\nX: ")


async def bodies(crowd: Crowd) -> None:
    """Bodies that begin and stop coming; who is ended comes again."""
    crowd.drop_ended()
    await crowd.come(
        300, b"POST /slow/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"
    )


async def readers(crowd: Crowd) -> None:
    """A large answer each, of which nothing is read; who is ended comes again."""
    crowd.drop_ended()
    await crowd.come(100, b"GET /slow/large HTTP/1.1\r\nHost: a\r\n\r\n", SMALL_BUFFER)


async def silent(crowd: Crowd) -> None:
    """Requests to a target that does not answer: the deadline does."""
    crowd.drop_ended()
    for sock in [*crowd.sockets]:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            if sock.recv(4096):
                sock.send(_GET.replace(b"/asked", b"/silent"))
    await crowd.come(200, _GET.replace(b"/asked", b"/silent"))


async def storms(crowd: Crowd) -> None:
    """Some hundred connections a second, reset at every stage of a request."""
    for start in _STORMS:
        await crowd.come(30, start)
        crowd.leave(reset=True)


async def idle(crowd: Crowd) -> None:
    """Ten thousand that ask nothing."""
    await crowd.come(10_000)


KINDS: Final[dict[str, Callable[[Crowd], Awaitable[None]]]] = {
    "heads": heads,
    "bodies": bodies,
    "readers": readers,
    "silent": silent,
    "storms": storms,
    "idle": idle,
}


async def run(kind: str, port: int, scale: float) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    crowd = Crowd(port, scale)
    await KINDS[kind](crowd)
    print("here", flush=True)
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVERY_S):
                await ended.wait()
        if not ended.is_set():
            await KINDS[kind](crowd)
    crowd.leave(reset=kind == "storms")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.crowds", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("port", type=int)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most), most))
    step_back()
    asyncio.run(run(options.kind, options.port, options.scale))
    return 0


if __name__ == "__main__":
    sys.exit(main())
