"""A request that is rehearsed: through a worker's own door, to a target in memory.

    written --> ClientConnection --> Door --> Exchange --> UpstreamConnection --> head
                     ^                                          |
                 what it is answered <-------- 200 -------------+

Table, door, exchange and both connections are those that serve; only transports
are ours, and keep what is written to them. So what is told here is what a worker
would do: which head is sent, which cookies come back, who waits and who is refused.
Workers' own turns, and what they have just seen fail, are not known here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from alb.app.door import Door
from alb.app.exchange import Exchange
from alb.app.session_keys import keyring
from alb.decide.certificates import TlsFacts
from alb.decide.key_rotation import ID_SIZE, SECRET_SIZE
from alb.decide.ramp import Ramp
from alb.decide.retry import Attempted
from alb.decide.rules import CompiledRules
from alb.drivers.client import CONTINUE, ClientConnection
from alb.drivers.upstream import UpstreamConnection
from alb.model import (
    GroupTargets,
    Listener,
    TargetId,
    Version,
    WeightedGroup,
)
from alb.ports import SessionKey, SessionKeys
from alb.state.groups import GroupState
from alb.state.sessions import Sessions
from alb.state.table import Act, ForwardTo, Table
from alb.state.targets import TargetState
from controlplane.known import Known

NOW_S: Final = 0.0
"""A rehearsal takes no time."""
STATUS_AT: Final = slice(9, 12)
"""Where the status stands in ``HTTP/1.1 200``."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The client that asks, and its connection."""

    ip: str
    port: int
    tls: TlsFacts | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """How a rehearsal went. `status` is what the balancer answers itself, else 0."""

    status: int = 0
    reason: str = ""
    group: str = ""
    target: TargetId | None = None
    waits: bool = False
    """It waited for room before it was sent."""
    head: bytes = b""
    """All that the target is sent, but for the body."""
    attempted: Attempted | None = None
    """What would be known of the request if its first attempt failed."""
    answer: bytes = b""
    """What the client gets when the target answers 200."""


class Stage:
    """One listener in one worker, which is told what is known of a node."""

    trace_prefix = b"0" * 12
    client_files_max = 1

    def __init__(
        self,
        listener: Listener,
        rules: CompiledRules,
        groups: Iterable[GroupTargets],
        known: Known,
    ) -> None:
        self.time_s: Callable[[], float] = float
        self.sessions = Sessions(lambda: known.unix_s)
        self.keys_are_known = bool(known.keys)
        self.sessions.sealing = keyring(SessionKeys(known.keys or (_passing_key(),)))
        self.table = Table(0)
        self._known = known
        self._reached: list[tuple[Exchange, TargetState]] = []
        table, observed = self.table, known.observed or {}
        table.swap(Version(0, 1), groups, [(listener, rules)], NOW_S)
        health = {id_: each.health for id_, each in observed.items()}
        table.judge(health, NOW_S)
        for group in table.groups.values():
            _put_shares(group, known)
        table.judge(health, NOW_S)  # turns go by what slow start leaves
        self.state = table.listeners[listener.name]

    # --- what a door needs of its worker ------------------------------------------

    def connect(self, exchange: Exchange, target: TargetState) -> None:
        self._reached.append((exchange, target))

    def doubt(self, target: TargetState) -> None:
        raise AssertionError("every target answers")

    def on_drained(self, target: TargetState) -> None:
        raise AssertionError("nothing is sent to those that drain")

    # --- playing ------------------------------------------------------------------

    def play(
        self, written: bytes, peer: Peer, *, only: str = "", lines: bytes = b""
    ) -> Played:
        """Rehearse a request; `only`: if it were that group's. `lines` stand in the
        target's answer, each behind its CRLF."""
        acts = self.state.acts
        if only:
            self.state.acts = [_narrowed(act, only) for act in acts]
        self._fill()
        self._reached.clear()
        try:
            return self._played(written, peer, lines)
        finally:
            self.state.acts = acts
            for group in self.table.groups.values():
                for target in group.targets.values():
                    target.idle.clear()

    def _fill(self) -> None:
        """Put as many requests before ours as there are."""
        observed = self._known.observed or {}
        for name, group in self.table.groups.items():
            for target in group.targets.values():
                seen = observed.get(target.id)
                target.in_flight = seen.in_flight if seen else 0
            if group.limit is not None:
                group.limit.waiting.clear()
                for _ in range(self._known.waiting.get(name, 0)):
                    group.limit.join(_Ahead())

    def _played(self, written: bytes, peer: Peer, lines: bytes) -> Played:
        door = Door(self, self.state, NOW_S, 0.0)
        client = ClientConnection(door)
        client.tls = peer.tls
        asker = _Ear(client, (peer.ip, peer.port))
        client.data_received(written)
        waits = not self._reached and isinstance(client.exchange, Exchange)
        if waits:
            self._make_room(client.exchange)
        if not self._reached:
            status = int(asker.taken().removeprefix(CONTINUE)[STATUS_AT])
            failures = [failure.name for failure in door.counters.by_failure]
            return Played(status, [*failures, *door.counters.by_refusal][0])
        ((exchange, target),) = self._reached
        upstream = UpstreamConnection(target)
        wire = _Ear(upstream, (target.host, target.port))
        exchange.on_connected(upstream)
        attempted, head = exchange.attempted(), wire.taken()
        asker.taken()
        upstream.data_received(
            b"HTTP/1.1 200 OK%b\r\nContent-Length: 0\r\n\r\n" % lines
        )
        group = self._group_of(target)
        return Played(0, "", group, target.id, waits, head, attempted, asker.taken())

    def _make_room(self, exchange: object) -> None:
        """Let all go that were there before, and then those that waited."""
        for group in self.table.groups.values():
            for target in group.targets.values():
                target.in_flight = 0
            if group.limit is not None and exchange in group.limit.waiting:
                for waiter in [*group.limit.waiting]:
                    if waiter is not exchange:
                        group.limit.leave(waiter)
                group.limit.serve()

    def _group_of(self, target: TargetState) -> str:
        return next(
            name
            for name, group in self.table.groups.items()
            if group.targets.get(target.id) is target
        )


class _Ahead:
    """A request that came before and waits."""

    def on_room(self) -> bool:
        return False


class _Ear(asyncio.Transport):
    """One end of a connection that keeps what is written to it."""

    def __init__(self, protocol: asyncio.Protocol, peer: tuple[str, int]) -> None:
        super().__init__({"socket": self, "peername": peer})
        self._written = b""
        protocol.connection_made(self)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        written, self._written = self._written, b""
        return written

    def fileno(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._written += data

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def write_eof(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def _passing_key() -> SessionKey:
    """Return a key that nobody else has: cookies are told without their values."""
    from base64 import b64encode  # noqa: PLC0415 - where no keys are known

    secret = b64encode(os.urandom(SECRET_SIZE)).decode()
    return SessionKey(os.urandom(ID_SIZE).hex(), secret, 0)


def _put_shares(group: GroupState, known: Known) -> None:
    """Give targets the shares that workers give them."""
    if group.content is None:
        return
    duration_s = group.content.group.slow_start_s
    for target in group.targets.values():
        seen = (known.observed or {}).get(target.id)
        if seen is None:
            continue
        target.conduct.weight = seen.weight
        if duration_s and seen.ramp < 1.0:
            target.ramp = Ramp(NOW_S - seen.ramp * duration_s, duration_s)


def _narrowed(act: Act, group: str) -> Act:
    """Return `act` with only that one of its groups."""
    if not isinstance(act, ForwardTo):
        return act
    action = replace(act.action, groups=(WeightedGroup(group),))
    return replace(act, action=action, sticky=False)


def set_cookies(answer: bytes) -> dict[str, str]:
    """Return the cookies that an answer sets: by name, the attributes of each."""
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    lines = [line.partition(": ") for line in head.split("\r\n")]
    told = [value for name, _, value in lines if name.lower() == "set-cookie"]
    pairs = [one.partition(";") for one in told]
    return {pair.partition("=")[0]: rest.strip() for pair, _, rest in pairs}
