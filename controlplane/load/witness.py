"""The witness: where targets report each request id they receive, by UDP.

One datagram an id, sent before the request is handled. So a request that a
balancer sent twice is found even if its client got one good answer. A lost
datagram hides a repetition and never invents one: the receive buffer is large.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Final

RECEIVE_BUFFER_BYTES: Final = 8 * 1024 * 1024
_SO_RCVBUFFORCE: Final = 33  # Linux, CAP_NET_ADMIN: beyond net.core.rmem_max

Seen = Callable[[bytes], None]


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def datagram_received(self, data: bytes, _addr: object) -> None:
        self._seen(data)


def bind(host: str, port: int) -> socket.socket:
    """Bind the witness's socket. Raises OSError if the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if os.name == "posix" and os.uname().sysname == "Linux":
            with contextlib.suppress(PermissionError):
                sock.setsockopt(
                    socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES
                )
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


@contextlib.asynccontextmanager
async def listening(sock: socket.socket, seen: Seen) -> AsyncIterator[None]:
    """Tell `seen` each datagram of `sock` while the body runs; closes `sock`."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(seen), sock=sock
    )
    try:
        yield
    finally:
        transport.close()
