"""One target group in one worker: who may be chosen, and by which algorithm. Floor 2.

    sections --> take_over --> the targets that left
    health   --> judge     --> eligible
    request  --> pick      --> a target

Round robin is the plain path: it asks nobody, unless a target is in slow start.
Other algorithms are choosers (`decide.choosers`, `decide.rendezvous`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alb.decide.anomaly import compare
from alb.decide.balance import RoundRobin, judge_targets
from alb.decide.choosers import (
    Chooser,
    LeastOutstanding,
    PeakEwma,
    WeightedRandom,
    WeightedTurns,
)
from alb.decide.cookies import CookieName
from alb.decide.draws import Draws
from alb.decide.names import target_group_arn
from alb.decide.ramp import end_ramps, follow_health
from alb.decide.rendezvous import NO_SLOT, HashKey, Rendezvous
from alb.decide.retry import Retries, retries_of
from alb.model import (
    Algorithm,
    GroupTargets,
    HealthState,
    Stickiness,
    Target,
    TargetGroup,
    TargetHealth,
    TargetId,
)
from alb.ports import Counters
from alb.state.counters import add_counters
from alb.state.limit import Limit, Turnstile
from alb.state.shared_counts import SharedCounts
from alb.state.targets import TargetState

_COUNTED: Final = frozenset({"least_outstanding_requests", "alb.peak_ewma"})
"""Algorithms that ask what targets have in flight in other workers."""


def needs_counts(group: TargetGroup) -> bool:
    """Whether what is in flight in other workers matters to `group`."""
    return group.algorithm.type in _COUNTED or group.concurrency.max_per_target > 0


class Around:
    """What the groups of a worker share."""

    __slots__ = ("counts", "draws", "slot", "turnstile")

    def __init__(
        self,
        slot: int,
        counts: SharedCounts | None,
        turnstile: Turnstile | None = None,
    ) -> None:
        self.slot = slot
        self.turnstile = turnstile
        self.counts = counts
        """None: this worker counts for itself alone."""
        self.draws = Draws(slot)

    def count(self, target: TargetState) -> None:
        """Show what `target` has in flight to other workers."""
        if self.counts is not None and target.tally is None:
            target.tally = self.counts.open(target.id)
            if target.tally is not None:
                target.tally.put(target.in_flight)

    def limit(self, group: str) -> Limit:
        counts = self.counts
        queue = TargetId(f"queue of {group}")
        tally = None if counts is None else counts.open(queue)
        return Limit(counts, self.turnstile, tally)

    def discard(self, target: TargetState) -> None:
        """Show it no more."""
        if self.counts is not None and target.tally is not None:
            self.counts.close(target.tally)
            target.tally = None


class GroupState:
    """One target group in this worker."""

    __slots__ = (
        "_around",
        "_departed",
        "_departed_counters",
        "_departed_moves",
        "_eligible_ids",
        "_opened_at",
        "_while_open",
        "app_cookie",
        "arn",
        "chooser",
        "content",
        "eligible",
        "hash_key",
        "limit",
        "name",
        "retries",
        "stickiness",
        "sticky",
        "targets",
        "turn",
    )

    def __init__(self, around: Around) -> None:
        self._around = around
        self.content: GroupTargets | None = None
        self.name = ""
        self.arn = b""
        self.sticky = False
        """Whether its clients stay with their targets; how says `stickiness`."""
        self.stickiness = Stickiness()
        self.app_cookie = CookieName(b"")
        self.targets: dict[TargetId, TargetState] = {}
        self.eligible: tuple[TargetState, ...] = ()
        self._eligible_ids: frozenset[TargetId] = frozenset()
        self.turn: RoundRobin[TargetState] = RoundRobin(around.slot)
        self.chooser: Chooser | None = None
        """None: it is `turn` that chooses."""
        self.hash_key: HashKey | None = None
        """What of a request is hashed, if anything."""
        self.limit: Limit | None = None
        """None: no target was ever capped."""
        self.retries: Retries | None = None
        """None: only what was not sent is tried again."""
        self._opened_at: int | None = None
        """How many requests there had been when it began to fail open, if it does."""
        self._while_open = 0
        """Requests of earlier times that it failed open."""
        self._departed: list[TargetState] = []
        self._departed_counters = Counters()
        self._departed_moves = 0

    def pick(
        self,
        now_s: float,
        tried: frozenset[TargetId] = frozenset(),
        slot: int = NO_SLOT,
    ) -> TargetState | None:
        """Return the target whose turn it is, or None: none is left to try.

        One that could not be connected to a moment ago is passed over, unless
        all others were tried. `slot` is of the request, by `hash_key`.
        """
        target = self._choose(now_s, tried, slot)
        if target is None or target.avoid_until_s <= now_s:
            return target
        avoided = {t.id for t in self.eligible if t.avoid_until_s > now_s}
        return self._choose(now_s, tried | avoided, slot) or target

    def _choose(
        self, now_s: float, skip: frozenset[TargetId], slot: int
    ) -> TargetState | None:
        chooser = self.chooser
        if chooser is None:
            return self.turn.pick(self.eligible, skip)
        counts = self._around.counts
        if counts is not None:
            counts.refresh()
        at = chooser.choose(self.eligible, skip, now_s, slot)
        return None if at < 0 else self.eligible[at]

    def new_targets(self, content: GroupTargets) -> dict[TargetId, TargetState]:
        """Return states for those targets of `content` that have none here."""
        secure = content.group.protocol == "HTTPS"
        new = {}
        for target in content.targets:
            state = self.targets.get(target.id)
            if state is None or not state.reaches(target, secure=secure):
                new[target.id] = TargetState(target, secure=secure)
        return new

    def take_over(
        self,
        content: GroupTargets,
        now_s: float,
        new: Mapping[TargetId, TargetState],
    ) -> list[TargetState]:
        """Take `content`, of which `new_targets` made these; return those that left."""
        before, self.targets = self.targets, {}
        first = not before
        self._follow(content.group.algorithm)
        self.content = content
        self.name = content.group.name
        self.arn = target_group_arn(self.name).encode()
        self.stickiness = content.group.stickiness
        self.sticky = self.stickiness.enabled
        self.app_cookie = CookieName(self.stickiness.app_cookie_name.encode())
        self.retries = retries_of(content.group.retry, self.retries)
        if self.limit is None and content.group.concurrency.max_per_target:
            self.limit = self._around.limit(content.group.name)
        if self.limit is not None:
            self.limit.policy = content.group.concurrency
        for target in content.targets:
            state = new.get(target.id)
            if state is not None:
                state.is_of_first = first
            else:
                state = before.pop(target.id)
            self.targets[target.id] = state
            self._count(state, content.group)
            if target.draining and not state.draining:
                state.cut_at_s = now_s + content.group.deregistration_delay_s
            elif not target.draining:
                state.cut_at_s = None
            state.draining = target.draining
        self._departed += before.values()
        return [*before.values()]

    def leave(self) -> None:
        """No snapshot has it any more. Who waits for its targets does so until then."""
        if self.limit is not None:
            self.limit.close()

    def _follow(self, algorithm: Algorithm) -> None:
        """Choose by `algorithm` from now on; a chooser that goes on keeps its place."""
        if self.content is not None and self.content.group.algorithm == algorithm:
            return
        around = self._around
        self.chooser = self.hash_key = None
        match algorithm.type:
            case "least_outstanding_requests":
                self.chooser = LeastOutstanding(around.slot)
            case "weighted_random":
                self.chooser = WeightedRandom(around.draws)
            case "alb.peak_ewma":
                self.chooser = PeakEwma(around.draws)
            case "alb.consistent_hash":
                self.chooser = Rendezvous(LeastOutstanding(around.slot))
                self.hash_key = HashKey(algorithm.hash_on)
            case _:
                pass  # round robin needs no more than the turn

    def _count(self, target: TargetState, group: TargetGroup) -> None:
        """Show other workers what is in flight, if the group's way of choosing asks."""
        target.paced = group.algorithm.type == "alb.peak_ewma"
        if needs_counts(group):
            self._around.count(target)
        else:
            self._around.discard(target)

    def moves(self) -> int:
        """Return a number that grows whenever what `report` tells does."""
        self._count_departed()
        present = [*self._departed, *self.targets.values()]
        moves = self._departed_moves + sum([t.counters.moves() for t in present])
        return moves if self.limit is None else moves + self.limit.counters.moves()

    def _count_departed(self) -> None:
        """Keep of those that have ended nothing but what they counted."""
        ended = [target for target in self._departed if not target.in_flight]
        if not ended:
            return
        self._departed = [target for target in self._departed if target.in_flight]
        self._departed_moves += sum([target.counters.moves() for target in ended])
        self._departed_counters = add_counters(
            [self._departed_counters, *(target.counters.report() for target in ended)]
        )

    def report(self) -> Counters:
        """Return the totals over all targets there ever were."""
        self._count_departed()
        present = [*self._departed, *self.targets.values()]
        reports = [target.counters.report() for target in present]
        if self.limit is not None:
            reports.append(self.limit.counters.report())
        while_open = Counters({"unhealthyRouting": self._sent_while_open()})
        return add_counters([self._departed_counters, while_open, *reports])

    def _sent(self) -> int:
        """Return how many requests were sent to all targets there ever were."""
        present = [*self._departed, *self.targets.values()]
        before = self._departed_counters.totals.get("requests", 0)
        return before + sum(target.counters.requests for target in present)

    def _sent_while_open(self) -> int:
        if self._opened_at is None:
            return self._while_open
        return self._while_open + self._sent() - self._opened_at

    def take(
        self,
        now_s: float,
        tried: frozenset[TargetId] = frozenset(),
        slot: int = NO_SLOT,
    ) -> TargetState | None:
        """Pick a target that is not full, and begin a request there.

        None: none is left to try, or `is_full`.
        """
        limit = self.limit
        while True:
            target = self.pick(now_s, tried, slot)
            if target is None:
                return None
            if limit is None:
                target.begin()
                return target
            if limit.take(target):
                return target
            tried |= {target.id}

    def begin(self, target: TargetState) -> bool:
        """Begin a request at `target`; False if it is full."""
        if self.limit is not None:
            return self.limit.take(target)
        target.begin()
        return True

    def has_more(self, tried: frozenset[TargetId]) -> bool:
        """Whether there is a target that was not tried, full or not."""
        return any(target.id not in tried for target in self.eligible)

    def judge(self, health: Mapping[TargetId, TargetHealth], now_s: float) -> None:
        """Find out anew who may be picked."""
        if self.content is None:
            return
        judgement = judge_targets(
            self.content.targets, health, self.content.group.minimum_healthy
        )
        self._note_routing(fails_open=judgement.fails_open)
        eligible = tuple(self.targets[target.id] for target in judgement.eligible)
        if eligible != self.eligible:
            self.eligible = eligible
            self._eligible_ids = frozenset([target.id for target in eligible])
        self._ease_in(judgement.healthy, health, now_s)

    def _ease_in(
        self,
        serving: tuple[Target, ...],
        health: Mapping[TargetId, TargetHealth],
        now_s: float,
    ) -> None:
        """Begin and end slow starts by who is healthy now."""
        if self.content is None:
            return
        healthy = {target.id for target in serving}
        follow_health(
            [(target, target.id in healthy) for target in self.targets.values()],
            now_s,
            self.content.group.slow_start_s,
        )
        for target in self.targets.values():
            if target.is_of_first and _is_unhealthy(health.get(target.id)):
                target.is_of_first = False
        self._weigh_turns(now_s)

    def _weigh_turns(self, now_s: float) -> None:
        """Take turns by weight while a target has less than a full share."""
        ramping = end_ramps(self.targets.values(), now_s)
        if self.content is None or self.content.group.algorithm.type != "round_robin":
            return
        if ramping != (self.chooser is not None):
            self.chooser = WeightedTurns(self._around.slot) if ramping else None

    def shares(self, now_s: float) -> dict[TargetId, float]:
        """Return which part of the requests each eligible target gets; nothing where
        that depends on what they have in flight, or on the request."""
        if not isinstance(self.chooser, WeightedTurns | WeightedRandom | None):
            return {}
        weighs = self.chooser is not None
        weights = [one.weight(now_s) if weighs else 1.0 for one in self.eligible]
        return {
            one.id: weight / sum(weights)
            for one, weight in zip(self.eligible, weights, strict=True)
        }

    def tick(self, now_s: float) -> None:
        """Half a second has passed: forget some of what failed, end slow starts, and
        look who fails more than others."""
        for target in self.targets.values():
            target.forgive()
        self._weigh_turns(now_s)
        if self.content is not None:
            self._look_at_conduct(self.content.group.algorithm)

    def _look_at_conduct(self, algorithm: Algorithm) -> None:
        targets = self.targets.values()
        for target in targets:
            target.look_at_conduct()
            target.conduct.is_anomalous = False
        compare([target.conduct for target in targets if target.was_healthy])
        for target in targets:
            target.conduct.weigh(mitigates=algorithm.anomaly_mitigation)

    @property
    def fails_open(self) -> bool:
        """Whether fewer targets are healthy than it asks for."""
        return self._opened_at is not None

    def eligible_target(self, target_id: TargetId) -> TargetState | None:
        """Return the registration of that id, if it may be picked."""
        if target_id in self._eligible_ids:
            return self.targets.get(target_id)
        return None

    def _note_routing(self, *, fails_open: bool) -> None:
        """Count what is sent while too few are healthy: at no cost for a request."""
        self._while_open = self._sent_while_open()
        self._opened_at = self._sent() if fails_open else None


def _is_unhealthy(health: TargetHealth | None) -> bool:
    return health is not None and health.state is HealthState.UNHEALTHY
