"""Who is to be checked, kept from snapshot to snapshot. Floor 2.

What did not change is not looked at again: a snapshot brings the same objects for
it, and they are answered with the same assignments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from alb.decide.probing import Assignment, assignments, groups_named
from alb.decide.sections import Whole
from alb.model import GroupTargets, RuleBlock, TargetId


class _Kept(NamedTuple):
    """What was answered for a group, and to what."""

    content: GroupTargets
    in_use: bool
    assigned: Mapping[TargetId, Assignment]


class Assignments:
    """The assignments of the newest snapshot."""

    def __init__(self) -> None:
        self._named: dict[int, tuple[RuleBlock, frozenset[str]]] = {}
        """By the block's identity, which lives as long as it is here."""
        self._kept: dict[str, _Kept] = {}

    def follow(self, snapshot: Whole) -> Mapping[TargetId, Assignment]:
        """Return what to do about every registered target."""
        used = self._groups_in_use(snapshot)
        self._kept = {
            each.group.name: self._of_group(each, in_use=each.group.name in used)
            for each in snapshot.groups
        }
        assigned: dict[TargetId, Assignment] = {}
        for kept in self._kept.values():
            assigned.update(kept.assigned)
        return assigned

    def _of_group(self, each: GroupTargets, *, in_use: bool) -> _Kept:
        kept = self._kept.get(each.group.name)
        if kept is not None and kept.content is each and kept.in_use == in_use:
            return kept
        return _Kept(each, in_use, assignments(each, in_use=in_use))

    def _groups_in_use(self, snapshot: Whole) -> set[str]:
        used: set[str] = set()
        named = {}
        for listener, blocks in snapshot.listeners:
            used |= groups_named([listener.default_action])
            used |= groups_named([rule.action for rule in listener.rules])
            for block in blocks:
                known = self._named.get(id(block)) or (
                    block,
                    groups_named([rule.action for rule in block.rules]),
                )
                named[id(block)] = known
                used |= known[1]
        self._named = named
        return used
