"""`explain` says what a worker would do, and why not otherwise."""

from typing import Any

import pytest

from alb.model import (
    Condition,
    FixedResponse,
    Forward,
    HealthState,
    HostHeader,
    HostHeaderRewrite,
    HttpHeader,
    HttpRequestMethod,
    Listener,
    LoadBalancer,
    LoadBalancerAttributes,
    PathPattern,
    QueryPair,
    QueryString,
    Redirect,
    Rule,
    SourceIp,
    Target,
    TargetHealth,
    TargetId,
    TargetObservation,
    UrlRewrite,
    WeightedGroup,
)
from controlplane.api.ports import Question
from controlplane.errors import InvalidParameter, NotApplied
from controlplane.explain import explain
from controlplane.known import Known

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
    return dict(explain(FRONT, Known(OBSERVED), Question(url, method, named)))


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
    assert {
        "field": "http-request-method",
        "values": ["POST"],
        "matched": False,
        "matchedBy": [],
        "seen": ["GET"],
    } == method
    assert (["/api/*"], ["/api/x"]) == (path["matchedBy"], path["seen"])
    assert 4 == told["ruleEvaluations"]


def test_rules_below_the_chosen_one_are_not_looked_at() -> None:
    told = ask("http://h:8080/api/x", "POST")

    assert [10, 20] == [rule["priority"] for rule in told["rules"]]


def test_targets_are_those_a_worker_would_pick() -> None:
    api, web = ask("/api/x", "POST")["action"]["targetGroups"]

    assert (0.75, 0.25) == (api["share"], web["share"])
    assert (["w1"], False) == (web["eligibleTargets"], web["failOpen"])
    assert (["a1"], True) == (api["eligibleTargets"], api["failOpen"])
    assert ("round_robin", None) == (web["algorithm"], web["hashedOn"])


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
        explain(None, Known(), Question("/", "GET", ()))


# --- what each condition saw ---------------------------------------------------------

# fmt: off
SEEN = [
    (HostHeader(("*.b", "a.*")),               "http://A.b:8080/", ["a.b"], ["*.b", "a.*"], "every value that matches is named"),
    (HostHeader((), ("^a", "x$", ":8080")),    "http://a:8080/",   ["a"], ["^a", ":8080"], "expressions too"),
    (PathPattern(("/a/*",)),                   "/x/../%61/b",      ["/a/b"], ["/a/*"], "the path as rules see it"),
    (PathPattern((), ("c$",)),                 "/a",               ["/a"], [], "also where nothing matches"),
    (HttpHeader("X-key", ("v2", "v1")),        "/",                ["V1", "w"], ["v1"], "each occurrence of a header"),
    (HttpHeader("X-None", ("*",)),             "/",                [], [], "or none"),
    (QueryString((QueryPair("1"), QueryPair("2", "b"))), "/?a=1&b=%32", ["a=1", "b=2"],
     [{"key": None, "value": "1"}, {"key": "b", "value": "2"}], "pairs, decoded"),
    (SourceIp(("10.0.0.0/8", "192.0.2.0/24")), "/",                ["192.0.2.9"], ["192.0.2.0/24"], "the peer that was named"),
    (HttpRequestMethod(("GET", "PUT")),        "/",                ["GET"], ["GET"], "the method"),
]
# fmt: on


def ask_of(rule: Rule, url: str, *headers: tuple[str, str]) -> dict[str, Any]:
    front = LoadBalancer(
        "front",
        listeners=(Listener(8080, FixedResponse(404), (rule,)),),
        fixed_targets={"web": (Target(TargetId("fixed"), "127.0.0.1", 9),)},
    )
    return dict(
        explain(front, Known(OBSERVED), Question(url, "GET", headers, "192.0.2.9"))
    )


@pytest.mark.parametrize(
    ("condition", "url", "seen", "matched_by"),
    [row[:4] for row in SEEN],
    ids=[row[4] for row in SEEN],
)
def test_a_condition_tells_what_it_saw_and_which_value_matched(
    condition: Condition, url: str, seen: list[str], matched_by: list[object]
) -> None:
    rule = Rule(1, (condition,), FixedResponse(200))

    told = ask_of(rule, url, ("X-Key", "V1"), ("X-Key", "w"))

    (one,) = told["rules"][0]["conditions"]
    assert (seen, matched_by, bool(matched_by)) == (
        one["seen"], one["matchedBy"], one["matched"]
    )  # fmt: skip
    assert told["rules"][0]["matched"] == bool(matched_by)


# --- what is then done ----------------------------------------------------------------

WEB = Forward((WeightedGroup("web"),))
ANYTHING = (PathPattern(("*",)),)


def test_the_request_that_a_target_would_get_is_told_to_the_header() -> None:
    transforms = (UrlRewrite("^/a/(.*)$", "/b/$1"), HostHeaderRewrite("^h$", "in.$0"))
    rule = Rule(1, ANYTHING, WEB, "", transforms)

    action = ask_of(rule, "http://h:8080/a/x?q", ("X-Forwarded-For", "10.0.0.1"), ("A", "b"))["action"]  # fmt: skip

    assert ("TransformSuccess", "in.h", "/b/x?q") == tuple(
        action["transforms"][name]
        for name in ("status", "transformedHost", "transformedUri")
    )
    assert {
        "line": "GET /b/x?q HTTP/1.1",
        "headers": [
            ["Host", "in.h:8080"],
            ["A", "b"],
            ["X-Forwarded-For", "10.0.0.1, 192.0.2.9"],
            ["X-Forwarded-Proto", "http"],
            ["X-Forwarded-Port", "8080"],
            ["X-Amzn-Trace-Id", "Root=1-TIME-UNIQUE"],
        ],
        "head": "GET /b/x?q HTTP/1.1\r\nHost: in.h:8080\r\nA: b\r\n"
        "X-Forwarded-For: 10.0.0.1, 192.0.2.9\r\nX-Forwarded-Proto: http\r\n"
        "X-Forwarded-Port: 8080\r\nX-Amzn-Trace-Id: Root=1-TIME-UNIQUE\r\n\r\n",
    } == action["request"]


def test_attributes_of_the_load_balancer_count() -> None:
    attributes = LoadBalancerAttributes(
        preserve_host_header=True,
        drop_invalid_header_fields=True,
        xff_header_processing="remove",
    )
    listener = Listener(8080, WEB, attributes=attributes)
    front = LoadBalancer("front", listeners=(listener,))
    question = Question("http://H:8080/", "GET", [("a_b", "c"), ("D", "e")])

    headers = dict(explain(front, Known(), question))["action"]["request"]["headers"]  # type: ignore[index] # JSON

    assert [
        "Host",
        "D",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Amzn-Trace-Id",
    ] == [name for name, _ in headers]
    assert headers[0] == ["Host", "H:8080"]


def test_a_transform_that_fails_is_told_with_its_status() -> None:
    action = ask_of(Rule(1, ANYTHING, WEB, "", (UrlRewrite("^/", ""),)), "/")["action"]

    assert (500, "TransformInvalidPath") == (action["statusCode"], action["reason"])
    assert "request" not in action


def test_each_target_is_told_with_its_health() -> None:
    (group,) = ask_of(Rule(1, ANYTHING, WEB), "/")["action"]["targetGroups"]

    assert [
        ("w1", "healthy", True),
        ("w2", "unhealthy", False),
        ("w3", "draining", False),
        ("fixed", None, None),
    ] == [(one["id"], one["state"], one["eligible"]) for one in group["targets"]]


def test_a_redirect_is_told_with_where_it_leads() -> None:
    rule = Rule(1, ANYTHING, Redirect(302, path="/#{host}/#{path}"))
    action = ask_of(rule, "http://h:8080/a%20b?c")["action"]

    assert "http://h:8080/h/a%20b?c" == action["location"]
    assert 507 == ask_of(rule, "/" + "x" * 9000)["action"]["statusCode"]


REFUSALS = [
    ("/", "TRACE", [], 405, "MethodNotAllowed"),
    ("/", "G(T", [], 400, "BadMethod"),
    ("/", "GET", [("Host", "a b")], 400, "BadHost"),
    ("/" + "x" * 17000, "GET", [], 414, "RequestLineTooLong"),
]


@pytest.mark.parametrize(("url", "method", "headers", "status", "reason"), REFUSALS)
def test_what_no_rule_would_see_is_told_as_refused(
    url: str, method: str, headers: list[tuple[str, str]], status: int, reason: str
) -> None:
    told = dict(explain(FRONT, Known(OBSERVED), Question(url, method, headers)))

    assert {"type": "refused", "statusCode": status, "reason": reason} == told["action"]
    assert [] == told["rules"]


def test_more_forwarders_than_may_have_been_are_463() -> None:
    forwarders = ("X-Forwarded-For", ", ".join(["10.0.0.1"] * 31))

    assert (
        463 == ask_of(Rule(1, ANYTHING, WEB), "/", forwarders)["action"]["statusCode"]
    )


def test_what_is_not_compliant_says_so() -> None:
    told = ask_of(Rule(1, ANYTHING, WEB), "/a b")

    assert ("Acceptable", "SpaceInUri") == (
        told["classification"], told["classificationReason"]
    )  # fmt: skip
    assert told["action"]["request"]["line"] == "GET /a%20b HTTP/1.1"


@pytest.mark.parametrize(
    "question",
    [
        Question("/", "GET", [("A", "b\r\nC: d")]),
        Question("/", "GET\n", ()),
        Question("/", "GET", (), "nobody"),
    ],
)
def test_what_is_no_single_request_is_refused(question: Question) -> None:
    with pytest.raises(InvalidParameter):
        explain(FRONT, Known(OBSERVED), question)
