"""`alb demo`: `up` with the demo's file, `load` with its shape, and a live view.

    choose a host -> up -> load and look -> down -> verdict

Ctrl-C and SIGTERM are an orderly end at any time, a second one an end at once.
The state is a new directory under the system's temporary one, removed in the
end; that of --state-dir stays, for its logs.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controlplane.commands.place import FILE
from controlplane.commands.terminal import complain, say, say_json

if TYPE_CHECKING:
    from types import FrameType

    from controlplane.commands.node import Node
    from controlplane.demo.host import Host
    from controlplane.demo.verdict import Observed
    from foundation.clock import Clock

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
READY_WITHIN_S: Final = "60"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--headless",
        action="store_true",
        help="no view: a line a second, and exit status 0 only if all went well",
    )
    parser.add_argument(
        "--runtime",
        choices=("docker", "process"),
        help="what runs tasks (default: docker where an engine answers)",
    )


def main(args: argparse.Namespace) -> int:
    from controlplane.demo.host import DemoImpossible  # noqa: PLC0415 - lazy
    from foundation.clock import SystemClock  # noqa: PLC0415 - lazy

    if args.file != FILE or args.control:
        complain("alb: the demo has a file and a control of its own")
        return USAGE
    clock = SystemClock()
    began_s = clock.now_s()
    try:
        with _interruptible(), _directory(args.state_dir) as directory:
            return _perform(args, directory, clock, began_s)
    except DemoImpossible as reason:
        complain(f"alb: {reason}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _perform(
    args: argparse.Namespace, directory: Path, clock: Clock, began_s: float
) -> int:
    from controlplane.commands.node import Node  # noqa: PLC0415 - lazy
    from controlplane.demo.host import choose_host  # noqa: PLC0415 - lazy
    from controlplane.demo.verdict import judge  # noqa: PLC0415 - lazy
    from controlplane.state_dir import StateDir  # noqa: PLC0415 - lazy
    from scheduler.model import RuntimeKind  # noqa: PLC0415 - lazy

    host = choose_host(RuntimeKind(args.runtime) if args.runtime else None, clock)
    say(f"tasks run as {host.why}")
    node = Node(StateDir(directory))
    try:
        observed = _watch_it(args, node, host, clock, began_s)
    finally:
        left = not _ended(node)
    if observed is None:
        return FAILED
    verdict = judge(observed.ended(clock.now_s() - began_s, left_running=left))
    for problem in verdict.problems:
        complain(f"alb: {problem}")
    if args.output == "json":
        say_json({"verdict": verdict.line, "problems": list(verdict.problems)})
    else:
        say(verdict.line)
    return verdict.exit_status
