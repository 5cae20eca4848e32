"""Real servers behind a node: none is led to a path that its rule has not seen."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from alb.model import FixedResponse, HostHeader, PathPattern, Rule
from tests.support.examples import examples
from tests.support.messages import body_of
from tests.support.node import Node, free_port, run_node, to
from tests.support.path_servers import SERVERS, run_path_server
from tests.support.paths import NASTY

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
]
RULES = (
    Rule(1, (HostHeader(("guarded",)), PathPattern(("/admin*",))), FixedResponse(403)),
    Rule(2, (HostHeader(("guarded",)),), to("server")),
    Rule(3, (HostHeader(("open",)), PathPattern(("/public*",))), to("server")),
    Rule(4, (HostHeader(("open",)),), FixedResponse(403)),
)
KNOWN = (
    *(b"/admin", b"/%61dmin", b"/%2e/admin", b"//admin", b"/x/../admin"),
    *(b"/x/..;/admin", b"/\\admin", b"/x\\..\\admin", b"/%2fadmin", b"/%5cadmin"),
    *(b"/admin/../x", b"/admin//../x", b"/admin%2f..%2fx", b"/admin\\..\\x"),
    *(b"//x/admin", b"/\\x/admin", b"///x/admin", b"/;/admin", b"/admin%3f/../x"),
    *(b"/public/../admin", b"/public%2f../admin", b"/public%2fx/../admin"),
    *(b"/public\\..\\admin", b"/public//../../admin", b"/admin#/../x"),
    *(b"/admin/../public", b"/x//../public", b"//x/../public", b"//admin/public"),
)


def spellings(count: int) -> list[bytes]:
    """The known ones, and others made of the same parts."""
    draw = random.Random(7)  # noqa: S311 - the same each time
    starts = (b"/", b"/admin", b"/public", b"/x/..", b"//x")
    ends = (b"", b"/admin", b"/../admin", b"/../public")
    made = (
        b"".join([draw.choice(starts), *draw.choices(NASTY, k=4), draw.choice(ends)])
        for _ in range(count)
    )
    return [*KNOWN, *made]


NEEDS = {"node": "nodejs", "python": None}
EACH = [
    pytest.param(name, marks=pytest.mark.needs(need) if need else ())
    for name in SERVERS
    for need in (NEEDS.get(name, "nginx"),)
]


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=EACH)
async def node(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Node]:
    port = free_port()
    directory = tmp_path_factory.mktemp("server")
    async with (
        run_path_server(request.param, port, directory),
        run_node(tmp_path_factory.mktemp("node"), workers=1) as running,
    ):
        await running.serve({"server": [port]}, rules=RULES)
        yield running


async def paths_read(node: Node, host: bytes) -> dict[bytes, bytes]:
    """What the server read of each spelling that reached it."""
    read = {}
    for path in spellings(examples(1200)):
        answer = await node.ask(
            b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % (path, host)
        )
        if answer.startswith(b"HTTP/1.1 200 "):
            read[path] = re.sub(rb"/+", b"/", body_of(answer))
        else:
            assert answer[9:12] in (b"400", b"403"), answer
    return read


async def test_no_server_reads_a_path_that_is_protected(node: Node) -> None:
    async with asyncio.timeout(60):
        read = await paths_read(node, b"guarded")

    assert len(read) > 50
    assert {} == {at: got for at, got in read.items() if got.startswith(b"/admin")}


async def test_no_server_reads_a_path_that_is_not_admitted(node: Node) -> None:
    async with asyncio.timeout(60):
        read = await paths_read(node, b"open")

    assert len(read) > 5
    assert {} == {at: g for at, g in read.items() if not g.startswith(b"/public")}
