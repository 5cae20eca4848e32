"""One request, from its head to the end of its answer. Floor 4.

    choose a target -> reuse or open a connection -> send -> relay both ways

This is the data plane. Everything it asks is answered by `state.table` and
`decide`; bytes are the drivers' affair, and pass through `relay`. A request is
sent again only when nothing of it was sent before: a connection that could not
be made, or a pooled one that had ended. Whatever way it ends, it ends once, and
gives back what it took (`_release`).
"""

from __future__ import annotations

from typing import Final

from alb.app.relay import Relay
from alb.drivers.upstream import UpstreamConnection
from alb.errors import Blame, Failure
from alb.model import TargetId
from alb.state.targets import TargetState

ATTEMPTS_MAX: Final = 3
NOT_TRIED: Final[frozenset[TargetId]] = frozenset()
_TLS_FAILURES: Final = (Failure.TLS_FAILED, Failure.TLS_TIMEOUT)
AVOID_S: Final = 1.0
"""How long a worker passes over a target that it could not connect to."""


class Exchange(Relay):
    """A request being forwarded to a target of one group."""

    _tried = NOT_TRIED

    # --- choosing and connecting --------------------------------------------------

    def attempt(self, otherwise: Failure) -> bool:
        """Take a target and send to it; False when none was left to try."""
        target = None
        if self.session is not None:
            target = self.session.target(self._group, self._door.now_s, self._tried)
        if target is None:
            target = self._pick(self._tried)
        if target is None:
            self.fail(otherwise)
            return False
        self.target = target
        target.begin()
        upstream = target.take_idle(self._door.now_s)
        if (
            isinstance(upstream, UpstreamConnection)
            and not upstream.transport.is_closing()
        ):
            self.on_connected(upstream)
        else:
            self._door.connect(self, target)
        return not self._ended

    def _pick(self, tried: frozenset[TargetId]) -> TargetState | None:
        group = self._group
        if group.hash_key is None:
            return group.pick(self._door.now_s, tried)
        slot = group.hash_key.slot(self._head, self._client.peer_ip)
        return group.pick(self._door.now_s, tried, slot)

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
        if failure in _TLS_FAILURES:
            target.counters.tls_errors += 1
        elif failure.blame is Blame.TARGET:
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
        target = self._pick(frozenset({before.id}))
        if target is not None:
            before.counters.connection_errors += 1
            before.counters.retries += 1
            if self.entry is not None:
                self.entry.tried(before.host, before.port)
            self._leave_target()
            self.target = target
            target.begin()
        return target

    # --- ends ---------------------------------------------------------------------

    def fail(self, failure: Failure) -> None:
        """End without the target's whole answer. Only the first end counts."""
        if self._ended:
            return
        if self.tunnel:
            self._end_tunnel()
            return
        self._ended = True
        if self.target is not None and failure.blame is Blame.TARGET:
            self.target.counters.broken += 1
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

    def on_target_lost(self, failure: Failure) -> None:
        self._upstream = None
        if self.tunnel:
            self._end_tunnel()
        else:
            self.fail(failure)

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
