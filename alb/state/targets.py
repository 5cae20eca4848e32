"""One registration in one worker: its connections, its requests, its record. Floor 2.

What a target has in flight is a plain number here; where a group's way of choosing
asks for it, other workers see it too (`state.shared_counts`).
"""

from __future__ import annotations

from typing import Protocol

from alb.decide.anomaly import Conduct
from alb.decide.choosers import Pace
from alb.decide.ramp import Ramp
from alb.model import Target
from alb.state.counters import TargetCounters
from alb.state.shared_counts import Tally


class Idle(Protocol):
    """A connection that waits in a pool."""

    idle_since: float

    def has_ended(self) -> bool: ...

    def discard(self) -> None: ...


class TargetState:
    """One registration in this worker; the pool of connections to it, newest last."""

    __slots__ = (
        "_forgiven",
        "avoid_until_s",
        "conduct",
        "counters",
        "cut_at_s",
        "doubt_again_s",
        "draining",
        "host",
        "id",
        "idle",
        "in_flight",
        "is_of_first",
        "pace",
        "paced",
        "port",
        "ramp",
        "secure",
        "tally",
        "wanted",
        "was_healthy",
    )

    def __init__(self, target: Target, *, secure: bool = False) -> None:
        self.id = target.id
        self.secure = secure
        """Whether connections to it are TLS."""
        self.host = target.host
        self.port = target.port
        self.draining = False
        self.wanted = True
        """False once no snapshot has it: its connections are not kept."""
        self.in_flight = 0
        self.cut_at_s: float | None = None
        self.avoid_until_s = 0.0
        self.doubt_again_s = 0.0
        """When the prober may be told again that it could not be reached."""
        self.idle: list[Idle] = []
        self.counters = TargetCounters()
        self.tally: Tally | None = None
        """Where other workers see what we have in flight, if they want to."""
        self.pace = Pace()
        self.paced = False
        """Whether somebody asks for the pace: then answers are noted."""
        self.conduct = Conduct()
        self.ramp: Ramp | None = None
        """Its slow start, while it has one."""
        self.was_healthy = False
        self.is_of_first = False
        """Whether it came into an empty group, and was not judged yet."""
        self._forgiven = 0

    def reaches(self, target: Target, *, secure: bool) -> bool:
        """Whether connections to this are connections to that."""
        ours = (self.host, self.port, self.secure)
        return ours == (target.host, target.port, secure)

    def begin(self) -> None:
        """One more request is in flight."""
        self.in_flight += 1
        if self.tally is not None:
            self.tally.put(self.in_flight)

    def end(self) -> None:
        """A request that began has ended."""
        self.in_flight -= 1
        if self.tally is not None:
            self.tally.put(self.in_flight)

    def load(self) -> int:
        """Return what is in flight in all workers, and what has just failed here."""
        load = self.in_flight + self.counters.failures() - self._forgiven
        return load if self.tally is None else load + self.tally.elsewhere()

    def weight(self, now_s: float) -> float:
        """Return its part of a full share."""
        weight = self.conduct.weight
        return weight if self.ramp is None else weight * self.ramp.share(now_s)

    def look_at_conduct(self) -> None:
        """Note what was asked of it and what failed, twice a second."""
        self.conduct.note(self.counters.attempts(), self.counters.failures())

    def forgive(self) -> None:
        """Forget half of what failed, rounded up."""
        self._forgiven += (self.counters.failures() - self._forgiven + 1) // 2

    def take_idle(self, now_s: float) -> Idle | None:
        """Return the connection used last that has not ended, or None.

        One that waited since before the last sweep is asked: a request must not
        be written to a target that has hung up meanwhile.
        """
        while self.idle:
            connection = self.idle.pop()
            if connection.idle_since == now_s or not connection.has_ended():
                return connection
            connection.discard()
        return None

    def give_back(self, connection: Idle, now_s: float) -> None:
        """Keep `connection` for the next request, or end it."""
        if self.wanted and not self.draining:
            connection.idle_since = now_s
            self.idle.append(connection)
        else:
            connection.discard()

    def lose(self, connection: Idle) -> None:
        if connection in self.idle:
            self.idle.remove(connection)

    def close_idle(self, since_before_s: float) -> None:
        """End the connections that have waited since before then."""
        stale = [one for one in self.idle if one.idle_since < since_before_s]
        for connection in stale:
            connection.discard()
