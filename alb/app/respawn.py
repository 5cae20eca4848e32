"""Run a child again and again, waiting longer while it does not last. Floor 4."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from alb.drivers.child import exit_reason

BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_S: Final = 10.0
"""A child that lived this long is started again at once."""

_log = logging.getLogger("alb.keeper")


async def respawn(
    name: str,
    live_once: Callable[[], Awaitable[int]],
    ending: asyncio.Event,
    backoff_s: Sequence[float] = BACKOFF_S,
) -> None:
    """Run until `ending` is set. `live_once` returns the exit status of one life."""
    loop = asyncio.get_running_loop()
    attempt = 0
    while not ending.is_set():
        began = loop.time()
        status = await live_once()
        if ending.is_set():
            return
        lasted = loop.time() - began
        attempt = 0 if lasted > STEADY_S else attempt + 1
        pause = backoff_s[min(attempt, len(backoff_s) - 1)]
        _log.warning(
            "%s %s after %.1f s; again in %.2f s",
            name,
            exit_reason(status),
            lasted,
            pause,
        )
        await asyncio.sleep(pause)
