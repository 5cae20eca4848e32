"""Things by what they belong to, cheap to copy: only what changes is. Floor 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Index(Generic[K, V]):
    """Groups of things by key. A copy shares its groups until one of the two changes.

    Iteration over a group is in the order of writing.
    """

    __slots__ = ("_groups", "_own")

    def __init__(self, groups: Mapping[str, dict[K, V]] | None = None) -> None:
        self._groups = dict(groups or {})
        self._own: set[str] = set()
        """Groups that no copy shares."""

    def copy(self) -> Index[K, V]:
        self._own = set()
        return Index(self._groups)

    def of(self, group: str) -> Mapping[K, V]:
        """Return a group as it is now; it is not to be kept."""
        return self._groups.get(group, {})

    def groups(self) -> set[str]:
        """Return the groups that have anything."""
        return set(self._groups)

    def put(self, group: str, key: K, value: V) -> None:
        self._changing(group)[key] = value

    def drop(self, group: str, key: K) -> None:
        """Drop what is there; a group without things is none."""
        things = self._changing(group)
        del things[key]
        if not things:
            del self._groups[group]
            self._own.discard(group)

    def _changing(self, group: str) -> dict[K, V]:
        if group not in self._own:
            self._groups[group] = dict(self._groups.get(group, {}))
            self._own.add(group)
        return self._groups[group]
