"""A listener's front door: every connection and every request comes in here. Floor 4.

    head -> rule -> forward (an Exchange) | redirect | fixed response

Absent: sockets. The worker accepts connections and gives each its door.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from typing import Final, Protocol

from alb.app.exchange import Exchange
from alb.decide.access_log import AccessEntry, Moment
from alb.decide.desync import MODES, refusal_tier
from alb.decide.fixed import Answer, added_lines, error_response, own_lines
from alb.decide.forwarded import (
    forwarded_line,
    has_too_many_addresses,
    peer_address,
)
from alb.decide.head import without_invalid_names
from alb.decide.redirect import CompiledRedirect
from alb.decide.request import RequestHead
from alb.decide.rewrite import Rewrite
from alb.decide.rules import DEFAULT_RULE
from alb.decide.trace import trace_id
from alb.drivers.client import ClientConnection
from alb.errors import Failure
from alb.model import PRIORITY_DEFAULT_RULE, Listener, LogFiles
from alb.ports import Counters
from alb.state.access_log import ListenerLog
from alb.state.counters import ListenerCounters
from alb.state.table import ForwardTo, ListenerState, TargetState

HOSTS_REMEMBERED: Final = 1024
_WITH_LENGTH: Final = frozenset({b"POST", b"PUT", b"PATCH"})
"""Methods that are sent with a length of 0 when they have no body."""
_OWN_PORTS: Final = frozenset({80, 443})


class Surroundings(Protocol):
    """What a door needs of its worker."""

    trace_prefix: bytes
    """Twelve hexadecimal digits that no other worker has."""
    time_s: Callable[[], float]
    """The exact clock; a loop's own is only as fine as its turns."""

    def connect(self, exchange: Exchange, target: TargetState) -> None:
        """Open a connection; tells the exchange when it is open, or why not."""

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
        self.clients: dict[ClientConnection, None] = {}
        """In the order they came: a sweep meets them the same way every time."""
        self.draining = False
        self.drain_idle_s = 0.0
        self.time_s = around.time_s
        self.connect = around.connect
        self.on_drained = around.on_drained
        self.access_log: ListenerLog | None = None
        self._connection_log: ListenerLog | None = None
        self._ended_logs: list[ListenerLog] = []
        """Switched off or moved; what they still hold is written once more."""
        self._entry: AccessEntry | None = None
        """Of the request that is beginning."""
        self._traces = 0
        self._hosts: dict[bytes, bytes] = {}
        self.take(state)
        self.tick(now_s, unix_s)

    def take(self, state: ListenerState) -> None:
        """Serve by these rules from the next request on."""
        listener = state.listener
        self._state = state
        self.idle_timeout_s = listener.attributes.idle_timeout_s
        self.head_timeout_s = listener.attributes.head_timeout_s
        self.keep_alive_s = listener.attributes.client_keep_alive_s
        self.desync_mode = MODES[listener.attributes.desync_mitigation_mode]
        self._protocol = listener.protocol.lower().encode()
        self._port = b"%d" % listener.port
        self._tail = (
            b"\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Port: %b\r\nX-Amzn-Trace-Id: "
            % (self._protocol, self._port)
        )
        self._hosts.clear()
        self._own_lines = own_lines(listener)
        self.added_lines = added_lines(listener.response_headers)
        self.overridden = frozenset(
            name.lower().encode() for name, _ in listener.response_headers
        )
        """Names of response headers that are ours to set."""
        for client in self.clients:
            client.forwarded = self._forwarded(client, None)
        logs = listener.attributes
        self.access_log = self._log(self.access_log, "", logs.access_log)
        self._connection_log = self._log(
            self._connection_log, "conn_log_", logs.connection_log
        )

    def _log(
        self, before: ListenerLog | None, kind: str, files: LogFiles | None
    ) -> ListenerLog | None:
        """Go on with the log there was, unless its files are others now."""
        if before is not None and before.files == files:
            return before
        if before is not None:
            self._ended_logs.append(before)
            self.counters.log_lines_dropped += before.lines.dropped
        if files is None:
            return None
        return ListenerLog(kind, files, self.listener, self._around.trace_prefix)

    def logs(self) -> list[ListenerLog]:
        """Return the logs whose lines are to be written; ended ones once."""
        ended, self._ended_logs = self._ended_logs, []
        running = (self.access_log, self._connection_log)
        return [*ended, *(log for log in running if log is not None)]

    def report(self) -> Counters:
        """Return the totals of this listener since the worker began."""
        logs = (self.access_log, self._connection_log)
        dropped = sum(log.lines.dropped for log in logs if log is not None)
        return self.counters.report(dropped)

    @property
    def listener(self) -> Listener:
        return self._state.listener

    def tick(self, now_s: float, unix_s: float) -> None:
        """Set the coarse clocks, as of this sweep."""
        self.now_s = now_s
        self._unix_s = int(unix_s)
        self._trace_start = b"Root=1-%08x-%b" % (
            self._unix_s,
            self._around.trace_prefix,
        )
        self._date = formatdate(unix_s, usegmt=True).encode()
        self.unix_less_now_s = unix_s - now_s

    def sweep(self, now_s: float, unix_s: float) -> None:
        self.tick(now_s, unix_s)
        for client in [*self.clients]:
            client.check(now_s)

    def opened(self, client: ClientConnection) -> None:
        self.counters.new_connections += 1
        self.clients[client] = None
        client.number = self.counters.new_connections
        client.forwarded = self._forwarded(client, None)
        if self._connection_log is not None:
            now_s = self.time_s()
            self._connection_log.connected(
                client.peer,
                client.peer_port,
                client.number,
                Moment(now_s, now_s + self.unix_less_now_s),
            )

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

    # --- one request --------------------------------------------------------------

    def begin(self, client: ClientConnection, head: RequestHead) -> Exchange | None:
        """Answer at once and return None, or return the exchange that will."""
        counters = self.counters
        counters.requests += 1
        counters.client_bytes_in += head.size + head.content_length
        if head.is_odd:
            self._note_odd(head)
        state = self._state
        position = state.rules.match(
            head.method,
            head.host,
            head.path,
            head.query,
            head.pairs() if state.needs_headers else (),
            client.peer_ip,
            head.host_field,
        )
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
        group = act.choose()
        if group is None:
            self.counters.failed(Failure.NO_TARGET)
            self._error(client, head, Failure.NO_TARGET.status, "NO_TARGET")
            return None
        exchange = Exchange(self, client, head, group)
        if self._entry is not None:
            exchange.entry, self._entry = self._entry, None
            exchange.entry.group = group.arn
        return exchange if exchange.attempt(Failure.NO_TARGET) else None

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

    def head_for_target(self, client: ClientConnection, head: RequestHead) -> bytes:
        """Return the head to send: the client's, with what is ours to say."""
        self._traces += 1
        if head.trace_id is None:
            trace = self._trace_start + b"%012x" % self._traces
        else:
            unique = self._around.trace_prefix + b"%012x" % self._traces
            trace = trace_id(head.trace_id, self._unix_s, unique)
        head.trace = trace
        framing = b""
        if head.chunked:
            framing = b"\r\nTransfer-Encoding: chunked"
        elif head.content_length or head.method in _WITH_LENGTH:
            framing = b"\r\nContent-Length: %d" % head.content_length
        if head.upgrade:
            framing += b"\r\nConnection: upgrade\r\nUpgrade: " + head.upgrade
        return b"%b %b HTTP/1.1\r\nHost: %b%b%b%b%b%b\r\n\r\n" % (
            head.method,
            head.target,
            self._hosts.get(head.host_field) or self._host_for(head),
            head.passed_on,
            client.forwarded
            if head.forwarded_for is None
            else self._forwarded(client, head.forwarded_for),
            self._tail,
            trace,
            framing,
        )

    def _forwarded(self, client: ClientConnection, existing: bytes | None) -> bytes:
        attributes = self.listener.attributes
        peer = peer_address(
            client.peer_ip, client.peer_port, with_port=attributes.xff_client_port
        )
        return forwarded_line(existing, peer, attributes.xff_header_processing)

    def _host_for(self, head: RequestHead) -> bytes:
        """Return the Host to send: lower case, with the port unless it is 80 or 443,
        or as it came, where that is wanted.

        A request of HTTP/1.0 without Host gets the address it came to.
        """
        host = head.host or self.listener.addresses[0].encode()
        own = self.listener.port in _OWN_PORTS
        sent = head.host_field.lower()
        if sent and self.listener.attributes.preserve_host_header:
            sent = head.host_field
        elif own:
            sent = host
        elif sent in (b"", host):
            sent = host + b":" + self._port
        if len(self._hosts) >= HOSTS_REMEMBERED:
            self._hosts.clear()
        self._hosts[head.host_field] = sent
        return sent

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
        self.counters.client_bytes_out += len(data)
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
        return log.begin(client.peer, client.peer_port, client.number, self.time_s())

    def end_entry(self, entry: AccessEntry, status: int, reason: str) -> None:
        """Log the request that has now been answered, or never will be."""
        entry.status = status
        entry.reason = reason
        if self.access_log is not None:
            now_s = self.time_s()
            self.access_log.end(entry, Moment(now_s, now_s + self.unix_less_now_s))
