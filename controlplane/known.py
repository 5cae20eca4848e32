"""What is known of the node whose way with a request is to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alb.app.balancer import Balancer
from alb.app.session_keys import FILE_NAME
from alb.drivers.key_file import read_keys
from alb.model import TargetId, TargetObservation
from alb.ports import SessionKey
from controlplane.state_dir import StateDir


@dataclass(frozen=True, slots=True)
class Known:
    """Of a node that serves; nothing is known of one that does not."""

    observed: Mapping[TargetId, TargetObservation] | None = None
    """None: nobody was asked, so that targets of tasks are not known either."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """How many requests wait in a worker for a target with room, by group."""
    keys: tuple[SessionKey, ...] = field(default=(), repr=False)
    """What session cookies are sealed by; empty: not known."""
    unix_s: float = 0.0


def known_of(balancer: Balancer, state_dir: StateDir, unix_s: float) -> Known:
    """Return what is known of the node that `balancer` talks to."""
    counted = balancer.statistics()
    workers = len(counted.workers) or 1
    waiting = {name: -(-n // workers) for name, n in counted.totals.waiting.items()}
    return Known(balancer.observe(), waiting, session_keys(state_dir), unix_s)


def session_keys(state_dir: StateDir) -> tuple[SessionKey, ...]:
    """Return the keys that the node there seals cookies by; none where it has none
    that we may read."""
    try:
        return read_keys(state_dir.path / FILE_NAME)
    except OSError:
        return ()
