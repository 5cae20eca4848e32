"""`alb demo`: `up` with the demo's file, `load` with its shape, and a live view.

    choose a host -> up -> load and look -> down -> verdict

Ctrl-C and SIGTERM are an orderly end at any time, a second one an end at once.
The state is a new directory under the system's temporary one, removed in the
end; that of --state-dir stays, for its logs.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controlplane.commands.place import FILE
from controlplane.commands.terminal import complain, say, say_json

if TYPE_CHECKING:
    from controlplane.commands.node import Node
    from controlplane.demo.host import Host
    from controlplane.demo.verdict import Observed
    from foundation.clock import Clock

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
"""As shells count it: 128 and the number of SIGINT."""
DOWN_WITHIN_S: Final = 30.0
READY_WITHIN_S: Final = "20", "30"
"""A port that somebody took meanwhile is seen after the first wait."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--headless",
        action="store_true",
        help="no view: a line a second",
    )
    parser.add_argument(
        "--runtime",
        choices=("docker", "process"),
        help="what runs tasks (default: docker where an engine answers)",
    )


def main(args: argparse.Namespace) -> int:
    from controlplane.commands.node import NodeFailed  # noqa: PLC0415 - lazy
    from controlplane.demo.host import DemoImpossible  # noqa: PLC0415 - lazy
    from controlplane.demo.main import LoadFailed  # noqa: PLC0415 - lazy
    from foundation.clock import SystemClock  # noqa: PLC0415 - lazy

    if args.file != FILE or args.control:
        complain("alb: the demo has a file and a control of its own")
        return USAGE
    clock = SystemClock()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return _perform(args, clock, clock.now_s())
    except (DemoImpossible, LoadFailed, NodeFailed) as failed:
        complain(f"alb: {failed}")
        return FAILED
    except KeyboardInterrupt:
        complain("alb: interrupted; nothing was left running")
        return INTERRUPTED


def _perform(args: argparse.Namespace, clock: Clock, began_s: float) -> int:
    from controlplane.commands.node import Node  # noqa: PLC0415 - lazy
    from controlplane.demo.host import choose_host  # noqa: PLC0415 - lazy
    from controlplane.demo.verdict import judge  # noqa: PLC0415 - lazy
    from controlplane.state_dir import StateDir  # noqa: PLC0415 - lazy

    host = choose_host(args.runtime, clock)
    say(f"tasks run as {host.why}")
    directory = _directory(args.state_dir)
    node = Node(StateDir(directory))
    log = ""
    try:
        _up(node, host)
        observed = _watch(args, node, host, clock, began_s)
        log = node.log_tail()
    except KeyboardInterrupt:
        complain("alb: stopping (Ctrl-C again stops at once)")
        raise
    finally:
        _down(node)
        if not args.state_dir:
            _remove(directory)
    verdict = judge(observed.ended_after(clock.now_s() - began_s))
    if verdict.problems:
        complain("\n".join((*observed.events, log)))  # seconds since the load began
        complain(_how_busy())
    for problem in verdict.problems:
        complain(f"alb: {problem}")
    if args.output == "json":
        say_json({"verdict": verdict.line, "problems": list(verdict.problems)})
    else:
        say(verdict.line)
    return verdict.exit_status


def _how_busy() -> str:
    """Say what the machine had to do: nothing is excused by it, much explained."""
    load, cores = os.getloadavg()[0], os.cpu_count()
    return f"load average of the last minute: {load:.1f} on {cores} cores"


def _directory(chosen: str | None) -> Path:
    """Return a new directory; a chosen one must be empty. Raises DemoImpossible."""
    import tempfile  # noqa: PLC0415 - lazy

    from controlplane.demo.host import DemoImpossible  # noqa: PLC0415 - lazy

    if chosen is None:
        return Path(tempfile.mkdtemp(prefix="alb-demo-"))
    directory = Path(chosen).absolute()
    if directory.exists() and any(directory.iterdir()):
        raise DemoImpossible(f"{directory} is not empty, and the demo begins anew")
    return directory


def _up(node: Node, host: Host) -> None:
    """Run `alb up -d`. Raises NodeFailed, DemoImpossible, KeyboardInterrupt."""
    from controlplane.commands.node import NodeFailed  # noqa: PLC0415 - lazy
    from controlplane.demo import host as demo_host  # noqa: PLC0415 - lazy

    witness = demo_host.witness_address(host)
    node.make_directory()
    file = node.state_dir.path / demo_host.FILE_NAME
    file.write_text(demo_host.file_text(host), encoding="utf-8")
    port = demo_host.PORT
    for last in (False, False, True):
        port, reason = demo_host.free_port(host.front_addresses, port)
        if reason:
            say(reason)
        os.environ.update(demo_host.variables(host, port, witness))
        if _started(node, file, port):
            break
        if last:
            raise NodeFailed(f"others took the ports up to {port} again and again")
        port += 1  # somebody took it at the same moment


def _started(node: Node, file: Path, port: int) -> bool:
    """Run `alb up -d`; return False when somebody else has `port` now.

    Raises NodeFailed, KeyboardInterrupt.
    """
    from controlplane import cli  # noqa: PLC0415 - it imports commands
    from controlplane.commands.node import NodeFailed  # noqa: PLC0415 - lazy

    place = ["-f", str(file), "--state-dir", str(node.state_dir.path)]
    for wait_s in READY_WITHIN_S:
        status = cli.main(["up", "-d", "--wait", wait_s, *place])
        if status == 0 and node.keeper_lives():
            return True
        if status in {0, INTERRUPTED}:  # it has stopped what it had begun
            raise KeyboardInterrupt
        if not node.keeper_lives() or f":{port}: " in node.unready_because():
            return False
    raise NodeFailed("alb up failed")


def _watch(
    args: argparse.Namespace, node: Node, host: Host, clock: Clock, began_s: float
) -> Observed:
    """Send the load and show what happens. Raises LoadFailed, KeyboardInterrupt."""
    import asyncio  # noqa: PLC0415 - lazy

    from controlplane.demo.look import Watch  # noqa: PLC0415 - lazy
    from controlplane.demo.main import Demo, load_command, run  # noqa: PLC0415
    from controlplane.demo.screen import Lines, screen_for  # noqa: PLC0415 - lazy

    front = f"http://127.0.0.1:{os.environ['ALB_DEMO_PORT']}"
    runtime = host.runtime.value
    demo = Demo(
        load_command=load_command(front, os.environ["ALB_WITNESS"]),
        look=Watch(node.control).look,
        screen=Lines(sys.stdout)
        if args.headless
        else screen_for(sys.stdout, os.environ),
        clock=clock,
        began_s=began_s,
        runtime=runtime,
        title=f"alb demo  {front}  runtime {runtime}",
    )
    return asyncio.run(run(demo))


def _down(node: Node) -> None:
    """Stop everything; a second Ctrl-C at once. Raises NodeFailed."""
    from controlplane.commands import down  # noqa: PLC0415 - lazy

    try:
        down.stop(node, DOWN_WITHIN_S)
    except KeyboardInterrupt:
        down.run_at_once(node)


def _remove(directory: Path) -> None:
    import shutil  # noqa: PLC0415 - lazy

    shutil.rmtree(directory)
