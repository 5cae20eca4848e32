"""`alb demo`: send the load, watch control, show both, judge. Nothing else.

The demo has no power of its own: it sends what `alb load` sends and asks what
`alb status` asks. Whoever starts the cluster gives it two things: the command of
the load generator, and `look`, which asks control.

    load command --lines--> seconds --+
    look() ---------------> State ----+--> Screen, and in the end Verdict
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from controlplane.demo.scenario import SECONDS_MAX, SHAPE, TARGETS
from controlplane.demo.screen import Screen
from controlplane.demo.verdict import (
    LoadSecond,
    Observed,
    Scaling,
    ServiceLook,
    Verdict,
    judge,
)
from controlplane.demo.view import Frame, ServiceRow
from foundation.clock import Clock

LOOK_TIMEOUT_S: Final = 0.9
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
"""Ask control. OSError and TimeoutError mean: not now."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo. `began_s`: when the command was typed, by `clock.now_s`."""

    load_command: Sequence[str]
    look: Look
    screen: Screen
    clock: Clock
    began_s: float
    runtime: str


@dataclass(slots=True)
class _Record:
    """What was seen so far, by seconds since the load began."""

    start_unix_s: float
    seconds: list[LoadSecond] = field(default_factory=list)
    looks: list[ServiceLook] = field(default_factory=list)
    state: State = field(default_factory=lambda: State(()))
    requests: int = 0
    failed: int = 0


def load_command(front: str, witness: int | None = None) -> list[str]:
    """The generator's command for the scenario against `front` (http://host:port)."""
    base = front.rstrip("/")
    command = [sys.executable, "-m", "controlplane.load"]
    command += [base + target for target in TARGETS]
    command += ["--shape", SHAPE, "--progress", "--json"]
    if witness is not None:
        command += ["--witness", str(witness)]
    return command


async def run(demo: Demo) -> Verdict:
    """Run the scenario to its end, wait until it is home, and judge.

    Raises LoadFailed if the generator does not report.
    """
    record = _Record(start_unix_s=demo.clock.unix_s())
    try:
        async with contextlib.aclosing(_lines_of(demo.load_command)) as lines:
            async for told in lines:
                _take(record, told)
                await _look_and_show(demo, record)
        await _until_home(demo, record)
    finally:
        demo.screen.close()
    return judge(
        Observed(
            seconds=record.seconds,
            looks=record.looks,
            scalings=record.state.scalings,
            requests=record.requests,
            failed=record.failed,
            duration_s=demo.clock.now_s() - demo.began_s,
            runtime=demo.runtime,
        )
    )


class LoadFailed(Exception):
    """The load generator ended without a report."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        return f"the load generator ended with status {self.status} and no report"


async def _lines_of(command: Sequence[str]) -> AsyncGenerator[JsonObject, None]:
    """Yield what the generator tells; whatever happens, it does not outlive us."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, limit=_LINE_BYTES_MAX
    )
    assert process.stdout is not None
    reported = False
    try:
        async for text in process.stdout:
            told: JsonObject = json.loads(text)
            reported = told["type"] == "report"
            yield told
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not reported:
        raise LoadFailed(process.returncode)


def _take(record: _Record, told: JsonObject) -> None:
    if told["type"] == "report":
        record.requests = _whole(told, "requests")
        record.failed = _whole(told, "failed")
        return
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


def _number(told: JsonObject, name: str) -> float:
    value = told[name]
    assert isinstance(value, int | float), f"{name} is not a number"
    return value


def _whole(told: JsonObject, name: str) -> int:
    value = told[name]
    assert isinstance(value, int), f"{name} is not a whole number"
    return value


async def _look_and_show(demo: Demo, record: _Record) -> None:
    with contextlib.suppress(OSError, TimeoutError):  # the last look stays
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            record.state = await demo.look()
        at_s = demo.clock.unix_s() - record.start_unix_s
        record.looks.extend(
            ServiceLook(at_s, row.name, row.desired, row.running, row.healthy)
            for row in record.state.services
        )
    demo.screen.show(frame_of(record, demo.clock.unix_s()))


async def _until_home(demo: Demo, record: _Record) -> None:
    """Look until every service has its one task again, or there is no time left."""
    deadline_s = demo.began_s + SECONDS_MAX - TEARDOWN_S
    while not _home(record.state) and demo.clock.now_s() < deadline_s:
        await asyncio.sleep(LOOK_EVERY_S)
        await _look_and_show(demo, record)


def _home(state: State) -> bool:
    rows = state.services
    return bool(rows) and all((row.desired, row.running) == (1, 1) for row in rows)


def frame_of(record: _Record, now_unix_s: float) -> Frame:
    """What is shown of `record`."""
    last = record.seconds[-1] if record.seconds else LoadSecond(0, 0, 0, 0, 0, 0, 0)
    start_unix_s = record.start_unix_s
    running: dict[float, int] = {}
    for look in record.looks:
        running[look.at_s] = running.get(look.at_s, 0) + look.running
    return Frame(
        elapsed_s=now_unix_s - start_unix_s,
        rate=last.sent,
        p50_ms=last.p50_ms,
        p95_ms=last.p95_ms,
        requests=record.requests,
        failed=record.failed,
        services=record.state.services,
        events=tuple((at_s - start_unix_s, text) for at_s, text in record.state.events),
        rates=[second.sent for second in record.seconds],
        p95s_ms=[second.p95_ms for second in record.seconds],
        tasks=list(running.values()),
    )
