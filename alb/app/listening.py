"""The listening sockets of a node: opened as wanted, and tried again. Floor 4."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Sequence
from typing import Final

from alb.drivers.sockets import bind_slots
from alb.ports import Bound, Place

REBIND_S: Final = 1.0


class Listening:
    """One socket for each slot at every place that is wanted and free."""

    def __init__(
        self,
        slots: int,
        opened: Callable[[Place, Sequence[socket.socket]], None],
        told: Callable[[Bound], None],
    ) -> None:
        """`opened` is called with new sockets, `told` with what has changed."""
        self.sockets: dict[Place, list[socket.socket]] = {}
        self._bound: dict[Place, Bound] = {}
        self._slots = slots
        self._opened = opened
        self._told = told

    def bound(self) -> tuple[Bound, ...]:
        return tuple(self._bound.values())

    def inherit(self, sockets: dict[Place, list[socket.socket]]) -> None:
        """Go on with sockets that are open."""
        self.sockets = sockets
        self._bound = {place: Bound(*place) for place in sockets}

    def follow(self, wanted: Collection[Place]) -> None:
        """Open what is wanted, close what is not."""
        for gone in self.sockets.keys() - wanted:
            for sock in self.sockets.pop(gone):
                sock.close()
        for gone in self._bound.keys() - wanted:
            del self._bound[gone]
        for place in sorted({*wanted} - self.sockets.keys()):
            self._open(place)

    def _open(self, place: Place) -> None:
        try:
            sockets = bind_slots(*place, self._slots)
        except OSError as problem:
            self._report(Bound(*place, problem.strerror or str(problem)))
            return
        self.sockets[place] = sockets
        self._opened(place, sockets)
        self._report(Bound(*place))

    def _report(self, bound: Bound) -> None:
        if self._bound.get((bound.address, bound.port)) != bound:
            self._bound[bound.address, bound.port] = bound
            self._told(bound)

    async def rebind(self) -> None:
        """Try again and again to open what could not be opened."""
        while True:
            await asyncio.sleep(REBIND_S)
            for bound in self.bound():
                if bound.error:
                    self._open((bound.address, bound.port))
