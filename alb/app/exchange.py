"""One request, from its head to the end of its answer. Floor 4.

    choose a target -> reuse or open a connection -> send -> relay both ways

This is the data plane. Everything it asks is answered by `state.table` and
`decide`; bytes are the drivers' affair, and pass through `relay`. A request is
sent again when nothing of it was sent before: a connection that could not be
made, or a pooled one that had ended. Where the group says so it is sent again also
after that (`decide.retry`), never once a byte of an answer went to the client.
Whatever way it ends, it ends once, and gives back what it took (`_release`).
"""

from __future__ import annotations

from typing import Final

from alb.app.relay import Relay
from alb.decide.response import ResponseHead
from alb.decide.retry import (
    ATTEMPTS_MAX,
    KEPT_MAX,
    Attempted,
    Retries,
    may_follow_reset,
    may_follow_status,
)
from alb.drivers.upstream import UpstreamConnection
from alb.errors import Blame, Failure
from alb.model import TargetId
from alb.state.limit import Limit
from alb.state.targets import TargetState

NOT_TRIED: Final[frozenset[TargetId]] = frozenset()
_TLS_FAILURES: Final = (Failure.TLS_FAILED, Failure.TLS_TIMEOUT)
_GONE: Final = (Failure.CLIENT_GONE, Failure.CLIENT_CUT)
AVOID_S: Final = 1.0
"""How long a worker passes over a target that it could not connect to."""


class Exchange(Relay):
    """A request being forwarded to a target of one group."""

    _tried = NOT_TRIED
    _failed = 0
    """Attempts that have failed."""
    _reused = False
    """The connection had carried a request before."""
    _sent_head = b""
    """Kept where it may have to be sent again."""
    _queue: Limit | None = None
    """Where this waits for a target with room."""
    _queued_at = 0.0
    _until_s = 0.0
    """When the time of a request that was sent again is up."""

    # --- choosing and connecting --------------------------------------------------

    def attempt(self, otherwise: Failure) -> bool:
        """Take a target and send to it; False when none was left to try."""
        if self._group.retries is not None and self._retries is None:
            self._prepare(self._group.retries)
        limit = self._group.limit
        target = None
        if limit is None or not limit.waiting:
            target = self._take_first()
        if target is not None:
            self._go_to(target, pooled=True)
        elif limit is None or not self._group.has_more(self._tried):
            self.fail(otherwise)
        else:
            self._wait(limit)
        return not self._ended

    def _take_first(self) -> TargetState | None:
        """Begin at the target that the client stays with, or whose turn it is."""
        if self.session is not None:
            target = self.session.target(self._group, self._door.now_s, self._tried)
            if target is not None and self._group.begin(target):
                return target
        return self._take(self._tried)

    def _wait(self, limit: Limit) -> None:
        """Wait until a target has room, behind those who wait already."""
        if limit.is_full:
            limit.counters.rejected += 1
            self.fail(Failure.OVERFLOW)
            return
        limit.counters.queued += 1
        self._queue = limit
        self._queued_at = self._door.time_s()
        limit.join(self)
        if len(limit.waiting) == 1:
            limit.serve()  # room that was made while we looked

    def on_room(self) -> bool:
        target = self._take_first()
        if target is not None:
            self._leave_queue()
            self._go_to(target, pooled=True)
        elif not self._group.has_more(self._tried):
            self.fail(Failure.NO_TARGET)
        return self._queue is None

    def _leave_queue(self) -> None:
        limit, self._queue = self._queue, None
        if limit is not None:
            waited_s = self._door.time_s() - self._queued_at
            limit.counters.waited_us += int(waited_s * 1e6)
            limit.leave(self)

    def _prepare(self, retries: Retries) -> None:
        """Keep what is needed to send the request again."""
        self._retries = retries
        self._until_s = self._door.now_s + self._door.idle_timeout_s
        if retries.may_repeat(self.method) and self._head.content_length <= KEPT_MAX:
            self._kept = []
        retries.budget.earn()

    def _go_to(self, target: TargetState, *, pooled: bool) -> None:
        """Send to `target`, where this has begun, on a connection of its pool or a
        new one."""
        self.target = target
        upstream = target.take_idle(self._door.now_s) if pooled else None
        if (
            isinstance(upstream, UpstreamConnection)
            and not upstream.transport.is_closing()
        ):
            self._reused = True
            self.on_connected(upstream)
        else:
            self._reused = False
            self._door.connect(self, target)

    def _take(self, tried: frozenset[TargetId]) -> TargetState | None:
        group = self._group
        if group.hash_key is None:
            return group.take(self._door.now_s, tried)
        slot = group.hash_key.slot(self._head, self._client.peer_ip)
        return group.take(self._door.now_s, tried, slot)

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
        data = self._sent_head or door.onward.head(self._client, self._head)
        if self._retries is not None:
            self._sent_head = data
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
        if failure in _TLS_FAILURES:
            target.counters.tls_errors += 1
        elif failure.blame is Blame.TARGET:
            target.counters.connection_errors += 1
        if self.entry is not None:
            self.entry.tried(target.host, target.port)
        self._leave_target()
        self._tried |= {target.id}
        self._failed += 1
        if self._failed >= ATTEMPTS_MAX:
            self.fail(failure)
            return
        target.counters.retries += 1
        self.attempt(failure)

    @property
    def is_last_attempt(self) -> bool:
        """Whether the request ends here if its target cannot be connected to."""
        if self._ended or self._failed + 1 >= ATTEMPTS_MAX:
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
        target = self._take(frozenset({before.id}))
        if target is not None:
            before.counters.connection_errors += 1
            before.counters.retries += 1
            if self.entry is not None:
                self.entry.tried(before.host, before.port)
            self._leave_target()
            self.target = target
        return target

    # --- trying again -------------------------------------------------------------

    def on_target_lost(self, failure: Failure) -> None:
        upstream, self._upstream = self._upstream, None
        if failure is Failure.TARGET_CLOSED and self.target is not None:
            self._door.doubt(self.target)
        if self.tunnel:
            self._end_tunnel()
        elif (
            self._retries is None
            or upstream is None
            or not self._reused
            or not upstream.is_silent
            or not self._goes_on(self._retries)
        ):
            self.fail(failure)

    def _goes_on(self, retries: Retries) -> bool:
        """Whether another connection takes what a used one lost: to another target,
        or to the same one if there is no other."""
        target = self.target
        if target is None or not may_follow_reset(retries, self.attempted()):
            return False
        if not self._spend(retries, target):
            return False
        other = self._take(self._tried)
        if other is not None:
            self._leave_target()
        self._go_again(other or target, pooled=other is not None)
        return True

    def _goes_elsewhere(self, head: ResponseHead, *, more: bool) -> bool:
        retries, target, upstream = self._retries, self.target, self._upstream
        if retries is None or target is None or upstream is None:
            return False
        if not may_follow_status(retries, self.attempted(), head.status):
            return False
        other = self._take(self._tried | {target.id})
        if other is None:
            return False
        if not self._spend(retries, target):
            self._give_back(other)
            return False
        answered_at = self._door.time_s()
        self._count(head.status, answered_at - self._sent_at)
        if self.entry is not None:
            self.entry.target_statuses[-1] = b"%d" % head.status
        upstream.exchange = None
        self._release(reusable=not more and self._is_clean())
        self._go_again(other, pooled=True)
        return True

    def attempted(self) -> Attempted:
        """Return what is known of this request should this attempt fail."""
        return Attempted(
            self.method,
            self._failed + 1,
            self._head.has_body,
            self._kept is not None or not self._head.has_body,
            self._until_s - self._door.now_s,
        )

    def _spend(self, retries: Retries, target: TargetState) -> bool:
        if retries.budget.spend(self._door.now_s):
            target.counters.retries += 1
            self._failed += 1
            self._tried |= {target.id}
            return True
        target.counters.retries_refused += 1
        return False

    def _go_again(self, target: TargetState, *, pooled: bool) -> None:
        self._pending = [*self._kept] if self._kept else None
        self._pending_size = self._kept_size
        self._client.resume_reading()
        self._go_to(target, pooled=pooled)

    # --- ends ---------------------------------------------------------------------

    def fail(self, failure: Failure) -> None:
        """End without the target's whole answer. Only the first end counts."""
        if self._ended:
            return
        if self.tunnel:
            self._end_tunnel()
            return
        self._ended = True
        if self._queue is not None:
            self._leave_queue()
        if self.target is not None and failure.blame is Blame.TARGET:
            self.target.counters.broken += 1
        client = self._client
        keep_alive = client.may_keep_alive(self._head) and failure.blame != Blame.CLIENT
        self._release(reusable=False)
        self._door.counters.failed(failure)
        if self._responding or failure in _GONE:
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
        if self._is_overdue(now_s):
            self.fail(Failure.RESPONSE_TIMEOUT)
            return
        if self._queue is not None:
            self._check_queue(self._queue, now_s)
            return
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

    def _check_queue(self, limit: Limit, now_s: float) -> None:
        if now_s - self._queued_at > limit.policy.queue_timeout_s:
            limit.counters.timed_out += 1
            self.fail(Failure.QUEUE_TIMEOUT)

    def _is_overdue(self, now_s: float) -> bool:
        """Whether a request that was sent again has had the time of the first."""
        return (
            self._retries is not None
            and self._failed > 0
            and now_s > self._until_s
            and self._body_sent
            and not self._responding
        )
