"""How much of what chance and enumeration offer is tried: in CI all, at a desk some.

A run at a desk says so at its end, as it says what it skipped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, TypeVar

PROFILE: Final = os.environ.get("ALB_EXAMPLES", "quick")
IS_THOROUGH: Final = PROFILE == "thorough"
_EXAMPLES_SHARE: Final = 0.1
_CASES_APART: Final = 5
T = TypeVar("T")


def examples(thorough: int) -> int:
    """Return how many to take now of those that ALB_EXAMPLES=thorough takes."""
    return thorough if IS_THOROUGH else max(1, round(thorough * _EXAMPLES_SHARE))


def some(cases: Sequence[T]) -> Sequence[T]:
    """Return those of many cases of one kind that are tried now: one in five, evenly."""
    return cases if IS_THOROUGH else cases[::_CASES_APART]
