"""Chance as a value: numbers that look drawn, and are the same for the same seed.

Floor 1: no chance. Each worker has a sequence of its own, seeded by its slot, so
that a simulation may be run again. Enough to spread load, never for secrets.

Source: G. Marsaglia, "Xorshift RNGs" (2003): the triple 13, 17, 5.
"""

from __future__ import annotations

from typing import Final

_32_BITS: Final = 0xFFFFFFFF
_STEP: Final = 0x9E3779B9
"""Sets neighbouring seeds far apart (2^32 over the golden ratio)."""
_BURN_IN: Final = 8


class Draws:
    """One sequence of numbers."""

    __slots__ = ("_state",)

    def __init__(self, seed: int = 0) -> None:
        self._state = ((seed + 1) * _STEP & _32_BITS) or _STEP
        for _ in range(_BURN_IN):
            self.below(1)

    def below(self, count: int) -> int:
        """Return one of 0 to `count` - 1, each as likely."""
        state = self._state
        state ^= state << 13 & _32_BITS
        state ^= state >> 17
        state ^= state << 5 & _32_BITS
        self._state = state
        return state * count >> 32

    def ratio(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        return self.below(1 << 24) / (1 << 24)
