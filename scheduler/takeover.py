"""How a deployment takes over from the one before it. Floor 0: values only.

    blue, the source, serves --> green is started beside it --> requests are shifted
    --> green serves alone --> blue is stopped

Source: ECS API reference, ServiceDeployment (lifecycleStage).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from scheduler.configuration import HookStage, LifecycleStage, Strategy


class HookStatus(enum.Enum):
    """Of a lifecycle hook, as ECS's DeploymentLifecycleHookDetail has it."""

    AWAITING_ACTION = "AWAITING_ACTION"
    """A PAUSE: somebody has to say how it goes on."""
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"


@dataclass(frozen=True, slots=True)
class HookRun:
    """A hook that a deployment has come to; written down before it is called."""

    number: int
    """Which of the service's hooks, from 0."""
    stage: HookStage
    percent: float
    """The deployment's part of production requests when it came to it."""
    status: HookStatus
    began_at_unix_s: float
    attempt: int = 1
    """One more with each answer of IN_PROGRESS."""
    call_at_unix_s: float = 0.0
    """Not to be called before."""
    details: str = ""
    """JSON: what its last answer wants to be told at the next call."""
    why: str = ""
    """Of one that FAILED."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """How far a deployment has come."""

    strategy: Strategy
    source_id: str
    """The deployment it takes over from; empty: it is the service's first."""
    stage: LifecycleStage
    since_unix_s: float
    """When the stage began."""
    served_since_unix_s: float | None = None
    """Since when every worker shares out requests as it was decided last."""
    hooks: tuple[HookRun, ...] = ()
    """Those that it has come to at this stage."""
    returns: bool = False
    """It served before, and is rolled back to: requests go to it in one step."""


Shares = tuple[tuple[str, float], ...]
"""(deployment id, percent of the requests): their sum is 100."""
