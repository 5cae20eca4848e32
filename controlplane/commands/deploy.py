"""`alb deploy SERVICE`: replace a service's tasks by new ones, as the file has them."""

from __future__ import annotations

import argparse

from controlplane.client import path_of
from controlplane.commands.deployment import add_wait_arguments, outcome_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("services", nargs="+", metavar="SERVICE")
    parser.add_argument(
        "--force",
        action="store_true",
        help="AWS's --force-new-deployment: this command always starts a new one",
    )
    add_wait_arguments(parser)


def main(args: argparse.Namespace) -> int:
    control = control_of(args)
    begun = []
    for service in args.services:
        answer = control.post(path_of("v1", "services", service, "deploy"), {})
        begun.append((service, str(answer["deploymentId"])))
        if args.output == "json":
            say_json(answer)
        else:
            say(f"{service}: deployment {answer['deploymentId']} started")
    return outcome_of(control, begun, args)
