"""Requests that parsers read differently: one meaning on the far side, or none.

The cases and their tiers are those of aws/http-desync-guardian. What ALB serves
in a mode we serve too, written anew, unless it is listed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
import pytest_asyncio
import yaml

from alb.decide.desync import MODES, scan
from alb.decide.request import RequestHead
from alb.errors import Refused
from alb.model import LoadBalancerAttributes
from tests.support.needs import corpora
from tests.support.node import Node, Origin, answer_ok, run_node

pytestmark = [pytest.mark.needs("corpora"), pytest.mark.asyncio(loop_scope="module")]

FILES = ("rfc-compliant", "acceptable", "ambiguous", "severe")


@dataclass(frozen=True)
class Case:
    """One request head, and AWS's word on it."""

    name: str
    tier: str
    reason: str
    method: bytes
    version: bytes
    head: bytes
    body: bytes
    """What a target waits for if it reads the head as we do."""

    def __str__(self) -> str:
        return f"{self.tier}: {self.name}"


def octets(text: object) -> bytes:
    """The bytes that AWS's own tests make of a string: UTF-8."""
    return str(text).encode()


def case_of(raw: dict[str, Any]) -> Case:
    method, version = octets(raw["method"]), octets(raw["version"])
    pairs = [(octets(h["name"]), octets(h["value"])) for h in raw["headers"] or ()]
    names = {name.lower() for name, _ in pairs}
    if b"host" not in names:
        pairs.insert(0, (b"Host", b"a"))
    start = b" ".join(filter(None, (method, octets(raw["uri"]), version)))
    lines = [start, *(b"%b: %b" % pair for pair in pairs), b"\r\n"]
    told = {name.lower(): value for name, value in pairs}
    body = b""
    if b"transfer-encoding" in told:
        body = b"0\r\n\r\n"
    elif told.get(b"content-length", b"").isdigit():
        body = b"x" * min(int(told[b"content-length"]), 20_000)
    return Case(
        raw["name"],
        raw["expected"]["tier"],
        raw["expected"]["reason"],
        method,
        version,
        b"\r\n".join(lines),
        body,
    )


def cases() -> list[Case]:
    folder = corpora() / "desync"
    if not folder.is_dir():
        return []
    texts = [(folder / f"{name}.yaml").read_text() for name in FILES]
    found = [case for text in texts for case in yaml.safe_load(text)]
    return [case_of(cast("dict[str, Any]", case)) for case in found]


CASES = cases()
every_case = pytest.mark.parametrize("case", CASES, ids=map(str, CASES))


every_mode = pytest.mark.parametrize("mode", MODES)


def read(head: bytes, mode: str) -> RequestHead | Refused:
    try:
        found = scan(head, MODES[mode])
    except Refused as refused:
        return refused
    assert found is not None, "not whole"
    return found[0]


NEVER = {
    "MultipleTransferEncodingChunked": "chunked stands alone, and once",
    "BadTransferEncoding": "nor has it parameters",
    "UnsupportedTransferEncoding": "other codings are not built",
    "MissingUri": "RFC 9112 has no empty target",
    "NonCompliantVersion": "HTTP/0.9 has no headers to say where a body ends",
    "BadVersion": "nor is it a version of ours",
    "UndefinedTransferEncodingSemantics": "HTTP/1.0 knows no chunks",
    "MultilineHeader": "folded onto Host, or onto framing",
}
"""Refused in every mode, though AWS serves some of it."""
IN_MONITOR_ALONE = {
    "BothTeClPresent",
    "DuplicateContentLength",
    "SuspiciousHeader",
    "NonCrLfLineTermination",
}
SERVED_BY_AWS = {
    "Compliant": MODES,
    "Acceptable": ("monitor", "defensive"),
    "Ambiguous": ("monitor", "defensive"),
    "Severe": ("monitor",),
}


async def test_the_corpus_is_all_there() -> None:
    assert {case.tier for case in CASES} == {
        *("Compliant", "Acceptable", "Ambiguous", "Severe")
    }
    assert len(CASES) > 60


@every_mode
@every_case
async def test_a_mode_serves_what_awss_does_or_less(case: Case, mode: str) -> None:
    served = read(case.head, mode)

    if isinstance(served, Refused):
        wanted = mode in SERVED_BY_AWS[case.tier] and case.tier != "Severe"
        known = {*NEVER, *(IN_MONITOR_ALONE if mode != "monitor" else ())}
        assert not wanted or served.reason in known
        return
    assert mode in SERVED_BY_AWS[case.tier]
    assert case.tier != "Severe", "which has no one reading to serve"
    assert (case.tier == "Compliant") == (not served.classification)
    assert served.close_after or case.tier != "Ambiguous" or mode == "monitor"
    assert b"content-length" not in served.passed_on.lower()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with run_node(tmp_path_factory.mktemp("n"), workers=1) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=MODES)
async def origin(node: Node, request: pytest.FixtureRequest) -> AsyncIterator[Origin]:
    async def answer(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """As those targets do that take the body of a GET for the next request."""
        if b" HTTP/1.1\r\n" not in head:
            return False
        if head.startswith((b"GET ", b"HEAD ")):
            head = head.replace(b"Content-Length", b"X-L").replace(b"Transfer", b"X-T")
        return await answer_ok(head, reader, writer)

    target = await Origin(answer).start()
    mode = LoadBalancerAttributes(desync_mitigation_mode=request.param)
    await node.serve({"web": [target.port]}, attributes=mode)
    yield target
    node.hang_up()
    target.drop()


INNOCENT = b"GET /innocent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@every_case
async def test_a_target_never_sees_two_requests_for_one_sent(
    node: Node, origin: Origin, case: Case
) -> None:
    """Its body is a request to those who see none; the next client is innocent."""
    before = len(origin.heads)
    body = SMUGGLED.ljust(len(case.body)) if len(case.body) > 40 else case.body
    _, writer = await node.connect()
    writer.write(case.head + body)

    answers = [await node.ask(INNOCENT) for _ in range(3)]

    assert [answer.partition(b"\r\n\r\n")[2] for answer in answers] == [
        b"/innocent"
    ] * 3
    seen = [head for head in origin.heads[before:] if b"/innocent" not in head]
    if case.method in (b"GET", b"HEAD"):  # what that target reads into it, it alone did
        seen = [head for head in seen if b" /foo" in head]
    assert len(seen) <= 1
    writer.transport.abort()
