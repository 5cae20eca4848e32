"""What one worker has in flight, the others see: with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alb.model import Algorithm, TargetId
from tests.live.test_node import GET, pids
from tests.live.test_upgrade import upgrade
from tests.support.node import DEADLINE_S, Node, Origin, run_node, until

LEAST = {"algorithm": Algorithm("least_outstanding_requests")}
WAVE = 16


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with run_node(tmp_path, workers=2) as running:
        yield running
        running.hang_up()


MITIGATING = {"algorithm": Algorithm("weighted_random", anomaly_mitigation=True)}


class Holding:
    """A target that answers nobody before its client hangs up."""

    def __init__(self) -> None:
        self.held = 0
        self.origin = Origin(self._hold)

    async def start(self) -> int:
        return (await self.origin.start()).port

    async def _hold(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        self.held += 1
        await reader.read(1)
        self.held -= 1
        return False


async def ask(node: Node, targets: list[Holding], count: int) -> None:
    """Send requests, each once the one before has arrived."""
    for _ in range(count):
        before = sum(target.held for target in targets)
        _, writer = await node.connect()
        writer.write(GET)
        await until(
            lambda wanted=before + 1: sum(t.held for t in targets) == wanted,  # type: ignore[misc]  # bound to this turn
            "the request arrived",
        )


async def two_targets(node: Node) -> tuple[Holding, Holding]:
    """One that has a wave of requests, and one that comes then."""
    busy, new = Holding(), Holding()
    await node.serve({"web": [await busy.start()]}, group=LEAST)
    await node.healthy(f"web-{busy.origin.port}")
    await ask(node, [busy, new], WAVE)
    node.register(f"web-{await new.start()}", "web", new.origin.port)
    await node.ready()
    await node.healthy(f"web-{new.origin.port}")
    return busy, new


async def test_the_fewest_in_flight_are_counted_over_all_workers(node: Node) -> None:
    busy, new = await two_targets(node)

    await ask(node, [busy, new], WAVE)

    assert (busy.held, new.held) == (WAVE, WAVE)
    busy.origin.drop()
    new.origin.drop()


async def test_what_a_dead_worker_had_in_flight_counts_no_more(node: Node) -> None:
    busy, new = await two_targets(node)
    (victim, _) = pids(node)

    os.kill(victim, signal.SIGKILL)
    await until(lambda: victim not in pids(node) and len(pids(node)) == 2, "a new one")
    await node.ready()
    await until(
        lambda: sum(t.in_flight for t in node.balancer.observe().values()) == busy.held,
        "its requests are gone",
    )
    await ask(node, [busy, new], busy.held + 4)

    assert abs(busy.held - new.held) <= 1
    busy.origin.drop()
    new.origin.drop()


async def test_counts_go_on_through_an_upgrade(node: Node) -> None:
    """Workers of the former program still have requests that the new ones count."""
    busy, new = await two_targets(node)

    await upgrade(node)
    await node.serve({"web": [busy.origin.port, new.origin.port]}, group=LEAST)
    await node.healthy(f"web-{busy.origin.port}", f"web-{new.origin.port}")
    await ask(node, [busy, new], WAVE)

    assert (busy.held, new.held) == (WAVE, WAVE)
    busy.origin.drop()
    new.origin.drop()


async def test_a_target_that_answers_500_is_told_and_gets_less(node: Node) -> None:
    """Seen by workers, told to control."""

    async def answer(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        fails = b"GET /healthz" not in head
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n"
            % (b"500 No" if fails else b"200 OK")
        )
        return True

    odd = await Origin(answer).start()
    origins = [odd, await Origin().start(), await Origin().start()]
    names = [f"web-{origin.port}" for origin in origins]
    await node.serve({"web": [origin.port for origin in origins]}, group=MITIGATING)
    await node.healthy(*names)

    def told() -> dict[str, tuple[bool, bool]]:
        seen = node.balancer.observe()
        return {
            name: (seen[TargetId(name)].anomalous, seen[TargetId(name)].mitigated)
            for name in names
        }

    async with asyncio.timeout(DEADLINE_S):
        while told()[names[0]] != (True, True):
            await node.ask(GET)
    assert {told()[name] for name in names[1:]} == {(False, False)}

    for origin in origins:
        origin.drop()
