"""Connections in memory: a balancer's request path without a loop or a socket.

A `Wire` is an asyncio transport that moves bytes only when a test says so, and
fails a test that uses it as a real one must not be used.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

from alb.app.door import Door
from alb.app.exchange import Exchange
from alb.decide.rules import CompiledRules, compile_steps
from alb.drivers.client import ClientConnection
from alb.drivers.upstream import UpstreamConnection
from alb.errors import Failure
from alb.model import (
    FixedResponse,
    Forward,
    GroupTargets,
    Listener,
    LoadBalancerAttributes,
    PathPattern,
    Rule,
    Target,
    TargetGroup,
    TargetId,
    Version,
    WeightedGroup,
)
from alb.state.sessions import Sessions
from alb.state.table import Swapped, Table
from alb.state.targets import TargetState

QUIET: Final = socket.socketpair()
"""A socket to which nothing ever happens, for those who poll."""
TIMEOUTS: Final = LoadBalancerAttributes(
    idle_timeout_s=60, head_timeout_s=30, client_keep_alive_s=3600
)


class Wire(asyncio.Transport):
    """Our end of a connection. `unsent` waits in the transport, `sent` has left it."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__({"socket": QUIET[0], "peername": ("192.0.2.7", 5)})
        self.protocol = protocol
        self.sent = b""
        self.unsent = b""
        self.high = 0
        self.full = self.paused = self.closing = self.aborted = False
        self.ended = self.lost = self.told_all = False
        protocol.connection_made(self)

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        self.high = high or 0

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: Any) -> None:
        assert not self.closing, "written to a connection that ends"
        assert not self.ended, "written behind the end"
        self.unsent += data
        if len(self.unsent) > self.high and not self.full:
            self.full = True
            self.protocol.pause_writing()

    def write_eof(self) -> None:
        assert not self.closing
        self.ended = True

    def pause_reading(self) -> None:
        assert not self.paused, "paused twice"
        self.paused = True

    def resume_reading(self) -> None:
        assert self.paused, "resumed twice"
        self.paused = False

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True
        self.unsent = b""

    # --- what the world does ------------------------------------------------------

    def take(self, most: int = 1 << 30) -> None:
        """The other side reads up to `most` bytes."""
        taken, self.unsent = self.unsent[:most], self.unsent[most:]
        self.sent += taken
        if self.full and len(self.unsent) <= self.high // 4:
            self.full = False
            self.protocol.resume_writing()

    @property
    def readable(self) -> bool:
        return not (self.paused or self.closing or self.lost or self.told_all)

    def deliver(self, data: bytes) -> None:
        """The other side's bytes arrive."""
        assert self.readable
        self.protocol.data_received(data)

    def deliver_eof(self) -> None:
        assert self.readable
        self.told_all = True
        if not self.protocol.eof_received():
            self.close()

    def lose(self, problem: Exception | None = None) -> None:
        """The connection is over, by our doing or the other side's."""
        if not self.lost:
            self.closing = self.lost = True
            self.unsent = b""
            self.protocol.connection_lost(problem)

    def settle(self) -> None:
        """What the loop does next: an ending connection ends once all is sent."""
        if self.closing and not self.unsent:
            self.lose()


class World:
    """One listener's door, its table, and everything connected to it."""

    DEFAULT: Final = Forward((WeightedGroup("web"),))

    def __init__(
        self,
        targets: int = 2,
        attributes: LoadBalancerAttributes = TIMEOUTS,
        rules: tuple[Rule, ...] = (),
        protocol: str = "HTTP",
        group: TargetGroup | None = None,
    ) -> None:
        self.attributes = attributes
        self.protocol = protocol
        self.group = group or TargetGroup("web")
        self.rules = rules
        self.loop = asyncio.new_event_loop()
        self.now_s = 1000.0
        self.trace_prefix = b"0123456789ab"
        self.time_s = lambda: self.now_s
        self.client_files_max = 1 << 20
        self.sessions = Sessions(lambda: 1_700_000_000.0 + self.now_s)
        self.connects: list[tuple[Exchange, TargetState]] = []
        self.drained: list[TargetState] = []
        self.doubted: list[TargetState] = []
        self.clients: list[Wire] = []
        self.upstreams: list[Wire] = []
        self.table = self.new_table()
        self._version = 0
        self.publish(*(Target(TargetId(f"t{n}"), "h", n) for n in range(targets)))
        (state,) = self.table.listeners.values()
        self.door = Door(self, state, self.now_s, 1_700_000_000.0)

    def new_table(self) -> Table:
        return Table(0)

    def publish(self, *targets: Target) -> None:
        """Swap in a snapshot with these targets."""
        rule = Rule(
            1, (PathPattern(("/fixed",)),), FixedResponse(200, message_body="f")
        )
        self.registered = targets
        listener = Listener(
            8080,
            self.DEFAULT,
            (rule, *self.rules),
            self.protocol,
            attributes=self.attributes,
        )
        self._version += 1
        group = GroupTargets(self.group, targets)
        swapped = self.table.swap(
            Version(1, self._version),
            [group],
            [(listener, compiled(listener))],
            self.now_s,
        )
        self.discard(swapped)

    @staticmethod
    def discard(swapped: Swapped) -> None:
        for target in (*swapped.left, *swapped.draining):
            for connection in [*target.idle]:
                connection.discard()

    @property
    def targets(self) -> list[TargetState]:
        return [*self.table.groups["web"].targets.values()]

    # --- the worker's part --------------------------------------------------------

    def connect(self, exchange: Exchange, target: TargetState) -> None:
        self.connects.append((exchange, target))

    def doubt(self, target: TargetState) -> None:
        self.doubted.append(target)

    def on_drained(self, target: TargetState) -> None:
        self.drained.append(target)

    def sweep(self, later_s: float = 0.5) -> None:
        self.now_s += later_s
        self.door.sweep(self.now_s, 1_700_000_000.0 + self.now_s)
        self.table.tick(self.now_s)
        self.table.serve_waiting()
        for target in self.targets:
            target.close_idle(self.now_s - 4.0)
            if target.cut_at_s is not None and self.now_s >= target.cut_at_s:
                self._cut(target)

    def _cut(self, target: TargetState) -> None:
        target.cut_at_s = None
        for exchange in self.held():
            if exchange.target is target:
                exchange.cut()

    # --- what happens -------------------------------------------------------------

    def client(self, data: bytes = b"") -> Wire:
        wire = Wire(ClientConnection(self.door))
        self.clients.append(wire)
        if data:
            wire.deliver(data)
        return wire

    def connected(self, at: int = 0) -> Wire:
        """A connection that was being made is open."""
        exchange, target = self.connects.pop(at)
        upstream = UpstreamConnection(target)
        wire = Wire(upstream)
        self.upstreams.append(wire)
        exchange.on_connected(upstream)
        return wire

    def refused(self, at: int = 0) -> None:
        exchange, _ = self.connects.pop(at)
        exchange.on_not_connected(Failure.CONNECT_REFUSED)

    def settle(self) -> None:
        for wire in (*self.clients, *self.upstreams):
            wire.settle()

    def flush(self) -> None:
        """Everybody reads everything; what ends has ended."""
        for wire in (*self.clients, *self.upstreams):
            if not wire.lost:
                wire.take()
        self.settle()

    def exchanges(self, target: TargetState) -> int:
        """How many requests are with `target`, counted at the clients."""
        return sum(exchange.target is target for exchange in self.held())

    def held(self) -> list[Exchange]:
        """Return the requests that clients wait for."""
        held = [one.exchange for one in map(client_of, self.clients)]
        return [one for one in held if isinstance(one, Exchange)]

    def close(self) -> None:
        self.loop.close()


def compiled(listener: Listener) -> CompiledRules:
    steps = compile_steps(listener)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            rules: CompiledRules = done.value
            return rules


def client_of(wire: Wire) -> ClientConnection:
    assert isinstance(wire.protocol, ClientConnection)
    return wire.protocol


def upstream_of(wire: Wire) -> UpstreamConnection:
    assert isinstance(wire.protocol, UpstreamConnection)
    return wire.protocol
