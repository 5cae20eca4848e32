"""What a worker tells of its counters: what has grown since it last told. Floor 2.

    table --> Told.report --> Counted, Counted, ... --> Telemetry

Counters are totals since the worker began, so a report that is lost loses nothing:
the next that tells of the same target tells everything. What did not grow is not
told again, and what is told goes in pieces, so that a thousand targets neither
keep a worker from its requests nor make a report that is long to read.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Final

from alb.model import GroupTargets
from alb.ports import Counted, Counters, Telemetry
from alb.state.table import Table

COUNTERS_MAX: Final = 32
"""In one message: a fraction of a millisecond to write and to read."""

Levels = tuple[Mapping[str, Counters], int]
"""Counters of the listeners, and how many clients are connected."""


class Told:
    """How far each counter had come when it was last told."""

    def __init__(self) -> None:
        self._targets: dict[str, int] = {}
        self._groups: dict[str, tuple[GroupTargets | None, int]] = {}
        """With what was registered then: who is new is told of, too."""
        self._is_fresh = True

    def nothing(self) -> None:
        """There is somebody new to tell: begin anew."""
        self._targets.clear()
        self._groups.clear()
        self._is_fresh = True

    def report(self, table: Table) -> Generator[Counted | None, None, None]:
        """Yield what has grown, in pieces; None where there is nothing to say yet.

        The pieces are of different moments: all that they tell only ever grows.
        """
        fresh, self._is_fresh = self._is_fresh, False
        piece = _Piece(fresh=fresh)
        for name, group in [*table.groups.items()]:
            yield None
            content, moves = self._groups.get(name, (None, -1))
            if content is group.content and moves == group.moves():
                continue
            self._groups[name] = group.content, group.moves()
            piece.groups[name] = group.report()
            for target in group.targets.values():
                moves = target.counters.moves()
                if self._targets.get(target.id) == moves:
                    continue
                self._targets[target.id] = moves
                piece.targets[target.id] = target.counters.report()
                if piece.is_full:
                    yield piece.counted()
                    piece = _Piece(fresh=False)
        if not piece.is_empty:
            yield piece.counted()

    def ended(self, table: Table, levels: Levels, now_s: float) -> Telemetry:
        """Return what ends a report: listeners, levels, and who is no more."""
        targets = [t for group in table.groups.values() for t in group.targets.values()]
        gone = self._targets.keys() - {target.id for target in targets}
        gone_groups = self._groups.keys() - table.groups.keys()
        for target in gone:
            del self._targets[target]
        for group in gone_groups:
            del self._groups[group]
        listeners, connections = levels
        return Telemetry(
            listeners,
            {},
            {},
            {target.id: target.in_flight for target in targets if target.in_flight},
            connections,
            table.waiting(),
            *table.anomalies(),
            tuple(gone),
            tuple(gone_groups),
            *table.shares(now_s),
        )


class _Piece:
    """Counters for one message."""

    def __init__(self, *, fresh: bool) -> None:
        self.groups: dict[str, Counters] = {}
        self.targets: dict[str, Counters] = {}
        self._fresh = fresh

    @property
    def is_full(self) -> bool:
        return len(self.groups) + len(self.targets) >= COUNTERS_MAX

    @property
    def is_empty(self) -> bool:
        return not (self.groups or self.targets or self._fresh)

    def counted(self) -> Counted:
        return Counted(self.groups, self.targets, self._fresh)
