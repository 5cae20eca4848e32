"""Whatever happens in whatever order: answers reach whom they are for, all ends.

Clients, targets, transports, snapshots, workers and time do what they like; after
each step nothing is written to an ending connection, pools hold only clean ones and
counts add up. At the end either everybody behaves, and every request has had its
answer; or nobody does anything any more, and time alone ends all there is.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from alb.decide.retry import ATTEMPTS_MAX
from alb.errors import Failure
from alb.model import Stickiness, Target, TargetGroup, TargetId
from alb.policies import NO_RETRY, Concurrency, RetryPolicy
from alb.state.targets import TargetState
from tests.support.examples import examples
from tests.support.sticky import LB_COOKIE
from tests.support.traffic import (
    ANSWERS,
    BROKEN,
    DOWN,
    EVIL,
    REQUESTS,
    SWITCHED,
    UP,
    Crew,
    Peer,
    Told,
    Worker,
    answer_of,
    is_tagged,
    requests,
    tagged,
)
from tests.support.wires import Wire, client_of, upstream_of

AGAIN = RetryPolicy(on_reset=True, on_status_codes=((503, 503),), budget_minimum=100)
DELAY_S = 20.0
NAMES = ("t0", "t1", "t2")

clients = st.integers(0, 2)
anyone = st.integers(0, 9)
sizes = st.sampled_from([7, 60, 70_000, 1 << 20, 1 << 20])
kinds = st.sampled_from([*REQUESTS, "get", "get", "get", "upgrade"])


class Traffic(RuleBasedStateMachine):
    @initialize(
        cap=st.sampled_from([0, 0, 1, 2]),
        queue=st.sampled_from([0, 1, 9]),
        retries=st.booleans(),
        sticky=st.booleans(),
        ends_well=st.booleans(),
    )
    def begin(
        self,
        cap: int,
        queue: int,
        *,
        retries: bool,
        sticky: bool,
        ends_well: bool,
    ) -> None:
        group = TargetGroup(
            "web",
            deregistration_delay_s=DELAY_S,
            concurrency=Concurrency(cap, queue, queue_timeout_s=5.0),
            retry=AGAIN if retries else NO_RETRY,
            stickiness=LB_COOKIE if sticky else Stickiness(),
        )
        self.attempts = ATTEMPTS_MAX if retries else 1
        self.ends_well = ends_well
        self.crew = Crew(group, len(NAMES))
        self.peers: list[Peer] = []
        self.served: dict[Wire, int] = {}
        """How many requests a target has answered, or begun to, on a connection."""
        self.inbox: dict[Wire, bytes] = {}
        """What it has still to send of an answer."""
        self.tunnels: dict[Wire, tuple[bytes, int]] = {}
        """Token, and octets that it sent down."""
        self.said_more: set[Wire] = set()
        """Targets' connections on which more came than was asked for."""
        self.read: dict[Wire, tuple[int, list[Told]]] = {}
        """The requests at a target's connection, read in so many octets."""

    @property
    def workers(self) -> list[Worker]:
        return [*self.crew.workers.values()]

    @property
    def upstreams(self) -> list[Wire]:
        wires = [wire for worker in self.workers for wire in worker.upstreams]
        return [wire for wire in wires if not wire.lost]

    @property
    def connecting(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.connects]

    # --- clients ------------------------------------------------------------------

    def _peer(self, at: int) -> Peer:
        """One of three clients; who can expect nothing more makes room for another."""
        present = self.peers[-3:]
        peer = present[at % 3] if len(present) == 3 else None
        if peer is None or (peer.broken and not peer.outbox and peer.tunnel is None):
            peer = Peer(len(self.peers), self.crew.at(at).client())
            self.peers.append(peer)
        return peer

    @rule(at=clients, kind=kinds, size=sizes)
    def a_client_sends(self, at: int, kind: str, size: int) -> None:
        peer = self._peer(at)
        if not peer.broken and not peer.outbox:
            peer.keep_cookies()
            peer.ask(kind)
        self._send(peer, size)

    @rule(at=clients, asked=st.lists(kinds, min_size=2, max_size=4))
    def a_client_asks_at_once(self, at: int, asked: list[str]) -> None:
        peer = self._peer(at)
        for kind in asked:
            if not peer.broken:
                peer.ask(kind)
        while self._send(peer, 1 << 20):
            pass
        self._open_all()

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

    @precondition(lambda self: self.tunnels)
    @rule(at=clients, size=st.sampled_from([1, 50, 70_000]))
    def a_client_speaks_through_its_tunnel(self, at: int, size: int) -> None:
        peer = self._peer(at)
        token = peer.tunnel
        if token is not None and peer.wire.readable:
            said = tagged(UP + token, size, peer.said)
            peer.said += size
            peer.wire.deliver(said)

    # --- targets ------------------------------------------------------------------

    @precondition(lambda self: self.connecting)
    @rule(at=anyone, how=st.sampled_from(["opens", "opens", "fails", "is patient"]))
    def a_connection_opens_or_not(self, at: int, how: str) -> None:
        worker = self.connecting[at % len(self.connecting)]
        at %= len(worker.connects)
        exchange, target = worker.connects[at]
        if how == "opens":
            worker.connected(at)
        elif how == "fails":
            worker.refused(at)
        elif exchange.is_last_attempt:
            worker.connects[at] = (exchange, exchange.switch_target() or target)

    def _open_all(self) -> None:
        for worker in self.workers:
            while worker.connects:
                worker.connected()

    def _wire(self, at: int) -> Wire:
        return self.upstreams[at % len(self.upstreams)]

    @precondition(lambda self: self.upstreams)
    @rule(at=anyone, size=st.sampled_from([10, 1000, 1 << 20]))
    def a_target_reads(self, at: int, size: int) -> None:
        self._wire(at).take(size)

    def _requests(self, wire: Wire) -> list[Told]:
        size, found = self.read.get(wire, (0, []))
        if size != len(wire.sent):
            tunnel, _ = self.tunnels.get(wire, (None, 0))
            found = [*requests(wire.sent, tunnel)]
            self.read[wire] = (len(wire.sent), found)
            for told in found:
                assert told.token is not None
                begin = UP if told.token == tunnel else b""
                assert is_tagged(told.body, begin + told.token), "another's octets"
            assert all(told.whole for told in found[:-1])
        return found

    def _owed(self, wire: Wire) -> Told | None:
        """The request that a target has not answered yet."""
        got = self._requests(wire)
        done = self.served.get(wire, 0)
        return got[done] if done < len(got) else None

    @precondition(lambda self: self.upstreams)
    @rule(at=anyone, kind=st.sampled_from([*ANSWERS, *BROKEN]))
    def a_target_answers(self, at: int, kind: str) -> None:
        wire = self._wire(at)
        wire.take(300)
        told = self._owed(wire)
        if told is None or not wire.readable or self.inbox.get(wire):
            return
        assert told.token is not None
        self.served[wire] = self.served.get(wire, 0) + 1
        if told.upgrades and kind not in BROKEN:
            self.inbox[wire] = SWITCHED % told.token
            self.tunnels[wire] = (told.token, 0)
        else:
            self.inbox[wire] = answer_of(kind, told.token)
        if kind in BROKEN:
            self._mislead(told.token)

    def _mislead(self, token: bytes | None) -> None:
        for peer in self.peers:
            peer.broken |= token in peer.tokens

    @precondition(lambda self: any(self.inbox.values()))
    @rule(at=anyone, size=st.sampled_from([5, 40, 100, 70_000, 1 << 20]))
    def an_answer_arrives(self, at: int, size: int) -> None:
        wires = [wire for wire, left in self.inbox.items() if left]
        self._arrive(wires[at % len(wires)], size)

    def _arrive(self, wire: Wire, size: int) -> bool:
        if not wire.readable or not self.inbox.get(wire):
            return False
        left = len(self.inbox[wire]) - len(EVIL)
        if self.inbox[wire].endswith(EVIL) and size >= left:
            size = 1 << 20  # apart from the answer, it is a race that nobody can win
            self.said_more.add(wire)
        data, self.inbox[wire] = self.inbox[wire][:size], self.inbox[wire][size:]
        wire.deliver(data)
        return True

    @precondition(lambda self: self.upstreams)
    @rule(at=anyone, how=st.sampled_from(["eof", "reset", "junk"]))
    def a_target_misbehaves(self, at: int, how: str) -> None:
        wire = self._wire(at)
        for told in self._requests(wire)[-1:]:
            self._mislead(told.token)
        for peer in self.peers:  # whose request it is may be on its way
            peer.broken |= client_of(peer.wire).exchange is not None
        if how == "reset":
            wire.lose(ConnectionResetError())
        elif wire.readable and how == "eof":
            wire.deliver_eof()
        elif wire.readable and upstream_of(wire).exchange is None:
            wire.deliver(answer_of("counted", b"evil"))

    @precondition(lambda self: self.tunnels)
    @rule(at=anyone, size=st.sampled_from([1, 50, 70_000]))
    def a_target_speaks_through_a_tunnel(self, at: int, size: int) -> None:
        wire, (token, said) = [*self.tunnels.items()][at % len(self.tunnels)]
        if wire.readable and not self.inbox.get(wire):
            self.tunnels[wire] = (token, said + size)
            wire.deliver(tagged(DOWN + token, size, said))

    @precondition(lambda self: self.upstreams)
    @rule(
        at=anyone,
        kind=st.sampled_from([*ANSWERS]),
        size=st.sampled_from([30, 1 << 20]),
    )
    def a_target_does_its_duty(self, at: int, kind: str, size: int) -> None:
        """What goes well most of the time, in one step."""
        wire = self._wire(at)
        wire.take()
        self.a_target_answers(self.upstreams.index(wire), kind)
        while self._arrive(wire, size if kind not in ("big", "chunked") else 1 << 20):
            pass

    @rule(at=clients)
    def a_tunnel_begins(self, at: int) -> None:
        """All of it in one step, where there is a target for it."""
        peer = Peer(len(self.peers), self.crew.at(at).client())
        self.peers.append(peer)
        peer.ask("upgrade")
        self._send(peer, 1 << 20)
        self._open_all()
        for wire in self.upstreams:
            wire.take()
            told = self._owed(wire)
            if told is not None and told.token == peer.tokens[0]:
                self.a_target_answers(self.upstreams.index(wire), "counted")
                self._arrive(wire, 1 << 20)

    # --- time, configuration, workers ---------------------------------------------

    @rule(later_s=st.sampled_from([0.5] * 6 + [3.0, 21.0, 70.0]))
    def time_passes(self, later_s: float) -> None:
        if later_s > 1:
            for peer in self.peers:
                peer.broken = True
        for worker in self.workers:
            worker.sweep(later_s)

    @rule()
    def the_loop_turns(self) -> None:
        for worker in self.workers:
            worker.settle()
        self.crew.hear()
        for worker in [one for one in self.workers if one.ended]:
            self.crew.end(worker)

    @rule(
        at=st.integers(0, 1),
        how=st.lists(
            st.sampled_from(["here", "here", "here", "drains", "moved", "gone"]),
            min_size=len(NAMES),
            max_size=len(NAMES),
        ),
    )
    def a_snapshot_arrives(self, at: int, how: list[str]) -> None:
        self.crew.publish(
            at,
            *(
                Target(TargetId(name), "h", 9 if one == "moved" else 1, one == "drains")
                for name, one in zip(NAMES, how, strict=True)
                if one != "gone"
            ),
        )

    @rule(at=st.integers(0, 1))
    def a_snapshot_has_no_group(self, at: int) -> None:
        self.crew.at(at).withdraw()

    @precondition(lambda self: len(self.workers) == 2)
    @rule(at=st.integers(0, 1), idle_s=st.sampled_from([0.0, 5.0]))
    def a_worker_is_replaced(self, at: int, idle_s: float) -> None:
        worker = self.crew.at(at)
        for peer in self.peers:
            peer.broken |= peer.wire in worker.clients
        worker.door.drain(idle_s)
        self.crew.start()

    @precondition(lambda self: any(one.door.draining for one in self.workers))
    @rule()
    def a_worker_has_no_time_left(self) -> None:
        for worker in self.workers:
            if worker.door.draining:
                worker.door.abort()
                worker.settle()
                assert worker.ended
                self.crew.end(worker)

    # --- promises -----------------------------------------------------------------

    @invariant()
    def what_is_in_flight_is_counted(self) -> None:
        for worker in self.workers:
            for target in worker.ever:
                assert target.in_flight == worker.exchanges(target)

    @invariant()
    def no_target_has_more_than_it_may(self) -> None:
        for worker in self.workers:
            group = worker.table.groups.get("web")
            cap = group.limit.policy.max_per_target if group and group.limit else 0
            for target in worker.targets:
                assert not cap or target.in_flight <= cap

    @invariant()
    def pools_hold_only_clean_connections(self) -> None:
        for worker in self.workers:
            for target in worker.ever:
                self._is_clean(target)

    def _is_clean(self, target: TargetState) -> None:
        assert not target.idle or (target.wanted and not target.draining)
        for one in target.idle:
            wire = one.transport  # type: ignore[attr-defined]  # ours
            assert isinstance(wire, Wire)
            assert upstream_of(wire).exchange is None
            assert upstream_of(wire).pool is target
            assert wire not in self.said_more
            assert not wire.unsent
            assert not wire.paused

    @invariant()
    def answers_reach_whom_they_are_for_in_order(self) -> None:
        for peer in self.peers:
            peer.got()

    @invariant()
    def a_target_gets_whole_requests_and_each_but_once(self) -> None:
        reached: list[bytes] = []
        for wire in [one for worker in self.workers for one in worker.upstreams]:
            got = self._requests(wire)
            tokens = [told.token for told in got if told.token is not None]
            assert len(tokens) == len(set(tokens))
            reached += tokens
        assert all(reached.count(token) <= self.attempts for token in reached)

    # --- the end ------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "crew"):
            return
        try:
            if self.ends_well:
                self._let_all_end_well()
            else:
                self._let_time_pass()
            self._is_at_rest()
        finally:
            for worker in self.workers:
                worker.close()

    def _let_all_end_well(self) -> None:
        """Everybody behaves from here on: every request is answered."""
        while self._goes_on():
            pass
        for peer in self.peers:
            if not peer.broken and not peer.wire.lost:
                assert peer.has_all
            peer.wire.lose()
        self._open_all()
        for _ in range(3):
            for worker in self.workers:
                worker.flush()
                worker.sweep(5.0)
                worker.flush()

    def _goes_on(self) -> bool:
        for worker in self.workers:
            worker.flush()
        goes_on = bool(self.connecting) or self.crew.bell.rung
        self.crew.hear()
        self._open_all()
        for worker in self.workers:
            worker.flush()
        for peer in self.peers:
            goes_on |= self._send(peer, 1 << 20)
        for wire in self.upstreams:
            goes_on |= self._arrive(wire, 1 << 20)
            told = self._owed(wire)
            if told is not None and wire.readable and not self.inbox.get(wire):
                assert told.token is not None
                self.served[wire] = self.served.get(wire, 0) + 1
                self.inbox[wire] = answer_of("counted", told.token)
                goes_on = True
        return goes_on

    def _let_time_pass(self) -> None:
        """Nobody sends, reads, accepts or leaves: every deadline comes."""
        for _ in range(60):
            for worker in self.workers:
                for exchange, _ in worker.connects:
                    exchange.on_not_connected(Failure.CONNECT_TIMEOUT)
                worker.connects.clear()
                worker.sweep(5.0)
                worker.settle()
            self.crew.hear()

    def _is_at_rest(self) -> None:
        for worker in self.workers:
            assert worker.door.clients == {}
            assert all(wire.lost for wire in worker.clients), "a client is left"
            assert all(wire.lost for wire in worker.upstreams), "a target is left"
            assert worker.table.waiting() == {}
            for target in worker.ever:
                assert target.in_flight == 0
                assert target.idle == []
        assert {0} == {*self.crew.in_flight(*NAMES, "queue of web")}


Traffic.TestCase.settings = settings(
    max_examples=examples(200),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


TestTraffic = pytest.mark.timeout(240)(Traffic.TestCase)
