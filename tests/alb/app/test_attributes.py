"""What the load balancer's and the listener's attributes change on the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from alb.model import FixedResponse, LoadBalancerAttributes, PathPattern, Rule
from tests.support.messages import get, head_of, replying
from tests.support.node import Node, Origin, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Start = Callable[..., Awaitable[Origin]]
PLAIN = LoadBalancerAttributes()
FIXED = Rule(1, (PathPattern(("/fixed",)),), FixedResponse(200))


async def arrived(
    node: Node, origins: Start, attributes: LoadBalancerAttributes, *lines: bytes
) -> list[bytes]:
    """Return the head that reaches the target of a request with these lines."""
    origin = await origins()
    await node.serve({"web": [origin.port]}, attributes=attributes)
    assert b" 200 " in await node.ask(get(b"/", *lines))
    (head,) = origin.heads
    return head_of(head)


# fmt: off
FORWARDED_FOR = [
    ("append",   False, [b"9.9.9.9, 127.0.0.1"]),
    ("append",   True,  [b"9.9.9.9, 127.0.0.1:PORT"]),
    ("preserve", True,  [b"9.9.9.9"]),
    ("remove",   True,  []),
]
# fmt: on


@pytest.mark.parametrize(("mode", "with_port", "values"), FORWARDED_FOR)
async def test_x_forwarded_for_as_the_mode_has_it(
    node: Node, origins: Start, mode: str, values: list[bytes], *, with_port: bool
) -> None:
    attributes = replace(PLAIN, xff_header_processing=mode, xff_client_port=with_port)

    came = b"X-Forwarded-For: 9.9.9.9"
    lines = await arrived(node, origins, attributes, came)

    found = [one for one in lines if one.lower().startswith(b"x-forwarded-for")]
    assert len(values) == len(found)
    for value, line in zip(values, found, strict=True):
        before, has_port, _ = value.partition(b"PORT")
        assert line.startswith(b"X-Forwarded-For: " + before)
        assert line.rpartition(b":")[2].isdigit() == bool(has_port)


async def test_a_change_holds_for_connections_that_are_open(
    node: Node, origins: Start
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]})
    reader, writer = await node.connect()
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    writer.write(request)
    await reader.readuntil(b"\r\n\r\n")

    removed = replace(PLAIN, xff_header_processing="remove")
    await node.serve({"web": [origin.port]}, attributes=removed)
    writer.write(request)
    await reader.readuntil(b"HTTP/1.1 200 OK\r\n")

    assert [True, False] == [b"X-Forwarded-For" in head for head in origin.heads]


@pytest.mark.parametrize(
    ("preserve", "sent"), [(True, b"Host: A.Example"), (False, b"Host: a.example:")]
)
async def test_host_is_passed_on_as_it_came_or_canonical(
    node: Node, origins: Start, sent: bytes, *, preserve: bool
) -> None:
    attributes = replace(PLAIN, preserve_host_header=preserve)
    origin = await origins()
    await node.serve({"web": [origin.port]}, attributes=attributes)

    await node.ask(b"GET / HTTP/1.1\r\nHost: A.Example\r\nConnection: close\r\n\r\n")

    (line,) = [one for one in head_of(origin.heads[0]) if one.startswith(b"Host")]
    assert line == sent if preserve else line.startswith(sent)


@pytest.mark.parametrize("drop", [True, False])
async def test_headers_with_odd_names_pass_or_are_dropped_and_counted(
    node: Node, origins: Start, *, drop: bool
) -> None:
    attributes = replace(PLAIN, drop_invalid_header_fields=drop)

    lines = await arrived(node, origins, attributes, b"X_Odd: 1", b"X-Even: 2")

    assert (b"X_Odd: 1" in lines) is not drop
    assert b"X-Even: 2" in lines
    name = "droppedInvalidHeaders" if drop else "forwardedInvalidHeaders"
    await until(lambda: total(node, name) > 0, "it is counted")


def total(node: Node, name: str) -> int:
    """Return what the worker last reported of its listener."""
    reported = node.balancer.statistics().totals.listeners.values()
    return sum(counters.totals[name] for counters in reported)


async def test_what_is_not_compliant_is_counted_served_or_not(
    node: Node, origins: Start
) -> None:
    origin = await origins()
    await node.serve({"web": [origin.port]}, rules=[FIXED])
    reported = total(node, "fixedResponses")
    await node.ask(get(b"/fixed"))
    await until(lambda: total(node, "fixedResponses") > reported, "a fresh report")
    before = total(node, "nonCompliant")

    await node.ask(get(b"/"))
    await node.ask(get(b"/a b"))
    await node.ask(get(b"/", b"Content-Length: x"))

    await until(lambda: total(node, "nonCompliant") == before + 2, "two of three")


RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-frame-options: SAMEORIGIN\r\n"
    b"Server: mine\r\nX-Kept: 1\r\n\r\n"
)


async def test_a_listener_sets_response_headers_whatever_the_target_says(
    node: Node, origins: Start
) -> None:
    origin = await origins(replying(RESPONSE))
    headers = (("X-Frame-Options", "DENY"), ("Strict-Transport-Security", "max-age=9"))
    changed: dict[str, Any] = {"response_headers": headers, "server_header": False}
    await node.serve({"web": [origin.port]}, rules=[FIXED], listener=changed)

    proxied, fixed, refused = [
        [line.lower() for line in head_of(await node.ask(request))]
        for request in (get(b"/"), get(b"/fixed"), b"nonsense\r\n\r\n")
    ]

    for lines in (proxied, fixed, refused):
        assert lines.count(b"x-frame-options: deny") == 1
        assert lines.count(b"strict-transport-security: max-age=9") == 1
        assert b"x-frame-options: sameorigin" not in lines
        assert b"server: awselb/2.0" not in lines
    assert b"server: mine" in proxied, "the target's stays"
    assert b"x-kept: 1" in proxied
