"""One request, from its head to the end of its answer. Floor 4.

    choose a target -> reuse or open a connection -> send -> relay both ways

This is the data plane. Everything it asks is answered by `state.table` and
`decide`; bytes are the drivers' affair. A request is sent again only when
nothing of it was sent before: a connection that could not be made, or a pooled
one that had ended. Whatever way it ends, it ends once, and gives back what it
took (`_release`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alb.decide.access_log import AccessEntry
from alb.decide.chunked import LAST_CHUNK, chunk
from alb.decide.head import without
from alb.decide.request import RequestHead
from alb.decide.response import ResponseHead
from alb.drivers.client import READ_AHEAD_MAX, ClientConnection
from alb.drivers.upstream import UpstreamConnection
from alb.errors import Blame, Failure
from alb.model import TargetId
from alb.state.histogram import bucket_of
from alb.state.table import GroupState, TargetState

if TYPE_CHECKING:
    from alb.app.door import Door

ATTEMPTS_MAX: Final = 3
NOT_TRIED: Final[frozenset[TargetId]] = frozenset()
AVOID_S: Final = 1.0
"""How long a worker passes over a target that it could not connect to."""


class Exchange:
    """A request being forwarded to a target of one group.

    What most requests never change stands on the class.
    """

    target: TargetState | None = None
    tunnel = False
    entry: AccessEntry | None = None
    """Filled in where the listener has an access log."""
    _upstream: UpstreamConnection | None = None
    _tried = NOT_TRIED
    _pending: list[bytes] | None = None
    _pending_size = 0
    _chunks = False
    """The response goes out in chunks."""
    _responding = False
    _ended = False
    _tunnel_ends = 0

    def __init__(
        self, door: Door, client: ClientConnection, head: RequestHead, group: GroupState
    ) -> None:
        self._door = door
        self._client = client
        self._head = head
        self._group = group
        self.method = head.method
        self.wants_upgrade = head.upgrade != b""
        self._body_sent = not head.has_body

    # --- choosing and connecting --------------------------------------------------

    def attempt(self, otherwise: Failure) -> bool:
        """Take a target and send to it; False when none was left to try."""
        target = self._group.pick(self._door.now_s, self._tried)
        if target is None:
            self.fail(otherwise)
            return False
        self.target = target
        target.in_flight += 1
        upstream = target.take_idle(self._door.now_s)
        if (
            isinstance(upstream, UpstreamConnection)
            and not upstream.transport.is_closing()
        ):
            self.on_connected(upstream)
        else:
            self._door.connect(self, target)
        return not self._ended

    def on_connected(self, upstream: UpstreamConnection) -> None:
        """Send what is there of the request."""
        target = self.target
        if self._ended or target is None:
            upstream.pool.give_back(upstream, self._door.now_s)
            return
        door = self._door
        self._upstream = upstream
        self._sent_at = door.time_s()
        self._active_at = door.now_s
        target.counters.requests += 1
        data = door.onward.head(self._client, self._head)
        if self.entry is not None:
            self.entry.tried(target.host, target.port)
            self.entry.sent_s = self._sent_at
            self.entry.trace = self._head.trace
        if self._pending is not None:
            data = b"".join([data, *self._pending])
            self._pending = None
            self._client.resume_reading()
        upstream.begin(self, data)

    def on_not_connected(self, failure: Failure) -> None:
        """Nothing was sent: another target may be tried."""
        target = self.target
        if target is None or self._ended:
            return
        if failure.blame is Blame.TARGET:
            target.avoid_until_s = self._door.now_s + AVOID_S
            target.counters.connection_errors += 1
        if self.entry is not None:
            self.entry.tried(target.host, target.port)
        self._leave_target()
        self._tried |= {target.id}
        if len(self._tried) >= ATTEMPTS_MAX:
            self.fail(failure)
            return
        target.counters.retries += 1
        self.attempt(failure)

    @property
    def is_last_attempt(self) -> bool:
        """Whether the request ends here if its target cannot be connected to."""
        if self._ended or len(self._tried) + 1 >= ATTEMPTS_MAX:
            return not self._ended
        return all(
            target is self.target or target.id in self._tried
            for target in self._group.eligible
        )

    def switch_target(self) -> TargetState | None:
        """Go on with another target, tried before or not; None: there is no other."""
        before = self.target
        if before is None or self._ended:
            return None
        target = self._group.pick(self._door.now_s, frozenset({before.id}))
        if target is not None:
            before.counters.connection_errors += 1
            before.counters.retries += 1
            if self.entry is not None:
                self.entry.tried(before.host, before.port)
            self._leave_target()
            self.target = target
            target.in_flight += 1
        return target

    # --- from the client ----------------------------------------------------------

    def send_body(self, data: bytes) -> None:
        if self._ended:
            return
        self._active_at = self._door.now_s
        if self.entry is not None:
            self.entry.received += len(data)
        self._to_target(chunk(data) if self._head.chunked else data)

    def end_body(self) -> None:
        if self._head.chunked and not self._ended:
            self._to_target(LAST_CHUNK)
        self._body_sent = True
        self._active_at = self._door.now_s

    def _to_target(self, data: bytes) -> None:
        upstream = self._upstream
        if upstream is not None:
            if not upstream.transport.is_closing():
                upstream.transport.write(data)
            return
        if self._pending is None:
            self._pending = []
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size > READ_AHEAD_MAX:
            self._client.pause_reading()

    def on_client_full(self) -> None:
        upstream = self._upstream
        if upstream is not None:
            upstream.pause_reading()

    def on_client_ready(self) -> None:
        self._active_at = self._door.now_s
        if self._upstream is not None:
            self._upstream.resume_reading()

    def on_target_full(self) -> None:
        self._client.pause_reading()

    def on_target_ready(self) -> None:
        self._active_at = self._door.now_s
        self._client.resume_reading()

    # --- from the target ----------------------------------------------------------

    def on_head(self, head: ResponseHead, body: bytes, *, more: bool) -> None:
        """Write the head, framed anew for this client, and the body so far."""
        door = self._door
        self._responding = True
        self._active_at = door.now_s
        answered_at = door.time_s()
        self._count(head.status, bucket_of(int((answered_at - self._sent_at) * 1e6)))
        if self.entry is not None:
            self._note_answer(self.entry, head.status, answered_at)
        self._keep_alive = self._client.may_keep_alive(self._head)
        framing = self._framing(head, more=more)
        if body and self._chunks:
            body = chunk(body)
        passed_on = head.passed_on
        if door.overridden:
            passed_on = without(passed_on, door.overridden) + door.added_lines
        self._to_client(
            b"HTTP/1.1 %d %b%b%b\r\n\r\n%b"
            % (head.status, head.reason, passed_on, framing, body)
        )

    def _framing(self, head: ResponseHead, *, more: bool) -> bytes:
        """Return the lines that say where the body ends, and the connection."""
        framing = b""
        if head.content_length is not None:
            framing = b"\r\nContent-Length: %d" % head.content_length
        elif more and head.chunked and self._head.version:
            self._chunks = True
            framing = b"\r\nTransfer-Encoding: chunked"
        elif more:  # the end of the connection is the framing
            self._keep_alive = False
        if not self._keep_alive:
            framing += b"\r\nConnection: close"
        elif not self._head.version:
            framing += b"\r\nConnection: keep-alive"
        return framing

    def _note_answer(self, entry: AccessEntry, status: int, at_s: float) -> None:
        entry.answered_s = at_s
        entry.status = status
        entry.target_statuses[-1] = b"%d" % status

    def _count(self, status: int, bucket: int) -> None:
        assert self.target is not None
        counters = self.target.counters
        counters.by_class[status // 100] += 1
        counters.latency[bucket] += 1

    def on_body(self, data: bytes) -> None:
        self._active_at = self._door.now_s
        self._to_client(chunk(data) if self._chunks else data)

    def on_end(self) -> None:
        if self._ended:
            return
        if self._chunks:
            self._to_client(LAST_CHUNK)
        self._ended = True
        if self.entry is not None:
            self._door.end_entry(self.entry, self.entry.status, "")
        client = self._client
        head = self._head
        self._release(
            reusable=not head.close_after
            and (not head.has_body or self._has_all_been_sent())
        )
        client.end_exchange(keep_alive=self._keep_alive)

    def _has_all_been_sent(self) -> bool:
        """Whether what the target reads next is the next request."""
        return (
            self._client.body_is_whole
            and self._upstream is not None
            and not self._upstream.transport.get_write_buffer_size()
        )

    def on_target_lost(self, failure: Failure) -> None:
        self._upstream = None
        if self.tunnel:
            self._end_tunnel()
        else:
            self.fail(failure)

    def _to_client(self, data: bytes) -> None:
        transport = self._client.transport
        if not transport.is_closing():
            self._door.counters.client_bytes_out += len(data)
            if self.entry is not None:
                self.entry.sent += len(data)
            transport.write(data)

    # --- tunnels ------------------------------------------------------------------

    def on_switched(self, head: ResponseHead, data: bytes) -> None:
        """101: from here on bytes pass both ways, unread."""
        self.tunnel = self._responding = True
        self._active_at = self._door.now_s
        self._count(head.status, bucket_of(0))
        if self.entry is not None:
            self._note_answer(self.entry, head.status, self._door.time_s())
            self.entry.websocket = self._head.upgrade.lower() == b"websocket"
        lines = [
            b"HTTP/1.1 101 " + head.reason + head.passed_on,
            b"Connection: upgrade",
            b"Upgrade: " + (head.upgrade or self._head.upgrade),
            b"\r\n",
        ]
        self._to_client(b"\r\n".join(lines) + data)
        ahead = self._client.switch()
        if ahead:
            self._to_target(ahead)

    def send_tunnel(self, data: bytes) -> None:
        self._active_at = self._door.now_s
        if self.entry is not None:
            self.entry.received += len(data)
        self._to_target(data)

    def on_tunnel(self, data: bytes) -> None:
        self._active_at = self._door.now_s
        self._to_client(data)

    def end_tunnel(self) -> None:
        """The client will send no more; the target may."""
        upstream = self._upstream
        if upstream is not None and not upstream.transport.is_closing():
            upstream.transport.write_eof()
        self._half_ended()

    def on_tunnel_end(self) -> None:
        """The target will send no more; the client may."""
        if not self._client.transport.is_closing():
            self._client.transport.write_eof()
        self._half_ended()

    def _half_ended(self) -> None:
        self._tunnel_ends += 1
        if self._tunnel_ends > 1:
            self._end_tunnel()

    def _end_tunnel(self) -> None:
        if self._ended:
            return
        self._ended = True
        upstream = self._upstream
        if upstream is not None and not upstream.transport.is_closing():
            upstream.exchange = None
            upstream.transport.close()
            self._upstream = None
        if self.entry is not None:
            self._door.end_entry(self.entry, self.entry.status, "")
        self._release(reusable=False)
        self._client.finish()

    # --- ends ---------------------------------------------------------------------

    def fail(self, failure: Failure) -> None:
        """End without the target's whole answer. Only the first end counts."""
        if self._ended:
            return
        if self.tunnel:
            self._end_tunnel()
            return
        self._ended = True
        client = self._client
        keep_alive = client.may_keep_alive(self._head) and failure.blame != Blame.CLIENT
        self._release(reusable=False)
        self._door.counters.failed(failure)
        if self._responding or failure is Failure.CLIENT_GONE:
            self._log_failure(failure)
            client.break_off()
            return
        client.exchange = None
        self._to_client(
            self._door.error(self._head, failure.status, keep_alive=keep_alive)
        )
        self._log_failure(failure)
        client.end_exchange(keep_alive=keep_alive)

    def _log_failure(self, failure: Failure) -> None:
        """The status is the client's: the target's, where that was sent already."""
        entry = self.entry
        if entry is not None:
            status = entry.status if self._responding else failure.status
            self._door.end_entry(entry, status, failure.name)

    def cut(self) -> None:
        """The deregistration delay of its target has passed."""
        target = self.target
        if target is not None and not self._ended:
            target.counters.cut += 1
            self.fail(Failure.DEREGISTERED)

    def check(self, now_s: float) -> None:
        """End what has been idle for too long, and say by whose fault."""
        if self._upstream is None:
            return  # connecting has a deadline of its own
        client = self._client
        active_at = self._active_at
        if client.writing_paused:
            active_at = max(active_at, client.active_at)
        if now_s - active_at <= self._door.idle_timeout_s:
            return
        if client.writing_paused:
            self.fail(Failure.CLIENT_STALLED)
        elif self._body_sent or self._responding or client.reading_paused:
            self.fail(Failure.RESPONSE_TIMEOUT)
        else:
            self.fail(Failure.CLIENT_SLOW)

    def _release(self, *, reusable: bool) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.resume_reading()
            if reusable and upstream.reusable:
                upstream.pool.give_back(upstream, self._door.now_s)
            else:
                upstream.discard()
        self._leave_target()

    def _leave_target(self) -> None:
        target, self.target = self.target, None
        if target is not None:
            target.in_flight -= 1
            if target.draining and not target.in_flight:
                self._door.on_drained(target)
