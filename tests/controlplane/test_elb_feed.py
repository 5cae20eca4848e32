"""What the load balancer counts reaches the autoscaler, by group and by pair."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from alb.app.balancer import Balancer
from alb.model import HealthState, LoadBalancer
from alb.ports import Counters
from autoscaler.app.autoscaler import Autoscaler
from autoscaler.decide.statistics import Distribution
from autoscaler.model import Metric
from controlplane.elb_feed import ElbFeed
from controlplane.elb_metrics import NAMESPACE, REQUESTS, of_pair
from foundation.clock import VirtualClock
from scheduler.app.scheduler import Scheduler
from scheduler.configuration import AdvancedConfiguration
from scheduler.model import Service, ServiceLoadBalancer
from tests.support.tasks import definition

PAIR = AdvancedConfiguration("green", "80/default")
WEB = Service(
    "web", definition(), 1, (ServiceLoadBalancer("blue", "web", 8080, 1.0, PAIR),)
)


class Counting:
    """A balancer whose workers report at each look; green has all requests."""

    def __init__(self) -> None:
        self._looks = 0

    def reports(self) -> dict[int, int]:
        self._looks += 1
        return {1: self._looks}

    def observe(self) -> dict[str, object]:
        health = SimpleNamespace(state=HealthState.HEALTHY)
        seen = SimpleNamespace(
            group="green", health=health, in_flight=0, anomalous=False, mitigated=False
        )
        return {"t": seen}

    def statistics(self) -> object:
        groups = {"green": Counters({"requests": 5 * self._looks})}
        totals = SimpleNamespace(
            listeners={}, groups=groups, targets={}, connections=0, waiting={}
        )
        return SimpleNamespace(totals=totals)


def test_a_pair_is_fed_by_whichever_group_has_the_requests() -> None:
    told: dict[Metric, float] = {}

    def add(metric: Metric, _at: float, samples: Distribution, _unit: str) -> None:
        told[metric] = samples.total

    feed = ElbFeed(
        VirtualClock(),
        cast("Balancer", Counting()),
        cast("Scheduler", SimpleNamespace(tasks=lambda: ())),
        cast("Autoscaler", SimpleNamespace(add=add)),
    )
    feed.configure(LoadBalancer("demo"), (), [WEB])
    feed.look()
    feed.look()
    both = Metric(NAMESPACE, REQUESTS, of_pair("demo", ("blue", "green")))
    assert told[both] == 5
