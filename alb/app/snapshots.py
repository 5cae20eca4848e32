"""A worker's snapshot: sections as they come, compiled as they change. Floor 4.

    Section, Section, ..., Manifest --> Compiler --> listeners, groups

Blocks of rules that stay are not read again, and where none of a listener's changed
nothing is. All long work is in slices, between which requests go on.
"""

from __future__ import annotations

from typing import NamedTuple

from alb.app.slices import in_slices
from alb.decide.rules import Block, CompiledRules, block_steps, index_steps
from alb.decide.sections import Whole, whole
from alb.drivers.link import content_of
from alb.model import GroupTargets, Listener, RuleBlock, Version
from alb.ports import Content, Manifest, Section
from foundation.clock import Clock

_Key = tuple[Listener, tuple[RuleBlock, ...]]
"""What rules were compiled from."""


class Snapshot(NamedTuple):
    """What a manifest names, ready to be served."""

    version: Version
    groups: tuple[GroupTargets, ...]
    listeners: tuple[tuple[Listener, CompiledRules], ...]


class Compiler:
    """Sections by digest, the newest manifest of them, and what was made of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._contents: dict[str, Content] = {}
        self._newest: tuple[Version, Whole] | None = None
        self._blocks: dict[int, tuple[RuleBlock, Block]] = {}
        """By the identity of what was read, which lives as long as it is here."""
        self._compiled: dict[str, tuple[_Key, CompiledRules]] = {}

    def add(self, section: Section) -> None:
        if section.digest not in self._contents:
            self._contents[section.digest] = content_of(section)

    def take(self, manifest: Manifest) -> None:
        """Forget all that it does not name; what it names has come before it."""
        named = {digest: self._contents[digest] for digest in manifest.digests}
        self._contents = named
        self._newest = manifest.version, whole(named.values())

    async def compiled(self, later_than: Version) -> Snapshot | None:
        """Return the newest snapshot, or None where none is later."""
        if self._newest is None or not later_than < self._newest[0]:
            return None
        version, snapshot = self._newest
        compiled = {
            listener.name: ((listener, blocks), await self._rules(listener, blocks))
            for listener, blocks in snapshot.listeners
        }
        self._compiled = compiled
        used = {id(block) for _, blocks in snapshot.listeners for block in blocks}
        self._blocks = {key: self._blocks[key] for key in used}
        listeners = [(listener, rules) for (listener, _), rules in compiled.values()]
        return Snapshot(version, snapshot.groups, tuple(listeners))

    async def _rules(
        self, listener: Listener, blocks: tuple[RuleBlock, ...]
    ) -> CompiledRules:
        known = self._compiled.get(listener.name)
        if known is not None and _is_same(known[0], (listener, blocks)):
            return known[1]
        read = []
        for block in blocks:
            if id(block) not in self._blocks:
                reading = block_steps(block.rules)
                self._blocks[id(block)] = block, await in_slices(reading, self._clock)
            read.append(self._blocks[id(block)][1])
        before = known[1] if known is not None else None
        indexing = index_steps(tuple(read), listener.default_action, before)
        return await in_slices(indexing, self._clock)


def _is_same(one: _Key, other: _Key) -> bool:
    """Whether these are the very same sections."""
    return (
        one[0] is other[0]
        and len(one[1]) == len(other[1])
        and all(mine is theirs for mine, theirs in zip(one[1], other[1], strict=True))
    )
