"""`alb wait WAITER NAME…`: until it is so, as the SDKs' waiters of that name have it.

    services-stable    one deployment is left, and as many tasks run as are desired
    services-inactive  the service is no more
    tasks-running      all tasks are RUNNING; one that is STOPPED ends the wait
    tasks-stopped      all tasks are STOPPED

The SDKs look every 15 or 6 seconds, and as long in all; here it is seen at once.
Source: botocore, waiters of ecs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Final

from controlplane.client import Document
from controlplane.commands.deployment import TIMEOUT_S, states
from controlplane.commands.place import control_of
from controlplane.commands.terminal import complain, say

DESCRIPTION = __doc__


class Hopeless(Exception):
    """It will never be so; the sentence says why."""


Waiter = Callable[[Document, str], bool]
"""(state, name) -> whether it is so now. Raises Hopeless."""


def _services_stable(state: Document, name: str) -> bool:
    found = _one(state, "services", "serviceName", name)
    if found is None:
        raise Hopeless("MISSING: no service has that name")
    if found["status"] != "ACTIVE":
        raise Hopeless(f"it is {found['status']}")
    deployments = found["deployments"]
    alone = isinstance(deployments, list) and len(deployments) == 1
    return alone and found["runningCount"] == found["desiredCount"]


def _services_inactive(state: Document, name: str) -> bool:
    return _one(state, "services", "serviceName", name) is None


def _tasks_running(state: Document, name: str) -> bool:
    status = _task(state, name)["lastStatus"]
    if status == "STOPPED":
        raise Hopeless("it is STOPPED")
    return status == "RUNNING"


def _tasks_stopped(state: Document, name: str) -> bool:
    return _task(state, name)["lastStatus"] == "STOPPED"


WAITERS: Final[Mapping[str, Waiter]] = {
    "services-stable": _services_stable,
    "services-inactive": _services_inactive,
    "tasks-running": _tasks_running,
    "tasks-stopped": _tasks_stopped,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("waiter", choices=[*WAITERS])
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="services; tasks by how their id begins",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT_S,
        metavar="SECONDS",
        help=f"how long to wait ({TIMEOUT_S:g})",
    )


def main(args: argparse.Namespace) -> int:
    is_so, left = WAITERS[args.waiter], list(args.names)
    for state in states(control_of(args), time.monotonic() + args.timeout):
        for name in [*left]:
            try:
                if is_so(state, name):
                    left.remove(name)
            except Hopeless as why:
                complain(f"alb: {name}: {why}")
                return 1
        if not left:
            if args.output != "json":
                say(f"{args.waiter}: {', '.join(args.names)}")
            return 0
    complain(f"alb: not {args.waiter} in time: {', '.join(left)}")
    return 1


def _task(state: Document, name: str) -> Document:
    tasks = state.get("tasks")
    found = [
        one
        for one in (tasks if isinstance(tasks, list) else [])
        if str(one["taskId"]).startswith(name)
    ]
    if len(found) != 1:
        raise Hopeless(f"MISSING: {len(found) or 'no'} tasks have an id that begins so")
    task: Document = found[0]
    return task


def _one(state: Document, kind: str, key: str, name: str) -> Document | None:
    listed = state.get(kind)
    items = listed if isinstance(listed, list) else []
    return next((item for item in items if item[key] == name), None)
