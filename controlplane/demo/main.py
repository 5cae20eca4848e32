"""Send the demo's load, watch control, show both. Nothing else.

The demo has no power of its own: it sends what `alb load` sends and asks what
`alb status` asks. Whoever starts the cluster gives it two things: the command of
the load generator, and `look`, which asks control.

    load command --lines--> seconds --+
    look() ---------------> State ----+--> Screen, and in the end Observed
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from controlplane.client import ClientError
from controlplane.demo.scenario import (
    QUIET_FROM_S,
    SECONDS_MAX,
    SHAPE,
    TARGETS,
    TASKS_WANTED,
)
from controlplane.demo.screen import Screen
from controlplane.demo.verdict import LoadSecond, Observed, Scaling, ServiceLook
from controlplane.demo.view import Frame, ServiceRow
from foundation.clock import Clock

LOOK_TIMEOUT_S: Final = 2.0
LOOK_EVERY_S: Final = 1.0
TEARDOWN_S: Final = 10.0
"""Kept of the demo's time for what follows: stopping all that was started."""
_LINE_BYTES_MAX: Final = 8 * 1024 * 1024
"""The report is one line, with a row for each second."""

JsonObject = dict[str, object]


@dataclass(frozen=True, slots=True)
class State:
    """What control says. Times are unix seconds; events oldest first."""

    services: tuple[ServiceRow, ...]
    events: tuple[tuple[float, str], ...] = ()
    scalings: tuple[Scaling, ...] = ()


Look = Callable[[], Awaitable[State]]
"""Ask control. ClientError and TimeoutError mean: not now."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo. `began_s`: when the command was typed, by `clock.now_s`."""

    load_command: Sequence[str]
    look: Look
    screen: Screen
    clock: Clock
    began_s: float
    runtime: str
    title: str = "alb demo"


@dataclass(slots=True)
class _Record:
    """What was seen so far, by seconds since the load began."""

    began_unix_s: float
    load_unix_s: float
    seconds: list[LoadSecond] = field(default_factory=list)
    looks: list[ServiceLook] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    state: State = field(default_factory=lambda: State(()))
    requests: int = 0
    failed: int = 0
    reasons: tuple[str, ...] = ()


def load_command(front: str, witness: str = "") -> list[str]:
    """The generator's command for the scenario against `front` (http://host:port).

    `witness`: HOST:PORT where tasks report what reached them; empty: nowhere.
    """
    base = front.rstrip("/")
    command = [sys.executable, "-P", "-m", "controlplane.load"]
    command += [base + target for target in TARGETS]
    command += ["--shape", SHAPE, "--progress", "--json"]
    if witness:
        command += ["--witness", witness]
    return command


async def run(demo: Demo) -> Observed:
    """Run the scenario, until what it started with is there again, or too late.

    Raises LoadFailed if the generator does not report.
    """
    clock = demo.clock
    load_unix_s = clock.unix_s()
    record = _Record(load_unix_s - (clock.now_s() - demo.began_s), load_unix_s)
    with _redrawn_when_resized(demo, record):
        try:
            async with _generator(demo.load_command) as generator:
                await _follow(demo, record, generator)
            await _until_home(demo, record)
        finally:
            demo.screen.close()
    return Observed(
        seconds=record.seconds,
        looks=record.looks,
        scalings=record.state.scalings,
        requests=record.requests,
        failed=record.failed,
        duration_s=clock.now_s() - demo.began_s,
        runtime=demo.runtime,
        reasons=record.reasons,
        events=[
            f"{at_s - record.load_unix_s:6.1f} s  {text}"
            for at_s, text in record.state.events
        ],
    )


class LoadFailed(Exception):
    """The load generator ended without a report."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        return f"the load generator ended with status {self.status} and no report"


@asynccontextmanager
async def _generator(
    command: Sequence[str],
) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """Run the generator; whatever happens, it does not outlive us.

    In a session of its own: Ctrl-C is ours to answer.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES_MAX,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _follow(
    demo: Demo, record: _Record, generator: asyncio.subprocess.Process
) -> None:
    """Look whenever a second has ended; end the load once all is as at the start."""
    assert generator.stdout is not None
    told: JsonObject = {"type": "nothing"}
    asked_to_end = False
    async for text in generator.stdout:
        told = json.loads(text)
        if told["type"] == "report":
            _take_report(record, told)
            continue
        _take_second(record, told)
        if asked_to_end:
            continue
        await _look_and_show(demo, record)
        if _quiet(record) and _home(record.state):
            asked_to_end = True
            generator.send_signal(signal.SIGTERM)
    await generator.wait()
    if told["type"] != "report":
        raise LoadFailed(generator.returncode)


def _take_second(record: _Record, told: JsonObject) -> None:
    second = LoadSecond(
        at_s=_whole(told, "at"),
        sent=_whole(told, "sent"),
        ok=_whole(told, "ok"),
        failed=_whole(told, "failed"),
        in_flight=_whole(told, "inFlight"),
        p50_ms=_number(told, "p50Ms"),
        p95_ms=_number(told, "p95Ms"),
    )
    record.seconds.append(second)
    record.requests += second.sent
    record.failed += second.failed


def _take_report(record: _Record, told: JsonObject) -> None:
    record.requests = _whole(told, "requests")
    record.failed = _whole(told, "failed")
    failures = told.get("failures", {})
    assert isinstance(failures, dict)
    record.reasons = tuple(
        f"{_whole(kind, 'count')} x {reason}: {json.dumps(kind['samples'])}"
        for reason, kind in failures.items()
    )


def _number(told: JsonObject, name: str) -> float:
    value = told[name]
    assert isinstance(value, int | float), f"{name} is not a number"
    return value


def _whole(told: JsonObject, name: str) -> int:
    value = told[name]
    assert isinstance(value, int), f"{name} is not a whole number"
    return value


async def _look_and_show(demo: Demo, record: _Record) -> None:
    with contextlib.suppress(ClientError, TimeoutError):  # the last look stays
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            record.state = await demo.look()
        at_s = demo.clock.unix_s() - record.load_unix_s
        rows = record.state.services
        record.looks.extend(
            ServiceLook(at_s, row.name, row.desired, row.running, row.healthy)
            for row in rows
        )
        record.tasks.append(max((row.running for row in rows), default=0))
    demo.screen.show(frame_of(demo, record))


async def _until_home(demo: Demo, record: _Record) -> None:
    """Look until every service has its one task again, or there is no time left."""
    deadline_s = demo.began_s + SECONDS_MAX - TEARDOWN_S
    while not _home(record.state) and demo.clock.now_s() < deadline_s:
        await asyncio.sleep(LOOK_EVERY_S)
        await _look_and_show(demo, record)


def _quiet(record: _Record) -> bool:
    return len(record.seconds) > QUIET_FROM_S


def _home(state: State) -> bool:
    rows = state.services
    return bool(rows) and all((row.desired, row.running) == (1, 1) for row in rows)


@contextmanager
def _redrawn_when_resized(demo: Demo, record: _Record) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def draw() -> None:
        if record.seconds:
            demo.screen.show(frame_of(demo, record))

    if not demo.screen.resizes:
        yield
        return
    loop.add_signal_handler(signal.SIGWINCH, draw)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


def frame_of(demo: Demo, record: _Record) -> Frame:
    """What is shown of `record` now."""
    last = record.seconds[-1] if record.seconds else LoadSecond(0, 0, 0, 0, 0, 0, 0)
    began_s = record.began_unix_s
    return Frame(
        elapsed_s=demo.clock.unix_s() - began_s,
        rate=last.sent,
        p50_ms=last.p50_ms,
        p95_ms=last.p95_ms,
        requests=record.requests,
        failed=record.failed,
        services=record.state.services,
        events=tuple((at_s - began_s, text) for at_s, text in record.state.events),
        rates=[second.sent for second in record.seconds],
        p95s_ms=[second.p95_ms for second in record.seconds],
        tasks=record.tasks,
        doing=_doing(record),
        title=demo.title,
    )


def _doing(record: _Record) -> str:
    """Say what is going on, for somebody who has just sat down."""
    now = len(record.seconds)
    peak = max((look.running for look in record.looks), default=0)
    if not _quiet(record):
        rates = [second.sent for second in record.seconds]
        if peak >= TASKS_WANTED:
            return "more tasks share the load; p95 falls"
        return "load rises" if len(set(rates[-3:])) > 1 else "load is steady"
    if now and _home(record.state):
        return "one task again; stopping"
    return "load is low; tasks go one by one"
