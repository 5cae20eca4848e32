"""`explain` says what a worker would do, and why not otherwise."""

from typing import Any

import pytest

from alb.model import (
    FixedResponse,
    Forward,
    HealthState,
    HostHeader,
    HttpHeader,
    HttpRequestMethod,
    Listener,
    LoadBalancer,
    PathPattern,
    QueryPair,
    QueryString,
    Redirect,
    Rule,
    SourceIp,
    TargetHealth,
    TargetId,
    TargetObservation,
    WeightedGroup,
)
from controlplane.api.ports import Question
from controlplane.errors import InvalidParameter, NotApplied
from controlplane.explain import explain

RULES = (
    Rule(
        20,
        (PathPattern(("/api/*",)), HttpRequestMethod(("POST",))),
        Forward((WeightedGroup("api", 3), WeightedGroup("web", 1))),
        "write",
    ),
    Rule(10, (HostHeader(("*.old.example",)),), Redirect(301)),
    Rule(30, (QueryString((QueryPair("1", "debug"),)),), FixedResponse(418)),
    Rule(
        40,
        (HttpHeader("X-Key", ("a*",)), SourceIp(("127.0.0.0/8",))),
        FixedResponse(200),
    ),
)
FRONT = LoadBalancer(
    "front",
    listeners=(
        Listener(8080, Forward((WeightedGroup("web"),)), RULES),
        Listener(8081, FixedResponse(404)),
    ),
)


def seen(group: str, state: HealthState) -> TargetObservation:
    health = TargetHealth(state)
    return TargetObservation(
        group,
        health,
        eligible_everywhere=True,
        removed_everywhere=False,
        in_flight=0,
        drained=False,
    )


OBSERVED = {
    TargetId("w1"): seen("web", HealthState.HEALTHY),
    TargetId("w2"): seen("web", HealthState.UNHEALTHY),
    TargetId("w3"): seen("web", HealthState.DRAINING),
    TargetId("a1"): seen("api", HealthState.UNHEALTHY),
}


def ask(url: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return dict(explain(FRONT, OBSERVED, Question(url, method, named)))


# fmt: off
WAYS = [
    (ask("http://h:8080/"), "default", "forward", "nothing matches"),
    (ask("/"), "default", "forward", "a bare path means the first listener"),
    (ask("http://h:8080/api/x", "POST"), 20, "forward", "path and method match"),
    (ask("http://h:8080/api/x"), "default", "forward", "the method does not"),
    (ask("http://a.old.example:8080/api/x", "POST"), 10, "redirect", "priority decides"),
    (ask("/api/x", "POST", Host="A.OLD.example:99"), 10, "redirect", "Host is what counts"),
    (ask("http://h:8080/?debug=1"), 30, "fixed-response", "the query matches"),
    (ask("http://h:8080/", x_key="abc"), 40, "fixed-response", "the header matches"),
    (ask("http://h:8081/"), "default", "fixed-response", "the port is the listener"),
]
# fmt: on


@pytest.mark.parametrize(
    ("told", "rule", "action"),
    [row[:3] for row in WAYS],
    ids=[row[3] for row in WAYS],
)
def test_the_way_of_a_request(
    told: dict[str, Any], rule: int | str, action: str
) -> None:
    chosen = told["rule"]

    assert rule == (chosen if chosen == "default" else chosen["priority"])
    assert action == told["action"]["type"]


def test_every_rule_up_to_the_chosen_one_says_why() -> None:
    told = ask("http://h:8080/api/x")

    assert [10, 20, 30, 40] == [rule["priority"] for rule in told["rules"]]
    path, method = told["rules"][1]["conditions"]
    assert (True, False) == (path["matched"], method["matched"])
    assert {"field": "http-request-method", "values": ["POST"], "matched": False} == (
        method
    )


def test_rules_below_the_chosen_one_are_not_looked_at() -> None:
    told = ask("http://h:8080/api/x", "POST")

    assert [10, 20] == [rule["priority"] for rule in told["rules"]]


def test_targets_are_those_a_worker_would_pick() -> None:
    api, web = ask("/api/x", "POST")["action"]["targetGroups"]

    assert (0.75, 0.25) == (api["share"], web["share"])
    assert (["w1"], False) == (web["eligibleTargets"], web["failOpen"])
    assert (["a1"], True) == (api["eligibleTargets"], api["failOpen"])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://h:9/", "no listener on port 9; there is 8080, 8081"),
        ("http://h/", "no listener on port 80"),
        ("ftp://h:8080/", "is not an http or https URL"),
        ("http://h:x/", "Port could not be cast"),
        ("http://[::1/", "Invalid IPv6 URL"),
    ],
)
def test_what_no_listener_would_get_is_said(url: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        ask(url)


def test_without_a_file_there_is_no_way() -> None:
    with pytest.raises(NotApplied):
        explain(None, {}, Question("/", "GET", ()))
