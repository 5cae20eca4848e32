"""How many requests may be at one target, and who waits for room. Floor 2.

    request --> take --> a slot of the target, or none: wait, first come first served
    end     --> a slot is free --> serve: those who wait here; ring: those elsewhere

The cap holds over all workers, exactly: under a lock that all of them share, a
worker puts its own count up, looks at everybody's, and takes it back if that is too
many. Counts are cells with one writer (`shared_counts`), so a worker that dies takes
nothing along: the keeper clears its column, and its lock is the kernel's to give back.
A lost ring costs half a second: who waits is served by each sweep, too.

Absent: the lock and the bell themselves (`drivers.turnstile`).
"""

from __future__ import annotations

from typing import Protocol

from alb.policies import Concurrency
from alb.state.counters import QueueCounters
from alb.state.shared_counts import SharedCounts, Tally
from alb.state.targets import TargetState


class Turnstile(Protocol):
    """What the workers of a node share: one at a time, and a way to be heard."""

    def enter(self) -> None: ...

    def leave(self) -> None: ...

    def ring(self) -> None:
        """Have the others serve those who wait there."""


class Waiter(Protocol):
    """A request that waits for a target with room."""

    def on_room(self) -> bool:
        """Go, if there is room for it; it has left the queue then."""


class Limit:
    """One group's cap in one worker, and its queue."""

    __slots__ = (
        "_counts",
        "_others_turn",
        "_tally",
        "_turnstile",
        "counters",
        "policy",
        "waiting",
    )

    def __init__(
        self,
        counts: SharedCounts | None,
        turnstile: Turnstile | None,
        tally: Tally | None,
    ) -> None:
        """`tally` shows other workers how many wait here."""
        self._counts = counts
        self._turnstile = turnstile
        self._tally = tally
        self._others_turn = False
        self.policy = Concurrency()
        self.waiting: dict[Waiter, None] = {}
        """In the order they came."""
        self.counters = QueueCounters()

    def take(self, target: TargetState) -> bool:
        """Begin a request at `target`, if it is not full in all workers together."""
        cap = self.policy.max_per_target
        counts, turnstile, tally = self._counts, self._turnstile, target.tally
        if not cap:
            target.begin()
            return True
        if counts is None or turnstile is None or tally is None:
            if target.in_flight >= cap:
                return False
            target.begin()
            return True
        counts.refresh()
        if target.in_flight + tally.elsewhere() >= cap:
            return False
        turnstile.enter()
        target.begin()
        counts.refresh()
        has_room = target.in_flight + tally.elsewhere() <= cap
        if not has_room:
            target.end()
        turnstile.leave()
        return has_room

    def close(self) -> None:
        """Show them no more; those who wait still do."""
        if self._counts is not None and self._tally is not None:
            self._counts.close(self._tally)
            self._tally = None

    @property
    def is_full(self) -> bool:
        """Whether nobody else may wait."""
        return len(self.waiting) >= self.policy.queue_length

    def join(self, waiter: Waiter) -> None:
        self.waiting[waiter] = None
        self._show()

    def leave(self, waiter: Waiter) -> None:
        if self.waiting.pop(waiter, self) is None:
            self._show()

    def _show(self) -> None:
        if self._tally is not None:
            self._tally.put(len(self.waiting))

    def serve(self) -> None:
        """Let those go for whom there is room, in the order they came."""
        for waiter in [*self.waiting]:
            if waiter in self.waiting and not waiter.on_room():
                break

    def freed(self) -> None:
        """A request has ended: let the next one go, every other time elsewhere."""
        others_wait = self._do_others_wait()
        if self.waiting and not (others_wait and self._others_turn):
            self.serve()
        if others_wait and self._turnstile is not None:
            self._others_turn = not self._others_turn
            self._turnstile.ring()

    def _do_others_wait(self) -> bool:
        if self._tally is None or self._counts is None:
            return False
        self._counts.refresh()
        return self._tally.elsewhere() > 0
