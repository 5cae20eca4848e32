"""What passes between a client and the target that answers it. Floor 4.

    client --body--> target     target --head, body--> client     101: both, unread

Nothing here chooses a target or decides that an exchange has failed: that is
`exchange`, which is a relay that can be attempted, and ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alb.decide.access_log import AccessEntry
from alb.decide.chunked import LAST_CHUNK, chunk
from alb.decide.head import without
from alb.decide.request import RequestHead
from alb.decide.response import ResponseHead
from alb.decide.retry import KEPT_MAX, Retries
from alb.drivers.client import READ_AHEAD_MAX, ClientConnection
from alb.drivers.upstream import UpstreamConnection
from alb.state.groups import GroupState
from alb.state.histogram import bucket_of
from alb.state.sessions import Session
from alb.state.targets import TargetState

if TYPE_CHECKING:
    from alb.app.door import Door

_SERVER_ERROR: Final = 500


class Relay:
    """A request and its answer on their way, body by body.

    What most requests never change stands on the class.
    """

    target: TargetState | None = None
    tunnel = False
    entry: AccessEntry | None = None
    """Filled in where the listener has an access log."""
    session: Session | None = None
    """Where clients stay with their target, or group."""
    _upstream: UpstreamConnection | None = None
    _pending: list[bytes] | None = None
    _pending_size = 0
    _chunks = False
    """The response goes out in chunks."""
    _retries: Retries | None = None
    """Set where the group sends again what a target may have seen."""
    _kept: list[bytes] | None = None
    """The body so far, as it was sent, while it may have to be sent again."""
    _kept_size = 0
    _responding = False
    _ended = False
    _tunnel_ends = 0
    _sent_at: float
    """When the request's head was sent, by the exact clock."""
    _active_at: float
    """When something was last sent or received, by the coarse one."""

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
        if self._kept is not None:
            self._keep(self._kept, data)
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

    def _keep(self, kept: list[bytes], data: bytes) -> None:
        """Keep what is small enough to be sent again."""
        self._kept_size += len(data)
        if self._kept_size > KEPT_MAX:
            self._kept = None
        else:
            kept.append(data)

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
        if self._retries is not None and self._goes_elsewhere(head, more=more):
            return
        door = self._door
        self._responding = True
        self._active_at = door.now_s
        answered_at = door.time_s()
        self._count(head.status, answered_at - self._sent_at)
        if self.entry is not None:
            self._note_answer(self.entry, head.status, answered_at)
        self._keep_alive = self._client.may_keep_alive(self._head)
        framing = self._framing(head, more=more)
        if body and self._chunks:
            body = chunk(body)
        passed_on = head.passed_on
        if door.overridden:
            passed_on = without(passed_on, door.overridden) + door.added_lines
        if self.session is not None:
            passed_on += self._cookies(self.session, head)
        self._to_client(
            b"HTTP/1.1 %d %b%b%b\r\n\r\n%b"
            % (head.status, head.reason, passed_on, framing, body)
        )

    def _cookies(self, session: Session, head: ResponseHead) -> bytes:
        assert self.target is not None
        return session.cookies(self._group, self.target.id, head.passed_on)

    def _goes_elsewhere(self, head: ResponseHead, *, more: bool) -> bool:
        """Whether this answer is not passed on, and another target asked instead."""
        raise NotImplementedError

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

    def _count(self, status: int, latency_s: float) -> None:
        target = self.target
        assert target is not None
        target.counters.by_class[status // 100] += 1
        latency_us = int(latency_s * 1e6)
        target.counters.latency[bucket_of(latency_us)] += 1
        target.counters.response_us += latency_us
        if target.paced and status < _SERVER_ERROR:
            target.pace.note(latency_s, self._door.now_s)

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
        self._release(reusable=self._is_clean())
        client.end_exchange(keep_alive=self._keep_alive)

    def _is_clean(self) -> bool:
        """Whether the connection to the target may carry another request."""
        head = self._head
        return not head.close_after and (not head.has_body or self._has_all_been_sent())

    def _has_all_been_sent(self) -> bool:
        """Whether what the target reads next is the next request."""
        return (
            self._client.body_is_whole
            and self._upstream is not None
            and not self._upstream.transport.get_write_buffer_size()
        )

    def _to_client(self, data: bytes) -> None:
        transport = self._client.transport
        if not transport.is_closing():
            self._client.counters.client_bytes_out += len(data)
            if self.entry is not None:
                self.entry.sent += len(data)
            transport.write(data)

    # --- tunnels ------------------------------------------------------------------

    def on_switched(self, head: ResponseHead, data: bytes) -> None:
        """101: from here on bytes pass both ways, unread."""
        self.tunnel = self._responding = True
        self._active_at = self._door.now_s
        self._count(head.status, 0.0)
        if self.entry is not None:
            self._note_answer(self.entry, head.status, self._door.time_s())
            self.entry.websocket = self._head.upgrade.lower() == b"websocket"
        passed_on = head.passed_on
        if self.session is not None:
            passed_on += self._cookies(self.session, head)
        lines = [
            b"HTTP/1.1 101 " + head.reason + passed_on,
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
            self._door.partings.end(upstream.transport, self._door.now_s)
            self._upstream = None
        if self.entry is not None:
            self._door.end_entry(self.entry, self.entry.status, "")
        self._release(reusable=False)
        self._client.finish()

    # --- giving back -----------------------------------------------------------

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
            self._give_back(target)

    def _give_back(self, target: TargetState) -> None:
        """End a request that began at `target`."""
        target.end()
        if target.draining and not target.in_flight:
            self._door.on_drained(target)
        if self._group.limit is not None:
            self._group.limit.freed()
