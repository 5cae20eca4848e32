"""The demo watches a real load process and control, and judges what it saw."""

import argparse
import asyncio
import io
import sys
from pathlib import Path

import pytest

from controlplane.client import Unreachable
from controlplane.demo import main
from controlplane.demo.main import Demo, LoadFailed, State, load_command
from controlplane.demo.scenario import QUIET_FROM_S, SHAPE
from controlplane.demo.screen import Lines, Terminal, screen_for
from controlplane.demo.verdict import Scaling, judge
from controlplane.demo.view import PLAIN, Frame, ServiceRow
from controlplane.load.main import add_arguments, options_of
from foundation.clock import VirtualClock

SECOND = (
    '{{"type": "second", "at": {at}, "sent": 100, "ok": 100, "failed": 0, '
    '"inFlight": 0, "p50Ms": 20.0, "p95Ms": {p95}, "maxMs": 1}}'
)
REPORT = '{"type": "report", "requests": 900, "failed": 0}'


def saying(*lines: str, status: int = 0) -> list[str]:
    code = f"import sys; print({chr(10).join(lines)!r}); sys.exit({status})"
    return [sys.executable, "-c", code]


def row(tasks: int) -> ServiceRow:
    return ServiceRow("web", tasks, tasks, tasks, 50.0, 75, 30)


class Control:
    """Tells one state after the other, a second apart, then the last for ever."""

    def __init__(self, clock: VirtualClock, *counts: int | None) -> None:
        self.clock = clock
        self.counts = list(counts)

    async def look(self) -> State:
        self.clock.advance(1)
        count = self.counts[0] if len(self.counts) == 1 else self.counts.pop(0)
        if count is None:
            raise Unreachable("control.sock", "gone")
        now = self.clock.unix_s()
        scalings = tuple(Scaling(now, "web", n - 1, n, by_alarm=True) for n in (2, 3))
        return State((row(count),), ((now, f"{count} tasks"),), scalings)


def demo(*counts: int | None, command: list[str]) -> tuple[Demo, io.StringIO]:
    clock, shown = VirtualClock(), io.StringIO()
    control = Control(clock, *counts)
    return Demo(command, control.look, Lines(shown), clock, 0.0, "process"), shown


async def test_a_good_run_is_judged_good_and_shown_second_by_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(main, "LOOK_EVERY_S", 0.0)
    p95s = [20, 400, 900, 500, 20, 20, 20, 20, 20, 20]
    told = [SECOND.format(at=at, p95=p95) for at, p95 in enumerate(p95s)]
    given, shown = demo(
        1, 1, None, 3, 3, 3, 3, 3, 3, 3, 2, 2, 1, command=saying(*told, REPORT)
    )

    verdict = judge(await main.run(given))

    assert () == verdict.problems
    assert "demo: tasks 1 -> 3 -> 1, 900 requests, 0 failed" in verdict.line
    assert 13 == len(shown.getvalue().splitlines()), "a line a second"


async def test_the_load_ends_as_soon_as_all_is_as_it_was(tmp_path: Path) -> None:
    told = [SECOND.format(at=at, p95=1) for at in range(QUIET_FROM_S + 1)]
    script = tmp_path / "load.py"
    script.write_text(
        "import signal, sys\n"
        f"print({chr(10).join(told)!r}, flush=True)\n"
        "signal.sigwait({signal.SIGTERM})\n"
        f"print({REPORT!r})\n"
    )
    blocking = (
        "import runpy, signal, sys;"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM});"
        f"runpy.run_path({str(script)!r})"
    )
    given, _ = demo(1, command=[sys.executable, "-c", blocking])

    observed = await asyncio.wait_for(main.run(given), 20)

    assert 900 == observed.requests


async def test_why_requests_failed_is_told_with_their_ids() -> None:
    failures = '{"timeout": {"count": 2, "samples": [{"id": "a-1", "atSeconds": 3}]}}'
    report = f'{{"type": "report", "requests": 9, "failed": 2, "failures": {failures}}}'
    given, _ = demo(1, command=saying(report))

    verdict = judge(await main.run(given))

    assert '2 x timeout: [{"id": "a-1", "atSeconds": 3}]' in verdict.problems


async def test_a_service_that_never_comes_home_ends_the_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(main, "LOOK_EVERY_S", 0.0)
    given, _ = demo(2, command=saying(REPORT))

    verdict = judge(await asyncio.wait_for(main.run(given), 20))

    assert "web did not come back to 1 task: desired 2, running 2" in verdict.problems


async def test_a_generator_that_dies_is_an_error_not_a_verdict() -> None:
    given, _ = demo(1, command=saying(SECOND.format(at=0, p95=1), status=3))
    with pytest.raises(LoadFailed, match="status 3 and no report"):
        await main.run(given)


async def test_the_generator_does_not_outlive_a_demo_that_is_interrupted() -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    given, _ = demo(1, command=sleeping)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await main.run(given)


def test_the_load_is_the_scenario_against_the_front_door() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    command = load_command("http://127.0.0.1:8080/", witness="127.0.0.1:99")
    words = command[command.index("controlplane.load") + 1 :]
    options = options_of(parser.parse_args(words))
    assert (SHAPE, 6) == (options.shape_text, len(options.urls))
    assert ("127.0.0.1", 99) == options.witness


def test_a_terminal_is_left_as_it_was_found() -> None:
    stream = io.StringIO()
    screen = Terminal(stream, PLAIN)
    screen.close()
    assert "" == stream.getvalue()
    screen.show(Frame(0, 0, 0, 0, 0, 0, ()))
    screen.close()
    assert stream.getvalue().startswith("\x1b[?1049h")
    assert stream.getvalue().endswith("\x1b[?1049l")


def test_what_is_no_terminal_gets_lines() -> None:
    assert isinstance(screen_for(io.StringIO(), {"TERM": "xterm"}), Lines)
