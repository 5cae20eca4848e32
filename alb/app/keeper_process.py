"""The keeper's process. Floor 4.

    python -m alb.app.keeper_process --state-dir DIR --workers N
        [--control-command JSON] [--drain-timeout SECONDS]

SIGUSR2: become the program that is installed now; sockets, connections and
workers that still have something to finish are kept. `alb upgrade` sends it.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from alb.app.keeper import Keeper
from alb.app.keeper_options import DRAIN_TIMEOUT_S, KeeperOptions
from alb.app.succession import take_over
from alb.state.holdings import Holdings

_log = logging.getLogger("alb.keeper")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m alb.app.keeper_process")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--control-command", type=json.loads, default=[])
    parser.add_argument("--drain-timeout", type=float, default=DRAIN_TIMEOUT_S)
    parser.add_argument("--legacy", type=int, help="what a former program left")
    parser.add_argument("--check", action="store_true", help="start, and end at once")
    told = parser.parse_args(arguments)
    if told.check:
        return 0
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    options = KeeperOptions(
        told.state_dir, told.workers, tuple(told.control_command), told.drain_timeout
    )
    legacy, holdings = None, Holdings()
    if told.legacy is not None:
        legacy, holdings = take_over(told.legacy)
    lock = legacy.lock if legacy else _locked(options.state_dir)
    if lock < 0:
        _log.error("another keeper runs in %s", options.state_dir)
        return 1
    pid_file = options.state_dir / "keeper.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    try:
        asyncio.run(Keeper(options, lock, holdings, legacy).run())
    finally:
        pid_file.unlink(missing_ok=True)
    return 0


def _locked(state_dir: Path) -> int:
    """Return the descriptor that holds the directory's lock; -1: another has it."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(state_dir / "keeper.lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return -1
    return lock


if __name__ == "__main__":
    sys.exit(main())
