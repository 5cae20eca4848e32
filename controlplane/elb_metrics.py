"""What the load balancer counted in a second, as AWS/ApplicationELB has it. Pure.

    two sightings of the counters --> samples per load balancer, group and zone

Counts are what was counted between the two; levels are of the later one. While a
group has registered targets its requests are told of also when there were none,
so that an alarm can tell an idle service from one that is not seen; all else is
told of only when it happened, as ALB does. Names stand as they are in the
cluster file. What AWS has no metric for has the namespace `alb`.

Deployments move a service between the two groups of a pair. What both have together
is told with the dimension AlternateTargetGroup, which is ours: it goes on wherever the
tasks are.

Source: Elastic Load Balancing user guide, "CloudWatch metrics for your
Application Load Balancer".
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from alb.model import HealthState
from alb.ports import Counters
from alb.state.counters import add_counters
from alb.state.histogram import middle_us
from autoscaler.decide.statistics import Distribution
from autoscaler.model import Metric

NAMESPACE: Final = "AWS/ApplicationELB"
OURS: Final = "alb"
MICROSECONDS: Final = 1e6
BALANCER: Final = "LoadBalancer"
GROUP: Final = "TargetGroup"
ZONE: Final = "AvailabilityZone"
ALTERNATE: Final = "AlternateTargetGroup"

# fmt: off
OF_LISTENERS: Final = {
    "NewConnectionCount": ("newConnections",),
    "RejectedConnectionCount": ("rejectedConnections",),
    "ProcessedBytes": ("bytesIn", "bytesOut"),
    "IPv6ProcessedBytes": ("ipv6Bytes",),
    "IPv6RequestCount": ("ipv6Requests",),
    "RuleEvaluations": ("ruleEvaluations",),
    "HTTP_Fixed_Response_Count": ("fixedResponses",),
    "HTTP_Redirect_Count": ("redirects",),
    "ClientTLSNegotiationErrorCount": ("tlsErrors",),
    "NonStickyRequestCount": ("nonSticky",),
    "AppCookieNonStickinessCount": ("appCookieNonSticky",),
    "DesyncMitigationMode_NonCompliant_Request_Count": ("nonCompliant",),
    "DroppedInvalidHeaderRequestCount": ("droppedInvalidHeaders",),
    "ForwardedInvalidHeaderRequestCount": ("forwardedInvalidHeaders",),
    "HTTPCode_ELB_500_Count": ("elb.500",),
    "HTTPCode_ELB_502_Count": ("elb.502",),
    "HTTPCode_ELB_503_Count": ("elb.503",),
    "HTTPCode_ELB_504_Count": ("elb.504",),
}
"""Metric -> the totals of listeners that it is the sum of."""
CLASSES_OF_ELB: Final = {
    f"HTTPCode_ELB_{digit}XX_Count": f"elb.{digit}" for digit in "345"
}
OF_GROUPS: Final = {
    "HTTPCode_Target_2XX_Count": "target.2xx",
    "HTTPCode_Target_3XX_Count": "target.3xx",
    "HTTPCode_Target_4XX_Count": "target.4xx",
    "HTTPCode_Target_5XX_Count": "target.5xx",
    "TargetConnectionErrorCount": "connectionErrors",
    "TargetTLSNegotiationErrorCount": "tlsErrors",
}
# fmt: on
ACTIVE: Final = "ActiveConnectionCount"
REQUESTS: Final = "RequestCount"
PER_TARGET: Final = "RequestCountPerTarget"
RESPONSE_TIME: Final = "TargetResponseTime"
HOSTS: Final = (
    "HealthyHostCount",
    "UnHealthyHostCount",
    "AnomalousHostCount",
    "MitigatedHostCount",
)
UNHEALTHY_ROUTING: Final = "UnhealthyRoutingRequestCount"
ROUTING: Final = ("HealthyStateRouting", "UnhealthyStateRouting")
OUR_LEVELS: Final = ("RequestsInFlight", "RequestsQueued")

BY_BALANCER: Final = frozenset(
    {ACTIVE, *OF_LISTENERS, *CLASSES_OF_ELB, *OF_GROUPS, REQUESTS, RESPONSE_TIME}
)
BY_GROUP: Final = frozenset(
    {
        *OF_GROUPS,
        *HOSTS,
        *ROUTING,
        REQUESTS,
        RESPONSE_TIME,
        PER_TARGET,
        UNHEALTHY_ROUTING,
    }
)
BY_PAIR: Final = BY_GROUP - {*ROUTING}
BY_ZONE: Final = frozenset({*OF_GROUPS, *HOSTS, REQUESTS, RESPONSE_TIME, PER_TARGET})
WITHOUT_BALANCER: Final = frozenset({PER_TARGET})
"""Also told with a TargetGroup alone."""


@dataclass(frozen=True, slots=True)
class SeenTarget:
    """One registered target. `zone` is empty where it is no task's."""

    group: str
    zone: str
    state: HealthState
    in_flight: int = 0
    anomalous: bool = False
    mitigated: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the node had counted at one moment, since its workers began."""

    listeners: Mapping[str, Counters] = field(default_factory=dict)
    groups: Mapping[str, Counters] = field(default_factory=dict)
    counted: Mapping[str, Counters] = field(default_factory=dict)
    """By target."""
    targets: Mapping[str, SeenTarget] = field(default_factory=dict)
    connections: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)
    routing: Mapping[str, bool] = field(default_factory=dict)
    """Group -> whether enough of its targets are healthy."""


class Sample(NamedTuple):
    metric: Metric
    samples: Distribution
    unit: str


Pair = tuple[str, str]
"""A service's target group and its alternate one, as the file has them."""


def samples(
    balancer: str, before: Sighting, after: Sighting, pairs: Collection[Pair] = ()
) -> Iterator[Sample]:
    """Yield what happened from one sighting to the next. Never raises."""
    yield from _of_listeners(balancer, before, after)
    grown = {
        name: difference(before.groups.get(name), counters)
        for name, counters in after.groups.items()
    }
    by_group: dict[str, list[SeenTarget]] = {}
    for target in after.targets.values():
        by_group.setdefault(target.group, []).append(target)
    for group in {*grown, *by_group}:
        place: Place = ((BALANCER, balancer), (GROUP, group))
        targets, counted = by_group.get(group, []), grown.get(group, Counters())
        yield from _of_targets(place, counted, targets)
        yield from _of_group(place, counted, after, (group,))
    for pair in pairs:
        if not {*pair} & {*grown, *by_group}:
            continue
        targets = [one for name in pair for one in by_group.get(name, ())]
        counted = add_counters(grown.get(name, Counters()) for name in pair)
        place = of_pair(balancer, pair)
        yield from _of_targets(place, counted, targets)
        yield from _of_group(place, counted, after, pair)
    whole = add_counters(grown.values())
    yield from _counted(((BALANCER, balancer),), whole, is_seen=bool(after.targets))
    yield from _of_zones(balancer, before, after)


def difference(before: Counters | None, after: Counters) -> Counters:
    """Return what was counted in between; all of it where counting began anew."""
    if before is None:
        return after
    totals = {}
    for name, total in after.totals.items():
        grown = total - before.totals.get(name, 0)
        totals[name] = grown if grown >= 0 else total
    buckets = dict(before.latency)
    latency = tuple(
        (bucket, count - buckets.get(bucket, 0))
        for bucket, count in after.latency
        if count > buckets.get(bucket, 0)
    )
    return Counters(totals, latency)


Place = tuple[tuple[str, str], ...]


def of_pair(balancer: str, pair: Pair) -> Place:
    group, alternate = pair
    return ((ALTERNATE, alternate), (BALANCER, balancer), (GROUP, group))


def _one(name: str, place: Place, value: float, unit: str = "Count") -> Sample:
    return Sample(Metric(NAMESPACE, name, place), Distribution.of([float(value)]), unit)


def _of_listeners(balancer: str, before: Sighting, after: Sighting) -> Iterator[Sample]:
    place = ((BALANCER, balancer),)
    whole = add_counters(
        difference(before.listeners.get(name), counters)
        for name, counters in after.listeners.items()
    ).totals
    for name, keys in OF_LISTENERS.items():
        if count := sum(whole.get(key, 0) for key in keys):
            unit = "Bytes" if name.endswith("Bytes") else "Count"
            yield _one(name, place, count, unit)
    for name, prefix in CLASSES_OF_ELB.items():
        made = [count for key, count in whole.items() if key.startswith(prefix)]
        if sum(made):
            yield _one(name, place, sum(made))
    if after.connections:
        yield _one(ACTIVE, place, after.connections)


def _counted(place: Place, grown: Counters, *, is_seen: bool) -> Iterator[Sample]:
    """Yield what targets did, of one of them or of many together."""
    requests = grown.totals.get("requests", 0)
    if requests or is_seen:
        yield _one(REQUESTS, place, requests)
    for name, key in OF_GROUPS.items():
        if count := grown.totals.get(key, 0):
            yield _one(name, place, count)
    if times := response_times(grown):
        yield Sample(Metric(NAMESPACE, RESPONSE_TIME, place), times, "Seconds")


def response_times(grown: Counters) -> Distribution | None:
    """Return the times in seconds: the sum exactly, each value as its bucket is."""
    if not grown.latency:
        return None
    total = grown.totals.get("responseMicroseconds", 0) / MICROSECONDS
    values = tuple(
        (middle_us(bucket) / MICROSECONDS, float(count))
        for bucket, count in grown.latency
    )
    count = sum(count for _, count in values)
    if count == 1:
        return Distribution.of([total])
    mean = total / count
    least, most = min(values[0][0], mean), max(values[-1][0], mean)
    return Distribution(count, total, least, most, values)


def _of_targets(
    place: Place, grown: Counters, targets: Iterable[SeenTarget]
) -> Iterator[Sample]:
    """Yield the counts and the levels of a group, of its part in a zone, or a pair."""
    targets = [*targets]
    yield from _counted(place, grown, is_seen=bool(targets))
    if not targets:
        return
    healthy = sum(one.state is HealthState.HEALTHY for one in targets)
    levels = (
        healthy,
        sum(one.state is HealthState.UNHEALTHY for one in targets),
        sum(one.anomalous for one in targets),
        sum(one.mitigated for one in targets),
    )
    for name, level in zip(HOSTS, levels, strict=True):
        yield _one(name, place, level)
    each = grown.totals.get("requests", 0) / _sharing(targets)
    yield _one(PER_TARGET, place, each)
    if ALTERNATE not in dict(place):
        alone = tuple(pair for pair in place if pair[0] != BALANCER)
        yield _one(PER_TARGET, alone, each)


def _sharing(targets: Sequence[SeenTarget]) -> int:
    """Return how many share the requests: the healthy ones, or all where none is.

    Of a pair, those of the group that has more: while both groups are whole each
    could serve alone, and is all that stays.
    """
    healthy = Tally(one.group for one in targets if one.state is HealthState.HEALTHY)
    return max((healthy or Tally(one.group for one in targets)).values())


def _of_group(
    place: Place, grown: Counters, after: Sighting, groups: Sequence[str]
) -> Iterator[Sample]:
    """Yield what is of a group as a whole, or of the two of a pair together."""
    if count := grown.totals.get("unhealthyRouting", 0):
        yield _one(UNHEALTHY_ROUTING, place, count)
    if len(groups) == 1 and groups[0] in after.routing:
        enough = after.routing[groups[0]]
        for name, so in zip(ROUTING, (enough, not enough), strict=True):
            yield _one(name, place, so)
    in_flight = [one.in_flight for one in after.targets.values() if one.group in groups]
    levels = (sum(in_flight), sum(after.waiting.get(group, 0) for group in groups))
    for name, level in zip(OUR_LEVELS, levels, strict=True):
        metric = Metric(OURS, name, place)
        yield Sample(metric, Distribution.of([float(level)]), "Count")


def _of_zones(balancer: str, before: Sighting, after: Sighting) -> Iterator[Sample]:
    """Yield the same by the zones of targets; one that is gone counts no more."""
    places: dict[tuple[str, str], list[str]] = {}
    for name, target in after.targets.items():
        if target.zone:
            places.setdefault((target.zone, target.group), []).append(name)
    by_zone: dict[str, list[Counters]] = {}
    for (zone, group), names in places.items():
        grown = add_counters(
            difference(before.counted.get(name), after.counted[name])
            for name in names
            if name in after.counted
        )
        by_zone.setdefault(zone, []).append(grown)
        place = ((ZONE, zone), (BALANCER, balancer), (GROUP, group))
        yield from _of_targets(place, grown, (after.targets[name] for name in names))
    for zone, counters in by_zone.items():
        place_of_zone = ((ZONE, zone), (BALANCER, balancer))
        yield from _counted(place_of_zone, add_counters(counters), is_seen=True)
