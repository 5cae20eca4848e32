"""`alb protect TASK`: keep tasks from scale-in and deployments for a while."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from controlplane.commands.place import control_of
from controlplane.commands.terminal import complain, say, say_json

EXPIRES_IN_MINUTES = 120
WHY = {
    "MISSING": "no task, or more than one, has an id that begins so",
    "TASK_NOT_VALID": "it is about to stop, or its service is",
    "DEPLOYMENT_BLOCKED": "more tasks are protected than are wanted already",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tasks", nargs="+", metavar="TASK", help="a task's id, or how it begins"
    )
    parser.add_argument(
        "--expires-in-minutes",
        type=int,
        default=EXPIRES_IN_MINUTES,
        metavar="N",
        help=f"1-2880 (default {EXPIRES_IN_MINUTES})",
    )
    parser.add_argument(
        "--no-protection-enabled",
        action="store_true",
        help="do not protect them any more",
    )


def main(args: argparse.Namespace) -> int:
    asked = {
        "tasks": args.tasks,
        "protectionEnabled": not args.no_protection_enabled,
        "expiresInMinutes": args.expires_in_minutes,
    }
    answer = control_of(args).post("/v1/tasks/protection", asked)
    failures = _list(answer, "failures")
    if args.output == "json":
        say_json(answer)
        return 1 if failures else 0
    for one in _list(answer, "protectedTasks"):
        kept = one.get("protectionEnabled")
        state = f"protected for {args.expires_in_minutes} minutes"
        say(f"{one.get('taskId')}: {state if kept else 'not protected'}")
    for one in failures:
        reason = str(one.get("reason"))
        complain(f"alb: {one.get('taskId')}: {reason}: {WHY.get(reason, '')}")
    return 1 if failures else 0


def _list(answer: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    found = answer.get(name)
    items = found if isinstance(found, list) else []
    return [item for item in items if isinstance(item, Mapping)]
