"""Let requests go first where there are fewer cores than processes. Floor 3.

A scheduler lets who runs go on for milliseconds before who woke up meanwhile may
run. Keeper and prober have little to do at a time and nobody waits for it: between
two messages they offer the core, so that a worker waits for one message at most.
Unlike a lower priority this takes nothing from them when every core is busy.
"""

from __future__ import annotations

import os


def give_way() -> None:
    """Let others run that want this core; costs a microsecond where nobody does."""
    os.sched_yield()
