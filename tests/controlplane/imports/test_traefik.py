"""Routers, services and middlewares of Traefik, as listeners and rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.imported import Outcome, outcome, traefik

SERVICES = "  services: {s: {loadBalancer: {servers: [{url: 'http://10.0.0.1:80'}]}}, t: {loadBalancer: {servers: [{url: 'https://10.0.0.2'}]}}}\n"


def router(
    middlewares: str = "{}", rule: str = "Host(`a.test`)", names: str = "[m]"
) -> Outcome:
    """One router behind a middleware `m`."""
    return outcome(
        traefik(
            "http:\n"
            f"  middlewares: {{m: {middlewares}, n: {{addPrefix: {{prefix: /n}}}}}}\n"
            f"  routers: {{r: {{rule: '{rule}', service: s, middlewares: {names}}}}}\n"
            + SERVICES
        )
    )


RULE = "listeners.0.rules.0"
ACTION = f"{RULE}.actions.0"
REWRITE = f"{RULE}.transforms.0.rewrites.0"

# fmt: off
BECOMES = [
    ("{redirectScheme: {scheme: https, permanent: true}}", ACTION, {"type": "redirect", "protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}, "another scheme"),
    ("{redirectScheme: {scheme: https, port: 8443}}", f"{ACTION}.port", "8443", "on another port"),
    ("{redirectScheme: {scheme: http}}", f"{ACTION}.type", "forward", "none where it is there already"),
    ("{redirectRegex: {regex: '^https?://a.test/(.*)', replacement: 'https://b.test/x/${1}', permanent: true}}", ACTION, {"type": "redirect", "protocol": "HTTPS", "host": "b.test", "port": "443", "path": "/x/#{path}", "query": "#{query}", "statusCode": "HTTP_301"}, "an expression that moves everything"),
    ("{redirectRegex: {regex: '^.*$', replacement: 'https://b.test/gone'}}", f"{ACTION}.path", "/gone", "or to one place"),
    ("{stripPrefix: {prefixes: [/api, /v1]}}", REWRITE, {"regex": "^(?:/api|/v1)/?(.*)$", "replace": "/$1"}, "a beginning is taken off"),
    ("{stripPrefixRegex: {regex: ['/[a-z]+']}}", f"{REWRITE}.regex", "^(?:/[a-z]+)/?(.*)$", "one by expression"),
    ("{addPrefix: {prefix: /x/}}", REWRITE, {"regex": "^/(.*)$", "replace": "/x/$1"}, "a beginning is put on"),
    ("{replacePath: {path: /y}}", REWRITE, {"regex": "^[^?]*", "replace": "/y"}, "a path, and the query stays"),
    ("{replacePathRegex: {regex: '^/a/(.*)', replacement: '/b/$1'}}", REWRITE, {"regex": "^/a/([^?]*)", "replace": "/b/$1"}, "the query is not part of a path"),
    ("{headers: {customRequestHeaders: {Host: b.test}}}", f"{RULE}.transforms.0", {"type": "host-header-rewrite", "rewrites": [{"regex": "^.*$", "replace": "b.test"}]}, "the Host of targets"),
    ("{chain: {middlewares: [n]}}", f"{REWRITE}.replace", "/n/$1", "a chain is what is in it"),
    ("{ipAllowList: {sourceRange: [10.0.0.0/8]}}", f"{RULE}.conditions.1", {"field": "source-ip", "values": ["10.0.0.0/8"]}, "who may pass"),
    ("{ipWhiteList: {sourceRange: [10.0.0.0/8]}}", "listeners.0.rules.1.actions.0.statusCode", "403", "and what others get"),
    ("{compress: {}}", f"{ACTION}.type", "forward", "what harms nobody is left out"),
]
STAYS_OUT = [
    ("{basicAuth: {users: ['a:b']}}", "guards what is behind", "authentication guards"),
    ("{forwardAuth: {address: x}}", "guards what is behind", "by others too"),
    ("{plugin: {x: {}}}", "guards", "a plugin may"),
    ("{madeUp: {}}", "not known here", "and so may what nobody knows"),
    ("{redirectScheme: {}}", "needs a scheme", "a redirect to nowhere"),
    ("{redirectRegex: {regex: '^http://a.test/([a-z]+)/(.*)', replacement: 'https://b.test/$2/$1'}}", "more than ALB's", "a redirect that turns things round"),
    ("{redirectRegex: {regex: '(?=x)', replacement: y}}", "character", "no expression of Go's"),
    ("{addPrefix: {prefix: x}}", "begins with /", "no path"),
    ("{ipAllowList: {sourceRange: [10.0.0.0/8], ipStrategy: {depth: 1}}}", "X-Forwarded-For", "addresses that a client can make up"),
    ("{chain: {middlewares: [m]}}", "no end", "a chain in a ring"),
]
# fmt: on


@pytest.mark.parametrize(
    ("middleware", "path", "expected"),
    [row[:-1] for row in BECOMES],
    ids=[row[-1] for row in BECOMES],
)
def test_a_middleware_becomes(middleware: str, path: str, expected: Any) -> None:
    assert expected == router(middleware).at(path)


@pytest.mark.parametrize(
    ("middleware", "why"),
    [row[:-1] for row in STAYS_OUT],
    ids=[row[-1] for row in STAYS_OUT],
)
def test_a_router_stays_out_rather_than_letting_more_through(
    middleware: str, why: str
) -> None:
    done = router(middleware)

    assert why in " ".join(done.told.values())
    assert done.at("listeners.0.rules") is None
    assert '"/*"' not in done.done.text


def test_one_that_is_not_defined_keeps_its_router_out() -> None:
    done = router(names="[auth@file]")

    assert "auth@file is not defined here" in " ".join(done.told.values())
    assert done.at("listeners") is None


def test_what_was_stripped_may_be_put_elsewhere() -> None:
    done = router("{stripPrefix: {prefixes: [/api]}}", names="[m, n]")

    assert {"regex": "^(?:/api)/?(.*)$", "replace": "/n/$1"} == done.at(REWRITE)


def test_rules_stand_by_priority_and_length() -> None:
    done = outcome(
        traefik(
            "http:\n  routers:\n"
            "    all: {rule: PathPrefix(`/`), service: s}\n"
            "    short: {rule: Path(`/a`), service: s}\n"
            "    longer: {rule: Path(`/abcdef`), service: s}\n"
            "    first: {rule: Path(`/b`), service: s, priority: 100}\n" + SERVICES
        )
    )

    rules = done.at("listeners.0.rules")
    assert [("first", 10), ("all", 20), ("longer", 30), ("short", 40)] == [
        (one["name"], one["priority"]) for one in rules
    ]


def test_the_last_that_takes_everything_is_the_default() -> None:
    done = router("{compress: {}}", rule="PathPrefix(`/`)")

    assert done.at("listeners.0.rules") is None
    assert [{"type": "forward", "targetGroup": "s"}] == done.at(
        "listeners.0.defaultActions"
    )


def test_where_no_router_matches_traefik_answers_404() -> None:
    assert (
        router("{compress: {}}").at("listeners.0.defaultActions.0.statusCode") == "404"
    )


def test_weights_are_scaled_to_what_alb_takes() -> None:
    services = (
        "  services:\n"
        "    w: {weighted: {services: [{name: s, weight: 9000}, {name: t, weight: 1}, {name: x}], sticky: {cookie: {name: c, maxAge: 60}}}}\n"
        "    s: {loadBalancer: {servers: [{url: 'http://10.0.0.1:80'}]}}\n"
        "    t: {loadBalancer: {servers: [{url: 'https://10.0.0.2'}]}}\n"
    )
    done = outcome(
        traefik("http:\n  routers: {r: {rule: Path(`/`), service: w}}\n" + services)
    )

    action = done.at(ACTION)
    assert [
        {"targetGroup": "s", "weight": 999},
        {"targetGroup": "t", "weight": 1},
    ] == action["targetGroups"]
    assert {"enabled": True, "durationSeconds": 60} == action[
        "targetGroupStickinessConfig"
    ]
    assert ("HTTPS", 443) == (
        done.at("targetGroups.1.protocol"),
        done.at("targetGroups.1.targets.0.port"),
    )
    assert "names no service" in " ".join(done.told.values())


def test_a_port_speaks_tls_or_plain_http() -> None:
    done = outcome(
        traefik(
            "entryPoints: {web: {address: ':80'}, websecure: {address: ':443'}}\n"
            "http:\n  routers:\n"
            "    p: {rule: Path(`/p`), service: s}\n"
            "    t: {rule: Path(`/t`), service: s, tls: {certResolver: le}}\n"
            "    x: {rule: Path(`/x`), service: s, tls: {}, entryPoints: [web]}\n"
            + SERVICES
        )
    )

    assert [("HTTP", ["p"]), ("HTTPS", ["t"])] == [
        (one["protocol"], [rule["name"] for rule in one["rules"]])
        for one in done.file["listeners"]
    ]
    assert "none of its ports speaks TLS" in done.told["http.routers.x"]


def test_an_entry_point_that_no_file_tells_has_its_usual_port_or_the_named() -> None:
    text = "http: {routers: {r: {rule: Path(`/a`), service: s, entryPoints: [web]}}, services: {s: {}}}"

    assert outcome(traefik(text)).at("listeners.0.port") == 80
    named = traefik(text, entry_points={"web": 8081})
    assert outcome(named).at("listeners.0.port") == 8081


def test_labels_alone_are_read() -> None:
    labels = "- traefik.http.routers.r.rule=Host(`a.test`)\n- traefik.http.routers.r.service=s\n- traefik.http.services.s.loadbalancer.server.url=http://10.0.0.1:81\n- other=1\n"
    done = outcome(traefik(labels))

    assert [{"id": "10.0.0.1", "port": 81}] == done.at("targetGroups.0.targets")
    assert "is no label of Traefik's" in " ".join(done.told.values())


def test_what_docker_inspect_tells_gives_targets_their_addresses() -> None:
    container = {
        "Name": "/web-1",
        "Config": {
            "Labels": {"traefik.http.routers.r.rule": "Host(`a.test`)"},
            "ExposedPorts": {"9000/tcp": {}, "8000/tcp": {}},
        },
        "NetworkSettings": {"Networks": {"n": {"IPAddress": "172.18.0.4"}}},
    }
    done = outcome(traefik(json.dumps([container], indent=4)))

    assert [{"id": "172.18.0.4", "port": 8000}] == done.at("targetGroups.0.targets")


def test_the_services_of_a_compose_file_are_only_named() -> None:
    text = "services: {web: {image: a, labels: {traefik.http.routers.r.rule: Host(`a.test`), traefik.http.services.r.loadbalancer.server.port: 80}}}"
    done = outcome(traefik(text))

    assert done.at("taskDefinitions") is None
    assert "targets: name them here" in done.done.text
    assert done.at("targetGroups.0.name") == "web"
