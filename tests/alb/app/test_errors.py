"""Every status that the load balancer makes: exactly when, and with which reason.

Real sockets, one node; what the client got and what the JSON log says of it.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from alb.model import LoadBalancerAttributes, LogFiles, PathPattern, Rule
from alb.policies import Concurrency
from tests.support.messages import replying
from tests.support.node import Handler, Node, Origin, free_port, run_node, to, until

HOST = b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
END = b"\r\n"
LATE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def silence(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    await asyncio.sleep(4)
    writer.write(LATE)
    return False


# fmt: off
REFUSED = [
    (b"GET /uri/" + b"a" * 17_000 + HOST + END,                  414, "RequestLineTooLong"),
    (b"GET /header" + HOST + b"X: " + b"y" * 17_000 + b"\r\n\r\n", 400, "HeaderTooLarge"),
    (b"GET /head" + HOST + (b"X: " + b"y" * 9_000 + b"\r\n") * 8 + END, 400, "HeadTooLarge"),
    (b"TRACE /trace" + HOST + END,                               405, "MethodNotAllowed"),
    (b"POST /coding" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501, "UnsupportedTransferEncoding"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",                        505, "BadVersion"),
    (b"GET /host HTTP/1.1\r\n\r\n",                              400, "MissingHost"),
    (b"GET /lengths" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "MultipleContentLength"),
    (b"GET /expect" + HOST + b"Expect: magic\r\n\r\n",           417, "BadExpect"),
    (b"GET /slow HTTP/1.1\r\nHost: a",                           408, "HeadTimeout"),
]
FORWARDED = [
    ("xff",       LATE,    b"GET", b"X-Forwarded-For: " + b",".join([b"1.1.1.1"] * 31) + END, 463, "TooManyForwardedAddresses"),
    ("closed",    b"",     b"GET", b"",                            502, "TARGET_CLOSED"),
    ("nonsense",  b"no\n", b"GET", b"",                            502, "RESPONSE_MALFORMED"),
    ("large",     b"HTTP/1.1 200 OK\r\nX: " + b"y" * 33_000 + b"\r\n\r\n", b"GET", b"", 502, "RESPONSE_MALFORMED"),
    ("silent",    None,    b"GET", b"",                            504, "RESPONSE_TIMEOUT"),
    ("stalls",    None,    b"POST", b"Content-Length: 9\r\n",      408, "CLIENT_SLOW"),
    ("chunks",    None,    b"POST", b"Transfer-Encoding: chunked\r\n\r\nxyz", 400, "CLIENT_MALFORMED"),
    ("empty",     None,    b"GET", b"",                            503, "NO_TARGET"),
    ("refuses",   None,    b"GET", b"",                            502, "CONNECT_REFUSED"),
]
LEAVES = [
    ("leaves",    b"GET /leaves HTTP/1.1\r\nHost: a\r\n\r\n",                           460, "CLIENT_GONE"),
    ("cut",       b"POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhal",     400, "CLIENT_CUT"),
]
# fmt: on


def told(directory: Path) -> list[tuple[int, str]]:
    files = directory.rglob("[0-9]*.log.gz")
    lines = b"".join(gzip.decompress(file.read_bytes()) for file in files)
    rows = (json.loads(line) for line in lines.splitlines())
    return sorted((int(row["elb_status_code"]), row["reason"]) for row in rows)


def status_of(answer: bytes) -> int:
    return int(answer[9:12])


def rules_to(*groups: str) -> list[Rule]:
    return [
        Rule(n, (PathPattern((f"/{name}",)),), to(name))
        for n, name in enumerate(groups, 1)
    ]


async def leave(node: Node, request: bytes, origin: Origin) -> None:
    """Send and hang up, once the target has it."""
    before = len(origin.heads)
    _, writer = await node.connect()
    writer.write(request)
    await until(lambda: len(origin.heads) > before, "the target has the request")
    writer.close()


def handler(reply: bytes | None) -> Handler:
    return silence if reply is None else replying(reply, then=False)


async def test_each_status_has_its_cause_and_its_reason(tmp_path: Path) -> None:
    attributes = LoadBalancerAttributes(
        idle_timeout_s=1.0,
        head_timeout_s=1.0,
        access_log=LogFiles(str(tmp_path / "logs"), "front", json=True),
    )
    origins = {
        name: await Origin(handler(reply)).start() for name, reply, *_ in FORWARDED
    }
    quiet = await Origin(silence).start()
    ports: dict[str, Sequence[int]] = {
        name: [origin.port] for name, origin in origins.items()
    }
    ports |= {"empty": [], "refuses": [free_port()]}
    ports |= {name: [quiet.port] for name, *_ in LEAVES}
    wanted = [(status, reason) for *_, status, reason in REFUSED + FORWARDED + LEAVES]

    async with run_node(tmp_path / "state", workers=1) as node:
        await node.serve(ports, rules=rules_to(*ports), attributes=attributes)
        asked = [node.ask(request) for request, *_ in REFUSED]
        for name, _, method, rest, *_ in FORWARDED:
            asked.append(node.ask(method + b" /" + name.encode() + HOST + rest + END))
        answers = await asyncio.gather(*asked)
        for _, request, *_ in LEAVES:
            await leave(node, request, quiet)
        await until(lambda: len(told(tmp_path)) >= len(wanted), "all are logged")

        made = [(status_of(answer), answer) for answer in answers]
        expected = [status for *_, status, _ in REFUSED + FORWARDED]
        assert [status for status, _ in made] == expected
        assert all(b"Server: awselb/2.0" in answer for _, answer in made)
        assert told(tmp_path) == sorted(wanted)
        await until(lambda: counted(node) == tally(wanted), "metrics say the same")
    for origin in (*origins.values(), quiet):
        origin.drop()


def tally(rows: list[tuple[int, str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for status, reason in rows:
        for name in (f"elb.{status}", reason):
            counts[name] = counts.get(name, 0) + 1
    return counts


def counted(node: Node) -> dict[str, int]:
    (listener,) = node.balancer.statistics().totals.listeners.values()
    return {
        name.removeprefix("failure.").removeprefix("refused."): count
        for name, count in listener.totals.items()
        if name.startswith(("elb.", "failure.", "refused."))
    }


async def test_full_targets_have_reasons_of_their_own(tmp_path: Path) -> None:
    attributes = LoadBalancerAttributes(
        access_log=LogFiles(str(tmp_path / "logs"), "front", json=True)
    )
    quiet = await Origin(silence).start()
    policy = Concurrency(1, queue_length=1, queue_timeout_s=1.0)

    async with run_node(tmp_path / "state", workers=1) as node:
        await node.serve(
            {"web": [quiet.port]}, attributes=attributes, group={"concurrency": policy}
        )
        asked = [node.ask(b"GET /" + HOST + END) for _ in range(3)]
        answers = await asyncio.gather(*asked)
        await until(lambda: len(told(tmp_path)) == 3, "all are logged")

    assert sorted(map(status_of, answers)) == [200, 503, 503]
    assert told(tmp_path) == [(200, "-"), (503, "OVERFLOW"), (503, "QUEUE_TIMEOUT")]
    quiet.drop()
