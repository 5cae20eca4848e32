"""Where tasks go. Floor 1.

    rooms -> those it fits in -> constraints -> strategies -> one, and again

A task fits where CPU, memory and its static ports are left. Constraints are
binding. Strategies are best effort, left to right, each breaking the ties of
the one before: they never keep a task from an instance that it fits on. After
spreading, the instance with the fewest of the service; then the first by name.

A `Placer` places tasks of one service in one look. What it costs is one pass
over the instances when it is made, and for each task only what has changed.

Source: ECS developer guide, "How Amazon ECS places tasks on container instances".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler.decide import wording
from scheduler.decide.board import STATIC_PORTS_MAX, Needs, Room
from scheduler.decide.identity import Draw
from scheduler.decide.matching import Matcher, matcher_of
from scheduler.decide.ranking import OWN, Key, Ranking
from scheduler.model import (
    ZONE_ATTRIBUTE,
    ConstraintType,
    PlacementConstraint,
    PlacementStrategy,
    PortLease,
    StrategyType,
    Task,
)

ATTRIBUTE: Final = "attribute:"
INSTANCE: Final = "instanceId"
DEFAULT_STRATEGY: Final = (
    PlacementStrategy(StrategyType.SPREAD, f"{ATTRIBUTE}{ZONE_ATTRIBUTE}"),
)
"""What a service without a strategy gets."""


@dataclass(frozen=True, slots=True)
class Unplaceable:
    """`reason` in ECS's words: of the instance that came closest."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a service says of where its tasks go."""

    group: str
    needs: Needs
    constraints: tuple[PlacementConstraint, ...] = ()
    """The service's and the task definition's."""
    strategy: tuple[PlacementStrategy, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """Strategies as terms of a ranking. `fields` are the attributes spread over."""

    fields: tuple[str, ...]
    order: tuple[int, ...]
    own: tuple[str, ...]
    """For each OWN in `order`: ``instanceId``, ``cpu`` or ``memory``."""
    random: bool


def terms_of(strategy: Sequence[PlacementStrategy]) -> Terms:
    """Return the terms that a chain of strategies orders by."""
    fields: list[str] = []
    order: list[int] = []
    own: list[str] = []
    chain = strategy or DEFAULT_STRATEGY
    for item in chain:
        if item.type is StrategyType.RANDOM:
            break  # nothing can be equal after it
        if item.field.startswith(ATTRIBUTE):
            order.append(len(fields))
            fields.append(item.field.removeprefix(ATTRIBUTE))
        else:
            order.append(OWN)
            own.append(item.field)
    if INSTANCE not in own and all(one.type is StrategyType.SPREAD for one in chain):
        order.append(OWN)
        own.append(INSTANCE)
    random = any(one.type is StrategyType.RANDOM for one in chain)
    return Terms(tuple(fields), tuple(order), tuple(own), random)


def values_of(room: Room | None, fields: Sequence[str]) -> tuple[str, ...]:
    """Return the instance's attributes; empty ones where it has none, or is gone."""
    if room is None:
        return ("",) * len(fields)
    return tuple(room.attributes.get(field, "") for field in fields)


class Placer:
    """Places tasks one after the other: `choose`, then `settle` or `refuse`."""

    def __init__(
        self,
        wanted: Wanted,
        rooms: Iterable[Room],
        peers: Iterable[Task],
        homes: Mapping[str, Room],
        draw: Draw,
    ) -> None:
        """`peers` are the service's live tasks; `homes` all rooms by name.

        `rooms` may be fewer than `homes`: only there are tasks placed.
        """
        self._wanted = wanted
        self._constraints = tuple(map(_compiled, wanted.constraints))
        self._rooms = sorted(rooms, key=lambda room: room.name)
        self._places = {room.name: place for place, room in enumerate(self._rooms)}
        self._refused: dict[str, str] = {}
        self._terms = terms_of(wanted.strategy)
        self._draw = draw if self._terms.random else None
        self._on = Counter(task.instance for task in peers)
        self._ranking = self._ranked(homes)

    def choose(self) -> Room | Unplaceable:
        """Take the best room out of the choice."""
        room = self._ranking.take(self._draw)
        return Unplaceable(self._closest()) if room is None else room

    def settle(self, room: Room, leases: Iterable[PortLease]) -> None:
        """The task goes there: the room may be chosen again while others fit."""
        room.take(self._wanted.needs, leases, self._wanted.group)
        self._on[room.name] += 1
        self._ranking.count(values_of(room, self._terms.fields), 1)
        if self._refusal(room) is None:
            self._add(self._ranking, room)

    def refuse(self, room: Room, why: str) -> None:
        """Nothing more can go there in this look, in words of `wording`."""
        self._refused[room.name] = why

    def _ranked(self, homes: Mapping[str, Room]) -> Ranking[Room]:
        fields = self._terms.fields
        counts: list[Counter[str]] = [Counter() for _ in fields]
        for name, tasks in self._on.items():
            values = values_of(homes.get(name), fields)
            for counter, value in zip(counts, values, strict=True):
                counter[value] += tasks
        ranking = Ranking[Room](self._terms.order, counts, _missing_last)
        for room in self._rooms:
            if self._refusal(room) is None:
                self._add(ranking, room)
        return ranking

    def _add(self, ranking: Ranking[Room], room: Room) -> None:
        own: list[float] = []
        for term in self._terms.own:
            if term == INSTANCE:
                own.append(self._on[room.name])
            else:
                own.append(room.cpu if term == "cpu" else room.memory_mib)
        if not self._terms.random:
            own.append(self._places[room.name])
        ranking.add(room, values_of(room, self._terms.fields), tuple(own))

    def _refusal(self, room: Room) -> str | None:
        """Return why the task cannot go there, in ECS's words; None when it can."""
        if room.name in self._refused:
            return self._refused[room.name]
        return refusal(self._wanted.needs, room) or self._violation(room)

    def _violation(self, room: Room) -> str | None:
        for constraint in self._constraints:
            if constraint is None:
                if room.groups[self._wanted.group]:
                    return wording.NOT_DISTINCT
            elif not constraint(room):
                return wording.NO_MEMBER
        return None

    def _closest(self) -> str:
        """Return the reason of the instance that met the most; of those, the first."""
        refused = [(self._refusal(room), room.name) for room in self._rooms]
        told = [(why, name) for why, name in refused if why is not None]
        if not told:
            return wording.NO_INSTANCES
        why, name = max(told, key=lambda one: _HURDLES.index(one[0]))
        return wording.closest(name, why)


def _compiled(constraint: PlacementConstraint) -> Matcher | None:
    """Return the test of a memberOf; None stands for distinctInstance."""
    if constraint.type is ConstraintType.DISTINCT_INSTANCE:
        return None
    return matcher_of(constraint.expression)


def refusal(needs: Needs, room: Room) -> str | None:
    """Return why a task does not fit, in ECS's words; None when it does."""
    if not room.connected:
        return wording.AGENT
    if needs.cpu > room.cpu:
        return wording.NO_CPU
    if needs.memory_mib > room.memory_mib:
        return wording.NO_MEMORY
    if not needs.ports:
        return None
    if not needs.ports.isdisjoint(room.ports):
        return wording.PORT_IN_USE
    full = room.static_ports + len(needs.ports) > STATIC_PORTS_MAX
    return wording.PORT_IN_USE if full else None


_HURDLES: Final = (
    wording.AGENT,
    wording.NO_CPU,
    wording.NO_MEMORY,
    wording.PORT_IN_USE,
    wording.NO_MEMBER,
    wording.NOT_DISTINCT,
)
"""In the order in which they are taken."""


def _missing_last(value: str, count: int) -> Key:
    return (value == "", count)
