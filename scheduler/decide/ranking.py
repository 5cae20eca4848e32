"""Many things in the order of several terms, some shared by many of them. Floor 1.

    add, add, …      take: the first of all      count: a term has changed

"Fewest tasks in the zone, then fewest on the instance": one more task in a zone
moves all its instances at once. So things that share such values are a class
with an order of its own, and the classes are ordered by the shared terms and
their first thing: a change costs the classes that it is about, not the things.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

from scheduler.decide.identity import Draw

T = TypeVar("T")
Key = tuple[float, ...]
Weigh = Callable[[str, int], Key]
"""(value, count) of a shared term -> its place in the order."""

OWN: Final = -1
"""Stands in `terms` for the thing's own next number."""


class _Class(Generic[T]):
    """Things with the same shared values, by their own numbers."""

    __slots__ = ("buckets", "heap", "stamp", "values")

    def __init__(self, values: tuple[str, ...]) -> None:
        self.values = values
        self.buckets: dict[Key, list[T]] = {}
        self.heap: list[Key] = []
        self.stamp = 0
        """Grows when its place among the classes may have changed."""

    def add(self, own: Key, thing: T) -> None:
        bucket = self.buckets.get(own)
        if bucket is None:
            self.buckets[own] = [thing]
            heappush(self.heap, own)
        else:
            bucket.append(thing)

    def first(self) -> Key | None:
        return self.heap[0] if self.heap else None

    def ties(self) -> int:
        return len(self.buckets[self.heap[0]])

    def take(self, position: int) -> T:
        """Take one of the first; the last of them stands where it was."""
        bucket = self.buckets[self.heap[0]]
        bucket[position], bucket[-1] = bucket[-1], bucket[position]
        thing = bucket.pop()
        if not bucket:
            del self.buckets[heappop(self.heap)]
        return thing


class Ranking(Generic[T]):
    """`terms` are positions in a thing's shared values, or OWN; smallest first."""

    def __init__(
        self, terms: Sequence[int], counts: Sequence[Counter[str]], weigh: Weigh
    ) -> None:
        self._terms = tuple(terms)
        self._counts = counts
        self._weigh = weigh
        self._classes: dict[tuple[str, ...], int] = {}
        self._ordered: list[_Class[T]] = []
        self._sharing: dict[tuple[int, str], list[int]] = {}
        self._heap: list[tuple[Key, int, int]] = []
        self._moved: set[int] = set()

    def add(self, thing: T, values: tuple[str, ...], own: Key) -> None:
        """Add a thing; numbers of its own beyond the terms break the last ties."""
        number = self._classes.get(values)
        if number is None:
            number = self._classes[values] = len(self._ordered)
            self._ordered.append(_Class(values))
            for place, value in enumerate(values):
                self._sharing.setdefault((place, value), []).append(number)
        self._ordered[number].add(own, thing)
        self._moved.add(number)

    def count(self, values: tuple[str, ...], change: int) -> None:
        """Change the counts of shared values: all that have them may move."""
        for place, value in enumerate(values):
            self._counts[place][value] += change
            self._moved.update(self._sharing.get((place, value), ()))

    def take(self, draw: Draw | None = None) -> T | None:
        """Take the first, None when nothing is left; `draw` decides between equals."""
        for number in self._moved:
            self._place(number)
        self._moved.clear()
        tied = list(self._first(all_equal=draw is not None))
        if not tied:
            return None
        position = 0
        if draw is not None:
            position = int(draw() * sum(self._ordered[n].ties() for n in tied))
        for number in tied:
            ties = self._ordered[number].ties()
            if position < ties:
                return self._ordered[number].take(position)
            position -= ties
        raise AssertionError("a draw is below 1")

    def _first(self, *, all_equal: bool) -> Iterator[int]:
        """Yield the class that is first, or all that are: they have to move."""
        best: Key | None = None
        while self._heap:
            key, number, stamp = self._heap[0]
            if best is not None and key != best:
                return
            heappop(self._heap)
            if stamp != self._ordered[number].stamp:
                continue
            self._moved.add(number)
            yield number
            if not all_equal:
                return
            best = key

    def _place(self, number: int) -> None:
        found = self._ordered[number]
        found.stamp += 1
        own = found.first()
        if own is None:
            return
        key: list[float] = []
        used = 0
        for term in self._terms:
            if term == OWN:
                key.append(own[used])
                used += 1
            else:
                value = found.values[term]
                key.extend(self._weigh(value, self._counts[term][value]))
        heappush(self._heap, ((*key, *own[used:]), number, found.stamp))
