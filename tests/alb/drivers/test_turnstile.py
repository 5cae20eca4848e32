"""The lock and the bell that the workers of a node share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from alb.drivers import shared_memory
from alb.drivers.turnstile import NO_BELL, Turnstile, make_bell, ring

TRY = """
import fcntl, sys
try:
    fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
except BlockingIOError:
    sys.exit(1)
"""


def is_free(memory: int) -> bool:
    """Whether another process could enter."""
    command = [sys.executable, "-c", TRY, str(memory)]
    return not subprocess.run(command, pass_fds=(memory,), check=False).returncode


def test_one_process_at_a_time_is_inside() -> None:
    memory = shared_memory.create(64)
    turnstile = Turnstile(memory, NO_BELL)
    turnstile.enter()
    assert not is_free(memory)
    turnstile.leave()
    assert is_free(memory)
    os.close(memory)


async def test_everybody_hears_every_ring() -> None:
    bell = make_bell()
    heard = [asyncio.Queue[None](), asyncio.Queue[None]()]
    turnstiles = [Turnstile(-1, bell) for _ in heard]
    for turnstile, queue in zip(turnstiles, heard, strict=True):
        turnstile.listen(lambda to=queue: to.put_nowait(None))  # type: ignore[misc]
    async with asyncio.timeout(10):
        for _ in range(3):
            turnstiles[0].ring()
            for queue in heard:
                await queue.get()
    os.close(bell)


def test_without_a_bell_nobody_is_disturbed() -> None:
    ring(NO_BELL)
    Turnstile(-1, NO_BELL).listen(lambda: None)
