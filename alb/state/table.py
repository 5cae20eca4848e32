"""What one worker knows: listeners, groups, targets, and what is in flight. Floor 2.

    sections --> prepare --> swap --> the targets that left, the targets that drain
    health   --> judge

One worker owns one table; nothing here waits, so nothing here needs a lock. A
registration keeps its `TargetState` (pool, in-flight count, counters) from the
snapshot that brings it to the one that drops it, whatever else changes.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from alb.decide.balance import WeightedTurn
from alb.decide.fixed import Answer, fixed_answer
from alb.decide.redirect import CompiledRedirect
from alb.decide.rewrite import Rewrite
from alb.decide.rules import DEFAULT_RULE, Block, CompiledRules
from alb.decide.steps import at_once
from alb.model import (
    NO_VERSION,
    Action,
    FixedResponse,
    Forward,
    GroupTargets,
    Listener,
    Redirect,
    TargetHealth,
    TargetId,
    Version,
)
from alb.state.groups import Around, GroupState
from alb.state.limit import Turnstile
from alb.state.shared_counts import SharedCounts
from alb.state.targets import TargetState


@dataclass(frozen=True, slots=True)
class ForwardTo:
    """A forward action, with the groups it chooses from."""

    groups: Mapping[str, GroupState]
    action: Forward
    turn: WeightedTurn
    rewrite: Rewrite | None = None
    """The rule's transforms."""
    sticky: bool = False
    """Whether clients stay with the group that they were sent to."""
    spill: WeightedTurn = field(default_factory=WeightedTurn)
    """Among the groups that have targets, where others have none."""

    def choose(self) -> GroupState | None:
        name = self.turn.pick(self.action.groups)
        group = None if name is None else self.groups.get(name)
        if self.action.spill_over and (group is None or not group.eligible):
            return self._spilled() or group
        return group

    def serves(self, group: GroupState) -> bool:
        """Whether requests for `group` stay there, or else spill over."""
        return not self.action.spill_over or bool(group.eligible)

    def _spilled(self) -> GroupState | None:
        """Return another group, by weight among those that have targets."""
        able = tuple(
            [one for one in self.action.groups if self._is_able(one.target_group)]
        )
        name = self.spill.pick(able) if able else None
        return None if name is None else self.groups.get(name)

    def _is_able(self, name: str) -> bool:
        group = self.groups.get(name)
        return group is not None and bool(group.eligible)


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
    by_block: Mapping[Block, Sequence[Act]]
    """The same acts, by the blocks that their rules stand in."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """What a swap leaves to be done."""

    left: tuple[TargetState, ...]
    draining: tuple[TargetState, ...]
    """All that drain now, also those that already did."""


@dataclass(slots=True)
class Prepared:
    """A snapshot whose parts are made, and in nobody's sight yet."""

    version: Version
    groups: dict[str, GroupState] = field(default_factory=dict)
    changed: list[tuple[GroupState, GroupTargets]] = field(default_factory=list)
    """Groups with what they are to take over."""
    fresh: dict[str, dict[TargetId, TargetState]] = field(default_factory=dict)
    """The targets of these that were not there before, by group."""
    listeners: dict[str, ListenerState] = field(default_factory=dict)


class Table:
    """All of it. `slot` sets the workers' first turns apart."""

    def __init__(
        self,
        slot: int,
        counts: SharedCounts | None = None,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._around = Around(slot, counts, turnstile)
        self._leaving: list[TargetState] = []
        """Targets that left and may still have requests that others count."""
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
        return self.take(at_once(self.prepare_steps(version, groups, listeners)), now_s)

    def prepare_steps(
        self,
        version: Version,
        groups: Iterable[GroupTargets],
        listeners: Iterable[tuple[Listener, CompiledRules]],
    ) -> Generator[None, None, Prepared]:
        """Make all that is new in a snapshot; nobody sees it before `take`."""
        prepared = Prepared(version)
        for content in groups:
            name = content.group.name
            group = self.groups.get(name)
            if group is None:
                group = GroupState(self._around)
            if group.content != content:
                prepared.fresh[name] = group.new_targets(content)
                prepared.changed.append((group, content))
                yield
            prepared.groups[name] = group
        for listener, rules in listeners:
            state = yield from self._listener_steps(listener, rules)
            prepared.listeners[listener.name] = state
        return prepared

    def take(self, prepared: Prepared, now_s: float) -> Swapped:
        """Make it the present. Nothing was swapped since it was prepared."""
        left: list[TargetState] = []
        kept = prepared.groups
        for group, content in prepared.changed:
            left += group.take_over(content, now_s, prepared.fresh[content.group.name])
            group.judge(self.health, now_s)
        for name in self.groups.keys() - kept.keys():
            left += self.groups[name].targets.values()
            self.groups[name].leave()
        for target in left:
            target.wanted = False
        self._leaving += [target for target in left if target.tally is not None]
        self.groups.clear()  # the same mapping: actions that stay find groups in it
        self.groups.update(kept)
        self.listeners = prepared.listeners
        self.version = prepared.version
        draining = (t for g in kept.values() for t in g.targets.values() if t.draining)
        return Swapped(tuple(left), tuple(draining))

    def tick(self, now_s: float) -> None:
        """Some time has passed: groups forget, and so do we of who has left."""
        at_once(self.tick_steps(now_s))

    def tick_steps(self, now_s: float) -> Generator[None, None, None]:
        """As `tick`, a group at a time."""
        for group in [*self.groups.values()]:
            group.tick(now_s)
            yield
        for target in [*self._leaving]:
            if not target.in_flight:
                self._leaving.remove(target)
                self._around.discard(target)

    @property
    def is_sticky(self) -> bool:
        """Whether any client is to stay with a target or a group."""
        return any(group.sticky for group in self.groups.values()) or any(
            isinstance(act, ForwardTo) and act.sticky
            for listener in self.listeners.values()
            for act in listener.acts
        )

    def serve_waiting(self) -> None:
        """Let those go that waited for room, where there is room now."""
        for group in self.groups.values():
            if group.limit is not None and group.limit.waiting:
                group.limit.serve()

    def waiting(self) -> dict[str, int]:
        """Return how many requests wait for room, by group."""
        return {
            name: len(group.limit.waiting)
            for name, group in self.groups.items()
            if group.limit is not None and group.limit.waiting
        }

    def anomalies(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the targets that are anomalous, and those that get less than a
        full share for it."""
        targets = [t for group in self.groups.values() for t in group.targets.values()]
        return (
            tuple([target.id for target in targets if target.conduct.is_anomalous]),
            tuple([target.id for target in targets if target.conduct.weight < 1.0]),
        )

    def shares(self, now_s: float) -> tuple[dict[str, float], dict[str, float]]:
        """Return what slow start, and what mitigation, leaves of a full share to the
        targets that have less."""
        targets = [t for group in self.groups.values() for t in group.targets.values()]
        ramps: dict[str, float] = {
            target.id: target.ramp.share(now_s)
            for target in targets
            if target.ramp is not None
        }
        weights: dict[str, float] = {
            target.id: target.conduct.weight
            for target in targets
            if target.conduct.weight < 1.0
        }
        return ramps, weights

    def judge(self, health: Mapping[TargetId, TargetHealth], now_s: float) -> None:
        """Take the health of all."""
        self.health = health
        for group in self.groups.values():
            group.judge(health, now_s)

    def judge_some(
        self,
        changed: Mapping[TargetId, TargetHealth],
        gone: Collection[TargetId],
        now_s: float,
    ) -> None:
        """Take the health of those that changed; of those that are gone, none."""
        health = {**self.health, **changed}
        for target_id in gone:
            health.pop(target_id, None)
        self.health = health
        touched = changed.keys() | {*gone}
        for group in self.groups.values():
            if not touched.isdisjoint(group.targets):
                group.judge(health, now_s)

    def _listener_steps(
        self, listener: Listener, rules: CompiledRules
    ) -> Generator[None, None, ListenerState]:
        """Keep what did not change, and of what did the weighted turns that can be."""
        before = self.listeners.get(listener.name)
        if before is not None and before.rules is rules and before.listener is listener:
            return before
        default = rules.actions[DEFAULT_RULE]
        known = before.by_block if before is not None else {}
        lost = [act for block in known.keys() - {*rules.blocks} for act in known[block]]
        former = [*lost, before.acts[DEFAULT_RULE]] if before is not None else []
        turns = {act.action: act.turn for act in former if isinstance(act, ForwardTo)}
        by_block: dict[Block, Sequence[Act]] = {}
        for block in rules.blocks:
            acts_of = known.get(block)
            if acts_of is None:
                acts_of = self._acts(block, turns)
                yield
            by_block[block] = acts_of
        acts = [act for block in rules.blocks for act in by_block[block]]
        acts.append(self._act(default, turns, None))
        return ListenerState(
            listener,
            rules,
            tuple(acts),
            any(block.needs_headers for block in rules.blocks),
            (*range(1, len(rules.rules) + 1), len(rules.rules)),
            by_block,
        )

    def _acts(
        self, block: Block, turns: Mapping[Forward, WeightedTurn]
    ) -> tuple[Act, ...]:
        return tuple(
            [
                self._act(rule.action, turns, rewrite)
                for rule, rewrite in zip(block.rules, block.rewrites, strict=True)
            ]
        )

    def _act(
        self,
        action: Action,
        turns: Mapping[Forward, WeightedTurn],
        rewrite: Rewrite | None,
    ) -> Act:
        match action:
            case Forward():
                turn = turns.get(action) or WeightedTurn()
                sticky = action.stickiness.enabled
                return ForwardTo(self.groups, action, turn, rewrite, sticky)
            case Redirect():
                return CompiledRedirect(action)
            case FixedResponse():
                return fixed_answer(action)
