"""Clients, targets and time, in any order, told by bytes: all that began comes to rest.

Each event is one octet and what it needs behind it. Raw octets arrive from clients and
from targets, connections open, fail, fill up, pause and break, snapshots change, time
passes. After each event counts and pools are right; at the end nothing is left.
"""

from __future__ import annotations

import itertools
from typing import Final

from alb.model import Target, TargetId
from tests.support.wires import Wire, World, client_of, upstream_of

EVENTS_MAX: Final = 60
FRAGMENTS: Final = (
    *(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
    *(b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n"),
    *(b"Content-Length: 5\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"hello"),
    *(b"5\r\nhello\r\n", b"0\r\n\r\n", b"\r\n", b"nonsense\r\n\r\n", b"x" * 70_000),
    *(
        b"HTTP/1.1 200 OK\r\n",
        b"Content-Length: 70000\r\n\r\n",
        b"Connection: close\r\n",
    ),
    *(
        b"HTTP/1.1 204 No\r\n\r\n",
        b"HTTP/1.1 100 Go\r\n\r\n",
        b"Expect: 100-continue\r\n",
    ),
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
)
WORDS: Final = tuple(bytes([number]) for number in range(64))


class _Play:
    def __init__(self, data: bytes) -> None:
        self.world = World()
        self.events = iter(data)
        """Each takes from it what it needs besides."""

    def _next(self) -> int:
        return next(self.events, 0)

    def _client(self) -> Wire:
        living = [wire for wire in self.world.clients if not wire.lost]
        at = self._next() % 4
        return living[at] if at < len(living) else self.world.client()

    def _target(self) -> Wire | None:
        living = [wire for wire in self.world.upstreams if not wire.lost]
        return living[self._next() % len(living)] if living else None

    def step(self, event: int) -> None:
        world = self.world
        match event % 8:
            case 0 | 1:
                self._deliver(self._client())
            case 2 | 3:
                self._deliver(self._target())
            case 4:
                self._connect()
            case 5:
                self._read(self._client() if self._next() % 2 else self._target())
            case 6:
                self._end(self._client() if self._next() % 2 else self._target())
            case _:
                self._pass(world)

    def _deliver(self, wire: Wire | None) -> None:
        if wire is not None and wire.readable:
            wire.deliver(FRAGMENTS[self._next() % len(FRAGMENTS)])

    def _connect(self) -> None:
        world = self.world
        if world.connects:
            at = self._next() % len(world.connects)
            if self._next() % 4:
                world.connected(at)
            else:
                world.refused(at)

    def _read(self, wire: Wire | None) -> None:
        if wire is not None and not wire.lost:
            wire.take((7, 300, 70_000, 1 << 20)[self._next() % 4])

    def _end(self, wire: Wire | None) -> None:
        if wire is None or wire.lost:
            return
        if self._next() % 2 and wire.readable:
            wire.deliver_eof()
        else:
            wire.lose(ConnectionResetError())

    def _pass(self, world: World) -> None:
        what = self._next() % 4
        if what == 0:
            world.settle()
        elif what == 1:
            world.sweep((0.5, 3.0, 31.0, 70.0)[self._next() % 4])
        else:
            second = Target(TargetId("t1"), "h", 1, draining=what == 2)
            world.publish(Target(TargetId("t0"), "h", 0), second)

    def check(self) -> None:
        for target in self.world.targets:
            assert target.in_flight == self.world.exchanges(target)
            for one in target.idle:
                wire = one.transport  # type: ignore[attr-defined]  # ours
                assert isinstance(wire, Wire)
                assert upstream_of(wire).exchange is None
                assert not wire.lost
                assert not wire.paused

    def leave(self) -> None:
        """Everybody goes; whatever was still to come, comes."""
        world = self.world
        for wire in world.clients:
            wire.lose()
        while world.connects:
            world.connected()
        world.flush()
        assert world.door.clients == {}
        assert all(client_of(wire).exchange is None for wire in world.clients)
        for _ in range(3):
            world.sweep(5.0)
            world.flush()
        assert [target.in_flight for target in world.targets] == [0, 0]
        assert all(wire.lost for wire in world.upstreams), "pools have emptied"


def interleaving(data: bytes) -> None:
    play = _Play(data)
    try:
        for event in itertools.islice(play.events, EVENTS_MAX):
            play.step(event)
            play.check()
        play.leave()
    finally:
        play.world.close()
