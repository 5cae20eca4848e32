"""At most so many requests at a target, and a queue in front."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alb.model import TargetGroup
from alb.policies import Concurrency, RetryPolicy
from tests.support.node import Origin, run_node, until
from tests.support.wires import Wire, World

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FULL = b"HTTP/1.1 503 Service Temporarily Unavailable\r\n"

Make = Callable[..., World]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[World] = []

    def one(targets: int = 1, cap: int = 1, queue: int = 0, **more: object) -> World:
        policy = Concurrency(cap, queue, queue_timeout_s=5.0)
        group = TargetGroup("web", concurrency=policy, **more)  # type: ignore[arg-type]
        made.append(World(targets, group=group))
        return made[-1]

    yield one
    for world in made:
        world.close()


def counted(world: World, name: str) -> int:
    return world.table.groups["web"].report().totals.get(name, 0)


def failures(world: World) -> dict[str, int]:
    return {what.name: n for what, n in world.door.counters.by_failure.items()}


def answered(world: World, target: Wire) -> None:
    target.deliver(OK)
    world.flush()


def test_without_a_queue_what_finds_no_room_is_503_at_once(make: Make) -> None:
    world = make(cap=2)
    first, second, third = (world.client(GET % b"x") for _ in range(3))
    world.flush()
    assert third.sent.startswith(FULL)
    assert failures(world) == {"OVERFLOW": 1}
    assert counted(world, "queueRejected") == 1
    for client in (first, second):
        answered(world, world.connected())
        assert client.sent.endswith(b"ok")


def test_full_targets_are_passed_over(make: Make) -> None:
    world = make(targets=3)
    for _ in range(3):
        world.client(GET % b"x")
    assert [target.in_flight for target in world.targets] == [1, 1, 1]
    assert failures(world) == {}


def test_those_who_wait_go_in_their_order(make: Make) -> None:
    world = make(queue=2)
    clients = [world.client(GET % b"%d" % n) for n in range(3)]
    target = world.connected()
    for n, client in enumerate(clients):
        world.flush()
        assert b"/%d " % n in target.sent
        assert b"/%d " % (n + 1) not in target.sent
        answered(world, target)
        assert client.sent.endswith(b"ok")
    assert (counted(world, "queued"), counted(world, "queueRejected")) == (2, 0)


def test_who_comes_while_others_wait_waits_behind_them(make: Make) -> None:
    """Also on the connection whose answer has just made room."""
    world = make(queue=2)
    first = world.client(GET % b"1")
    second = world.client(GET % b"2")
    first.deliver(GET % b"3")  # pipelined: its turn comes with the answer
    target = world.connected()
    answered(world, target)
    assert target.sent.index(b"/2 ")
    assert b"/3 " not in target.sent
    answered(world, target)
    assert second.sent.endswith(b"ok")
    assert b"/3 " in target.sent


def test_a_full_queue_is_503(make: Make) -> None:
    world = make(queue=1)
    clients = [world.client(GET % b"x") for _ in range(3)]
    world.flush()
    assert [client.sent[:12] for client in clients] == [b"", b"", FULL[:12]]
    assert failures(world) == {"OVERFLOW": 1}


def test_who_waited_too_long_is_503(make: Make) -> None:
    world = make(queue=1)
    busy, waiting = world.client(GET % b"x"), world.client(GET % b"x")
    world.sweep(4.5)
    assert not waiting.unsent
    world.sweep(1.0)
    world.flush()
    assert waiting.sent.startswith(FULL)
    assert failures(world) == {"QUEUE_TIMEOUT": 1}
    assert counted(world, "queuedMicroseconds") == 5_500_000
    answered(world, world.connected())
    assert busy.sent.endswith(b"ok")


def test_who_leaves_the_queue_frees_its_place(make: Make) -> None:
    world = make(queue=1)
    world.client(GET % b"1")
    leaving = world.client(GET % b"2")
    leaving.lose()
    assert world.table.waiting() == {}
    last = world.client(GET % b"3")
    answered(world, target := world.connected())
    answered(world, target)
    assert last.sent.endswith(b"ok")
    assert b"/2 " not in target.sent


def test_a_body_waits_with_its_request(make: Make) -> None:
    world = make(queue=1)
    world.client(GET % b"1")
    post = world.client(b"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo")
    post.deliver(b"dy")
    answered(world, target := world.connected())
    assert target.sent.endswith(b"\r\n\r\nbody")


def test_a_tunnel_holds_its_place(make: Make) -> None:
    world = make(queue=1)
    tunnel = world.client(UPGRADE)
    target = world.connected()
    target.deliver(b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
    world.client(GET % b"2")
    world.flush()
    assert not world.connects
    tunnel.lose()
    assert len(world.connects) == 1


def _client_leaves(world: World, client: Wire, target: Wire) -> None:
    client.lose()


def _target_leaves(world: World, client: Wire, target: Wire) -> None:
    target.lose()


def _nonsense(world: World, client: Wire, target: Wire) -> None:
    target.deliver(b"nonsense\r\n\r\n")


def _half(world: World, client: Wire, target: Wire) -> None:
    target.deliver(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha")
    target.lose()


@pytest.mark.parametrize("ends", [_client_leaves, _target_leaves, _nonsense, _half])
def test_a_place_is_given_back_however_a_request_ends(
    make: Make, ends: Callable[[World, Wire, Wire], None]
) -> None:
    world = make(queue=1)
    client = world.client(GET % b"1")
    target = world.connected()
    waiting = world.client(GET % b"2")
    ends(world, client, target)
    world.flush()
    answered(world, world.connected())
    assert waiting.sent.endswith(b"ok")
    assert [target.in_flight for target in world.targets] == [0]


def test_a_refused_connection_gives_its_place_back(make: Make) -> None:
    world = make(targets=2, queue=1)
    world.client(GET % b"1")
    world.refused()
    assert sorted(target.in_flight for target in world.targets) == [0, 1]


def test_a_retry_needs_room_too(make: Make) -> None:
    world = make(targets=2, retry=RetryPolicy(on_status_codes=((503, 503),)))
    first = world.client(GET % b"1")
    world.client(GET % b"2")
    busy = world.connected()
    busy.deliver(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    world.flush()
    assert first.sent.startswith(b"HTTP/1.1 503 Busy"), "the other one is full"
    assert sum(target.in_flight for target in world.targets) == 1


def test_a_cap_that_is_raised_or_lifted_lets_those_go_who_wait(make: Make) -> None:
    world = make(queue=9)
    for _ in range(4):
        world.client(GET % b"x")
    for cap, present in ((2, 2), (0, 4)):
        world.group = TargetGroup("web", concurrency=Concurrency(cap, 9))
        world.publish(*world.registered)
        world.sweep()
        assert [target.in_flight for target in world.targets] == [present]


def test_those_who_wait_for_targets_that_are_gone_are_told(make: Make) -> None:
    world = make(queue=1)
    world.client(GET % b"1")
    waiting = world.client(GET % b"2")
    world.publish()
    world.sweep()
    world.flush()
    assert waiting.sent.startswith(FULL)
    assert failures(world) == {"NO_TARGET": 1}


# --- over all workers ---------------------------------------------------------------


class Busy:
    """A target that says how many requests it ever had at once."""

    def __init__(self) -> None:
        self.now = self.most = self.served = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if b"/healthz" in head:
            writer.write(OK)
            return True
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.002)
            await self.open.wait()
        finally:
            self.now -= 1
        self.served += 1
        writer.write(OK)
        return True


async def test_four_workers_together_never_pass_the_cap(tmp_path: Path) -> None:
    """Also when one of them is killed with its requests at the target."""
    busy = Busy()
    origin = await Origin(busy).start()
    policy = Concurrency(3, queue_length=100, queue_timeout_s=20.0)
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    async with run_node(tmp_path, workers=4) as node:
        await node.serve({"web": [origin.port]}, group={"concurrency": policy})
        await node.healthy(f"web-{origin.port}")
        answers = await asyncio.gather(*(node.ask(request, 20) for _ in range(150)))
        assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
        assert busy.most == 3, "it is reached, and not passed"

        busy.open.clear()
        asking = [asyncio.ensure_future(node.ask(request, 20)) for _ in range(40)]
        await until(lambda: busy.now == 3, "the target is full")
        victims = node.balancer.statistics().workers
        for worker in victims:
            os.kill(worker.pid, signal.SIGKILL)
        await until(
            lambda: node.balancer.statistics().worker_exits == 4, "all are replaced"
        )
        await asyncio.gather(*asking, return_exceptions=True)
        busy.open.set()
        await until(lambda: busy.now == 0, "the target is empty")
        busy.most = 0
        await node.ready()
        answers = await asyncio.gather(*(node.ask(request, 20) for _ in range(60)))
        assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
        assert busy.most == 3, "what the killed ones held is free again"
    origin.drop()
