"""A real node for tests: keeper, workers and prober as processes, targets in here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alb.app.balancer import Balancer, DecidesNoMore, join
from alb.model import (
    Forward,
    HealthCheck,
    Listener,
    LoadBalancer,
    LoadBalancerAttributes,
    Rule,
    TargetGroup,
    TargetId,
    WeightedGroup,
)
from tests.support.certificates import Pair, serving

DEADLINE_S = 20.0
QUICK = HealthCheck(path="/healthz", interval_s=0.5, timeout_s=0.5)


def free_port() -> int:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def to(group: str) -> Forward:
    return Forward((WeightedGroup(group),))


async def until(
    condition: Callable[[], bool], what: str, within_s: float = DEADLINE_S
) -> None:
    """Wait for a condition that other processes make true; fail saying which."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 - other processes make it true
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}") from None


@dataclass
class Node:
    """A running node, and control's side of it."""

    state_dir: Path
    keeper: asyncio.subprocess.Process
    balancer: Balancer
    port: int
    tasks: asyncio.TaskGroup
    running: asyncio.Task[None] = field(init=False)
    ended: BaseExceptionGroup[Exception] | None = None
    epoch: int = 1
    registered: list[str] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(  # noqa: PLR0913 - what a test changes, one argument each
        self,
        targets: dict[str, Sequence[int]],
        *,
        rules: Sequence[Rule] = (),
        attributes: LoadBalancerAttributes | None = None,
        delay_s: float = 5.0,
        listener: Mapping[str, Any] | None = None,
        group: Mapping[str, Any] | None = None,
    ) -> None:
        """Serve groups of fixed local ports; the first group is the default."""
        common = {"health_check": QUICK, **(group or {})}
        groups = tuple(
            TargetGroup(name, deregistration_delay_s=delay_s, **common)
            for name in targets
        )
        front = Listener(
            self.port,
            to(groups[0].name),
            tuple(rules),
            attributes=attributes or LoadBalancerAttributes(),
            **(listener or {}),
        )
        self.balancer.configure(LoadBalancer("test", listeners=(front,), groups=groups))
        for name in self.registered:
            self.balancer.forget(TargetId(name))
        self.registered.clear()
        for name, ports in targets.items():
            for port in ports:
                self.register(f"{name}-{port}", name, port)
        await self.ready()

    def certify(self, *pairs: Pair) -> None:
        """Have the HTTPS listener serve these, the default first."""
        self.balancer.certify(serving(f"https-{self.port}", *pairs))

    def register(self, name: str, group: str, port: int) -> None:
        self.registered.append(name)
        self.balancer.register(TargetId(name), group, "127.0.0.1", port)

    async def ready(self) -> None:
        await until(lambda: self.balancer.ready()[0], "the node serves the snapshot")

    async def healthy(self, *names: str) -> None:
        await until(
            lambda: all(
                self.balancer.observe()[TargetId(name)].eligible_everywhere
                for name in names
            ),
            f"{names} are healthy",
        )

    async def rejoin(self, epoch: int) -> None:
        """Become a new control: join with a higher epoch."""
        self.running.cancel()
        self.epoch = epoch
        self.balancer = await join(str(self.state_dir / "node.sock"), epoch)

    def run_balancer(self) -> None:
        self.running = self.tasks.create_task(self._run())

    async def _run(self) -> None:
        """Run the balancer until the node ends, or another control has it."""
        try:
            await self.balancer.run()
        except* (ConnectionError, DecidesNoMore) as ended:
            self.ended = ended

    async def superseded(self) -> bool:
        """Whether this control was told that it decides no more."""
        async with asyncio.timeout(DEADLINE_S):
            await self.running
        ended = self.ended
        return ended is not None and ended.subgroup(DecidesNoMore) is not None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    def hang_up(self) -> None:
        """End the connections that a test opened."""
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def ask(self, request: bytes, within_s: float = 10.0) -> bytes:
        """Send raw bytes; return everything until the node closes."""
        reader, writer = await self.connect()
        writer.write(request)
        async with asyncio.timeout(within_s):
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            answer = await reader.read()
        writer.close()
        return answer


@contextlib.asynccontextmanager
async def run_node(  # noqa: PLR0913 - each test names the few it needs
    state_dir: Path,
    workers: int = 2,
    *,
    cwd: Path | None = None,
    more: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    through: Sequence[str] = (),
) -> AsyncIterator[Node]:
    """Start a node and join it; end it orderly, by its pid if need be.

    `through` is a command that becomes the one behind it: ``prlimit``, ``setpriv``.
    """
    keeper = await asyncio.create_subprocess_exec(
        *through,
        sys.executable,
        *("-P", "-m", "alb.app.keeper_process", "--state-dir", str(state_dir)),
        *("--workers", str(workers), *more),
        cwd=cwd,
        env=None if env is None else {**os.environ, **env},
    )
    path = state_dir / "node.sock"
    try:
        await until(path.exists, "the keeper listens")
        balancer = await join(str(path), 1)
        async with asyncio.TaskGroup() as tasks:
            node = Node(state_dir, keeper, balancer, free_port(), tasks)
            node.run_balancer()
            yield node
            if keeper.returncode is None:
                node.balancer.stop_node(0.5)
                async with asyncio.timeout(DEADLINE_S):
                    await keeper.wait()
            node.running.cancel()
    finally:
        if keeper.returncode is None:
            keeper.kill()
            await keeper.wait()


Handler = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
"""(head, reader, writer) -> whether the connection lives on."""


class Origin:
    """A target that shows what reached it, byte for byte.

    `heads` are the request heads in order of arrival, `connections` those on which
    they came, both without health checks.
    """

    def __init__(self, handler: Handler | None = None) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._handler = handler or answer_ok
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> Origin:
        self._server = await asyncio.start_server(self._serve, host, port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def drop(self) -> None:
        """Die as a killed process does: nothing listens, connections break."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        asked = False
        try:
            lives = True
            while lives:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /healthz "):
                    lives = await answer_ok(head, reader, writer)
                    continue
                self.connections += not asked
                asked = True
                self.heads.append(head)
                lives = await self._handler(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


async def answer_ok(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """200 with the request's body, or its path, as body; echoes X-Request-Id."""
    body = await read_body(head, reader) or head.split(b" ", 2)[1]
    echo = [
        line
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"x-request-id:")
    ]
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *echo, b"\r\n"]
    end = b"" if head.startswith(b"HEAD ") else body
    writer.write(b"\r\n".join(lines) + end)
    await writer.drain()
    return True


async def read_body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    """Return the body that follows `head`, length or chunked."""
    lower = head.lower()
    if b"\r\ntransfer-encoding: chunked\r\n" in lower:
        body = b""
        while True:
            size = int(await reader.readuntil(b"\n"), 16)
            body += (await reader.readexactly(size + 2))[:-2]
            if not size:
                return body
    if b"\r\ncontent-length: " in lower:
        length = lower.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0]
        return await reader.readexactly(int(length))
    return b""
