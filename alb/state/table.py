"""What one worker knows: listeners, groups, targets, and what is in flight. Floor 2.

    sections --> swap --> the targets that left, the targets that drain
    health   --> judge

One worker owns one table; nothing here waits, so nothing here needs a lock. A
registration keeps its `TargetState` (pool, in-flight count, counters) from the
snapshot that brings it to the one that drops it, whatever else changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from alb.decide.balance import RoundRobin, WeightedTurn, eligible_targets
from alb.decide.fixed import Answer, fixed_answer
from alb.decide.names import target_group_arn
from alb.decide.redirect import CompiledRedirect
from alb.decide.rewrite import Rewrite
from alb.decide.rules import CompiledRules
from alb.model import (
    NO_VERSION,
    Action,
    FixedResponse,
    Forward,
    GroupTargets,
    HttpHeader,
    Listener,
    Redirect,
    Target,
    TargetHealth,
    TargetId,
    Version,
)
from alb.ports import Counters
from alb.state.counters import TargetCounters, add_counters


class Idle(Protocol):
    """A connection that waits in a pool."""

    idle_since: float

    def has_ended(self) -> bool: ...

    def discard(self) -> None: ...


class TargetState:
    """One registration in this worker; the pool of connections to it, newest last."""

    __slots__ = (
        "avoid_until_s",
        "counters",
        "cut_at_s",
        "draining",
        "host",
        "id",
        "idle",
        "in_flight",
        "port",
        "secure",
        "wanted",
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
        self.idle: list[Idle] = []
        self.counters = TargetCounters()

    def reaches(self, target: Target, *, secure: bool) -> bool:
        """Whether connections to this are connections to that."""
        ours = (self.host, self.port, self.secure)
        return ours == (target.host, target.port, secure)

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


class GroupState:
    """One target group in this worker."""

    __slots__ = (
        "_departed",
        "_departed_counters",
        "arn",
        "content",
        "eligible",
        "targets",
        "turn",
    )

    def __init__(self, start: int) -> None:
        self.content: GroupTargets | None = None
        self.arn = b""
        self.targets: dict[TargetId, TargetState] = {}
        self.eligible: tuple[TargetState, ...] = ()
        self.turn: RoundRobin[TargetState] = RoundRobin(start)
        self._departed: list[TargetState] = []
        self._departed_counters = Counters()

    def pick(
        self, now_s: float, tried: frozenset[TargetId] = frozenset()
    ) -> TargetState | None:
        """Return the target whose turn it is, or None: none is left to try.

        One that could not be connected to a moment ago is passed over, unless
        all others were tried.
        """
        target = self.turn.pick(self.eligible, tried)
        if target is None or target.avoid_until_s <= now_s:
            return target
        avoided = {t.id for t in self.eligible if t.avoid_until_s > now_s}
        return self.turn.pick(self.eligible, avoided | tried) or target

    def take_over(self, content: GroupTargets, now_s: float) -> list[TargetState]:
        """Take new targets; return those that left."""
        before, self.targets = self.targets, {}
        self.content = content
        self.arn = target_group_arn(content.group.name).encode()
        secure = content.group.protocol == "HTTPS"
        for target in content.targets:
            state = before.get(target.id)
            if state is None or not state.reaches(target, secure=secure):
                state = TargetState(target, secure=secure)
            else:
                del before[target.id]
            self.targets[target.id] = state
            if target.draining and not state.draining:
                state.cut_at_s = now_s + content.group.deregistration_delay_s
            elif not target.draining:
                state.cut_at_s = None
            state.draining = target.draining
        self._departed += before.values()
        return [*before.values()]

    def report(self) -> Counters:
        """Return the totals over all targets there ever were."""
        ended = [target for target in self._departed if not target.in_flight]
        self._departed = [target for target in self._departed if target.in_flight]
        self._departed_counters = add_counters(
            [self._departed_counters, *(target.counters.report() for target in ended)]
        )
        present = [*self._departed, *self.targets.values()]
        reports = (target.counters.report() for target in present)
        return add_counters([self._departed_counters, *reports])

    def judge(self, health: Mapping[TargetId, TargetHealth]) -> None:
        """Find out anew who may be picked."""
        if self.content is not None:
            chosen = eligible_targets(self.content.targets, health)
            eligible = tuple(self.targets[target.id] for target in chosen)
            if eligible != self.eligible:
                self.eligible = eligible


@dataclass(frozen=True, slots=True)
class ForwardTo:
    """A forward action, with the groups it chooses from."""

    groups: Mapping[str, GroupState]
    action: Forward
    turn: WeightedTurn
    rewrite: Rewrite | None = None
    """The rule's transforms."""

    def choose(self) -> GroupState | None:
        name = self.turn.pick(self.action.groups)
        return None if name is None else self.groups.get(name)


Act = ForwardTo | CompiledRedirect | Answer


@dataclass(slots=True)
class ListenerState:
    """One listener's rules, compiled, and what each of them does."""

    listener: Listener
    rules: CompiledRules
    acts: Sequence[Act]
    """One per rule, by position; the default action's stands last."""
    needs_headers: bool
    evaluations: Sequence[int]
    """How many rules were looked at when one matched, by its position; where the
    default answers, all of them."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """What a swap leaves to be done."""

    left: tuple[TargetState, ...]
    draining: tuple[TargetState, ...]
    """All that drain now, also those that already did."""


class Table:
    """All of it. `slot` sets the workers' first turns apart."""

    def __init__(self, slot: int) -> None:
        self._slot = slot
        self.version = NO_VERSION
        self.listeners: dict[str, ListenerState] = {}
        self.groups: dict[str, GroupState] = {}
        self.health: Mapping[TargetId, TargetHealth] = {}

    def swap(
        self,
        version: Version,
        groups: Iterable[GroupTargets],
        listeners: Iterable[tuple[Listener, CompiledRules]],
        now_s: float,
    ) -> Swapped:
        """Make a snapshot the present, whole and at once."""
        left: list[TargetState] = []
        kept: dict[str, GroupState] = {}
        for content in groups:
            name = content.group.name
            group = self.groups.get(name) or GroupState(self._slot)
            kept[name] = group
            if group.content != content:
                left += group.take_over(content, now_s)
                group.judge(self.health)
        for name in self.groups.keys() - kept.keys():
            left += self.groups[name].targets.values()
        for target in left:
            target.wanted = False
        self.groups.clear()  # the same mapping: actions that stay find groups in it
        self.groups.update(kept)
        self.listeners = {
            listener.name: self._listener(listener, rules)
            for listener, rules in listeners
        }
        self.version = version
        draining = (t for g in kept.values() for t in g.targets.values() if t.draining)
        return Swapped(tuple(left), tuple(draining))

    def judge(self, health: Mapping[TargetId, TargetHealth]) -> None:
        """Take a new health report."""
        self.health = health
        for group in self.groups.values():
            group.judge(health)

    def _listener(self, listener: Listener, rules: CompiledRules) -> ListenerState:
        """Keep what did not change, and of what did the weighted turns that can be."""
        before = self.listeners.get(listener.name)
        if before is not None and before.rules is rules:
            return before
        turns = {
            act.action: act.turn
            for act in (before.acts if before else ())
            if isinstance(act, ForwardTo)
        }
        acts = tuple(
            self._act(action, turns, rewrite)
            for action, rewrite in zip(rules.actions, rules.rewrites, strict=True)
        )
        conditions = (c for rule in listener.rules for c in rule.conditions)
        needs_headers = any(isinstance(c, HttpHeader) for c in conditions)
        evaluations = (*range(1, len(rules.rules) + 1), len(rules.rules))
        return ListenerState(listener, rules, acts, needs_headers, evaluations)

    def _act(
        self,
        action: Action,
        turns: Mapping[Forward, WeightedTurn],
        rewrite: Rewrite | None,
    ) -> Act:
        match action:
            case Forward():
                turn = turns.get(action) or WeightedTurn()
                return ForwardTo(self.groups, action, turn, rewrite)
            case Redirect():
                return CompiledRedirect(action)
            case FixedResponse():
                return fixed_answer(action)
