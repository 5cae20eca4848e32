"""A rule of Traefik's takes the same requests once it is ALB's.

The oracle evaluates Traefik's own syntax tree; what comes out is evaluated by the
load balancer's compiled rules, loaded from the cluster file that was made.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.rules import DEFAULT_RULE, CompiledRules, compile_rules
from controlplane.cluster_file.load import load
from controlplane.imports.traefik.rule_language import (
    All,
    Either,
    Matcher,
    Not,
    Rule,
    RuleFlaw,
    parse,
)
from tests.support.imported import outcome, traefik

# fmt: off
CONDITIONS = [
    ("Host(`a.test`)", [("host-header", ["a.test"])], "a host"),
    ("Host(`a.test`, `b.test`)", [("host-header", ["a.test", "b.test"])], "version 2 takes several"),
    ("Host(`*.a.test`)", [("host-header", [r"^[^.]+\.a\.test$"])], "a wildcard is one label"),
    ("Host(`**.a.test`)", [("host-header", ["*.a.test"])], "or any number"),
    ("HostRegexp(`^.+\\.a\\.test$`)", [("host-header", [r"^.+\.a\.test$"])], "an expression stays one"),
    ("HostRegexp(`{sub:[a-z]+}.a.test`)", [("host-header", [r"^(?:[a-z]+)\.a\.test$"])], "version 2 had templates"),
    ("Path(`/a`)", [("path-pattern", ["/a"])], "a path"),
    ("Path(`/a*`)", [("path-pattern", [r"^/a\*$"])], "an asterisk is itself"),
    ("Path(`/x/{id:[0-9]+}`)", [("path-pattern", ["^/x/(?:[0-9]+)$"])], "a template of version 2"),
    ("PathPrefix(`/a`)", [("path-pattern", ["/a*"])], "what begins so"),
    ("PathRegexp(`\\.png$`)", [("path-pattern", [r"\.png$"])], "found anywhere, as in Go"),
    ("Method(`get`)", [("http-request-method", ["GET"])], "methods are capitals"),
    ("Header(`X-A`, `b.c`)", [("http-header", [r"^b\.c$"])], "a value as it is, case and all"),
    ("HeadersRegexp(`X-A`, `b`)", [("http-header", ["b"])], "version 2's name"),
    ("Header(`Host`, `a.test`)", [("host-header", ["a.test"])], "Host is a condition of its own"),
    ("Query(`k`, `v*`)", [("query-string", [{"key": "k", "value": "v\\*"}])], "an asterisk is escaped"),
    ("Query(`k=v`)", [("query-string", [{"key": "k", "value": "v"}])], "version 2's form"),
    ("Query(`k`)", [("query-string", [{"key": "k", "value": "*"}])], "any value"),
    ("ClientIP(`10.0.0.1`)", [("source-ip", ["10.0.0.1/32"])], "an address is a block"),
    ("Path(`/a`) && Path(`/a`)", [("path-pattern", ["/a"])], "twice is once"),
    ("PathPrefix(`/a`) && PathPrefix(`/a/b`)", [("path-pattern", ["/a/b*"])], "the narrower of two"),
    ("ClientIP(`10.0.0.0/8`) && ClientIP(`10.1.0.0/16`)", [("source-ip", ["10.1.0.0/16"])], "the narrower block"),
    ("Path(`/a`) || Path(`/b`)", [("path-pattern", ["/a", "/b"])], "alternatives are values"),
    ("!(!Path(`/a`))", [("path-pattern", ["/a"])], "not not is yes"),
]
REFUSED = [
    ("!Path(`/a`)", "cannot say what must not hold", "ALB has no not"),
    ("Host(`a`) && !(Path(`/a`) || Method(`GET`))", "cannot say", "not deep inside"),
    ("QueryRegexp(`a`, `b`)", "no such condition", "an expression of a query"),
    ("Path(`/a`) && Path(`/b`)", "no request can meet", "a contradiction"),
    ("PathRegexp(`a`) && PathPrefix(`/b`)", "one path-pattern", "two of a kind"),
    ("Path(`/a`", '"[)]" must stand', "what does not end"),
    ("Path()", "a value must stand|no value", "no value"),
    ("Path(`/a`) Method(`GET`)", "does not end before", "two without a word between"),
    ("&&", "a matcher must stand", "no matcher"),
    ("Path(`a", "character", "an open quote"),
    ("Header(`X`)", "a name and a value", "half a header"),
    ("ClientIP(`x`)", "does not appear to be", "no address"),
    ("(" * 60 + "Path(`/`)" + ")" * 60, "nested deeper", "too deep"),
    ("!" * 90 + "Path(`/`)", "nested deeper", "too deep in nots"),
    (" && ".join(f"(Path(`/{i}`) || Host(`h{i}`))" for i in range(9)), "more than 100", "too many alternatives"),
]
# fmt: on


def made(rule: str) -> Any:
    quoted = "'" + rule.replace("'", "''") + "'"
    text = (
        "http:\n  routers:\n    r:\n      rule: " + quoted + "\n      service: s\n"
        "    z: {rule: 'PathPrefix(`/zz`)', priority: 1, service: s}\n"
        "  services: {s: {loadBalancer: {servers: [{url: 'http://10.0.0.1:80'}]}}}\n"
    )
    return outcome(traefik(text))


def rules_of(rule: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = made(rule).at("listeners.0.rules")
    return [one for one in rules or [] if one["name"].startswith("r")]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [row[:2] for row in CONDITIONS],
    ids=[row[2] for row in CONDITIONS],
)
def test_conditions(rule: str, expected: list[tuple[str, list[Any]]]) -> None:
    (found,) = rules_of(rule)

    assert expected == [
        (one["field"], one.get("values") or one.get("regexValues"))
        for one in found["conditions"]
    ]


@pytest.mark.parametrize(
    ("rule", "why"), [row[:2] for row in REFUSED], ids=[row[2] for row in REFUSED]
)
def test_what_cannot_be_said_is_told_and_stays_out(rule: str, why: str) -> None:
    done = made(rule)

    assert re.search(why, done.told["http.routers.r"])
    assert "the router stays out" in done.told["http.routers.r"]
    assert not any(one["name"] == "r" for one in done.at("listeners.0.rules") or [])


def test_more_values_than_a_rule_takes_become_several_rules() -> None:
    hosts = " || ".join(f"Host(`h{number}.test`)" for number in range(7))

    found = rules_of(f"({hosts}) && Method(`GET`)")

    assert [4, 3] == [len(one["conditions"][0]["values"]) for one in found]
    assert ["r", "r-2"] == [one["name"] for one in found]


# --- the same requests ---------------------------------------------------------------

HOSTS = ("a.test", "b.test", "x.a.test")
PATHS = ("/", "/a", "/a/b", "/b", "/ab")
METHODS = ("GET", "POST")
ADDRESSES = ("10.0.0.1", "192.0.2.7")
VALUES = ("v", "w")

matchers = st.one_of(
    st.sampled_from(HOSTS).map(lambda v: Matcher("Host", (v,))),
    st.sampled_from([r"^.+\.a\.test$", "b"]).map(lambda v: Matcher("HostRegexp", (v,))),
    st.sampled_from(PATHS).map(lambda v: Matcher("Path", (v,))),
    st.sampled_from(PATHS).map(lambda v: Matcher("PathPrefix", (v,))),
    st.sampled_from(["b$", "^/a"]).map(lambda v: Matcher("PathRegexp", (v,))),
    st.sampled_from(METHODS).map(lambda v: Matcher("Method", (v,))),
    st.sampled_from(VALUES).map(lambda v: Matcher("Header", ("X-A", v))),
    st.sampled_from(VALUES).map(lambda v: Matcher("Query", ("k", v))),
    st.sampled_from(["10.0.0.0/8", "10.0.0.1"]).map(
        lambda v: Matcher("ClientIP", (v,))
    ),
)
trees: st.SearchStrategy[Rule] = st.recursive(
    matchers,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda of: All(tuple(of))),
        st.lists(inner, min_size=2, max_size=3).map(lambda of: Either(tuple(of))),
    ),
    max_leaves=6,
)
requests = st.tuples(
    st.sampled_from(METHODS), st.sampled_from(HOSTS), st.sampled_from(PATHS),
    st.sampled_from(VALUES), st.sampled_from(VALUES), st.sampled_from(ADDRESSES),
)  # fmt: skip


def spelled(rule: Rule) -> str:
    match rule:
        case Matcher():
            return str(rule)
        case Not():
            return f"!{spelled(rule.of)}"
        case All():
            return "(" + " && ".join(map(spelled, rule.of)) + ")"
        case Either():
            return "(" + " || ".join(map(spelled, rule.of)) + ")"


def takes(rule: Rule, request: tuple[str, ...]) -> bool:
    """Whether Traefik takes the request."""
    method, host, path, header, query, address = request
    match rule:
        case Not():
            return not takes(rule.of, request)
        case All():
            return all(takes(one, request) for one in rule.of)
        case Either():
            return any(takes(one, request) for one in rule.of)
        case Matcher(name, values):
            last = values[-1]
            results = {
                "Host": host == last,
                "HostRegexp": name == "HostRegexp" and re.search(last, host),
                "Path": path == last,
                "PathPrefix": path.startswith(last),
                "PathRegexp": name == "PathRegexp" and re.search(last, path),
                "Method": method == last,
                "Header": header == last,
                "Query": query == last,
                "ClientIP": name == "ClientIP"
                and ipaddress.ip_address(address) in ipaddress.ip_network(last),
            }
            return bool(results[name])


def compiled(text: str) -> CompiledRules | None:
    balancer = load("", text, {}).load_balancer
    return (
        compile_rules(balancer.listeners[0])
        if balancer and balancer.listeners
        else None
    )


@given(rule=trees, asked=st.lists(requests, min_size=1, max_size=12))
def test_the_same_requests_are_taken(rule: Rule, asked: list[tuple[str, ...]]) -> None:
    done = made(spelled(rule))
    if "http.routers.r" in done.told and "stays out" in done.told["http.routers.r"]:
        return  # told: two of a kind, or a contradiction
    rules = compiled(done.done.text)

    for request in asked:
        method, host, path, header, query, address = request
        found = rules.match(
            method.encode(), host.encode(), path.encode(), f"k={query}".encode(),
            [(b"x-a", header.encode())], address, host.encode(),
        ) if rules else DEFAULT_RULE  # fmt: skip
        taken = bool(rules) and (
            found != DEFAULT_RULE or _is_default_forward(done.at("listeners.0"))
        )
        assert takes(rule, request) == taken, (request, done.done.text)


def _is_default_forward(listener: dict[str, Any]) -> bool:
    """Whether the router became the default action: it takes everything."""
    return bool(listener["defaultActions"][0]["type"] == "forward")


@given(trees)
def test_a_rule_is_read_as_it_was_written(rule: Rule) -> None:
    assert spelled(rule) == spelled(parse(spelled(rule)))


@given(st.text("Path(`/a&|!)\"' ,", max_size=30))
def test_any_text_is_a_rule_or_told(text: str) -> None:
    with contextlib.suppress(RuleFlaw):
        assert str(parse(text))
