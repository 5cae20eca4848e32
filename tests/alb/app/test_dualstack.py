"""Over IPv6 as over IPv4: listeners, targets, what they are told and what is counted."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from alb.model import (
    FixedResponse,
    LoadBalancerAttributes,
    LogFiles,
    Rule,
    SourceIp,
    TargetId,
)
from tests.support.crowd import total
from tests.support.messages import body_of, get
from tests.support.node import Node, Origin, until

pytestmark = [
    pytest.mark.needs("ipv6"),
    pytest.mark.asyncio(loop_scope="module"),
]

BOTH = {"addresses": ("127.0.0.1", "::1")}


@pytest_asyncio.fixture(loop_scope="module")
async def origin(node: Node) -> AsyncIterator[Origin]:
    started = await Origin().start()
    yield started
    node.hang_up()
    started.drop()


async def ask(node: Node, address: str, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(address, node.port)
    node.writers.append(writer)
    writer.write(request)
    async with asyncio.timeout(10):
        return await reader.read()


async def serve(
    node: Node, origin: Origin, rules: tuple[Rule, ...] = (), **changed: object
) -> None:
    attributes = LoadBalancerAttributes(**changed)  # type: ignore[arg-type] # as named
    await node.serve(
        {"web": [origin.port]}, rules=rules, attributes=attributes, listener=BOTH
    )


@pytest.mark.parametrize(
    ("address", "with_port", "expected"),
    [
        ("127.0.0.1", False, rb"127\.0\.0\.1"),
        ("::1", False, rb"::1"),
        ("127.0.0.1", True, rb"127\.0\.0\.1:[0-9]+"),
        ("::1", True, rb"\[::1\]:[0-9]+"),
    ],
)
async def test_a_target_is_told_the_address_of_either_kind(
    node: Node, origin: Origin, address: str, *, with_port: bool, expected: bytes
) -> None:
    await serve(node, origin, xff_client_port=with_port)

    answer = await ask(node, address, get(b"/", b"X-Forwarded-For: 2001:db8::9"))

    assert answer.startswith(b"HTTP/1.1 200 ")
    told = origin.heads[-1].split(b"\r\nX-Forwarded-For: ")[1].split(b"\r\n")[0]
    assert re.fullmatch(b"2001:db8::9, " + expected, told), told


async def test_source_ip_rules_tell_the_kinds_apart(node: Node, origin: Origin) -> None:
    rules = (
        Rule(1, (SourceIp(("::/0",)),), FixedResponse(200, message_body="six")),
        Rule(2, (SourceIp(("0.0.0.0/0",)),), FixedResponse(200, message_body="four")),
    )
    await serve(node, origin, rules)

    assert b"six" == body_of(await ask(node, "::1", get(b"/")))
    assert b"four" == body_of(await ask(node, "127.0.0.1", get(b"/")))


async def test_a_host_may_be_an_address_in_brackets(node: Node, origin: Origin) -> None:
    await serve(node, origin)

    await ask(
        node, "::1", b"GET / HTTP/1.1\r\nConnection: close\r\nHost: [::1]\r\n\r\n"
    )

    assert b"\r\nHost: [::1]:%d\r\n" % node.port in origin.heads[-1]


async def test_targets_may_have_addresses_of_ipv6(node: Node, origin: Origin) -> None:
    six = await Origin().start(host="::1")
    await node.serve({"web": []}, listener=BOTH)
    node.registered.append("six")
    node.balancer.register(TargetId("six"), "web", "::1", six.port)
    await node.healthy("six")

    for address in ("::1", "127.0.0.1"):
        assert (await ask(node, address, get(b"/"))).startswith(b"HTTP/1.1 200 ")

    assert len(six.heads) == 2
    six.drop()


async def test_a_log_shows_addresses_in_brackets_before_their_port(
    node: Node, origin: Origin, tmp_path: Path
) -> None:
    log = LogFiles(str(tmp_path), "front", json=True)
    await serve(node, origin, access_log=log)

    await ask(node, "::1", get(b"/"))
    await ask(node, "127.0.0.1", get(b"/"))

    def lines() -> list[str]:
        found = [gzip.decompress(one.read_bytes()) for one in tmp_path.rglob("*.gz")]
        return [line for text in found for line in text.decode().splitlines()]

    await until(lambda: len(lines()) == 2, "both are logged")
    clients = [json.loads(line)["client:port"] for line in lines()]
    assert clients[0].startswith("[::1]:")
    assert clients[1].startswith("127.0.0.1:")


async def test_what_comes_over_ipv6_is_counted_apart_and_with_the_rest(
    node: Node, origin: Origin
) -> None:
    await serve(node, origin)
    names = ("requests", "ipv6Requests", "bytesIn", "bytesOut", "ipv6Bytes")

    async def counted() -> dict[str, int]:
        """What the next report says, which is later than what was asked."""
        before = total(node, "newConnections")
        answer = await ask(node, "127.0.0.1", b"nonsense\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        await until(lambda: total(node, "newConnections") > before, "it is told")
        return {name: total(node, name) for name in names}

    before = await counted()
    answers = [await ask(node, "::1", get(b"/x")) for _ in range(3)]
    after = {name: value - before[name] for name, value in (await counted()).items()}
    asked = len(get(b"/x")) * 3

    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert (3, 3) == (after["requests"], after["ipv6Requests"])
    assert asked == after["bytesIn"]
    assert asked + sum(map(len, answers)) == after["ipv6Bytes"]
    assert sum(map(len, answers)) == after["bytesOut"]

    before = await counted()
    await ask(node, "127.0.0.1", get(b"/x"))
    after = {name: value - before[name] for name, value in (await counted()).items()}
    assert (1, 0, 0) == (after["requests"], after["ipv6Requests"], after["ipv6Bytes"])
