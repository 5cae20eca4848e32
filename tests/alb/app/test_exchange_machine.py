"""Whatever happens in whatever order: answers reach whom they are for, all ends.

Clients, targets, transports and time do what they like; after each step nothing
is written to an ending connection, pools hold only clean ones and counts add up;
at the end, once everybody behaves, every request has had its answer.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alb.model import Target, TargetId
from tests.support.examples import examples
from tests.support.wires import Wire, World, client_of, upstream_of

BIG = 100_000
"""More than any buffer on the way holds."""
ANSWERED = re.compile(rb"HTTP/1\.1 [2-5]\d\d ")
TOKEN = re.compile(rb"X-Token: (\S+)")


class Peer:
    """A client: what it has to send, and the requests in it."""

    def __init__(self, name: int, wire: Wire) -> None:
        self.name = name
        self.wire = wire
        self.outbox = b""
        self.tokens: list[bytes] = []
        self.broken = False
        """It misbehaved, or was misled: it can expect no answers."""

    def ask(self, kind: str) -> None:
        token = b"c%d-%d" % (self.name, len(self.tokens))
        self.tokens.append(token)
        start = b" /%b HTTP/1.1\r\nHost: a\r\nX-Token: %b\r\n" % (token, token)
        match kind:
            case "get":
                self.outbox += b"GET" + start + b"\r\n"
            case "fixed":
                self.outbox += b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n"
            case "small" | "big":
                size = 5 if kind == "small" else BIG
                framing = b"Content-Length: %d\r\n\r\n" % size
                self.outbox += b"POST" + start + framing + b"b" * size
            case "chunked":
                framing = b"Transfer-Encoding: chunked\r\n\r\n"
                self.outbox += b"POST" + start + framing + b"3\r\nabc\r\n0\r\n\r\n"
            case "chunks that are none":
                framing = b"Transfer-Encoding: chunked\r\n\r\n"
                self.outbox += b"POST" + start + framing + b"xyz\r\n"
                self.broken = True
            case "get with a body":
                self.outbox += b"GET" + start + b"Content-Length: 3\r\n\r\nGET"
                self.broken = True  # the connection ends behind it
            case "last":
                self.outbox += b"GET" + start + b"Connection: close\r\n\r\n"
                self.broken = True
            case _:
                self.outbox += b"nonsense\r\n\r\n"
                self.broken = True


REQUESTS = [
    *("get", "get", "fixed", "small", "big", "chunked", "last", "nonsense"),
    *("chunks that are none", "get with a body"),
]
OK = b"HTTP/1.1 200 OK\r\nX-Token: %b\r\n"
ANSWERS = {
    "counted": OK + b"Content-Length: 2\r\n\r\nok",
    "empty": b"HTTP/1.1 204 No\r\nX-Token: %b\r\n\r\n",
    "big": OK + b"Content-Length: %d\r\n\r\n" % BIG + b"b" * BIG,
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "interim": b"HTTP/1.1 100 Go\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx",
    "closing": OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nx",
    "excess": OK + b"Content-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nX-Token: evil\r\n",
}
BROKEN = {
    "nonsense": b"%.0bnonsense\r\n\r\n",
    "half": OK + b"Content-Length: 9\r\n\r\nha",
    "half chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nha",
    "bad chunks": OK + b"Transfer-Encoding: chunked\r\n\r\nxx\r\n",
    "until the end": OK + b"\r\nall of",
}


def requests_at(wire: Wire) -> list[bytes]:
    """The tokens of the requests that reached a target, in order."""
    return TOKEN.findall(wire.sent)


clients = st.integers(0, 2)
sizes = st.sampled_from([7, 60, 70_000, 1 << 20, 1 << 20])


class Traffic(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.peers: list[Peer] = []
        self.answered: dict[Wire, int] = {}
        self.inbox: dict[Wire, bytes] = {}
        self.draining = False

    # --- clients ------------------------------------------------------------------

    def _peer(self, at: int) -> Peer:
        """One of three clients; who can expect nothing more makes room for another."""
        present = self.peers[-3:]
        peer = present[at % 3] if len(present) == 3 else None
        if peer is None or (peer.broken and not peer.outbox):
            peer = Peer(len(self.peers), self.world.client())
            self.peers.append(peer)
        return peer

    @rule(at=clients, kind=st.sampled_from(REQUESTS), size=sizes)
    def a_client_sends(self, at: int, kind: str, size: int) -> None:
        peer = self._peer(at)
        if not peer.broken and not peer.outbox:
            peer.ask(kind)
        self._send(peer, size)

    @rule(at=clients, kinds=st.lists(st.sampled_from(REQUESTS), min_size=2, max_size=4))
    def a_client_asks_at_once(self, at: int, kinds: list[str]) -> None:
        peer = self._peer(at)
        for kind in kinds:
            if not peer.broken:
                peer.ask(kind)
        while self._send(peer, 1 << 20):
            pass
        while self.world.connects:
            self.world.connected()

    def _send(self, peer: Peer, size: int) -> bool:
        if not peer.wire.readable or not peer.outbox:
            return False
        data, peer.outbox = peer.outbox[:size], peer.outbox[size:]
        peer.wire.deliver(data)
        return True

    @rule(at=clients, size=sizes)
    def a_client_reads(self, at: int, size: int) -> None:
        wire = self._peer(at).wire
        if not wire.lost:
            wire.take(size)

    @rule(at=clients, how=st.sampled_from(["eof", "reset", "nothing", "nothing"]))
    def a_client_leaves(self, at: int, how: str) -> None:
        peer = self._peer(at)
        if how == "reset":
            peer.broken = True
            peer.wire.lose(ConnectionResetError())
        elif how == "eof" and peer.wire.readable:
            peer.broken = True
            peer.wire.deliver_eof()

    # --- targets ------------------------------------------------------------------

    @precondition(lambda self: self.world.connects)
    @rule(at=st.integers(0, 9), fails=st.integers(0, 3))
    def a_connection_opens_or_not(self, at: int, fails: int) -> None:
        at %= len(self.world.connects)
        if fails:
            self.world.connected(at)
        else:
            self.world.refused(at)

    @precondition(lambda self: self.world.upstreams)
    @rule(at=st.integers(0, 9), size=st.sampled_from([10, 1000, 1 << 20]))
    def a_target_reads(self, at: int, size: int) -> None:
        wire = self.world.upstreams[at % len(self.world.upstreams)]
        if not wire.lost:
            wire.take(size)

    def _owed(self, wire: Wire) -> bytes | None:
        """The token of the request that a target has not answered yet."""
        tokens = requests_at(wire)
        done = self.answered.get(wire, 0)
        return tokens[done] if done < len(tokens) else None

    @precondition(lambda self: self.world.upstreams)
    @rule(at=st.integers(0, 9), kind=st.sampled_from([*ANSWERS, *BROKEN]))
    def a_target_answers(self, at: int, kind: str) -> None:
        wire = self.world.upstreams[at % len(self.world.upstreams)]
        if not wire.lost:
            wire.take(300)
        token = self._owed(wire)
        if token is not None and wire.readable and not self.inbox.get(wire):
            self.answered[wire] = self.answered.get(wire, 0) + 1
            self.inbox[wire] = (ANSWERS | BROKEN)[kind] % token
            if kind in BROKEN:
                self._mislead(token)

    def _mislead(self, token: bytes) -> None:
        for peer in self.peers:
            peer.broken |= token in peer.tokens

    @precondition(lambda self: any(self.inbox.values()))
    @rule(at=st.integers(0, 9), size=st.sampled_from([5, 40, 100, 70_000, 1 << 20]))
    def an_answer_arrives(self, at: int, size: int) -> None:
        wires = [wire for wire, left in self.inbox.items() if left]
        self._arrive(wires[at % len(wires)], size)

    def _arrive(self, wire: Wire, size: int) -> bool:
        if not wire.readable or not self.inbox.get(wire):
            return False
        if self.inbox[wire].endswith(b"evil\r\n"):
            size = 1 << 20  # cut, it is a race that nobody can win
        data, self.inbox[wire] = self.inbox[wire][:size], self.inbox[wire][size:]
        wire.deliver(data)
        return True

    @precondition(lambda self: self.world.upstreams)
    @rule(at=st.integers(0, 9), how=st.sampled_from(["eof", "reset", "junk"]))
    def a_target_misbehaves(self, at: int, how: str) -> None:
        wire = self.world.upstreams[at % len(self.world.upstreams)]
        if wire.lost:
            return
        for token in requests_at(wire)[-1:]:
            self._mislead(token)
        for peer in self.peers:  # whose request it is may be on its way
            peer.broken |= client_of(peer.wire).exchange is not None
        if how == "reset":
            wire.lose(ConnectionResetError())
        elif wire.readable and how == "eof":
            wire.deliver_eof()
        elif wire.readable and upstream_of(wire).exchange is None:
            wire.deliver(OK % b"evil")

    @precondition(lambda self: self.world.upstreams)
    @rule(
        at=st.integers(0, 9),
        kind=st.sampled_from([*ANSWERS]),
        size=st.sampled_from([30, 1 << 20]),
    )
    def a_target_does_its_duty(self, at: int, kind: str, size: int) -> None:
        """What goes well most of the time, in one step."""
        wire = self.world.upstreams[at % len(self.world.upstreams)]
        if not wire.lost:
            wire.take()
            self.a_target_answers(at, kind)
            while self._arrive(wire, size if kind != "big" else 1 << 20):
                pass

    # --- time and configuration ---------------------------------------------------

    @rule(later_s=st.sampled_from([0.5] * 6 + [3.0, 70.0]))
    def time_passes(self, later_s: float) -> None:
        if later_s > 1:
            for peer in self.peers:
                peer.broken = True
        self.world.sweep(later_s)

    @rule()
    def the_loop_turns(self) -> None:
        self.world.settle()

    @rule(drains=st.booleans(), moved=st.booleans())
    def a_snapshot_arrives(self, drains: bool, moved: bool) -> None:  # noqa: FBT001 - drawn
        self.draining = drains
        second = Target(TargetId("t1"), "h", 9 if moved else 1, draining=drains)
        self.world.publish(Target(TargetId("t0"), "h", 0), second)

    # --- promises -----------------------------------------------------------------

    @invariant()
    def what_is_in_flight_is_counted(self) -> None:
        for target in self.world.targets:
            assert target.in_flight == self.world.exchanges(target)

    @invariant()
    def pools_hold_only_clean_connections(self) -> None:
        for target in self.world.targets:
            for one in target.idle:
                wire = one.transport  # type: ignore[attr-defined]  # ours
                assert isinstance(wire, Wire)
                assert upstream_of(wire).exchange is None
                assert not wire.unsent
                assert not wire.paused
                assert not target.draining

    @invariant()
    def answers_reach_whom_they_are_for_in_order(self) -> None:
        for peer in self.peers:
            got = TOKEN.findall(peer.wire.sent + peer.wire.unsent)
            order = iter(peer.tokens)
            assert all(token in order for token in got), (got, peer.tokens)

    @invariant()
    def a_request_reaches_one_target_once(self) -> None:
        seen = [t for wire in self.world.upstreams for t in requests_at(wire)]
        assert len(seen) == len(set(seen))

    def teardown(self) -> None:
        try:
            self._let_all_end_well()
            for peer in self.peers:
                peer.wire.lose()
            while self.world.connects:
                self.world.connected()
            self.world.flush()
            assert [t.in_flight for t in self.world.targets] == [0, 0]
            assert self.world.door.clients == {}
        finally:
            self.world.close()

    def _let_all_end_well(self) -> None:
        """Everybody behaves from here on: every request is answered."""
        goes_on = True
        while goes_on:
            self.world.flush()
            goes_on = bool(self.world.connects)
            while self.world.connects:
                self.world.connected()
            self.world.flush()
            for peer in self.peers:
                goes_on |= self._send(peer, 1 << 20)
            for wire in self.world.upstreams:
                goes_on |= self._arrive(wire, 1 << 20)
                token = self._owed(wire)
                if token is not None and wire.readable and not self.inbox.get(wire):
                    self.answered[wire] = self.answered.get(wire, 0) + 1
                    self.inbox[wire] = ANSWERS["counted"] % token
                    goes_on = True
        for peer in self.peers:
            if not peer.broken and not peer.wire.lost:
                assert len(ANSWERED.findall(peer.wire.sent)) == len(peer.tokens)


Traffic.TestCase.settings = settings(
    max_examples=examples(150), stateful_step_count=60, deadline=None
)


TestTraffic = pytest.mark.timeout(240)(Traffic.TestCase)
