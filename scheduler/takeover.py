"""How a deployment takes over from the one before it. Floor 0: values only.

    blue, the source, serves --> green is started beside it --> requests are shifted
    --> green serves alone --> blue is stopped

Source: ECS API reference, ServiceDeployment (lifecycleStage).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from scheduler.configuration import Strategy


class LifecycleStage(enum.Enum):
    """In the order in which a deployment passes through them."""

    RECONCILE_SERVICE = "RECONCILE_SERVICE"
    """What an earlier deployment began and did not end is undone."""
    PRE_SCALE_UP = "PRE_SCALE_UP"
    SCALE_UP = "SCALE_UP"
    """Its tasks are started; nobody is sent to them."""
    POST_SCALE_UP = "POST_SCALE_UP"
    TEST_TRAFFIC_SHIFT = "TEST_TRAFFIC_SHIFT"
    POST_TEST_TRAFFIC_SHIFT = "POST_TEST_TRAFFIC_SHIFT"
    PRODUCTION_TRAFFIC_SHIFT = "PRODUCTION_TRAFFIC_SHIFT"
    POST_PRODUCTION_TRAFFIC_SHIFT = "POST_PRODUCTION_TRAFFIC_SHIFT"
    BAKE_TIME = "BAKE_TIME"
    """Both run; the source can have its requests back in one step."""
    CLEAN_UP = "CLEAN_UP"
    """The source's tasks are stopped."""


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
    returns: bool = False
    """It served before, and is rolled back to: requests go to it in one step."""


Shares = tuple[tuple[str, float], ...]
"""(deployment id, percent of the requests): their sum is 100."""
