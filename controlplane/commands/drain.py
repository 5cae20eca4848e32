"""`alb drain INSTANCE…`: have container instances take no tasks, and lose theirs.

Tasks of services are replaced elsewhere within their minimumHealthyPercent and
maximumPercent; tasks of `alb run` are left to end.
"""

from __future__ import annotations

import argparse
import time
from typing import Final

from controlplane.client import Control
from controlplane.commands.instances import listed, short, told_failures
from controlplane.commands.place import control_of
from controlplane.commands.terminal import complain, say, say_json

LOOK_S: Final = 0.5
TIMEOUT_S: Final = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instances", nargs="+", metavar="INSTANCE")
    parser.add_argument(
        "--wait",
        action="store_true",
        help="until no task is left there (exit status 0), or the time is up (1)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT_S,
        metavar="SECONDS",
        help=f"how long to wait ({TIMEOUT_S:g})",
    )


def main(args: argparse.Namespace) -> int:
    control = control_of(args)
    status = change(control, args, "DRAINING")
    if status or not args.wait:
        return status
    return _until_empty(control, args)


def change(control: Control, args: argparse.Namespace, status: str) -> int:
    """Set the instances' status; tell it, and return the exit status."""
    asked = {"containerInstances": args.instances, "status": status}
    answer = control.post("/v1/container-instances/state", asked)
    if args.output == "json":
        say_json(answer)
    else:
        for one in listed(answer, "containerInstances"):
            tasks = one.get("runningTasksCount")
            name = short(one.get("containerInstanceArn"))
            say(f"{name}: {one.get('status')}, {tasks} tasks run there")
    return told_failures(answer, quiet=args.output == "json")


def _until_empty(control: Control, args: argparse.Namespace) -> int:
    deadline_s = time.monotonic() + args.timeout
    told = -1
    while time.monotonic() < deadline_s:
        left = sum(
            short(task.get("containerInstanceArn")) in args.instances
            for task in listed(control.get("/v1/tasks"), "tasks")
            if task.get("lastStatus") != "STOPPED"
        )
        if left != told and args.output != "json":
            say(f"{left} tasks are left")
        told = left
        if not left:
            return 0
        time.sleep(LOOK_S)
    complain("alb: not empty in time; draining goes on")
    return 1
