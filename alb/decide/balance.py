"""Whose turn it is: among the groups of a forward action, among targets of a group.

Floor 1: no chance and no time; whoever asks in the same order is answered the
same. The two cursors are small mutable objects that `state` owns, one per action
and one per group in each worker. They outlive swaps of configuration: a new
sequence is recognised by its identity, and turns go on where they stood.

    Forward --> WeightedTurn.pick --> group --> eligible_targets --> RoundRobin.pick

Absent: failing over between groups. A group that has no target keeps its share
of the requests, as in ALB.

Source: ALB user guide, "Target groups: routing algorithms", "Forward actions".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from alb.model import (
    ONE_HEALTHY,
    HealthState,
    MinimumHealthy,
    Overlay,
    Target,
    TargetId,
    WeightedGroup,
)


class Identified(Protocol):
    """Anything that stands for a registered target."""

    @property
    def id(self) -> TargetId: ...


T = TypeVar("T", bound=Identified)


class RoundRobin(Generic[T]):
    """A cursor over the eligible targets of one group.

    While targets come and go, those that stay are each picked once per round:
    the one whose turn was next keeps it, or its first remaining successor does.
    `start` sets where the first round begins, so that workers begin apart.
    """

    __slots__ = ("_next", "_targets")

    def __init__(self, start: int = 0) -> None:
        self._targets: Sequence[T] = ()
        self._next = start

    def pick(self, eligible: Sequence[T], skip: Collection[TargetId] = ()) -> T | None:
        """Return the target whose turn it is, leaving out those in `skip`, or None.

        `eligible` is the same object until it changes, in an order that stays.
        Passed-over targets lose this turn; if all are, nobody does.
        """
        if eligible is not self._targets:
            self._next = self._carried_over(eligible)
            self._targets = eligible
        count = len(eligible)
        if not count:
            return None
        at = self._next
        if not skip:
            self._next = at + 1 if at + 1 < count else 0
            return eligible[at]
        for step in range(count):
            target = eligible[(at + step) % count]
            if target.id not in skip:
                self._next = (at + step + 1) % count
                return target
        return None

    def _carried_over(self, eligible: Sequence[T]) -> int:
        """Return where, in a new sequence, the turn stands that was next."""
        if not eligible:
            return self._next
        if not self._targets:
            return self._next % len(eligible)
        position = {target.id: at for at, target in enumerate(eligible)}
        turn = self._next
        for target in (*self._targets[turn:], *self._targets[:turn]):
            if target.id in position:
                return position[target.id]
        return 0


class WeightedTurn:
    """A cursor over weighted groups: exact shares, spread as evenly as possible.

    Of as many picks as the weights sum to, each group gets its weight (smooth
    weighted round robin, known from nginx). Changed weights begin a new round.
    """

    __slots__ = ("_credit", "_groups", "_total")

    def __init__(self) -> None:
        self._groups: tuple[WeightedGroup, ...] = ()
        self._credit: list[int] = []
        self._total = 0

    def pick(self, groups: tuple[WeightedGroup, ...]) -> str | None:
        """Return the name of the group whose turn it is; None if all weigh 0."""
        if len(groups) == 1:
            return groups[0].target_group if groups[0].weight else None
        if groups is not self._groups:
            self._take_over(groups)
        if not self._total:
            return None
        credit = self._credit
        best = -1
        for at, group in enumerate(groups):
            if group.weight:
                credit[at] += group.weight
                if best < 0 or credit[at] > credit[best]:
                    best = at
        credit[best] -= self._total
        return groups[best].target_group

    def _take_over(self, groups: tuple[WeightedGroup, ...]) -> None:
        """Begin a new round, unless a new snapshot says what the old one said."""
        if groups != self._groups:
            self._credit = [0] * len(groups)
            self._total = sum(group.weight for group in groups)
        self._groups = groups


class Judgement(NamedTuple):
    """What health says of a group's targets."""

    healthy: tuple[Target, ...]
    eligible: tuple[Target, ...]
    """Who may get new requests, in the order given. Empty means 503."""
    fails_open: bool
    """Fewer are healthy than the group asks for."""


def judge_targets(
    targets: Iterable[Target],
    overlay: Overlay,
    minimum: MinimumHealthy = ONE_HEALTHY,
) -> Judgement:
    """Return who of `targets` is healthy, and who may get new requests.

    The healthy ones may. If they are fewer than `minimum`, the unhealthy ones as well
    (fail-open: checks may be wrong, and a few must not break under what all should
    bear). If none was judged yet, those that wait for their first check. Draining
    ones never.

    What is registered decides about draining; the overlay may be a moment older.
    """
    healthy: list[Target] = []
    judged: list[Target] = []
    unknown: list[Target] = []
    for target in targets:
        if target.draining:
            continue
        health = overlay.get(target.id)
        match health and health.state:
            case HealthState.HEALTHY | HealthState.UNAVAILABLE:
                healthy.append(target)
                judged.append(target)
            case HealthState.UNHEALTHY:
                judged.append(target)
            case _:
                unknown.append(target)
    fails_open = not are_enough(len(healthy), len(judged) + len(unknown), minimum)
    eligible = (judged if fails_open else healthy) or unknown
    return Judgement(tuple(healthy), tuple(eligible), fails_open)


def are_enough(healthy: int, registered: int, minimum: MinimumHealthy) -> bool:
    """Whether so many healthy targets of those registered bear the requests."""
    return healthy >= max(minimum.count, 1) and (
        healthy * 100 >= minimum.percentage * registered
    )


def eligible_targets(
    targets: Iterable[Target],
    overlay: Overlay,
    minimum: MinimumHealthy = ONE_HEALTHY,
) -> tuple[Target, ...]:
    """Return the targets that may get new requests, in the order given."""
    return judge_targets(targets, overlay, minimum).eligible
