"""`alb down`: drain, stop and remove everything that runs; the state stays.

Control does it in order where it answers. Where it does not, what is left is
found by its labels, also without any state.
"""

from __future__ import annotations

import argparse
import time
from typing import Final

from controlplane.client import ClientError
from controlplane.commands.node import Node, NodeFailed, wait_until
from controlplane.commands.place import Place
from controlplane.commands.terminal import complain, say

FAILED: Final = 1
WITHIN_S: Final = 600.0
"""Longer than the default drain (300 s) and the longest stop (120 s) together."""
ANSWER_WITHIN_S: Final = 5.0
"""How long a control that does not answer may take to be started again."""
KEEPER_WITHIN_S: Final = 40.0
"""The keeper gives its workers 30 s to finish what they have."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        type=float,
        default=WITHIN_S,
        metavar="SECONDS",
        help=f"how long the orderly way may take (default {WITHIN_S:.0f})",
    )


def main(args: argparse.Namespace) -> int:
    return run(Node(Place.of(args).state_dir), args.wait)


def run(node: Node, within_s: float) -> int:
    """Stop everything in order, and say what did not go as it should."""
    try:
        stop(node, within_s)
    except NodeFailed as failed:
        complain(f"alb: {failed}")
        return FAILED
    say("down")
    return 0


def run_at_once(node: Node) -> int:
    """End the processes without waiting for anyone, and remove what they ran."""
    complain("stopping at once")
    node.kill()
    wait_until(
        "the keeper has to end", 5.0, lambda: not node.keeper_lives(), node.log_tail
    )
    clean(node)
    node.remove_leftovers()
    return FAILED


def stop(node: Node, within_s: float) -> None:
    """Stop everything: in order while control answers, else by labels."""
    orderly = node.keeper_lives() and _ask_control(node)
    if orderly:
        wait_until(
            "tasks drain and stop (Ctrl-C stops at once)",
            within_s,
            lambda: not node.answers() or not node.keeper_lives(),
            node.log_tail,
        )
    if node.keeper_lives():
        _end_keeper(node, orderly=orderly)
    clean(node)
    node.remove_leftovers()


def _ask_control(node: Node) -> bool:
    """Ask control to stop everything; return whether it answered."""
    began = time.monotonic()
    while True:
        try:
            node.control.post("/v1/down", {})
        except ClientError as error:
            if time.monotonic() - began > ANSWER_WITHIN_S:
                complain(f"alb: {error}; stopping without it")
                return False
            time.sleep(0.1)
        else:
            return True


def _end_keeper(node: Node, *, orderly: bool) -> None:
    """Wait for the keeper that control stopped; ask it ourselves if that lasts."""

    def gone() -> bool:
        return not node.keeper_lives()

    if orderly:
        try:
            wait_until("the keeper ends", KEEPER_WITHIN_S, gone, lambda: "")
        except NodeFailed:
            complain("alb: the keeper did not end when control did")
        else:
            return
    node.terminate_keeper()
    try:
        wait_until("workers finish their requests", KEEPER_WITHIN_S, gone, lambda: "")
    except NodeFailed:
        complain("alb: the keeper does not end: killed")
        node.kill()
        wait_until("the keeper has to end", 5.0, gone, node.log_tail)


def clean(node: Node) -> None:
    """Remove by label what no control looks after any more."""
    from controlplane import wiring  # noqa: PLC0415 - only this command needs it

    wiring.clean(node.state_dir.path)
