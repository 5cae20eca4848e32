"""AWS/ApplicationELB: what was counted between two sightings, where it belongs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.model import HealthState
from alb.ports import Counters
from alb.state.histogram import bucket_of
from controlplane.elb_feed import are_all_new
from controlplane.elb_metrics import (
    BY_BALANCER,
    BY_GROUP,
    BY_PAIR,
    BY_ZONE,
    OF_LISTENERS,
    SeenTarget,
    Sighting,
    difference,
    of_pair,
    samples,
)

HEALTHY, UNHEALTHY = HealthState.HEALTHY, HealthState.UNHEALTHY
LISTENER = Counters(
    {
        **dict.fromkeys((key for keys in OF_LISTENERS.values() for key in keys), 2),
        "elb.301": 1,
        "elb.400": 3,
        "elb.404": 1,
        "elb.502": 2,
        "elb.507": 1,
    }
)
ANSWERED = Counters(
    {
        "requests": 12,
        "target.2xx": 8,
        "target.3xx": 1,
        "target.4xx": 1,
        "target.5xx": 2,
        "connectionErrors": 3,
        "tlsErrors": 4,
        "unhealthyRouting": 5,
        "responseMicroseconds": 36_000,
    },
    ((bucket_of(1_000), 6), (bucket_of(5_000), 6)),
)
ONE = Counters({"requests": 4, "target.2xx": 4})
AFTER = Sighting(
    {"http-80": LISTENER},
    {"web": ANSWERED},
    {"t1": ONE, "t2": Counters({"requests": 8})},
    {
        "t1": SeenTarget("web", "a", HEALTHY, in_flight=2, anomalous=True),
        "t2": SeenTarget("web", "b", HEALTHY, in_flight=1, mitigated=True),
        "t3": SeenTarget("web", "b", UNHEALTHY),
        "t4": SeenTarget("web", "", HEALTHY),
    },
    connections=7,
    waiting={"web": 6},
    routing={"web": True},
)


def values(before: Sighting, after: Sighting) -> dict[str, float]:
    """Sums by metric and place, as `RequestCount demo web`."""
    return {
        " ".join((one.metric.name, *(value for _, value in one.metric.dimensions))): (
            one.samples.total
        )
        for one in samples("demo", before, after)
    }


def test_what_happened_is_told_of_the_balancer_the_group_and_the_zone() -> None:
    found = values(Sighting(), AFTER)

    # fmt: off
    assert found.items() >= {
        "ActiveConnectionCount demo": 7, "NewConnectionCount demo": 2,
        "RejectedConnectionCount demo": 2,
        "ProcessedBytes demo": 4, "RuleEvaluations demo": 2,
        "HTTP_Redirect_Count demo": 2, "HTTP_Fixed_Response_Count demo": 2,
        "NonStickyRequestCount demo": 2, "AppCookieNonStickinessCount demo": 2,
        "DesyncMitigationMode_NonCompliant_Request_Count demo": 2,
        "HTTPCode_ELB_3XX_Count demo": 1, "HTTPCode_ELB_4XX_Count demo": 4,
        "HTTPCode_ELB_5XX_Count demo": 2 + 2 + 2 + 2 + 1,
        "HTTPCode_ELB_500_Count demo": 2, "HTTPCode_ELB_502_Count demo": 2,
        "HTTPCode_ELB_503_Count demo": 2, "HTTPCode_ELB_504_Count demo": 2,
        "RequestCount demo": 12, "RequestCount demo web": 12,
        "RequestCount a demo": 4, "RequestCount b demo web": 8,
        "HTTPCode_Target_3XX_Count demo": 1, "HTTPCode_Target_4XX_Count demo web": 1,
        "HTTPCode_Target_2XX_Count demo": 8, "HTTPCode_Target_5XX_Count demo web": 2,
        "HTTPCode_Target_2XX_Count a demo web": 4,
        "TargetConnectionErrorCount demo web": 3,
        "TargetTLSNegotiationErrorCount demo": 4,
        "HealthyHostCount demo web": 3, "UnHealthyHostCount demo web": 1,
        "HealthyHostCount b demo web": 1, "UnHealthyHostCount b demo web": 1,
        "AnomalousHostCount demo web": 1, "MitigatedHostCount demo web": 1,
        "RequestCountPerTarget demo web": 4, "RequestCountPerTarget web": 4,
        "RequestCountPerTarget b demo web": 8, "RequestCountPerTarget b web": 8,
        "HealthyStateRouting demo web": 1, "UnhealthyStateRouting demo web": 0,
        "UnhealthyRoutingRequestCount demo web": 5,
        "TargetResponseTime demo": 0.036, "TargetResponseTime demo web": 0.036,
        "RequestsInFlight demo web": 3, "RequestsQueued demo web": 6,
    }.items()
    # fmt: on


def test_only_what_was_counted_in_between_is_told() -> None:
    grown = replace(
        AFTER, groups={"web": Counters({**ANSWERED.totals, "requests": 15})}
    )

    found = values(AFTER, grown)

    assert found["RequestCount demo web"] == found["RequestCount demo"] == 3
    assert found["RequestCount a demo web"] == 0
    assert "HTTPCode_Target_2XX_Count demo web" not in found
    assert "NewConnectionCount demo" not in found


def test_an_idle_group_has_requests_and_one_without_targets_has_no_datapoint() -> None:
    idle = Sighting(targets={"t": SeenTarget("web", "", UNHEALTHY)})

    found = values(idle, idle)

    assert (0, 0) == (found["RequestCount demo web"], found["RequestCount demo"])
    assert found["RequestCountPerTarget demo web"] == 0
    assert not [name for name in values(Sighting(), Sighting()) if "Request" in name]


def test_without_healthy_targets_requests_are_of_all_that_are_registered() -> None:
    after = Sighting(
        groups={"web": Counters({"requests": 6})},
        targets={name: SeenTarget("web", "", UNHEALTHY) for name in "ab"},
    )

    assert values(Sighting(), after)["RequestCountPerTarget demo web"] == 3


def test_what_a_worker_counted_anew_is_not_negative() -> None:
    before, after = Counters({"requests": 90}), Counters({"requests": 4})

    assert difference(before, after).totals == {"requests": 4}
    assert difference(None, after) == after


def test_the_mean_response_time_is_exact_and_each_value_within_a_sixteenth() -> None:
    [times] = [
        one.samples
        for one in samples("demo", Sighting(), AFTER)
        if one.metric.name == "TargetResponseTime" and len(one.metric.dimensions) == 1
    ]
    single = Counters({"responseMicroseconds": 1_234}, ((bucket_of(1_234), 1),))
    [lonely] = [
        one.samples
        for one in samples("demo", Sighting(), Sighting(groups={"web": single}))
        if one.metric.dimensions == (("LoadBalancer", "demo"), ("TargetGroup", "web"))
        and one.metric.name == "TargetResponseTime"
    ]

    assert times.total / times.sample_count == pytest.approx(0.003)
    assert times.values is not None
    assert [value for value, _ in times.values] == pytest.approx(
        [0.001, 0.005], rel=1 / 16
    )
    assert lonely.minimum == lonely.maximum == 0.001234


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_the_mean_lies_between_the_least_and_the_most(times_us: list[int]) -> None:
    counts: dict[int, int] = {}
    for time_us in times_us:
        counts[bucket_of(time_us)] = counts.get(bucket_of(time_us), 0) + 1
    told = Counters(
        {"responseMicroseconds": sum(times_us)}, tuple(sorted(counts.items()))
    )

    [times] = [
        one.samples
        for one in samples("demo", Sighting(), Sighting(groups={"web": told}))
        if one.metric.name == "TargetResponseTime" and len(one.metric.dimensions) == 1
    ]

    mean = times.total / times.sample_count
    assert times.minimum <= mean * (1 + 1e-9)
    assert mean <= times.maximum * (1 + 1e-9)


BLUE_GREEN = ("blue", "green")
GREEN = {f"g{n}": SeenTarget("green", "", HEALTHY, in_flight=1) for n in range(4)}
BLUE = {f"b{n}": SeenTarget("blue", "", HEALTHY, in_flight=2) for n in range(2)}
PAIR_ROWS = [
    ({"blue": 8}, BLUE, (8, 4, 4, 0), "blue serves"),
    ({"blue": 4, "green": 4}, {**BLUE, **GREEN}, (8, 2, 8, 3), "both do"),
    ({"green": 8}, GREEN, (8, 2, 4, 3), "green is all there is"),
]


@pytest.mark.parametrize("row", PAIR_ROWS, ids=[row[-1] for row in PAIR_ROWS])
def test_a_pair_of_groups_is_told_of_wherever_deployments_put_the_tasks(
    row: tuple[dict[str, int], dict[str, SeenTarget], tuple[int, ...], str],
) -> None:
    requests, targets, expected, _ = row
    now = Sighting(
        groups={name: Counters({"requests": n}) for name, n in requests.items()},
        targets=targets,
        waiting={"green": 3} if "green" in requests else {},
    )
    found = {
        one.metric.name: one.samples.total
        for one in samples("demo", Sighting(), now, [BLUE_GREEN])
        if one.metric.dimensions == of_pair("demo", BLUE_GREEN)
    }
    names = (
        "RequestCount",
        "RequestCountPerTarget",
        "RequestsInFlight",
        "RequestsQueued",
    )
    assert expected == tuple(found[name] for name in names)


def test_a_pair_that_nobody_has_seen_is_not_told_of() -> None:
    found = samples("demo", Sighting(), AFTER, [BLUE_GREEN])
    assert not [one for one in found if "blue" in dict(one.metric.dimensions).values()]


def test_every_metric_that_is_told_is_listed_where_it_is_told() -> None:
    """What the cluster file may name is what comes."""
    by_place: dict[frozenset[str], set[str]] = {}
    for one in samples("demo", Sighting(), AFTER, [("web", "other")]):
        if one.metric.namespace == "AWS/ApplicationELB":
            place = frozenset(name for name, _ in one.metric.dimensions)
            by_place.setdefault(place, set()).add(one.metric.name)

    balancer, group, zone = "LoadBalancer", "TargetGroup", "AvailabilityZone"
    assert by_place[frozenset({balancer})] == BY_BALANCER
    assert by_place[frozenset({balancer, group})] == BY_GROUP
    assert by_place[frozenset({balancer, group, zone})] <= BY_ZONE
    pair = frozenset({balancer, group, "AlternateTargetGroup"})
    assert by_place[pair] == BY_PAIR
    assert by_place[frozenset({group})] == {"RequestCountPerTarget"}


# fmt: off
REPORTS = [  # reports by worker: before, now
    ({},           {},           False, "no worker has reported"),
    ({},           {1: 1},       True,  "the first report is news"),
    ({1: 1, 2: 4}, {1: 2, 2: 4}, False, "one worker has not reported since"),
    ({1: 1, 2: 4}, {1: 2, 2: 5}, True,  "all have"),
    ({1: 1, 2: 4}, {1: 3},       True,  "a worker that ended owes nothing"),
    ({1: 1},       {1: 2, 2: 0}, False, "one that began has told nothing yet"),
]
# fmt: on


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [row[:-1] for row in REPORTS],
    ids=[row[-1] for row in REPORTS],
)
def test_a_second_counts_once_every_worker_has_reported(
    before: dict[int, int],
    after: dict[int, int],
    expected: bool,  # noqa: FBT001
) -> None:
    assert expected is are_all_new(before, after)
