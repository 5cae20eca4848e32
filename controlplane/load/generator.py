"""The open loop: send when the shape says so, whatever came back.

Arrival times are computed from the shape and the start of the run. Latency is
measured from the intended time, so a request that had to wait for the generator
or for a connection is not a fast request that was sent late ("coordinated
omission"). Nothing is sent twice.

    times --> due --> Pool --> ended --> Tally --> LoadReport
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from ssl import SSLContext
from typing import Final

from controlplane.load.connection import Origin, Pool, Request
from controlplane.load.options import LoadOptions, Url
from controlplane.load.outcome import TIMED_OUT, Second, Tally
from controlplane.load.report import LoadReport, Run, report_of
from controlplane.load.shape import even, poisson
from controlplane.load.tls import trusting
from controlplane.load.wakeup import wakeup
from controlplane.load.witness import bind, listening

HEAD_START_S: Final = 0.02
"""From the call to the first possible arrival, so that it is not late."""
SWEEP_S: Final = 0.02
"""How often timeouts are looked for: a timeout is told at most this late."""
WITNESS_LINGER_S: Final = 0.2
"""After the last answer, for the witness's datagrams still on the way."""
BURST_MAX: Final = 64
"""Sent in one go when late; then answers are read before the next."""

OnSecond = Callable[[Second], None]


async def generate(
    options: LoadOptions,
    on_second: OnSecond,
    stop: asyncio.Event,
    tally: Tally | None = None,
) -> LoadReport:
    """Run the whole shape, or until `stop` is set, and report.

    A caller's own `tally` can be looked at while the run goes on. Raises OSError
    if a name does not resolve, the witness's port is taken or no authority can be
    read. Connections that
    fail are failed requests, never exceptions.
    """
    tally = tally or Tally(secrets.token_hex(4))
    run_id = tally.run_id
    secure = any(url.secure for url in options.urls)
    tls = trusting(options.cacert) if secure else None
    origins = {url: await _resolve(url, tls) for url in options.urls}
    async with _witness(options, tally), asyncio.TaskGroup() as group:
        generator = Generator(options, run_id, tally, group, origins)
        await generator.run(on_second, stop)
    return report_of(
        Run(
            run_id=run_id,
            urls=tuple(url.text for url in options.urls),
            shape=options.shape_text,
            duration_s=generator.sending_s,
            witnessing=options.witness is not None,
            connections_opened=sum(pool.opened for pool in generator.pools),
            connections_peak=sum(pool.peak for pool in generator.pools),
        ),
        tally,
    )


async def _resolve(url: Url, tls: SSLContext | None) -> Origin:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    address = str(found[0][4][0])
    return Origin(address, url.port, *((tls, url.host) if url.secure else ()))


@asynccontextmanager
async def _witness(options: LoadOptions, tally: Tally) -> AsyncIterator[None]:
    if options.witness is None:
        yield
        return
    start_s = time.monotonic()
    async with listening(
        bind(*options.witness),
        lambda seen: tally.witness(seen, time.monotonic() - start_s),
    ):
        yield
        await asyncio.sleep(WITNESS_LINGER_S)


def arrivals_of(options: LoadOptions) -> Iterator[float]:
    """The arrival times of `options`, in seconds from the start."""
    if options.arrivals == "poisson":
        return poisson(options.shape, random.Random(options.seed).random)  # noqa: S311 - a load, not a secret
    return even(options.shape)


def head_of(url: Url, options: LoadOptions, run_id: str) -> bytes:
    """The request's head up to the number that completes its id."""
    given = {name.lower() for name, _ in options.headers}
    lines = [f"GET {url.target} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {url.authority}")
    if "user-agent" not in given:
        lines.append("User-Agent: alb-load")
    lines.extend(f"{name}: {value}" for name, value in options.headers)
    return ("\r\n".join(lines) + f"\r\nX-Request-Id: {run_id}-").encode()


class Generator:
    """One run. Everything in it happens on the event loop's thread."""

    def __init__(
        self,
        options: LoadOptions,
        run_id: str,
        tally: Tally,
        group: asyncio.TaskGroup,
        origins: dict[Url, Origin],
    ) -> None:
        self._timeout_s = options.timeout_s
        self._echo = options.echo
        self._id_prefix = f"{run_id}-".encode()
        self._tally = tally
        self._times = arrivals_of(options)
        self._open: dict[int, Request] = {}
        self._shape_s = options.shape.duration_s
        pools = {
            origin: Pool(origin, options.connections, self._ended, group)
            for origin in dict.fromkeys(origins.values())
        }
        self.pools = tuple(pools.values())
        self._turns = cycle(
            [
                (pools[origins[url]], head_of(url, options, run_id))
                for url in options.urls
            ]
        )
        self._sending = True
        self._none_open = asyncio.Event()
        self.sending_s = 0.0

    async def run(self, on_second: OnSecond, stop: asyncio.Event) -> None:
        """Send, wait for what is in flight, close. Seconds are told as they end."""
        loop = asyncio.get_running_loop()
        self._wakeup = wakeup(loop, self._due)
        self._start_s = time.monotonic() + HEAD_START_S
        self._plan_next()
        try:
            async with asyncio.TaskGroup() as group:
                background = (
                    group.create_task(self._tell_seconds(on_second)),
                    group.create_task(self._sweep()),
                )
                await self._until_shape_ends(stop)
                await self._none_open.wait()
                for task in background:
                    task.cancel()
            on_second(self._tally.end_second())
        finally:
            self._wakeup.close()
            for pool in self.pools:
                pool.close()

    async def _until_shape_ends(self, stop: asyncio.Event) -> None:
        end_s = self._start_s + self._shape_s
        while (left_s := end_s - time.monotonic()) > 0 and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await stop.wait()
        if not stop.is_set():
            self._send_rest()
        self._sending = False
        self.sending_s = min(time.monotonic(), end_s) - self._start_s
        if not self._open:
            self._none_open.set()

    async def _tell_seconds(self, on_second: OnSecond) -> None:
        told = 0
        while True:
            told += 1
            await asyncio.sleep(self._start_s + told - time.monotonic())
            on_second(self._tally.end_second())

    async def _sweep(self) -> None:
        """End what is older than the timeout. Ids are in order of intended time."""
        while True:
            await asyncio.sleep(SWEEP_S)
            before_s = time.monotonic() - self._timeout_s
            while self._open:
                oldest = next(iter(self._open.values()))
                if oldest.intended_s > before_s:
                    break
                self._time_out(oldest)

    def _time_out(self, request: Request) -> None:
        connection = request.connection
        request.over = True
        self._ended(request, TIMED_OUT)
        if connection is not None:
            connection.abort()

    def _plan_next(self) -> None:
        at_s = next(self._times, None)
        self._next_s = math.inf if at_s is None else self._start_s + at_s
        if at_s is not None:
            self._wakeup.at(self._next_s)

    def _due(self) -> None:
        """Send what is due, a burst at a time, and set the timer for the rest."""
        if self._sending:
            self._send_burst(BURST_MAX)
            if self._next_s < math.inf:
                self._wakeup.at(self._next_s)

    def _send_rest(self) -> None:
        """The shape is over, so every arrival is due; what is late was late."""
        while self._next_s < math.inf:
            self._send_burst(BURST_MAX)

    def _send_burst(self, limit: int) -> None:
        sent = 0
        now_s = time.monotonic()
        while self._next_s <= now_s and sent < limit:
            self._send(self._next_s, now_s - self._next_s)
            sent += 1
            at_s = next(self._times, None)
            self._next_s = math.inf if at_s is None else self._start_s + at_s
            now_s = time.monotonic()

    def _send(self, intended_s: float, lag_s: float) -> None:
        pool, head = next(self._turns)
        number = self._tally.begin(lag_s)
        digits = b"%d" % number
        own_id = self._id_prefix + digits if self._echo else None
        request = Request(number, intended_s, own_id, head + digits + b"\r\n\r\n")
        self._open[number] = request
        pool.submit(request)

    def _ended(self, request: Request, failure: str | None) -> None:
        del self._open[request.number]
        latency_s = time.monotonic() - request.intended_s
        if failure is None and latency_s > self._timeout_s:
            failure = TIMED_OUT
        if failure is None:
            self._tally.succeed(request.number, latency_s)
        else:
            at_s = request.intended_s - self._start_s
            self._tally.fail(request.number, at_s, failure)
        if not self._open and not self._sending:
            self._none_open.set()
