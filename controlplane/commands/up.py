"""`alb up`: start the cluster of a file, or change the running one to it.

    check the file -> keeper (starts control, workers, prober) -> apply -> ready

In the foreground it then tells events until Ctrl-C, which is an orderly `down`;
a second Ctrl-C stops at once. SIGTERM, or `-d`, leaves everything running.
"""

from __future__ import annotations

import argparse
import os
import signal
from types import FrameType
from typing import Final

from controlplane.client import ClientError, Control, Refused
from controlplane.commands import down
from controlplane.commands.node import (
    DRAIN_TIMEOUT_S,
    Node,
    NodeFailed,
    wait_until,
)
from controlplane.commands.place import Place
from controlplane.commands.terminal import (
    clock_time,
    complain,
    listener_url,
    say,
    say_json,
)
from controlplane.commands.validate import check

FAILED: Final = 1
ANSWER_WITHIN_S: Final = 30.0
READY_WITHIN_S: Final = 120.0
APPLY_TIMEOUT_S: Final = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-d", "--detach", action="store_true", help="return as soon as it is ready"
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that serve requests (default: one per core)",
    )
    parser.add_argument(
        "--drain-timeout",
        type=float,
        default=DRAIN_TIMEOUT_S,
        metavar="SECONDS",
        help="how long an upgrade leaves uploads and tunnels to the former program "
        f"(default {DRAIN_TIMEOUT_S:.0f})",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=READY_WITHIN_S,
        metavar="SECONDS",
        help=f"how long it may take to be ready (default {READY_WITHIN_S:.0f})",
    )


def main(args: argparse.Namespace) -> int:
    place = Place.of(args)
    cluster = check(place)
    node = Node(place.state_dir)
    try:
        node.make_directory()
        began = not node.keeper_lives()
    except NodeFailed as failed:
        complain(f"alb: {failed}")
        return FAILED
    if not args.detach:
        signal.signal(signal.SIGTERM, _leave_running)
    try:
        if began:
            _start(node, args, cluster.control_address)
        _await_answer(node)
        since = _newest_event(node, began=began)
        _apply(node, place, began=began)
        _await_ready(node, args.wait)
        if args.detach:
            _await_services(node, args.wait)
        _tell_addresses(node.control, args.output)
        return 0 if args.detach else _stay(node, since)
    except NodeFailed as failed:
        complain(f"alb: {failed}")
        return FAILED
    except KeyboardInterrupt:
        if args.detach and not began:
            raise
        return _stop(node)


def _start(
    node: Node, args: argparse.Namespace, control_address: tuple[str, int]
) -> None:
    """Start a keeper and wait until its control answers; else leave nothing."""
    keeper = node.start_keeper(args.workers, control_address, args.drain_timeout)

    def answers() -> bool:
        if keeper.poll() is not None and not node.keeper_lives():
            status = keeper.returncode
            raise NodeFailed(f"the keeper ended with status {status}", node.log_tail())
        return node.answers()

    try:
        wait_until("control has to answer", ANSWER_WITHIN_S, answers, node.log_tail)
    except NodeFailed:
        down.end_keeper(node)
        node.remove_leftovers()
        raise


def _await_answer(node: Node) -> None:
    what = "control has to answer"
    wait_until(what, ANSWER_WITHIN_S, node.answers, node.log_tail)


def _apply(node: Node, place: Place, *, began: bool) -> None:
    """Apply the file; what was started for it stops again when control refuses it."""
    try:
        node.control.post("/v1/apply", place.submission(), APPLY_TIMEOUT_S)
    except Refused:
        if began:
            down.stop(node, down.WITHIN_S)
        raise


def _await_ready(node: Node, within_s: float) -> None:
    reason = ""

    def ready() -> bool:
        nonlocal reason
        reason = node.unready_because()
        if reason and not node.keeper_lives():
            raise NodeFailed("the keeper is gone", node.log_tail())
        return not reason

    try:
        wait_until("the node has to serve the file", within_s, ready, lambda: "")
    except NodeFailed as failed:
        raise NodeFailed(f"{failed.what} ({reason})", node.log_tail()) from failed


def _await_services(node: Node, within_s: float) -> None:
    """Wait until every service has its tasks running and healthy.

    Who asked for it in the background has nothing else that tells: the next
    command may send requests.
    """
    unsteady: list[str] = []

    def steady() -> bool:
        services = node.control.get("/v1/state")["services"]
        assert isinstance(services, list)
        unsteady[:] = [
            f"{service['serviceName']} has {service['healthyCount']} of "
            f"{service['desiredCount']} tasks healthy"
            for service in services
            if not service["steady"]
        ]
        return not unsteady

    try:
        wait_until("services have to become steady", within_s, steady, lambda: "")
    except NodeFailed as failed:
        raise NodeFailed(
            f"{failed.what} ({', '.join(unsteady)}); it runs on: alb status, alb events"
        ) from failed


def _tell_addresses(control: Control, output: str) -> None:
    state = control.get("/v1/state")
    listeners = state.get("listeners")
    assert isinstance(listeners, list)
    address = address_of(control)
    if output == "json":
        say_json({"control": address, "listeners": listeners})
        return
    for listener in listeners:
        say(listener_url(listener))
    say(f"control {address}")


def address_of(control: Control) -> str:
    """Return control's own URL as it told it, else the socket's path."""
    import json  # noqa: PLC0415 - lazy
    from pathlib import Path  # noqa: PLC0415 - lazy

    path = Path(str(control.address)).with_name("control.json")
    try:
        return str(json.loads(path.read_text())["control"])
    except (OSError, ValueError, KeyError):
        return str(control.address)


def _newest_event(node: Node, *, began: bool) -> int:
    """Return after which event to tell: all of a new cluster, else what comes now."""
    events = () if began else node.control.events()
    return max((event.id for event in events), default=0)


def _stay(node: Node, since: int) -> int:
    """Tell events until the cluster is gone; Ctrl-C rises to `main`."""
    while True:
        try:
            for event in node.control.follow_events(since):
                since = event.id
                subject = f"{event.subject}: " if event.subject else ""
                say(f"{clock_time(event.unix_s)} {subject}{event.message}")
        except ClientError as error:
            if node.keeper_lives():
                complain(f"alb: {error}")
        if not _comes_back(node):
            say("the cluster is down")
            return 0


def _comes_back(node: Node) -> bool:
    """Wait for a control that ended to be started again; False when the keeper ends."""
    back = False

    def settled() -> bool:
        nonlocal back
        back = node.answers()
        return back or not node.keeper_lives()

    wait_until("control ended", down.KEEPER_WITHIN_S, settled, node.log_tail)
    return back


def _stop(node: Node) -> int:
    """Stop everything in order; a second Ctrl-C stops at once."""
    try:
        say("stopping (Ctrl-C again stops at once)")
        return down.run(node, down.WITHIN_S)
    except KeyboardInterrupt:
        return down.run_at_once(node)


def _leave_running(number: int, frame: FrameType | None) -> None:
    del number, frame
    say("left running; alb down stops it")
    raise SystemExit(0)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
