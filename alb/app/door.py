"""A listener's front door: every connection and every request comes in here. Floor 4.

    head -> rule -> forward (an Exchange) | redirect | fixed response

Absent: sockets. The worker accepts connections and gives each its door.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from typing import Protocol

from alb.app.door_logs import DoorLogs
from alb.app.exchange import Exchange
from alb.app.handshakes import Handshakes
from alb.app.onward import Onward
from alb.app.partings import Partings
from alb.decide.access_log import AccessEntry, Moment, Peer
from alb.decide.desync import MODES, refusal_tier
from alb.decide.fixed import Answer, added_lines, error_response, own_lines
from alb.decide.forwarded import has_too_many_addresses
from alb.decide.head import without_invalid_names
from alb.decide.redirect import CompiledRedirect
from alb.decide.request import RequestHead
from alb.decide.rewrite import Rewrite, settle
from alb.decide.rules import DEFAULT_RULE
from alb.drivers.client import ClientConnection
from alb.errors import Failure
from alb.model import PRIORITY_DEFAULT_RULE, Listener
from alb.ports import Counters
from alb.state.access_log import ListenerLog
from alb.state.counters import ListenerCounters, add_counters
from alb.state.sessions import COOKIE_INVALID, Session, Sessions
from alb.state.table import ForwardTo, ListenerState
from alb.state.targets import TargetState


class Surroundings(Protocol):
    """What a door needs of its worker."""

    trace_prefix: bytes
    """Twelve hexadecimal digits that no other worker has."""
    time_s: Callable[[], float]
    """The exact clock; a loop's own is only as fine as its turns."""
    client_files_max: int
    """Where the numbers of files end that clients may have; those behind are for
    connections to targets, without which a client is of no use."""

    sessions: Sessions

    def connect(self, exchange: Exchange, target: TargetState) -> None:
        """Open a connection; tells the exchange when it is open, or why not."""

    @property
    def doubt(self) -> Callable[[TargetState], None]:
        """Has the health of a target looked at that could not be reached."""

    def on_drained(self, target: TargetState) -> None: ...


class Door:
    """One listener in one worker."""

    def __init__(
        self,
        around: Surroundings,
        state: ListenerState,
        now_s: float,
        unix_s: float,
    ) -> None:
        self._around = around
        self._state = state
        self.counters = ListenerCounters()
        self._ipv6 = ListenerCounters()
        """What clients did that came over IPv6; the others stand in `counters`."""
        self.clients: dict[ClientConnection, None] = {}
        """In the order they came: a sweep meets them the same way every time."""
        self.draining = False
        self.drain_idle_s = 0.0
        self.time_s = around.time_s
        self.connect = around.connect
        self.doubt = around.doubt
        self.on_drained = around.on_drained
        self._logs = DoorLogs(around.trace_prefix)
        self.access_log: ListenerLog | None = None
        self._entry: AccessEntry | None = None
        """Of the request that is beginning."""
        self.onward = Onward(around.trace_prefix)
        self.handshakes = Handshakes(self)
        """None ever go on where there is no TLS."""
        self.partings = Partings()
        self._follow(state.listener)
        self.tick(now_s, unix_s)

    def take(self, state: ListenerState) -> None:
        """Serve by these rules from the next request on."""
        before, self._state = self._state, state
        if state.listener is not before.listener:  # else only rules are other ones
            self._follow(state.listener)

    def _follow(self, listener: Listener) -> None:
        """Do all else as this listener says."""
        self.idle_timeout_s = listener.attributes.idle_timeout_s
        self.head_timeout_s = listener.attributes.head_timeout_s
        self.keep_alive_s = listener.attributes.client_keep_alive_s
        self.desync_mode = MODES[listener.attributes.desync_mitigation_mode]
        self._protocol = listener.protocol.lower().encode()
        self._port = b"%d" % listener.port
        self.onward.take(listener)
        self._own_lines = own_lines(listener)
        self.added_lines = added_lines(listener.response_headers)
        self.overridden = frozenset(
            name.lower().encode() for name, _ in listener.response_headers
        )
        """Names of response headers that are ours to set."""
        for client in self.clients:
            client.forwarded = self.onward.forwarded(client, None)
            if client.tls is not None:
                client.tls_lines = self.onward.tls_lines(client.tls)
        self._logs.take(listener)
        self.access_log = self._logs.access

    def logs(self) -> list[ListenerLog]:
        """Return the logs whose lines are to be written; ended ones once."""
        return self._logs.to_write()

    def report(self) -> Counters:
        """Return the totals of this listener since the worker began."""
        ipv6 = self._ipv6
        both = add_counters([self.counters.report(self._logs.dropped), ipv6.report()])
        of_ipv6 = {
            "ipv6Requests": ipv6.requests,
            "ipv6Bytes": ipv6.client_bytes_in + ipv6.client_bytes_out,
        }
        return Counters({**both.totals, **of_ipv6})

    @property
    def listener(self) -> Listener:
        return self._state.listener

    def tick(self, now_s: float, unix_s: float) -> None:
        """Set the coarse clocks, as of this sweep."""
        self.now_s = now_s
        self.onward.tick(int(unix_s))
        self._date = formatdate(unix_s, usegmt=True).encode()
        self.unix_less_now_s = unix_s - now_s

    def sweep(self, now_s: float, unix_s: float) -> None:
        self.tick(now_s, unix_s)
        for client in [*self.clients]:
            client.check(now_s)
        if self.handshakes.going_on:
            self.handshakes.sweep()
        if self.partings.going_on:
            self.partings.sweep(now_s, self.idle_timeout_s)

    def opened(self, client: ClientConnection) -> None:
        if self.rejects(client.file):
            client.transport.abort()
            return
        self.counters.new_connections += 1
        client.counters = self._ipv6 if ":" in client.peer_ip else self.counters
        self.clients[client] = None
        client.number = self.counters.new_connections
        client.forwarded = self.onward.forwarded(client, None)
        if client.tls is not None:
            client.tls_lines = self.onward.tls_lines(client.tls)
        if self._logs.connection is not None:
            peer = Peer(client.peer, client.peer_port)
            self._logs.connection.connected(
                peer, client.number, client.tls, self._moment()
            )

    def rejects(self, file: int) -> bool:
        """Whether that is one connection too many; counts those that are."""
        if file < self._around.client_files_max:
            return False
        self.counters.rejected_connections += 1
        return True

    def not_secured(self, peer: tuple[str, int]) -> None:
        """Count a connection whose TLS handshake failed."""
        self.counters.tls_errors += 1
        if self._logs.connection is not None:
            ip, port = peer[:2]
            self._logs.connection.connected(
                Peer(ip.encode(), port), 0, None, self._moment()
            )

    def no_tls_page(self) -> bytes:
        """Return what to say to a client that speaks plain HTTP where TLS is."""
        return error_response(400, self._date, self._own_lines)

    def _moment(self) -> Moment:
        now_s = self.time_s()
        return Moment(now_s, now_s + self.unix_less_now_s)

    def closed(self, client: ClientConnection) -> None:
        self.clients.pop(client, None)

    def drain(self, idle_s: float) -> None:
        """Let no connection outlive its next request, or `idle_s` without one."""
        self.draining = True
        self.drain_idle_s = idle_s
        if not idle_s:
            for client in [*self.clients]:
                client.close()

    def abort(self) -> None:
        """End every connection now, and count those that were busy."""
        for client in [*self.clients]:
            if client.exchange is not None:
                self.counters.cut_connections += 1
                client.exchange.fail(Failure.REPLACED)
            client.transport.abort()
        self.partings.cut()
        self.handshakes.abort()

    @property
    def is_busy(self) -> bool:
        """Whether anybody is connected, about to be, or not yet gone."""
        return bool(self.clients or self.handshakes.going_on or self.partings.going_on)

    # --- one request --------------------------------------------------------------

    def begin(self, client: ClientConnection, head: RequestHead) -> Exchange | None:
        """Answer at once and return None, or return the exchange that will."""
        counters = client.counters
        counters.requests += 1
        counters.client_bytes_in += head.size + head.content_length
        if head.is_odd:
            self._note_odd(head)
        state = self._state
        headers = head.pairs() if state.needs_headers else ()
        position = state.rules.match_request(head, headers, client.peer_ip)
        counters.rule_evaluations += state.evaluations[position]
        act = state.acts[position]
        if self.access_log is not None:
            self._entry = self._begin_entry(self.access_log, client, head, position)
        if type(act) is ForwardTo:
            return self._forward(client, head, act)
        if isinstance(act, CompiledRedirect):
            self._redirect(client, head, act)
        elif isinstance(act, Answer):
            counters.fixed_responses += 1
            self._answer(client, head, act)
        return None

    def _note_odd(self, head: RequestHead) -> None:
        """Count what is not compliant, and leave out what is to be left out."""
        counters = self.counters
        if head.classification:
            counters.non_compliant += 1
        dropped = head.dropped_headers
        if head.odd_names:
            valid = without_invalid_names(head.passed_on)
            odd = valid != head.passed_on
            if odd and self.listener.attributes.drop_invalid_header_fields:
                head.passed_on, dropped = valid, True
            elif odd:
                counters.forwarded_invalid_headers += 1
        if dropped:
            counters.dropped_invalid_headers += 1

    def _forward(
        self, client: ClientConnection, head: RequestHead, act: ForwardTo
    ) -> Exchange | None:
        if head.forwarded_for and has_too_many_addresses(head.forwarded_for):
            self._fail(client, head, 463, "TooManyForwardedAddresses")
            return None
        if act.rewrite is not None and not self._rewrite(client, head, act.rewrite):
            return None
        if head.is_disputed:
            settle(head, self._entry)
        session = self._session(head) if act.sticky else None
        group = act.choose() if session is None else session.choose(act)
        if group is None:
            self.counters.failed(Failure.NO_TARGET)
            self._error(client, head, Failure.NO_TARGET.status, "NO_TARGET")
            return None
        exchange = Exchange(self, client, head, group)
        if session is not None or group.sticky:
            exchange.session = session or self._session(head)
        if self._entry is not None:
            exchange.entry, self._entry = self._entry, None
            exchange.entry.group = group.arn
            if session is not None and session.group_cookie_invalid:
                exchange.entry.error_reason = COOKIE_INVALID
        return exchange if exchange.attempt(Failure.NO_TARGET) else None

    def _session(self, head: RequestHead) -> Session:
        return Session(self._around.sessions, head, self.counters)

    def _rewrite(
        self, client: ClientConnection, head: RequestHead, rewrite: Rewrite
    ) -> bool:
        """Put what is to be sent into `head`; False: that failed, and was answered."""
        host = head.host or self.listener.addresses[0].encode()
        rewritten = rewrite.apply(head, host)
        if self._entry is not None and rewritten.status:
            rewritten.note_in(self._entry)
        if rewritten.failed:
            self._fail(client, head, 500, rewritten.status)
        return not rewritten.failed

    # --- answers of our own -------------------------------------------------------

    def _redirect(
        self, client: ClientConnection, head: RequestHead, act: CompiledRedirect
    ) -> None:
        host = head.host or self.listener.addresses[0].encode()
        location = act.location(self._protocol, host, self._port, head.path, head.query)
        if location is None:
            self._fail(client, head, 507, "RedirectUrlTooLong")
            return
        self.counters.redirects += 1
        if self._entry is not None:
            self._entry.redirect_url = location
        self._answer(client, head, act.answer(location))

    def _answer(
        self, client: ClientConnection, head: RequestHead, answer: Answer
    ) -> None:
        keep_alive = client.may_keep_alive(head)
        head_only = head.method == b"HEAD"
        self._write(
            client,
            answer.wire(
                self._date,
                self._own_lines,
                keep_alive=keep_alive,
                head_only=head_only,
            ),
            answer.status,
            "",
        )
        client.end_exchange(keep_alive=keep_alive)

    def _fail(
        self, client: ClientConnection, head: RequestHead, status: int, reason: str
    ) -> None:
        self.counters.refused(status, reason)
        self._error(client, head, status, reason)

    def _error(
        self, client: ClientConnection, head: RequestHead, status: int, reason: str
    ) -> None:
        keep_alive = client.may_keep_alive(head)
        page = self.error(head, status, keep_alive=keep_alive)
        self._write(client, page, status, reason)
        client.end_exchange(keep_alive=keep_alive)

    def _write(
        self, client: ClientConnection, data: bytes, status: int, reason: str
    ) -> None:
        client.counters.client_bytes_out += len(data)
        entry, self._entry = self._entry, None
        if entry is not None:
            entry.sent = len(data)
            self.end_entry(entry, status, reason)
        if not client.transport.is_closing():
            client.transport.write(data)

    def error(self, head: RequestHead, status: int, *, keep_alive: bool) -> bytes:
        """Return the page that says so."""
        return error_response(
            status,
            self._date,
            self._own_lines,
            keep_alive=keep_alive,
            head_only=head.method == b"HEAD",
        )

    def refuse(self, client: ClientConnection, status: int, reason: str) -> bytes:
        """Count a request that is not passed on; return the page that says so."""
        self.counters.refused(status, reason)
        self.counters.non_compliant += 1
        page = error_response(status, self._date, self._own_lines)
        if self.access_log is not None:
            entry = self._new_entry(self.access_log, client)
            entry.sent = len(page)
            entry.classification = refusal_tier(reason).encode()
            entry.classification_reason = reason.encode()
            self.end_entry(entry, status, reason)
        return page

    # --- the access log -----------------------------------------------------------

    def _begin_entry(
        self,
        log: ListenerLog,
        client: ClientConnection,
        head: RequestHead,
        position: int,
    ) -> AccessEntry:
        entry = self._new_entry(log, client)
        state = self._state
        act = state.acts[position]
        entry.head = head
        entry.received = head.size
        if head.classification:
            entry.classification = head.classification.encode()
            entry.classification_reason = head.reason.encode()
        entry.rule_priority = (
            PRIORITY_DEFAULT_RULE
            if position == DEFAULT_RULE
            else state.rules.rules[position].priority
        )
        if isinstance(act, ForwardTo):
            entry.action = b"forward"
        elif isinstance(act, CompiledRedirect):
            entry.action = b"redirect"
        else:
            entry.action = b"fixed-response"
        return entry

    def _new_entry(self, log: ListenerLog, client: ClientConnection) -> AccessEntry:
        entry = log.begin(client.peer, client.peer_port, client.number, self.time_s())
        if client.tls is not None:
            entry.tls = client.tls
        return entry

    def end_entry(self, entry: AccessEntry, status: int, reason: str) -> None:
        """Log the request that has now been answered, or never will be."""
        entry.status = status
        entry.reason = reason
        if self.access_log is not None:
            self.access_log.end(entry, self._moment())
