"""What a target receives when the rule that chose it has transforms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from alb.model import (
    Action,
    FixedResponse,
    Forward,
    HostHeader,
    HostHeaderRewrite,
    LogFiles,
    PathPattern,
    Rule,
    Transform,
    UrlRewrite,
    WeightedGroup,
)
from tests.support.wires import TIMEOUTS, World

WEB = Forward((WeightedGroup("web"),))


def rule(
    priority: int, path: str, *transforms: Transform, action: Action = WEB
) -> Rule:
    return Rule(priority, (PathPattern((path,)),), action, "", transforms)


RULES = (
    rule(10, "/api/*", UrlRewrite("^/api/(.*)$", "/v2/$1")),
    rule(20, "/v2/*", action=FixedResponse(403)),
    rule(
        30,
        "/both/*",
        UrlRewrite("^/both/([a-z.]*)(.*)$", "/$1"),
        HostHeaderRewrite(r"^([a-z]+)\.com$", "$1.internal"),
    ),
    rule(40, "/broken/*", UrlRewrite("^/broken", "broken")),
    rule(50, "/crlf/*", UrlRewrite("^/crlf/(.*)$", "/x/$1")),
    Rule(
        60,
        (HostHeader(("any.*",)),),
        WEB,
        "",
        (HostHeaderRewrite("^.*$", "$0/x"),),
    ),
)


@pytest.fixture
def world() -> Iterator[World]:
    log = LogFiles("nowhere", "front", json=True)
    made = World(attributes=replace(TIMEOUTS, access_log=log), rules=RULES)
    yield made
    made.close()


def received(
    world: World, target: bytes, host: bytes = b"a.com"
) -> tuple[bytes, bytes]:
    """The request line and Host that a target gets."""
    world.client(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host))
    line, host_line, *_ = world.connected().unsent.split(b"\r\n")
    return line, host_line


def told(world: World) -> dict[str, str]:
    world.flush()
    log = world.door.access_log
    assert log is not None
    (line,) = log.lines.take()
    entry: dict[str, str] = json.loads(line)
    return entry


def transformed(world: World) -> tuple[str, str, str]:
    entry = told(world)
    return (
        entry["transformed_host"],
        entry["transformed_uri"],
        entry["request_transform_status"],
    )


# fmt: off
SENT = [
    (b"/api/x?a=1",        b"/v2/x?a=1",       b"a.com:8080",      "the path is rewritten, the query kept"),
    (b"/both/b",           b"/b",              b"a.internal:8080", "host and path together"),
    (b"/other",            b"/other",          b"a.com:8080",      "rules without transforms change nothing"),
    (b"/crlf/a%0d%0aX:1",  b"/x/a%0D%0AX:1",   b"a.com:8080",      "an escaped line end stays escaped"),
    (b"/x/../%61pi/y",     b"/v2/y",           b"a.com:8080",      "what a rule takes its transform takes, too"),
]
# fmt: on


@pytest.mark.parametrize(
    ("asked", "target", "host"),
    [row[:3] for row in SENT],
    ids=[row[3] for row in SENT],
)
def test_a_target_receives(
    world: World, asked: bytes, target: bytes, host: bytes
) -> None:
    assert (b"GET %b HTTP/1.1" % target, b"Host: " + host) == received(world, asked)


def test_a_rewritten_request_is_not_routed_again(world: World) -> None:
    """Rule 20 would have refused what is sent."""
    assert received(world, b"/api/x")[0] == b"GET /v2/x HTTP/1.1"


def test_a_retry_sends_what_was_rewritten_once(world: World) -> None:
    world.client(b"GET /api/api/x HTTP/1.1\r\nHost: a.com\r\n\r\n")
    world.refused()

    upstream = world.connected()

    assert upstream.unsent.startswith(b"GET /v2/api/x HTTP/1.1\r\n")


# fmt: off
FAILED = [
    (b"/broken/x", b"a.com",     "TransformInvalidPath", "a path that is none"),
    (b"/x",        b"any.thing", "TransformInvalidHost", "a host that is none"),
]
# fmt: on


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [row[:3] for row in FAILED],
    ids=[row[3] for row in FAILED],
)
def test_what_cannot_be_rewritten_is_answered_500_and_never_sent(
    world: World, target: bytes, host: bytes, status: str
) -> None:
    client = world.client(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host))
    client.take()

    assert client.sent.startswith(b"HTTP/1.1 500 ")
    assert not world.connects
    assert not client.closing, "the client did nothing wrong"
    totals = world.door.report().totals
    assert (1, 1) == (totals["elb.500"], totals[f"refused.{status}"])
    entry = told(world)
    assert ("500", status, "-", "-") == (
        entry["elb_status_code"],
        entry["request_transform_status"],
        entry["transformed_uri"],
        entry["target:port"],
    )


def test_the_log_has_what_came_and_what_was_sent(world: World) -> None:
    world.client(b"GET /both/b HTTP/1.1\r\nHost: A.com\r\nUser-Agent: u\r\n\r\n")
    world.connected().deliver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    entry = told(world)

    assert ("GET http://A.com:8080/both/b HTTP/1.1", "u", "30") == (
        entry["request"], entry["user_agent"], entry["matched_rule_priority"]
    )  # fmt: skip
    assert ("a.internal", "/b", "TransformSuccess") == (
        entry["transformed_host"],
        entry["transformed_uri"],
        entry["request_transform_status"],
    )


def test_a_transform_that_meets_nothing_leaves_no_trace(world: World) -> None:
    world.client(b"GET /both/%C3 HTTP/1.1\r\nHost: 1.com\r\n\r\n")
    line, host, *_ = world.connected().unsent.split(b"\r\n")
    world.upstreams[0].deliver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    assert (b"GET / HTTP/1.1", b"Host: 1.com:8080") == (line, host)
    assert ("-", "/", "TransformSuccess") == transformed(world)


def test_requests_without_transforms_log_dashes(world: World) -> None:
    world.client(b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n")

    assert ("-", "-", "-") == transformed(world)
