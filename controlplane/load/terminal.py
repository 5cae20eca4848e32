"""`alb load` as a process: signals, lines on standard output, the exit status."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys

from controlplane.load.generator import generate
from controlplane.load.options import LoadOptions
from controlplane.load.outcome import Second
from controlplane.load.report import LoadReport, as_json, as_text, second_as_json


def run_in_terminal(options: LoadOptions) -> int:
    """Run, print, and return the exit status. Ctrl-C ends the sending early."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        report = runner.run(_run(options))
    text = json.dumps(as_json(report)) if options.json else as_text(report)
    _write(text)
    return report.exit_status


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - it may be absent
    except ImportError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop


async def _run(options: LoadOptions) -> LoadReport:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    gc.freeze()
    return await generate(options, _print if options.progress else _ignore, stop)


def _print(second: Second) -> None:
    _write(json.dumps(second_as_json(second)))


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _ignore(_: Second) -> None:
    pass
