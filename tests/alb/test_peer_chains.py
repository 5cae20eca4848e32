"""Behind nginx and HAProxy, and in front of them: nobody reads what another did not say.

Both keep pools of connections, as we do. A request that one of two neighbours
takes for two shifts every answer behind it: some innocent gets another's.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings

from alb.model import LoadBalancerAttributes, Rule, SourceIp
from tests.alb.app.test_one_reading import CODINGS, LENGTHS, requests
from tests.support.chain import PEERS, run_peer
from tests.support.examples import examples
from tests.support.node import Node, free_port, run_node, to
from tests.support.readings import READINGS, Seen, Witness, strictly

pytestmark = [
    pytest.mark.needs("peers"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
]

DIRECT = "127.0.0.9"
"""Who comes from there is sent to the peer behind; all else to the witness."""
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


ASKED = re.compile(rb"x-asked: (\S+)", re.IGNORECASE)


@dataclass
class Chains:
    """One peer, on both sides of a node in the most lenient mode."""

    node: Node
    witness: Witness
    front: int
    innocents: int = 0

    async def open(
        self, side: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if side == "in front":
            return await asyncio.open_connection("127.0.0.1", self.front)
        return await asyncio.open_connection(
            "127.0.0.1", self.node.port, local_addr=(DIRECT, 0)
        )

    async def ask(self, side: str, request: bytes, within_s: float) -> bytes:
        """All that comes back until the other side hangs up, or says no more."""
        reader, writer = await self.open(side)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(within_s):
                writer.write(request)
                while more := await reader.read(65536):
                    answer += more
        writer.transport.abort()
        return answer

    async def innocent(self, side: str) -> None:
        """Three requests on one connection, which get their own answers."""
        first = self.innocents
        self.innocents += 3
        paths = [b"/innocent-%d" % n for n in range(first, self.innocents)]
        reader, writer = await self.open(side)
        async with asyncio.timeout(10):
            for path in paths:
                writer.write(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
                head = await reader.readuntil(b"\r\n\r\n")
                assert ASKED.findall(head) == [path], head
                assert await reader.readexactly(len(path)) == path
        writer.transport.abort()

    async def attack(self, side: str, case: bytes) -> None:
        before = len(self.witness.seen)
        answer = await self.ask(side, case + LAST, 0.5)
        read = [one.target for one in self.witness.seen[before:]]
        answered = ASKED.findall(answer)

        assert answered == read[: len(answered)], case
        await self.innocent(side)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with run_node(tmp_path_factory.mktemp("n"), workers=1) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=PEERS)
async def chains(
    node: Node,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Chains]:
    witness = await Witness(strictly).start()
    ports = {"front": free_port(), "back": free_port()}
    directory = tmp_path_factory.mktemp(request.param)
    rule = Rule(1, (SourceIp((f"{DIRECT}/32",)),), to("peer"))
    mode = LoadBalancerAttributes(desync_mitigation_mode="monitor")
    async with run_peer(
        request.param, directory, node=node.port, witness=witness.port, **ports
    ):
        await node.serve(
            {"web": [witness.port], "peer": [ports["back"]]},
            rules=[rule],
            attributes=mode,
        )
        await node.healthy(f"peer-{ports['back']}")
        yield Chains(node, witness, ports["front"])
    witness.drop()


every_side = pytest.mark.parametrize("side", ["in front", "behind"])


@every_side
async def test_framing_that_contradicts_itself_confuses_no_pool(
    chains: Chains, side: str
) -> None:
    """Each length and each coding; the body is a request to those who see none."""
    body = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    lines = [*CODINGS, *(f for n in LENGTHS for f in (n, n + b"\r\n" + CODINGS[0]))]
    for line in lines:
        framing = line.replace(b"%b", b"%d" % len(body))
        case = b"POST /r HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n%b" % (framing, body)
        await chains.attack(side, case)
    assert not chains.witness.unreadable


@every_side
@given(case=requests())
@settings(
    max_examples=examples(80),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_what_is_generated_to_fool_them_confuses_no_pool(
    chains: Chains, side: str, case: bytes
) -> None:
    await chains.attack(side, case)


@every_side
async def test_many_at_once_get_their_own_answers(chains: Chains, side: str) -> None:
    """While others leave in the middle of theirs."""

    async def leave(n: int) -> None:
        _, writer = await chains.open(side)
        writer.write(
            b"POST /left-%d HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nGET " % n
        )
        await asyncio.sleep(0.001 * n)
        writer.transport.abort()

    for _ in range(3):
        await asyncio.gather(
            *(chains.innocent(side) for _ in range(10)), *(leave(n) for n in range(10))
        )


@every_side
@pytest.mark.parametrize("framing", ["counted", "chunked"])
async def test_a_body_passes_a_chain_whole(
    chains: Chains, side: str, framing: str
) -> None:
    block = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n0\r\n\r\n" * 500
    if framing == "counted":
        line, body = b"Content-Length: %d" % (4 * len(block)), block * 4
    else:
        chunks = (b"%x;x=y\r\n%b\r\n" % (len(block), block)) * 4
        line, body = b"Transfer-Encoding: chunked", chunks + b"0\r\nX: y\r\n\r\n"
    head = b"POST /whole HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n%b\r\n\r\n"

    answer = await chains.ask(side, head % line + body + LAST, 10)

    seen = [one for one in chains.witness.seen if one.target == b"/whole"]
    assert seen[-1] == Seen(b"POST", b"/whole", block * 4)
    assert ASKED.findall(answer) == [b"/whole", b"/last"]


async def test_all_that_ever_came_is_read_alike(chains: Chains) -> None:
    """By servers of every habit; runs last, and looks at what the others left."""
    await chains.attack("in front", b"")
    assert chains.witness.received
    for received in chains.witness.received:
        read = strictly(received)
        for name, reading in READINGS.items():
            if name != "no body in GET":
                assert reading(received) == read, (name, received)
