"""Targets that could not be reached, until the prober is told of them. Floor 2.

    exchanges, connector --> add --> take --> one message, at once

What is told is no count: a doubt is repeated only while it lasts, and seldom.
"""

from __future__ import annotations

from typing import Final

from alb.model import TargetId
from alb.state.targets import TargetState

AGAIN_S: Final = 0.25
"""How soon the same target is told again."""


class Doubts:
    """One worker's."""

    def __init__(self) -> None:
        self._untold: set[TargetId] = set()

    def add(self, target: TargetState, now_s: float) -> bool:
        """Note that `target` could not be reached; return whether it is the first
        that is to be told."""
        if now_s < target.doubt_again_s or target.draining:
            return False
        target.doubt_again_s = now_s + AGAIN_S
        self._untold.add(target.id)
        return len(self._untold) == 1

    def take(self) -> tuple[str, ...]:
        """Return what is to be told, once."""
        untold, self._untold = self._untold, set()
        return tuple(sorted(untold))
