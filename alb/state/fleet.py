"""What the workers of a node have said: acknowledgements, drains, counters. Floor 2.

    Counted, Counted, ... --> Telemetry: a report is taken when it is whole

Held by control. Reports tell what has grown, so their counters are taken only once
a worker has told everything. A worker that ended owes nothing more: it counts as
having acknowledged and drained everything. Its counters stay in the totals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from alb.model import NO_VERSION, Version
from alb.ports import (
    Acknowledged,
    Counted,
    Counters,
    Drained,
    Telemetry,
    WorkerMessage,
    WorkerState,
)
from alb.state.counters import add_counters

_NOTHING = Telemetry({}, {}, {}, {}, 0)
_NEVER = (NO_VERSION, 0)


@dataclass(slots=True)
class _Worker:
    state: WorkerState
    telemetry: Telemetry = _NOTHING
    coming: list[Counted] = field(default_factory=list)
    """Of the report that a Telemetry will end."""
    heard_all: bool = False
    """Whether there was a report that told everything."""
    reports: int = 0
    """Whole ones, since that one."""
    drained: dict[str, tuple[Version, int]] = field(default_factory=dict)
    """What was served when it was said, and the requests that were cut, by each
    target that is drained here."""


def _take_report(worker: _Worker, end: Telemetry) -> None:
    pieces, worker.coming = worker.coming, []
    if any(piece.fresh for piece in pieces):
        worker.heard_all, worker.telemetry = True, _NOTHING
    groups, targets = {**worker.telemetry.groups}, {**worker.telemetry.targets}
    for piece in pieces if worker.heard_all else ():
        groups.update(piece.groups)
        targets.update(piece.targets)
    for gone in end.gone:
        targets.pop(gone, None)
    for gone in end.gone_groups:
        groups.pop(gone, None)
    worker.reports += worker.heard_all
    worker.telemetry = replace(
        end, groups=groups, targets=targets, gone=(), gone_groups=()
    )


def _add(maps: Iterable[Mapping[str, Counters]]) -> dict[str, Counters]:
    by_name: dict[str, list[Counters]] = {}
    for one in maps:
        for name, counters in one.items():
            by_name.setdefault(name, []).append(counters)
    return {name: add_counters(counters) for name, counters in by_name.items()}


class Fleet:
    """The workers that live, and what the dead left behind."""

    def __init__(self, workers: Iterable[WorkerState]) -> None:
        self._workers = {worker.slot: _Worker(worker) for worker in workers}
        self._left = _NOTHING

    def started(self, worker: WorkerState) -> None:
        before = self._workers.get(worker.slot)
        if before is not None:
            self.exited(worker.slot, before.state.incarnation)
        self._workers[worker.slot] = _Worker(worker)

    def exited(self, slot: int, incarnation: int) -> None:
        worker = self._workers.get(slot)
        if worker is not None and worker.state.incarnation == incarnation:
            del self._workers[slot]
            ended = replace(
                worker.telemetry,
                in_flight={},
                connections=0,
                waiting={},
                anomalous=(),
                mitigated=(),
                ramps={},
                weights={},
            )
            self._left = _sum([self._left, ended])

    def said(self, slot: int, incarnation: int, message: WorkerMessage) -> None:
        worker = self._workers.get(slot)
        if worker is None or worker.state.incarnation != incarnation:
            return
        match message:
            case Counted():
                worker.coming.append(message)
            case Telemetry():
                _take_report(worker, message)
            case Acknowledged(version):
                worker.state = replace(worker.state, acknowledged=version)
            case Drained(target, cut):
                worker.drained[target] = (worker.state.acknowledged, cut)

    def states(self) -> tuple[WorkerState, ...]:
        return tuple(worker.state for worker in self._workers.values())

    def reports(self) -> Mapping[int, int]:
        """Return how many whole reports came of each worker, by incarnation."""
        return {w.state.incarnation: w.reports for w in self._workers.values()}

    def all_serve(self, version: Version) -> bool:
        """Whether every worker acknowledged `version` or a later one."""
        return not any(w.state.acknowledged < version for w in self._workers.values())

    def none_serves_before(self, version: Version) -> bool:
        """Whether nobody acts on less than `version`: those who start do not act."""
        return not any(
            NO_VERSION < worker.state.acknowledged < version
            for worker in self._workers.values()
        )

    def all_drained(self, target: str, since: Version) -> bool:
        """Whether nothing is in flight anywhere, said by those who serve `since`.

        What was said before may speak of an earlier time that it drained.
        """
        return not any(
            worker.drained.get(target, _NEVER)[0] < since
            for worker in self._workers.values()
        )

    def cut(self, target: str) -> int:
        return sum(
            worker.drained.get(target, _NEVER)[1] for worker in self._workers.values()
        )

    def in_flight(self, target: str) -> int:
        """Return the requests in flight, as of the last reports."""
        return sum(
            worker.telemetry.in_flight.get(target, 0)
            for worker in self._workers.values()
        )

    def is_anomalous(self, target: str) -> bool:
        """Whether any worker sees it fail more than its peers."""
        reports = (worker.telemetry for worker in self._workers.values())
        return any(target in report.anomalous for report in reports)

    def is_mitigated(self, target: str) -> bool:
        """Whether any worker sends less to it because it did."""
        reports = (worker.telemetry for worker in self._workers.values())
        return any(target in report.mitigated for report in reports)

    def ramp(self, target: str) -> float:
        """Return its part of a full share by slow start, on average over workers."""
        return _mean(w.telemetry.ramps.get(target, 1.0) for w in self._workers.values())

    def weight(self, target: str) -> float:
        """Return what mitigation leaves of its share, on average over workers."""
        return _mean(
            w.telemetry.weights.get(target, 1.0) for w in self._workers.values()
        )

    def totals(self) -> Telemetry:
        """Return the counters of all workers there ever were, added up."""
        return _sum([self._left, *(w.telemetry for w in self._workers.values())])

    def forget(self, target: str) -> None:
        """Drop what was kept of a target that is gone."""
        for worker in self._workers.values():
            worker.drained.pop(target, None)


def _mean(parts: Iterable[float]) -> float:
    found = [*parts]
    return sum(found) / len(found) if found else 1.0


def _sum(reports: list[Telemetry]) -> Telemetry:
    return Telemetry(
        _add(report.listeners for report in reports),
        _add(report.groups for report in reports),
        _add(report.targets for report in reports),
        _add_numbers(report.in_flight for report in reports),
        sum(report.connections for report in reports),
        _add_numbers(report.waiting for report in reports),
        _union(report.anomalous for report in reports),
        _union(report.mitigated for report in reports),
    )


def _add_numbers(reports: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for report in reports:
        for name, count in report.items():
            total[name] = total.get(name, 0) + count
    return total


def _union(reports: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({target for report in reports for target in report}))
