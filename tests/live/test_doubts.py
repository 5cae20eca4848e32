"""What workers cannot reach is checked at once: a dead target is out within seconds,
though its checks are half a minute apart, and a short outage takes nobody out."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from alb.model import (
    HealthCheck,
    HealthState,
    LoadBalancerAttributes,
    LogFiles,
    TargetId,
)
from foundation.clock import SystemClock
from tests.support.node import Handler, Node, Origin, run_node, until

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
RARE = HealthCheck(
    path="/healthz", interval_s=30.0, unhealthy_threshold=2, healthy_threshold=5
)
WORKERS = 4
OUT_WITHIN_S = 2.0
"""0.5 s between two checks, and some for a busy machine."""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with run_node(tmp_path / "state", WORKERS) as running:
        yield running
        running.hang_up()


async def serve(node: Node, *origins: Origin) -> list[TargetId]:
    """Serve these by rare checks, healthy; return their names."""
    log = LogFiles(str(node.state_dir.parent / "logs"), "front")
    await node.serve(
        {"web": [origin.port for origin in origins]},
        group={"health_check": RARE},
        attributes=LoadBalancerAttributes(health_check_log=log),
    )
    names = [f"web-{origin.port}" for origin in origins]
    await node.healthy(*names)
    return [TargetId(name) for name in names]


def state(node: Node, name: TargetId) -> HealthState:
    return node.balancer.observe()[name].health.state


def checks(node: Node, port: int) -> list[tuple[datetime, bytes]]:
    """Return when the target was checked, and the result, as logged."""
    found = (node.state_dir.parent / "logs").rglob("health_check_log_*.log.gz")
    rows = [
        row.split()
        for one in found
        for row in gzip.decompress(one.read_bytes()).splitlines()
    ]
    return sorted(
        (datetime.fromisoformat(row[1].decode()), row[5])
        for row in rows
        if row[3] == b"127.0.0.1:%d" % port
    )


async def test_a_dead_target_is_out_in_every_worker_at_once_and_soon_back(
    node: Node,
) -> None:
    dies, stays = await Origin().start(), await Origin().start()
    name, _ = await serve(node, dies, stays)
    clock = SystemClock()
    dies.drop()
    dead_s = clock.now_s()

    while state(node, name) is not HealthState.UNHEALTHY:
        assert (await node.ask(GET)).startswith(b"HTTP/1.1 200"), "tried elsewhere"
        assert clock.now_s() - dead_s < 10.0, "it is found out"
    took_s = clock.now_s() - dead_s
    await dies.start(dies.port)  # whoever is sent there now would be answered
    answers = [await node.ask(GET) for _ in range(10 * WORKERS)]
    heads = len(dies.heads)
    still_out = state(node, name) is HealthState.UNHEALTHY

    assert took_s < OUT_WITHIN_S
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
    assert not heads or not still_out, "no worker picks it"
    await node.healthy(name)
    assert clock.now_s() - dead_s < RARE.interval_s / 2, "long before five intervals"
    stays.drop()
    dies.drop()


async def test_doubts_of_all_workers_cost_a_few_checks_and_these_are_logged(
    node: Node,
) -> None:
    origin = await Origin().start()
    (name,) = await serve(node, origin)
    origin.drop()

    async with asyncio.TaskGroup() as tasks:  # nobody else is there: all are refused
        for _ in range(5 * WORKERS):
            tasks.create_task(node.ask(GET))
    await until(lambda: state(node, name) is HealthState.UNHEALTHY, "it is out")
    await until(lambda: len(checks(node, origin.port)) > 2, "the checks are logged")
    (_, first), (doubted_at, second), (out_at, third), *more = checks(node, origin.port)

    assert [b"PASS", b"FAIL", b"FAIL"] == [first, second, third]
    assert 0.5 <= (out_at - doubted_at).total_seconds() < OUT_WITHIN_S
    assert len(more) <= 4, "less and less often"


async def hang_up(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    writer.transport.abort()
    return False


async def answer_500(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
    return True


# fmt: off
LOOKS = [
    (hang_up,    True,  "who hangs up without an answer is looked at, and stays healthy"),
    (answer_500, False, "what the application chose to say is no doubt"),
]
# fmt: on


@pytest.mark.parametrize(
    ("handler", "looked_at"), [row[:2] for row in LOOKS], ids=[row[2] for row in LOOKS]
)
async def test_what_is_a_doubt(
    node: Node,
    handler: Handler,
    looked_at: bool,  # noqa: FBT001 - a table's column
) -> None:
    origin, quiet = await Origin(handler).start(), await Origin().start()
    name, _ = await serve(node, origin, quiet)

    for _ in range(4 * WORKERS):
        await node.ask(GET)
    quiet.drop()
    while len(checks(node, quiet.port)) < 2:  # what came before it was looked at too
        await node.ask(GET)

    assert {b"PASS"} == {result for _, result in checks(node, origin.port)}
    assert looked_at == (len(checks(node, origin.port)) > 1)
    assert state(node, name) is HealthState.HEALTHY
    origin.drop()
