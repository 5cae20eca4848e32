"""`alb deploy SERVICE`: replace a service's tasks by new ones, as the file has them.

Also: stop the deployment that is under way, or say how one goes on that a PAUSE holds.
"""

from __future__ import annotations

import argparse

from controlplane.client import Control, Document, path_of
from controlplane.commands.deployment import add_wait_arguments, outcome_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("services", nargs="+", metavar="SERVICE")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--force",
        action="store_true",
        help="AWS's --force-new-deployment: this command always starts a new one",
    )
    what.add_argument(
        "--stop",
        action="store_true",
        help="stop the one under way where it stands; `alb rollback` also goes back",
    )
    what.add_argument(
        "--continue",
        dest="go_on",
        action="store_true",
        help="let one go on that a lifecycle hook of type PAUSE holds",
    )
    parser.add_argument(
        "--hook", default="", metavar="ID", help="only that PAUSE (alb deployments)"
    )
    add_wait_arguments(parser)


def main(args: argparse.Namespace) -> int:
    control = control_of(args)
    begun = []
    for service in args.services:
        answer, told = _ask(control, service, args)
        begun.append((service, str(answer["deploymentId"])))
        if args.output == "json":
            say_json(answer)
        else:
            say(f"{service}: deployment {answer['deploymentId']} {told}")
    return outcome_of(control, begun, args)


def _ask(
    control: Control, service: str, args: argparse.Namespace
) -> tuple[Document, str]:
    """Return control's answer, and a word for what has happened."""
    if args.stop:
        path = path_of("v1", "services", service, "stop-deployment")
        return control.post(path, {"stopType": "ABORT"}), "stopped"
    if args.go_on:
        path = path_of("v1", "services", service, "continue-deployment")
        asked = {"action": "CONTINUE", "hookId": args.hook}
        return control.post(path, asked), "continued"
    return control.post(path_of("v1", "services", service, "deploy"), {}), "started"
