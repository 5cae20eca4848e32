"""When a key for session cookies is new, in use, and gone. Floor 1: pure.

made --an hour--> seals --a day--> opens --as long as cookies live--> gone
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alb.ports import SessionKey

LEAD_S: Final = 3600
"""A key is known everywhere for so long before it is used."""
SEALS_S: Final = 86_400
OPENS_S: Final = 604_800 + SEALS_S
"""AWS's longest duration; a day more than the last value sealed may live."""
ID_SIZE: Final = 4
SECRET_SIZE: Final = 16


def is_due(keys: Iterable[SessionKey], unix_s: int) -> bool:
    """Whether a key is to be made now: the newest will not seal for much longer."""
    newest = max((key.from_unix_s for key in keys), default=None)
    return newest is None or newest + SEALS_S - LEAD_S <= unix_s


def rotated(
    keys: tuple[SessionKey, ...], fresh: SessionKey, unix_s: int
) -> tuple[SessionKey, ...]:
    """Return the keys with `fresh`, without those that nothing is to be opened by.

    A key ends sealing where the next begins.
    """
    ordered = sorted((*keys, fresh), key=lambda key: key.from_unix_s)
    ends = [key.from_unix_s for key in ordered[1:]]
    kept = [
        key
        for key, end_unix_s in zip(ordered, ends, strict=False)
        if end_unix_s + OPENS_S > unix_s
    ]
    return (*kept, ordered[-1])
