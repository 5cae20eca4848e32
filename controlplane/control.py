"""The control process.

    python -m controlplane.control --state-dir DIR --control-address HOST:PORT

Started, and started again, by the keeper. SIGTERM leaves tasks and node as
they are. Exit status 0: ended as told; 1: something failed, start it again;
the reason is the last line of the log.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import uvloop

from controlplane.state_dir import StateDir
from foundation.clock import Clock, SystemClock

log = logging.getLogger("alb.control")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m controlplane.control")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument(
        "--control-address",
        type=_address,
        required=True,
        metavar="HOST:PORT",
        help="where the API listens; a taken port means the next free one",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
    state_dir = StateDir(options.state_dir.absolute())
    state_dir.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    serve = _serve()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(state_dir, options.control_address, SystemClock()))
    except BaseException as error:
        for line in _reasons(error):
            log.error("control ends: %s", line)  # noqa: TRY400 - told below, once
        log.debug("the failure", exc_info=error)
        return 1
    return 0


def _serve() -> Callable[[StateDir, tuple[str, int], Clock], Coroutine[Any, Any, None]]:
    """Import all of control, which takes most of its start.

    Nothing of it is ever garbage: looking for some meanwhile took a sixth of the
    time, and would take its part of every full collection afterwards.
    """
    gc.disable()
    from controlplane.wiring import serve  # noqa: PLC0415 - see above

    gc.freeze()
    gc.enable()
    return serve


def _reasons(error: BaseException) -> list[str]:
    """Return one line for each failure, those of a task group one by one."""
    if isinstance(error, BaseExceptionGroup):
        return [line for one in error.exceptions for line in _reasons(one)]
    return [f"{type(error).__name__}: {error}"]


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    sys.exit(main())
