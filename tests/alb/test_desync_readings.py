"""Odd requests through a real node to targets that read them each in its own way.

Each case is followed by an innocent client of the same target. A target that
read two requests where one was sent would answer the innocent with the other's.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings

from alb.decide.desync import MODES, scan
from alb.errors import Refused
from alb.model import LoadBalancerAttributes, Rule, SourceIp
from tests.alb.app.test_one_reading import requests
from tests.alb.test_desync_corpus import CASES
from tests.support.examples import examples
from tests.support.node import Node, run_node, to
from tests.support.readings import READINGS, Seen, Witness

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
INNOCENT = b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@dataclass
class Stage:
    """A node in one mode, and behind it a witness for each reading.

    Who connects from 127.0.0.2 is sent to the first witness, and so on.
    """

    node: Node
    mode: str
    witnesses: dict[str, Witness]
    innocents: int = 0

    async def ask(self, at: int, request: bytes, within_s: float = 0.5) -> bytes:
        """All that comes back until the node hangs up, or says no more."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.node.port, local_addr=(f"127.0.0.{at + 2}", 0)
        )
        writer.write(request)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(within_s):
                while more := await reader.read(65536):
                    answer += more
        writer.transport.abort()
        return answer

    async def check(self, at: int, case: bytes) -> list[Seen]:
        """Send it, then be innocent; return what the witness read of it."""
        name, witness = [*self.witnesses.items()][at]
        before = len(witness.seen)
        answer = await self.ask(at, case)
        read = witness.seen[before:]
        self.innocents += 1
        innocent = b"/innocent-%d" % self.innocents
        asked = await self.ask(at, INNOCENT % innocent, within_s=10)

        assert asked.partition(b"\r\n\r\n")[2] == innocent, (name, case)
        assert not witness.unreadable, (name, witness.unreadable)
        answered = re.findall(rb"X-Asked: (\S+)", answer)
        assert answered == [one.target for one in read][: len(answered)], (name, case)
        (stream,) = [s for s in witness.streams if s[-1].target == innocent]
        if self._is_ambiguous(case):
            assert len(stream) == 1 or b"/innocent" in stream[-2].target
        return read

    def _is_ambiguous(self, case: bytes) -> bool:
        """Whether both connections are to end behind it."""
        with contextlib.suppress(Refused):
            found = scan(case, MODES[self.mode])
            return found is not None and found[0].close_after
        return False


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with run_node(tmp_path_factory.mktemp("n"), workers=1) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=MODES)
async def stage(node: Node, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    witnesses = {name: await Witness(how).start() for name, how in READINGS.items()}
    rules = [
        Rule(n, (SourceIp((f"127.0.0.{n + 1}/32",)),), to(f"g{n}"))
        for n in range(1, len(witnesses) + 1)
    ]
    groups: dict[str, Sequence[int]] = {
        f"g{n}": [w.port] for n, w in enumerate(witnesses.values(), 1)
    }
    mode = LoadBalancerAttributes(desync_mitigation_mode=request.param)
    await node.serve(groups, rules=rules, attributes=mode)
    yield Stage(node, request.param, witnesses)
    for witness in witnesses.values():
        witness.drop()


LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.mark.needs("corpora")
async def test_every_case_is_at_most_one_request_to_everybody(stage: Stage) -> None:
    for case in CASES:
        body = SMUGGLED.ljust(len(case.body)) if len(case.body) > 40 else case.body
        asked = (
            stage.check(at, case.head + body + LAST) for at in range(len(READINGS))
        )
        for name, read in zip(READINGS, await asyncio.gather(*asked), strict=True):
            odd = [one for one in read if one.target != b"/last"]
            if name == "no body in GET" and case.method in (b"GET", b"HEAD"):
                odd = odd[:1]  # what that one reads into it, and answers to nobody
            assert len(odd) <= 1, (name, str(case))


PIPELINE = [
    b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\n" + SMUGGLED[:37].ljust(37),
    b"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n25;x=y\r\n"
    + SMUGGLED[:37].ljust(37) + b"\r\n0\r\nContent-Length: 9\r\nHost: b\r\n\r\n",
    b"GET /3 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"PUT /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"POST /5 HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nGE",
    LAST,
]  # fmt: skip


@pytest.mark.parametrize("size", [1 << 20, 11])
async def test_a_compliant_pipeline_is_as_many_requests_as_it_says(
    stage: Stage, size: int
) -> None:
    for at, (name, witness) in enumerate(stage.witnesses.items()):
        before = len(witness.seen)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", stage.node.port, local_addr=(f"127.0.0.{at + 2}", 0)
        )
        whole = b"".join(PIPELINE)
        for start in range(0, len(whole), size):
            writer.write(whole[start : start + size])
            await asyncio.sleep(0)
        answer = await reader.read()
        writer.close()

        targets = [one.target for one in witness.seen[before:]]
        assert targets == [b"/1", b"/2", b"/3", b"/4", b"/5", b"/last"], name
        assert answer.count(b"HTTP/1.1 200 OK") == 6


@given(case=requests())
@settings(
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_what_is_generated_to_fool_them_harms_nobody(
    stage: Stage, case: bytes
) -> None:
    asked = (stage.check(at, case + LAST) for at in range(len(READINGS)))
    reads = await asyncio.gather(*asked)
    strict = [one.target for one in reads[0]]
    for name, read in zip(READINGS, reads, strict=True):
        if name != "no body in GET" or case.startswith(b"POST "):
            assert [one.target for one in read] == strict, name
