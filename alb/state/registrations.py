"""Which targets are registered where, and what the node must be told. Floor 2.

    configure, register, deregister, forget --> contents() --> sections

Held by control. Every call may be repeated. A target that is deregistered stays
in the snapshot as draining, until `forget`: a worker that starts meanwhile
learns that it has to wait for nothing. So does a group that is not wanted any
more while it has targets: only workers that know it can drain them. After a
restart of control nothing but the name of such a group is known.
"""

from __future__ import annotations

from dataclasses import replace

from alb.model import (
    GroupTargets,
    Listener,
    LoadBalancer,
    Target,
    TargetGroup,
    TargetId,
)


class Registrations:
    """Desired listeners, groups and targets; `changes` grows with each change."""

    def __init__(self) -> None:
        self.changes = 0
        self._listeners: tuple[Listener, ...] = ()
        self._groups: dict[str, TargetGroup] = {}
        self._ending: set[str] = set()
        """Names of groups that are gone when their last target is."""
        self._fixed: dict[TargetId, tuple[str, Target]] = {}
        self._targets: dict[TargetId, tuple[str, Target]] = {}
        self._contents: dict[str, GroupTargets] = {}
        """By group, until something of it changes: who asks twice gets the same."""

    def configure(self, load_balancer: LoadBalancer) -> None:
        """Take listeners, groups and fixed targets; registered ones stay."""
        fixed = {
            target.id: (group, target)
            for group, targets in load_balancer.fixed_targets.items()
            for target in targets
        }
        groups = {group.name: group for group in load_balancer.groups}
        used = {group for group, _ in self._targets.values()}
        self._ending = used & self._groups.keys() - groups.keys()
        groups |= {name: self._groups[name] for name in self._ending}
        new = (load_balancer.listeners, groups, fixed)
        if new != (self._listeners, self._groups, self._fixed):
            if new[1:] != (self._groups, self._fixed):
                self._contents.clear()
            self._listeners, self._groups, self._fixed = new
            self.changes += 1

    def register(self, target: Target, group: str) -> None:
        if group not in self._groups:
            self._groups[group] = TargetGroup(group)
            self._ending.add(group)
        if self._targets.get(target.id) != (group, target):
            former, _ = self._targets.get(target.id, (group, target))
            self._targets[target.id] = (group, target)
            self._changed(former, group)

    def deregister(self, target_id: TargetId) -> None:
        entry = self._targets.get(target_id)
        if entry is not None and not entry[1].draining:
            group, target = entry
            self._targets[target_id] = (group, replace(target, draining=True))
            self._changed(group)

    def forget(self, target_id: TargetId) -> None:
        entry = self._targets.pop(target_id, None)
        if entry is None:
            return
        name, _ = entry
        self._changed(name)
        if name in self._ending and not any(
            g == name for g, _ in self._targets.values()
        ):
            self._ending.discard(name)
            del self._groups[name]

    def _changed(self, *groups: str) -> None:
        self.changes += 1
        for group in groups:
            self._contents.pop(group, None)

    def all(self) -> dict[TargetId, tuple[str, Target]]:
        """Return every target with its group's name, fixed ones first."""
        return self._fixed | self._targets

    def contents(self) -> tuple[Listener | GroupTargets, ...]:
        """Return the snapshot's sections: every listener, every group."""
        changed = self._groups.keys() - self._contents.keys()
        by_group: dict[str, list[Target]] = {name: [] for name in changed}
        for group, target in self.all().values() if changed else ():
            if group in by_group:
                by_group[group].append(target)
        for name, targets in by_group.items():
            self._contents[name] = GroupTargets(self._groups[name], tuple(targets))
        return (*self._listeners, *(self._contents[name] for name in self._groups))
