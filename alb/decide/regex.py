"""Regular expressions of rules: tests over what clients send. Floor 1.

``^`` and ``$`` are the text's own ends, and without them an expression may match
anywhere. What expressions there are, and what they cost: `foundation.regex`.

Absent: which texts are matched, and in which case they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alb.decide.wildcard import Test
from foundation.regex import compiled


def any_regex(texts: Iterable[str], *, any_case: bool) -> Test:
    """Return a test that is true where at least one of `texts` matches.

    Raises ValueError on what `flaw_of` has something to say about.
    """
    whole = b"|".join(b"(?:" + text.encode() + b")" for text in texts)
    test: Test = compiled(whole, captures=False, any_case=any_case).search
    return test


def capturing(text: str, *, any_case: bool) -> Any:
    """Return the compiled expression, whose `search` tells groups as `re` does.

    Raises ValueError on what `flaw_of` has something to say about.
    """
    return compiled(text.encode(), captures=True, any_case=any_case)
