"""What a running cluster consists of; `wiring` makes them, others use them."""

from __future__ import annotations

from dataclasses import dataclass

from alb.app.balancer import Balancer
from autoscaler.app.autoscaler import Autoscaler
from autoscaler.app.keeping import Keeping
from autoscaler.app.messenger import Messenger
from autoscaler.drivers.courier import Courier
from controlplane.adapters import FrontDoor
from controlplane.ecs_feed import EcsFeed
from controlplane.elb_feed import ElbFeed
from controlplane.events import EventLog
from controlplane.events_feed import EventFeed
from controlplane.runtimes import Runtimes
from controlplane.sources import Sources
from controlplane.state_dir import StateDir
from controlplane.store import Store
from controlplane.tls.certificates import Certificates
from foundation.clock import Clock
from scheduler.app.scheduler import Scheduler
from scheduler.drivers.hooks import CalledHooks


@dataclass(frozen=True, slots=True)
class Parts:
    """Complete once made; they live and end together."""

    clock: Clock
    state_dir: StateDir
    store: Store
    balancer: Balancer
    front: FrontDoor
    """Whom to configure the balancer by."""
    scheduler: Scheduler
    scaler: Autoscaler
    runtimes: Runtimes
    hooks: CalledHooks
    ecs: EcsFeed
    elb: ElbFeed
    keeping: Keeping
    sources: Sources
    events: EventLog
    feed: EventFeed
    certificates: Certificates
    courier: Courier
    messenger: Messenger
