"""Which target a request goes to, by each algorithm but round robin.

Floor 1: no clock and no chance; time, load and draws are handed in. A chooser
belongs to one group of one worker, and `state` puts it there when a
configuration asks for it.

    eligible targets, their loads and weights, a draw --> chooser --> target

Load is what a target has in flight over all workers, and a while longer what it
has just failed (`TargetState.load`): one that fails at once has nothing in
flight and would otherwise draw every request.

Source: ALB user guide, "Routing algorithms"; M. Mitzenmacher, "The power of two
choices" (2001); the peak-sensitive average is known from Finagle.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from alb.decide.draws import Draws
from alb.model import TargetId

SCAN_MAX: Final = 128
"""Targets whose loads are compared for one request."""
DECAY_S: Final = 10.0
"""In which an average forgets all but a third of what it knew."""


class Candidate(Protocol):
    """A registered target as a chooser sees it."""

    @property
    def id(self) -> TargetId: ...

    @property
    def pace(self) -> Pace: ...

    def load(self) -> int:
        """Return the requests it has, over all workers; 0 is idle."""

    def weight(self, now_s: float) -> float:
        """Return its part of a full share, more than 0 and at most 1."""


class Chooser:
    """What they have in common: `choose` among those not skipped, or nobody."""

    def choose(
        self,
        eligible: Sequence[Candidate],
        skip: Collection[TargetId],
        now_s: float,
        slot: int,
    ) -> int:
        """Return the position in `eligible` of the one chosen, or -1.

        `slot` is the place of the request on the hash's circle.
        """
        raise NotImplementedError


class LeastOutstanding(Chooser):
    """The one with the fewest requests; ties in turn.

    The search begins behind the last one chosen, so that equals are chosen one
    after the other, and ends at the first that is idle. `start` sets workers
    apart. Of more than SCAN_MAX targets, that many are compared.
    """

    def __init__(self, start: int = 0) -> None:
        self._next = start

    def choose(
        self,
        eligible: Sequence[Candidate],
        skip: Collection[TargetId],
        now_s: float,
        slot: int,
    ) -> int:
        count = len(eligible)
        best, least, compared = -1, 0, 0
        for step in range(count):
            at = (self._next + step) % count
            candidate = eligible[at]
            if skip and candidate.id in skip:
                continue
            load = candidate.load()
            if best < 0 or load < least:
                best, least = at, load
            compared += 1
            if not least or compared == SCAN_MAX:
                break
        if best >= 0:
            self._next = (best + 1) % count
        return best


class WeightedRandom(Chooser):
    """Anyone, as likely as its weight. Equal weights unless something lowers them."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws

    def choose(
        self,
        eligible: Sequence[Candidate],
        skip: Collection[TargetId],
        now_s: float,
        slot: int,
    ) -> int:
        places, weights = [], []
        total = 0.0
        for at, candidate in enumerate(eligible):
            if not skip or candidate.id not in skip:
                total += candidate.weight(now_s)
                places.append(at)
                weights.append(total)
        drawn = self._draws.ratio() * total
        for at, reached in zip(places, weights, strict=True):
            if drawn < reached:
                return at
        return places[-1] if places else -1


class WeightedTurns(Chooser):
    """In turn, each as often as its weight, spread as evenly as possible.

    Smooth weighted round robin, known from nginx, over weights that may change from
    one turn to the next. Round robin uses it while some have less than a full share.
    Of equals, the one from `start` on is first.
    """

    def __init__(self, start: int = 0) -> None:
        self._start = start
        self._seen: Sequence[Candidate] = ()
        self._credit: list[float] = []

    def choose(
        self,
        eligible: Sequence[Candidate],
        skip: Collection[TargetId],
        now_s: float,
        slot: int,
    ) -> int:
        if eligible is not self._seen:
            self._take_over(eligible)
        credit, count = self._credit, len(eligible)
        best, total = -1, 0.0
        for step in range(count):
            at = (self._start + step) % count
            candidate = eligible[at]
            if skip and candidate.id in skip:
                continue
            weight = candidate.weight(now_s)
            total += weight
            credit[at] += weight
            if best < 0 or credit[at] > credit[best]:
                best = at
        if best >= 0:
            credit[best] -= total
        return best

    def _take_over(self, eligible: Sequence[Candidate]) -> None:
        """Those that stay keep what they are owed; a new one is owed nothing."""
        owed = {
            candidate.id: self._credit[at] for at, candidate in enumerate(self._seen)
        }
        self._credit = [owed.get(candidate.id, 0.0) for candidate in eligible]
        self._seen = eligible


class Pace:
    """How slow a target has been lately, in seconds: an average that peaks at once.

    A slower answer is believed in full, faster ones little by little. What is not
    heard of again is forgotten as slowly, so that one bad answer is not for ever.
    """

    __slots__ = ("_cost_s", "_noted_s")

    def __init__(self) -> None:
        self._cost_s = 0.0
        self._noted_s = 0.0

    def note(self, latency_s: float, now_s: float) -> None:
        """Take one answer's time from sent to the first byte."""
        kept = self._kept(now_s)
        self._noted_s = now_s
        if latency_s >= self._cost_s:
            self._cost_s = latency_s
        else:
            self._cost_s = self._cost_s * kept + latency_s * (1.0 - kept)

    def cost_s(self, now_s: float) -> float:
        return self._cost_s * self._kept(now_s)

    def _kept(self, now_s: float) -> float:
        return math.exp(min(0.0, self._noted_s - now_s) / DECAY_S)


class PeakEwma(Chooser):
    """Of two that are drawn, the one that should be done first.

    That is its pace times one more than its load. Whoever is new or has failed is
    drawn no more often than others: it can be chosen for 2 of `count` requests at
    most. Of a target that never answered nothing is known: while it has load, it
    counts as slower than any.
    """

    def __init__(self, draws: Draws) -> None:
        self._draws = draws

    def choose(
        self,
        eligible: Sequence[Candidate],
        skip: Collection[TargetId],
        now_s: float,
        slot: int,
    ) -> int:
        places = [
            at
            for at, candidate in enumerate(eligible)
            if not skip or candidate.id not in skip
        ]
        count = len(places)
        if count <= 1:
            return places[0] if places else -1
        first = self._draws.below(count)
        second = self._draws.below(count - 1)
        second += second >= first
        one, other = places[first], places[second]
        if _expected(eligible[other], now_s) < _expected(eligible[one], now_s):
            return other
        return one


def _expected(candidate: Candidate, now_s: float) -> float:
    load, cost_s = candidate.load(), candidate.pace.cost_s(now_s)
    if load and not cost_s:
        return math.inf
    return cost_s * (load + 1)
