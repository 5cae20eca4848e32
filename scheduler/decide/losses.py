"""When a host is given up, and what becomes of the tasks it had. Floor 1: pure.

    answers ── silent ──┬── for long, or its targets fail ──► lost ──► answers, and
                        │   while another host answers                 nothing of
                        └── answers again: nothing has happened        before runs

An engine that does not answer says nothing of its tasks: while their targets are
healthy they serve, and nothing is replaced. When all of them fail as well, there is
no doubt; unless those of the same services fail on hosts that answer, too: then what
fails is likelier something in front of them or behind. A host is given up only while
another one answers: else nothing could take its place, and a cable of our own would
have every task replaced.

Source: ours. ECS learns from EC2 that an instance is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scheduler.model import STARTING, Task
from scheduler.ports import TargetView

Views = Sequence[TargetView | None]
"""Of targets; None: the load balancer does not know it (yet)."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A host that does not answer, and what the load balancer sees of its tasks."""

    since_unix_s: float
    here: Views
    """Of the targets of its RUNNING tasks."""
    peers: Views
    """Of targets of the same services on hosts that answer."""


def why_lost(silence: Silence, lost_after_s: float, now_unix_s: float) -> str | None:
    """Return why the host is to be declared lost, in words; None: it is not yet."""
    if now_unix_s - silence.since_unix_s >= lost_after_s:
        return f"it has not answered for {lost_after_s:g} s"
    here = _probed(silence.here)
    peers = _probed(silence.peers)
    fails_here = bool(here) and all(view.unhealthy for view in here)
    serves_there = any(view.healthy for view in peers)
    fails_there = not serves_there and any(view.unhealthy for view in peers)
    if fails_here and not fails_there:
        return "it does not answer, and all its targets fail"
    return None


def serves_on(task: Task, views: Views) -> bool:
    """Tell whether a live task of a lost host is to serve until it is replaced.

    One that has targets of which none is known to fail. Of one without there is
    nobody to ask; and one that was being started serves nobody.
    """
    asked = [view for view in views if not (view and view.unused)]
    if task.status in STARTING or not asked:
        return False
    return not any(view and view.unhealthy for view in asked)


def _probed(views: Iterable[TargetView | None]) -> list[TargetView]:
    return [view for view in views if view is not None and not view.unused]
