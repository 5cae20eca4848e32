"""A listener's sockets: connections are accepted here, and given to a door. Floor 4.

    SockSite --> Server --> ClientConnection --> Door

aiohttp's server runtime makes and ends the sockets' servers (and, some day, TLS);
the protocol it is given is ours, since aiohttp's request and response objects
cost several times what proxying does. The door keeps book of its connections.
"""

from __future__ import annotations

from aiohttp import web

from alb.app.door import Door
from alb.drivers.client import ClientConnection


class Server(web.Server):
    """The server of one listener in one worker."""

    def __init__(self, door: Door) -> None:
        super().__init__(_never_called)
        self._door = door

    def __call__(self) -> ClientConnection:  # type: ignore[override]  # our own protocol
        return ClientConnection(self._door)


async def _never_called(_: web.BaseRequest) -> web.StreamResponse:
    raise AssertionError("our protocol answers, not aiohttp's")
