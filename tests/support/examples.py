"""How many examples a property takes: all it asks for in CI, a quarter at a desk."""

from __future__ import annotations

import os
from typing import Final

PROFILE: Final = os.environ.get("ALB_EXAMPLES", "quick")
_QUICK_SHARE: Final = 0.25


def examples(thorough: int) -> int:
    """Return how many to take now of those that ALB_EXAMPLES=thorough takes."""
    return thorough if PROFILE == "thorough" else round(thorough * _QUICK_SHARE)
