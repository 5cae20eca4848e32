"""Which tasks go first when there are too many. Floor 1.

The reverse of placement: spread takes from where most are, binpack from where
most is left once the task is gone; the newest among equals. Tasks that do not
run yet go before all others.

Source: ECS developer guide, task placement strategies, "scale-in".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from scheduler.decide.board import Room, needs_of
from scheduler.decide.identity import Draw
from scheduler.decide.placement import INSTANCE, Terms, terms_of, values_of
from scheduler.decide.ranking import Key, Ranking
from scheduler.model import PlacementStrategy, Task, TaskId, TaskStatus

GONE: float = float("inf")
"""What is left of an instance that is no more: its tasks go first."""


def scale_in_order(
    peers: Sequence[Task],
    homes: Mapping[str, Room],
    draw: Draw,
    strategy: Sequence[PlacementStrategy] = (),
    protected: Collection[TaskId] = (),
) -> list[Task]:
    """Return the service's live tasks in the order in which they may be stopped.

    Those that are protected come last: they count where they are, and stay.
    """
    terms = terms_of(strategy)
    counts: list[Counter[str]] = [Counter() for _ in terms.fields]
    for task in peers:
        values = values_of(homes.get(task.instance), terms.fields)
        for counter, value in zip(counts, values, strict=True):
            counter[value] += 1
    leaving = _Leaving(peers, homes, terms)
    free = [task for task in peers if task.id not in protected]
    waiting = [task for task in free if task.status is not TaskStatus.RUNNING]
    running = [task for task in free if task.status is TaskStatus.RUNNING]
    kept = [task for task in peers if task.id in protected]
    chance = draw if terms.random else None
    order: list[Task] = []
    for tasks in (waiting, running, kept):
        order.extend(leaving.order(tasks, counts, chance))
    return order


class _Leaving:
    """The tasks that are left on each instance, fewer with each that goes."""

    def __init__(
        self, peers: Sequence[Task], homes: Mapping[str, Room], terms: Terms
    ) -> None:
        self._homes = homes
        self._terms = terms
        self._on = Counter(task.instance for task in peers)
        self._freed: Counter[tuple[str, str]] = Counter()
        oldest_first = sorted(peers, key=lambda task: (task.created_at_unix_s, task.id))
        self._ages = {task.id: age for age, task in enumerate(oldest_first)}

    def order(
        self, tasks: Iterable[Task], counts: Sequence[Counter[str]], draw: Draw | None
    ) -> list[Task]:
        newest: dict[str, list[Task]] = {}
        for task in sorted(tasks, key=lambda task: self._ages[task.id]):
            newest.setdefault(task.instance, []).append(task)
        ranking = Ranking[str](self._terms.order, counts, _fullest_first)
        for name in newest:
            self._add(ranking, name, newest)
        found: list[Task] = []
        while (instance := ranking.take(draw)) is not None:
            task = newest[instance].pop()
            found.append(task)
            self._left(task)
            room = self._homes.get(instance)
            ranking.count(values_of(room, self._terms.fields), -1)
            if newest[instance]:
                self._add(ranking, instance, newest)
        return found

    def _add(
        self, ranking: Ranking[str], instance: str, newest: Mapping[str, list[Task]]
    ) -> None:
        task = newest[instance][-1]
        own = [-self._term(term, task) for term in self._terms.own]
        if not self._terms.random:
            own.append(-self._ages[task.id])
        room = self._homes.get(instance)
        ranking.add(instance, values_of(room, self._terms.fields), tuple(own))

    def _term(self, term: str, task: Task) -> float:
        if term == INSTANCE:
            return self._on[task.instance]
        room = self._homes.get(task.instance)
        if room is None:
            return GONE
        needs = needs_of(task.task_definition)
        freed = self._freed[task.instance, term]
        if term == "cpu":
            return room.cpu + freed + needs.cpu
        return room.memory_mib + freed + needs.memory_mib

    def _left(self, task: Task) -> None:
        needs = needs_of(task.task_definition)
        self._on[task.instance] -= 1
        self._freed[task.instance, "cpu"] += needs.cpu
        self._freed[task.instance, "memory"] += needs.memory_mib


def _fullest_first(_value: str, count: int) -> Key:
    return (-count,)
