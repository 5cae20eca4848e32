"""`alb down`: drain, stop and remove everything that runs; the state stays.

Control does it in order where it answers. Where it does not, what is left is
found by its labels, also without any state.
"""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from typing import Final

from controlplane.client import ClientError
from controlplane.commands.node import Node, NodeFailed, wait_until
from controlplane.commands.place import Place
from controlplane.commands.terminal import complain, say

FAILED: Final = 1
WITHIN_S: Final = 600.0
"""Longer than the default drain (300 s) and the longest stop (120 s) together."""
ANSWER_WITHIN_S: Final = 8.0
"""How long a control may be silent at first: its keeper starts it every 5 s."""
ASK_EVERY_S: Final = 2.0
KEEPER_WITHIN_S: Final = 40.0
"""The keeper gives its workers 30 s to finish what they have."""
KILLED_WITHIN_S: Final = 10.0


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
    _await_end(node, "the keeper has to end", KILLED_WITHIN_S)
    clean(node)
    node.remove_leftovers()
    return FAILED


def stop(node: Node, within_s: float) -> None:
    """Stop everything: in order while control answers, else by labels."""
    if node.keeper_lives():
        try:
            _ask_control(node, within_s)
        except NodeFailed as failed:
            complain(f"alb: {failed.what}; stopping without it")
            node.terminate_keeper()
            node.kill_control()
            end_keeper(node)
    clean(node)
    node.remove_leftovers()


def _ask_control(node: Node, within_s: float) -> None:
    """Have control stop everything, and wait until the keeper ended of it.

    Control is asked again and again: one that died meanwhile was started anew
    and does not know. Raises NodeFailed when it is silent or too slow.
    """
    asked_s = -ASK_EVERY_S
    silent_until_s = time.monotonic() + ANSWER_WITHIN_S

    def gone() -> bool:
        nonlocal asked_s, silent_until_s
        now = time.monotonic()
        if not node.keeper_lives():
            return True
        if now - asked_s >= ASK_EVERY_S:
            asked_s = now
            with suppress(ClientError):
                node.control.post("/v1/down", {}, timeout_s=ASK_EVERY_S)
                silent_until_s = time.monotonic() + KEEPER_WITHIN_S
        if now > silent_until_s:
            raise NodeFailed("control does not answer", node.log_tail())
        return False

    what = "tasks drain and stop (Ctrl-C stops at once)"
    wait_until(what, within_s, gone, node.log_tail)


def end_keeper(node: Node) -> None:
    """Have the keeper end control and workers; kill it when that lasts."""
    node.terminate_keeper()
    try:
        _await_end(node, "workers finish their requests", KEEPER_WITHIN_S)
    except NodeFailed as failed:
        complain(f"alb: {failed.what}; killed")
        node.kill()
        _await_end(node, "the keeper has to end", KILLED_WITHIN_S)


def _await_end(node: Node, what: str, within_s: float) -> None:
    wait_until(what, within_s, lambda: not node.keeper_lives(), node.log_tail)


def clean(node: Node) -> None:
    """Remove by label what no control looks after any more."""
    from controlplane.clean import clean as remove  # noqa: PLC0415 - slow to import
    from controlplane.lock import StateInUse  # noqa: PLC0415 - lazy

    def removed() -> bool:
        try:
            remove(node.state_dir.path)
        except StateInUse:
            return False
        return True

    wait_until("control has to end", KILLED_WITHIN_S, removed, node.log_tail)
