"""`alb upgrade`: go on as the program that is installed now, without a pause.

The keeper becomes the new program and keeps its sockets; new workers take over,
and those of the former program finish the uploads and tunnels they have, for as
long as `alb up --drain-timeout` says.
"""

from __future__ import annotations

import argparse
from typing import Final

from controlplane.commands.node import Node, NodeFailed, wait_until
from controlplane.commands.place import Place
from controlplane.commands.terminal import complain, say, say_json

FAILED: Final = 1
WITHIN_S: Final = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        type=float,
        default=WITHIN_S,
        metavar="SECONDS",
        help=f"how long it may take to be ready again (default {WITHIN_S:.0f})",
    )


def main(args: argparse.Namespace) -> int:
    node = Node(Place.of(args).state_dir)
    try:
        before = _upgrade(node, args.wait)
    except NodeFailed as failed:
        complain(f"alb: {failed}")
        return FAILED
    after = node.control.get("/v1/state")["version"]
    if args.output == "json":
        say_json({"before": before, "after": after})
    else:
        say(f"upgraded: {before} -> {after}")
    return 0


def _upgrade(node: Node, within_s: float) -> object:
    """Return the version that ran before. Raises NodeFailed."""
    if node.keeper_pid is None:
        raise NodeFailed(f"nothing runs in {node.state_dir.path}")
    version, former = node.control.get("/v1/state")["version"], node.control_pid
    node.upgrade_keeper()

    def is_another() -> bool:
        if not node.keeper_lives():
            raise NodeFailed("the keeper is gone", node.log_tail())
        return node.control_pid not in {None, former} and not node.unready_because()

    wait_until("the new program has to be ready", within_s, is_another, node.log_tail)
    return version
